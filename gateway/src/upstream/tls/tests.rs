use std::{num::NonZeroUsize, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::*;
use crate::settings::{Address, UpstreamOverload};

fn upstream(address: Address, tls: UpstreamTls) -> Upstream {
    Upstream {
        team: "tv".into(),
        name: "home".into(),
        endpoints: vec![address.into()],
        protocol: Protocol::H1,
        tls: Some(tls),
        connect_timeout: Duration::from_secs(1),
        idle_connections_max: 1,
        connections_max: NonZeroUsize::MIN,
        idle_timeout: Duration::from_secs(1),
        health: None,
        slow_start: None,
        dns: None,
        zone: None,
        drained: Vec::new(),
        overload: UpstreamOverload::default(),
    }
}

fn issued() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn tls(pem: &str, name: Option<&str>) -> UpstreamTls {
    let trust = Trust::Authorities(pem.as_bytes().into());
    UpstreamTls { trust, server_name: name.map(Into::into), client: None }
}

fn name_for(endpoint: Address, name: Option<&str>) -> String {
    let (pem, _) = issued();
    match Tls::of(&upstream(endpoint, tls(&pem, name))) {
        Ok(tls) => tls.unwrap().names[0].to_str().into_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn endpoint_must_be_who_its_address_says_unless_a_name_is_given() {
    let tcp = |address: &str| Address::Tcp(address.into());
    let unix = || Address::Unix("/run/home.sock".into());
    assert_eq!(name_for(tcp("home.example:443"), None), "home.example");
    assert_eq!(name_for(tcp("127.0.0.1:443"), None), "127.0.0.1");
    assert_eq!(name_for(tcp("[::1]:443"), None), "::1");
    assert_eq!(name_for(tcp("127.0.0.1:443"), Some("home.example")), "home.example");
    assert_eq!(name_for(unix(), Some("home.example")), "home.example");
    assert!(name_for(unix(), None).contains("has no host"));
}

#[test]
fn what_cannot_be_used_is_told() {
    let endpoint = || Address::Tcp("a.example:443".into());
    let fault = |tls| check(&upstream(endpoint(), tls)).unwrap_err().to_string();
    assert_eq!(fault(tls("no PEM", None)), "no authority's certificate in PEM");

    let ((cert, key), (_, other)) = (issued(), issued());
    let shows = |cert: &str, key: &str| {
        let (cert_pem, key_pem) = (cert.as_bytes().to_vec(), key.as_bytes().to_vec());
        let client = Certificate { cert_path: "a.pem".into(), cert_pem, key_pem };
        UpstreamTls { client: Some(client), ..tls(&issued().0, None) }
    };
    assert!(check(&upstream(endpoint(), shows(&cert, &key))).is_ok());
    assert_eq!(fault(shows("", &key)), "no certificate in PEM");
    assert_eq!(fault(shows(&cert, "")), "no private key in PEM");
    assert!(fault(shows(&cert, &other)).starts_with("the key does not fit"));
}
