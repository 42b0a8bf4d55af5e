use super::*;

fn with_password(mechanism: Mechanism) -> Settings {
    let password = Secret("hunter2".to_owned());
    let sasl = Sasl { mechanism, username: "edge".to_owned(), password };
    Settings { sasl: Some(sasl), tls: Some(Tls::default()), ..Settings::new("a:1") }
}

fn fault(settings: &Settings) -> String {
    settings.validate().map_or_else(|error| error.to_string(), |()| "none".to_owned())
}

fn value(settings: &Settings, name: &str) -> Option<String> {
    settings.client().into_iter().find_map(|(it, value)| (it == name).then_some(value))
}

#[test]
fn plain_connections_need_nothing() {
    assert_eq!(fault(&Settings::new("a:1,b:1")), "none");
    assert_eq!(value(&Settings::new("a:1"), "security.protocol").unwrap(), "plaintext");
}

#[test]
fn every_broker_has_an_address() {
    assert_eq!(fault(&Settings::new("a:1,,b:1")), "a broker has no address");
}

#[test]
fn a_plain_password_is_never_sent_in_the_clear() {
    let settings = Settings { tls: None, ..with_password(Mechanism::Plain) };
    assert_eq!(fault(&settings), "a password in plain needs TLS");
}

#[test]
fn a_password_behind_tls_is_handed_on_with_its_mechanism() {
    let settings = with_password(Mechanism::ScramSha512);
    assert_eq!(value(&settings, "security.protocol").unwrap(), "sasl_ssl");
    assert_eq!(value(&settings, "sasl.mechanism").unwrap(), "SCRAM-SHA-512");
    assert_eq!(value(&settings, "sasl.password").unwrap(), "hunter2");
}

#[test]
fn a_password_is_never_shown() {
    assert!(!format!("{:?}", with_password(Mechanism::Plain)).contains("hunter2"));
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
