use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use serde_json::json;

use super::*;
use crate::{identity::verified::CACHE_BYTES_MAX, settings::ClientAuth};

fn certificate() -> (String, ClientCertificate) {
    let mut params = CertificateParams::new(["tv.example".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "tv-9");
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.subject_alt_names.push(SanType::URI("urn:tv:9".try_into().unwrap()));
    params.subject_alt_names.push(SanType::DnsName("other.example".try_into().unwrap()));
    let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    (signed.pem(), ClientCertificate::read(signed.der()).unwrap())
}

#[test]
fn each_part_can_name_the_caller() {
    let (_, certificate) = certificate();
    let fingerprint = hex(&certificate.fingerprint);
    for (by, expected) in [
        (CertificateIdentity::Subject, "CN=tv-9, O=Example"),
        (CertificateIdentity::CommonName, "tv-9"),
        (CertificateIdentity::SanDns, "tv.example"),
        (CertificateIdentity::SanUri, "urn:tv:9"),
        (CertificateIdentity::Fingerprint, &fingerprint),
    ] {
        assert_eq!(certificate.name(by), Some(expected), "{by:?}");
    }
    assert_eq!(certificate.claims["o"], json!("Example"));
    assert_eq!(certificate.claims["san_dns"], json!(["tv.example", "other.example"]));
    assert!(!certificate.claims.contains_key("ou"));
}

#[test]
fn certificate_without_the_part_stands_for_nobody() {
    let params = CertificateParams::default();
    let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let certificate = ClientCertificate::read(signed.der()).unwrap();
    let cache = VerifiedCache::new(CACHE_BYTES_MAX);
    let source = CertificateSource::new("devices".into(), CertificateIdentity::SanUri);
    let headers = http::HeaderMap::new();
    let shown = Credentials { headers: &headers, certificate: Some(&certificate) };
    let found = source.find((1, &cache), shown, UnixTime::from_secs(0));
    assert_eq!(found.unwrap_err(), Reason::Malformed.into());
    let none = Credentials { certificate: None, ..shown };
    let found = source.find((1, &cache), none, UnixTime::from_secs(0));
    assert_eq!(found.unwrap_err(), Denied::Missing);
}

#[test]
fn certificate_is_not_good_beyond_its_end_however_long_the_connection_lasts() {
    let (_, certificate) = certificate();
    let cache = VerifiedCache::new(CACHE_BYTES_MAX);
    let source = CertificateSource::new("devices".into(), CertificateIdentity::CommonName);
    let headers = http::HeaderMap::new();
    let shown = Credentials { headers: &headers, certificate: Some(&certificate) };
    let find = |now| source.find((1, &cache), shown, now).map(|caller| caller.serial());
    let end = certificate.not_after;
    let first = find(UnixTime::from_secs(end.as_secs() - 1)).unwrap();
    assert_eq!(find(UnixTime::from_secs(end.as_secs() - 1)), Ok(first), "remembered");
    assert_eq!(find(end), Err(Reason::Expired.into()));
}

#[test]
fn bundle_must_hold_certificates() {
    let bundle = |ca_pem: &[u8]| {
        Clients::new(&ClientAuth {
            ca_path: "ca.pem".into(),
            ca_pem: ca_pem.to_vec(),
            is_required: false,
        })
    };
    let (pem, _) = certificate();
    assert!(bundle(pem.as_bytes()).is_ok());
    assert!(matches!(bundle(b""), Err(ClientsError::NoCertificate)));
    assert!(matches!(
        bundle(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        Err(ClientsError::Unreadable(_))
    ));
}
