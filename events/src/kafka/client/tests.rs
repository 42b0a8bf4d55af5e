use super::{super::Secret, *};

fn with_password() -> Settings {
    let password = Secret("hunter2".to_owned());
    let mechanism = Mechanism::ScramSha512;
    let sasl = Sasl { mechanism, username: "edge".to_owned(), password };
    Settings { sasl: Some(sasl), tls: Some(Tls::default()), ..Settings::new("a:1") }
}

fn value(settings: &Settings, name: &str) -> Option<String> {
    of_all(settings).into_iter().find_map(|(it, value)| (it == name).then_some(value))
}

#[test]
fn connections_are_plain_where_nothing_is_said() {
    assert_eq!(value(&Settings::new("a:1"), "security.protocol").unwrap(), "plaintext");
}

#[test]
fn a_password_behind_tls_is_handed_on_with_its_mechanism() {
    let settings = with_password();
    assert_eq!(value(&settings, "security.protocol").unwrap(), "sasl_ssl");
    assert_eq!(value(&settings, "sasl.mechanism").unwrap(), "SCRAM-SHA-512");
    assert_eq!(value(&settings, "sasl.password").unwrap(), "hunter2");
}

#[test]
fn certificates_are_handed_on_as_files() {
    let identity = Some(("edge.pem".into(), "edge.key".into()));
    let tls = Some(Tls { ca: Some("ca.pem".into()), identity });
    let settings = Settings { tls, ..Settings::new("a:1") };
    assert_eq!(value(&settings, "ssl.ca.location").unwrap(), "ca.pem");
    assert_eq!(value(&settings, "ssl.certificate.location").unwrap(), "edge.pem");
    assert_eq!(value(&settings, "ssl.key.location").unwrap(), "edge.key");
}
