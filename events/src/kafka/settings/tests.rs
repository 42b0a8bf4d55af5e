use super::*;

fn with_password(mechanism: Mechanism) -> Settings {
    let password = Secret("hunter2".to_owned());
    let sasl = Sasl { mechanism, username: "edge".to_owned(), password };
    Settings { sasl: Some(sasl), tls: Some(Tls::default()), ..Settings::new("a:1") }
}

fn fault(settings: &Settings) -> String {
    settings.validate().map_or_else(|error| error.to_string(), |()| "none".to_owned())
}

#[test]
fn plain_connections_need_nothing() {
    assert_eq!(fault(&Settings::new("a:1,b:1")), "none");
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
fn a_password_is_never_shown() {
    assert!(!format!("{:?}", with_password(Mechanism::Plain)).contains("hunter2"));
}
