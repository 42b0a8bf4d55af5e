use std::{sync::LazyLock, time::Duration};

use headgate_types::Strength;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{key_ring::KeyRing, testing::*, verified::VerifiedCache, *};
use crate::settings::{ApiKey, ApiKeys, Jwt, KeySet};

mod outage;

struct Keys {
    ed: IssuerKey,
    ec: IssuerKey,
    rsa: IssuerKey,
}

/// Making RSA keys takes long enough to do it once.
static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    ed: IssuerKey::ed25519("ed"),
    ec: IssuerKey::p256("ec"),
    rsa: IssuerKey::rsa("rsa"),
});

fn all_keys() -> KeySet {
    KeySet::Text(key_set(&[&KEYS.ed, &KEYS.ec, &KEYS.rsa]).into())
}

struct Edge {
    authenticator: Authenticator,
    clock: Arc<ManualClock>,
}

impl Edge {
    fn new(kinds: impl IntoIterator<Item = IdentityKind>) -> Self {
        let clock = Arc::new(ManualClock::default());
        let sources: Vec<_> = kinds.into_iter().map(source).collect();
        let fetch = Arc::new(FakeFetch::default());
        let authenticator = Authenticator::new(&sources, clock.clone(), fetch).unwrap();
        Self { authenticator, clock }
    }

    fn with(jwt: Jwt) -> Self {
        Self::new([IdentityKind::Jwt(jwt)])
    }

    fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Verified>, Denied> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(self.authenticator.authenticate(0, headers))
    }

    fn present(&self, token: &str) -> Result<Arc<Verified>, Denied> {
        self.authenticate(&bearer(token))
    }
}

fn edge() -> Edge {
    Edge::with(jwt(all_keys()))
}

fn refusal(edge: &Edge, token: &str) -> Denied {
    edge.present(token).expect_err("a token that is refused")
}

#[test]
fn tokens_of_each_allowed_algorithm_are_verified() {
    let edge = edge();
    for key in [&KEYS.ed, &KEYS.ec, &KEYS.rsa] {
        let verified = edge.present(&key.sign(&claims())).unwrap();
        let identity = &verified.identity;
        assert_eq!(&*identity.subject, "user-1", "{:?}", key.algorithm);
        assert_eq!(&*identity.device_id, "user-1");
        assert_eq!(&*identity.source, "accounts");
        assert_eq!(identity.strength, Strength::SignedToken);
        assert_eq!(identity.expires_at.unwrap().as_secs(), START + 600);
    }
}

#[test]
fn claims_that_do_not_fit_are_refused_each_with_its_reason() {
    let edge = edge();
    let table = [
        ("exp", json!(START - 31), Reason::Expired),
        ("exp", json!(START - 30), Reason::Expired),
        ("exp", Value::Null, Reason::Malformed),
        ("exp", json!("tomorrow"), Reason::Malformed),
        ("exp", json!(-1), Reason::Malformed),
        ("exp", json!(1e300), Reason::Malformed),
        ("nbf", json!(START + 31), Reason::NotYet),
        ("nbf", json!("now"), Reason::Malformed),
        ("iss", json!("https://other.example"), Reason::Issuer),
        ("iss", json!(["https://id.example"]), Reason::Issuer),
        ("iss", Value::Null, Reason::Issuer),
        ("aud", json!("other"), Reason::Audience),
        ("aud", json!(["a", "b"]), Reason::Audience),
        ("aud", json!([]), Reason::Audience),
        ("aud", json!({ "edge": true }), Reason::Audience),
        ("aud", Value::Null, Reason::Audience),
        ("sub", Value::Null, Reason::Malformed),
        ("sub", json!(""), Reason::Malformed),
        ("sub", json!(7), Reason::Malformed),
    ];
    for (name, value, reason) in table {
        let token = KEYS.ed.sign(&claims_with(name, value.clone()));
        assert_eq!(refusal(&edge, &token), Denied::Invalid(reason), "{name} = {value}");
    }
}

#[test]
fn claims_at_the_edge_of_what_fits_are_accepted() {
    let edge = edge();
    let table = [
        ("exp", json!(START - 29)),
        ("exp", json!(f64::from(1_700_000_000) + 0.5)),
        ("nbf", json!(START + 30)),
        ("nbf", json!(0)),
        ("aud", json!(["other", "edge"])),
        ("exp", json!(u64::MAX)),
    ];
    for (name, value) in table {
        let token = KEYS.ed.sign(&claims_with(name, value.clone()));
        assert!(edge.present(&token).is_ok(), "{name} = {value}");
    }
}

#[test]
fn any_issuer_and_audience_pass_where_none_is_configured() {
    let edge = Edge::with(Jwt { issuer: None, audience: None, ..jwt(all_keys()) });
    let claims = json!({ "sub": "user-1", "exp": START + 600 });
    assert!(edge.present(&KEYS.ed.sign(&claims)).is_ok());
}

fn signed_with(header: &Header, key: &IssuerKey) -> String {
    encode(header, &claims(), &key.private).unwrap()
}

fn part(json: &Value) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(json.to_string())
}

#[test]
fn an_unsigned_token_is_refused() {
    let edge = edge();
    for alg in ["none", "None", "NONE", ""] {
        let header = part(&json!({ "alg": alg, "kid": "ed" }));
        for signature in ["", "AAAA"] {
            let token = format!("{header}.{}.{signature}", part(&claims()));
            assert_eq!(refusal(&edge, &token), Denied::Invalid(Reason::Malformed), "{alg}");
        }
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let edge = edge();
    for key in [&KEYS.ed, &KEYS.ec, &KEYS.rsa] {
        for secret in [key.jwk().to_string(), key.jwk()["x"].to_string(), key_set(&[key])] {
            let header = Header { kid: key.kid.clone(), ..Header::new(Algorithm::HS256) };
            let forged = EncodingKey::from_secret(secret.as_bytes());
            let token = encode(&header, &claims(), &forged).unwrap();
            assert_eq!(refusal(&edge, &token), Denied::Invalid(Reason::Algorithm));
        }
    }
}

#[test]
fn the_algorithm_of_the_key_decides() {
    let edge = edge();
    let claiming = |alg: &str, kid: &str| {
        let header = part(&json!({ "alg": alg, "kid": kid }));
        let rest = KEYS.ec.sign(&claims());
        format!("{header}.{}", rest.split_once('.').unwrap().1)
    };
    for (alg, kid) in [("RS256", "ec"), ("EdDSA", "ec"), ("ES256", "rsa"), ("PS256", "rsa")] {
        let denied = refusal(&edge, &claiming(alg, kid));
        assert_eq!(denied, Denied::Invalid(Reason::Algorithm), "{alg} by {kid}");
    }
}

#[test]
fn another_key_under_a_known_name_does_not_verify() {
    let edge = edge();
    let impostors = [IssuerKey::ed25519("ed"), IssuerKey::p256("ec"), IssuerKey::rsa("rsa")];
    for impostor in impostors {
        let token = impostor.sign(&claims());
        assert_eq!(refusal(&edge, &token), Denied::Invalid(Reason::Signature));
    }
}

#[test]
fn keys_that_a_header_brings_are_not_used() {
    let edge = edge();
    let attacker = IssuerKey::ed25519("ed");
    let jwk: Jwk = serde_json::from_value(attacker.jwk()).unwrap();
    let url = Some("https://attacker.example/jwks".to_owned());
    let headers = [
        Header { jwk: Some(jwk), ..attacker.header() },
        Header { jku: url.clone(), ..attacker.header() },
        Header { x5u: url, ..attacker.header() },
    ];
    for header in headers {
        let token = signed_with(&header, &attacker);
        assert_eq!(refusal(&edge, &token), Denied::Invalid(Reason::Signature), "{header:?}");
    }
}

#[test]
fn an_extension_that_must_be_understood_is_refused() {
    let header = Header { crit: Some(vec!["b64".to_owned()]), ..KEYS.ed.header() };
    let token = signed_with(&header, &KEYS.ed);
    assert_eq!(refusal(&edge(), &token), Denied::Invalid(Reason::Malformed));
}

#[test]
fn an_unknown_key_id_is_refused() {
    let token = IssuerKey::ed25519("unheard-of").sign(&claims());
    assert_eq!(refusal(&edge(), &token), Denied::Invalid(Reason::UnknownKey));
}

#[test]
fn a_token_without_key_id_needs_a_single_candidate() {
    let nameless = |key: &IssuerKey| signed_with(&Header::new(key.algorithm), key);
    assert!(edge().present(&nameless(&KEYS.ed)).is_ok());
    let two = key_set(&[&KEYS.ed, &IssuerKey::ed25519("ed-2")]);
    let edge = Edge::with(jwt(KeySet::Text(two.into())));
    assert_eq!(refusal(&edge, &nameless(&KEYS.ed)), Denied::Invalid(Reason::UnknownKey));
    assert_eq!(refusal(&edge, &nameless(&KEYS.ec)), Denied::Invalid(Reason::Algorithm));
}

#[test]
fn a_key_without_id_verifies_tokens_without_id() {
    let key = IssuerKey::ed25519("").without_kid();
    let edge = Edge::with(jwt(KeySet::Text(key_set(&[&key]).into())));
    assert!(edge.present(&key.sign(&claims())).is_ok());
    let named = Header { kid: Some("x".to_owned()), ..key.header() };
    let token = signed_with(&named, &key);
    assert_eq!(refusal(&edge, &token), Denied::Invalid(Reason::UnknownKey));
}

#[test]
fn text_that_is_no_token_is_refused() {
    let edge = edge();
    let good = KEYS.ed.sign(&claims());
    let parts: Vec<_> = good.split('.').collect();
    let table = [
        "x".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        parts[0].to_owned(),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}."),
        format!("{good}.{}", parts[2]),
        format!("{} {}", parts[0], parts[1]),
        format!("{good}="),
        "x".repeat(9_000),
        format!("{}.{}.{}", parts[0], "A".repeat(9_000), parts[2]),
    ];
    for token in table {
        assert_eq!(refusal(&edge, &token), Denied::Invalid(Reason::Malformed), "{token:.40}");
    }
    // These two are found out by the signature.
    let truncated = good.get(..good.len() - 2).unwrap();
    for token in [truncated, &format!("{}.!!!.{}", parts[0], parts[2])] {
        assert_eq!(refusal(&edge, token), Denied::Invalid(Reason::Signature), "{token:.40}");
    }
}

#[test]
fn claims_that_are_no_object_are_refused() {
    let header = part(&json!({ "alg": "EdDSA", "kid": "ed" }));
    for payload in ["[]", "7", "null", "{"] {
        use base64::Engine as _;
        let payload = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(payload);
        let message = format!("{header}.{payload}");
        let sign = jsonwebtoken::crypto::sign;
        let signature = sign(message.as_bytes(), &KEYS.ed.private, Algorithm::EdDSA).unwrap();
        let denied = refusal(&edge(), &format!("{message}.{signature}"));
        assert_eq!(denied, Denied::Invalid(Reason::Malformed), "{payload}");
    }
}

#[test]
fn the_header_decides_whether_there_is_a_credential() {
    let edge = edge();
    let token = KEYS.ed.sign(&claims());
    let malformed = Some(Denied::Invalid(Reason::Malformed));
    let table = [
        (format!("Bearer {token}"), None),
        (format!("bearer {token}"), None),
        (format!("BEARER   {token} "), None),
        (format!("Basic {token}"), Some(Denied::Missing)),
        (format!("Bearerish {token}"), Some(Denied::Missing)),
        ("Bear".to_owned(), Some(Denied::Missing)),
        (String::new(), Some(Denied::Missing)),
        ("Bearer".to_owned(), malformed),
        ("Bearer  ".to_owned(), malformed),
    ];
    for (value, expected) in table {
        let value = HeaderValue::try_from(value).unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, value.clone())]);
        assert_eq!(edge.authenticate(&headers).err(), expected, "{value:?}");
    }
    assert_eq!(edge.authenticate(&HeaderMap::new()).unwrap_err(), Denied::Missing);
}

#[test]
fn two_credentials_are_refused_even_when_both_are_good() {
    let edge = edge();
    let mut headers = bearer(&KEYS.ed.sign(&claims()));
    headers.append(AUTHORIZATION, headers[AUTHORIZATION].clone());
    assert_eq!(edge.authenticate(&headers).unwrap_err(), Denied::Invalid(Reason::Malformed));
}

#[test]
fn a_verified_token_is_decided_from_memory() {
    let edge = edge();
    let headers = bearer(&KEYS.ed.sign(&claims()));
    assert!(edge.authenticator.cached(0, &headers).is_none());
    let verified = edge.authenticate(&headers).unwrap();
    let cached = edge.authenticator.cached(0, &headers).unwrap().unwrap();
    assert!(Arc::ptr_eq(&verified, &cached));
}

#[test]
fn what_is_remembered_ends_with_the_token() {
    let edge = edge();
    let headers = bearer(&KEYS.ed.sign(&claims()));
    edge.authenticate(&headers).unwrap();
    edge.clock.advance(Duration::from_millis(629_999));
    assert!(edge.authenticator.cached(0, &headers).unwrap().is_ok());
    edge.clock.advance(Duration::from_millis(1));
    let expired = Denied::Invalid(Reason::Expired);
    assert_eq!(edge.authenticator.cached(0, &headers).unwrap().unwrap_err(), expired);
    assert_eq!(edge.authenticate(&headers).unwrap_err(), expired);
}

#[test]
fn what_is_refused_is_not_remembered() {
    let edge = edge();
    for n in 0..10 {
        let claims = claims_with("aud", json!(format!("other-{n}")));
        refusal(&edge, &KEYS.ed.sign(&claims));
    }
    assert_eq!(edge.authenticator.cache.entries_count(), 0);
}

#[test]
fn memory_is_bounded_by_bytes() {
    let cache = VerifiedCache::new(64 * 1024);
    for n in 0_u32..1_000 {
        let key = CacheKey::new(0, &n.to_be_bytes());
        cache.insert(key, Arc::new(verified(None, Duration::ZERO)));
    }
    let kept = cache.entries_count();
    assert!((32..=64).contains(&kept), "{kept} entries of a KiB each");
}

#[test]
fn one_token_is_verified_by_each_source_on_its_own_terms() {
    let strict = Jwt { audience: Some("other".to_owned()), ..jwt(all_keys()) };
    let edge = Edge::new([IdentityKind::Jwt(jwt(all_keys())), IdentityKind::Jwt(strict)]);
    let headers = bearer(&KEYS.ed.sign(&claims()));
    edge.authenticate(&headers).unwrap();
    assert!(edge.authenticator.cached(1, &headers).is_none());
}

#[test]
fn each_verification_has_its_own_number() {
    let edge = edge();
    let one = edge.present(&KEYS.ed.sign(&claims())).unwrap();
    let other = edge.present(&KEYS.ec.sign(&claims())).unwrap();
    assert_ne!(one.serial(), other.serial());
}

#[test]
fn the_device_is_read_from_the_claim_that_the_source_names() {
    let edge = Edge::with(Jwt { device_id_claim: Some("did".to_owned()), ..jwt(all_keys()) });
    for (claim, expected) in
        [(json!("tv-9"), "tv-9"), (json!(9), "9"), (Value::Null, "user-1"), (json!(""), "user-1")]
    {
        let verified = edge.present(&KEYS.ed.sign(&claims_with("did", claim.clone()))).unwrap();
        assert_eq!(&*verified.identity.device_id, expected, "{claim}");
    }
}

#[test]
fn scopes_are_read_in_every_common_spelling() {
    let edge = edge();
    for (name, value) in [
        ("scope", json!("read write")),
        ("scp", json!(["read", "write"])),
        ("scp", json!("read write")),
        ("scope", json!(["read", "write"])),
    ] {
        let verified = edge.present(&KEYS.ed.sign(&claims_with(name, value.clone()))).unwrap();
        assert_eq!(verified.identity.scopes, ["read", "write"], "{name} = {value}");
    }
}

#[test]
fn every_demanded_scope_and_claim_must_be_there() {
    let mut identity = verified(None, Duration::ZERO).identity;
    identity.scopes = vec!["read".to_owned(), "write".to_owned()];
    identity.claims =
        serde_json::from_value(json!({ "tier": "gold", "teams": ["a", "b"] })).unwrap();
    let scope = |name: &str| vec![name.to_owned()];
    let claim = |name: &str, value: Value| vec![(name.to_owned(), value)];
    assert_eq!(authorize(&identity, &[], &[]), Ok(()));
    assert_eq!(authorize(&identity, &scope("read"), &claim("tier", json!("gold"))), Ok(()));
    assert_eq!(authorize(&identity, &scope("admin"), &[]), Err(Lacking::Scope("admin")));
    assert_eq!(authorize(&identity, &scope("rea"), &[]), Err(Lacking::Scope("rea")));
    for (name, value, is_met) in [
        ("teams", json!("a"), true),
        ("teams", json!(["a", "b"]), true),
        ("teams", json!("c"), false),
        ("tier", json!("gol"), false),
        ("tier", json!(["gold"]), false),
        ("absent", Value::Null, false),
    ] {
        let claims = claim(name, value.clone());
        assert_eq!(authorize(&identity, &[], &claims).is_ok(), is_met, "{name} = {value}");
    }
}

fn api_keys() -> IdentityKind {
    let key = |text: &str, expires_at| ApiKey {
        sha256: verified::sha256(text.as_bytes()),
        subject: format!("owner of {text}").into(),
        scopes: vec!["read".to_owned()],
        expires_at,
    };
    let keys = vec![key("lasting", None), key("ending", Some(START + 60))];
    IdentityKind::ApiKeys(ApiKeys { header: "x-api-key".to_owned(), keys })
}

fn with_key(key: &str) -> HeaderMap {
    HeaderMap::from_iter([("x-api-key".parse().unwrap(), HeaderValue::try_from(key).unwrap())])
}

#[test]
fn an_api_key_is_known_by_its_hash() {
    let edge = Edge::new([api_keys()]);
    let verified = edge.authenticator.cached(0, &with_key("lasting")).unwrap().unwrap();
    let identity = &verified.identity;
    assert_eq!(&*identity.subject, "owner of lasting");
    assert_eq!(identity.strength, Strength::ApiKey);
    assert_eq!(identity.scopes, ["read"]);
    assert_eq!(identity.expires_at, None);
}

#[test]
fn an_api_key_that_is_not_good_is_refused() {
    let edge = Edge::new([api_keys()]);
    let find = |headers: &HeaderMap| edge.authenticator.cached(0, headers).unwrap().err();
    assert_eq!(find(&with_key("ending")), None);
    edge.clock.advance(Duration::from_mins(1));
    assert_eq!(find(&with_key("ending")), Some(Denied::Invalid(Reason::Expired)));
    assert_eq!(find(&with_key("unknown")), Some(Denied::Invalid(Reason::UnknownKey)));
    assert_eq!(find(&with_key("")), Some(Denied::Invalid(Reason::Malformed)));
    assert_eq!(find(&HeaderMap::new()), Some(Denied::Missing));
    let mut twice = with_key("lasting");
    twice.append("x-api-key", HeaderValue::from_static("lasting"));
    assert_eq!(find(&twice), Some(Denied::Invalid(Reason::Malformed)));
}

#[test]
fn identify_takes_the_first_source_that_vouches() {
    let strict = Jwt { audience: Some("other".to_owned()), ..jwt(all_keys()) };
    let edge =
        Edge::new([IdentityKind::Jwt(strict), IdentityKind::Jwt(jwt(all_keys())), api_keys()]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let identify = |headers: &HeaderMap| runtime.block_on(edge.authenticator.identify(headers));
    let by_token = identify(&bearer(&KEYS.ed.sign(&claims()))).unwrap();
    assert_eq!(&*by_token.identity.subject, "user-1");
    let by_key = identify(&with_key("lasting")).unwrap();
    assert_eq!(&*by_key.identity.subject, "owner of lasting");
    assert!(identify(&HeaderMap::new()).is_none());
    assert!(identify(&bearer("forged")).is_none());
}

fn refused_set(text: &str) -> String {
    let sources = [source(IdentityKind::Jwt(jwt(KeySet::Text(text.into()))))];
    let clock = Arc::new(ManualClock::default());
    let error = Authenticator::new(&sources, clock, Arc::new(FakeFetch::default())).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    format!("{error}: {cause}")
}

#[test]
fn a_key_set_that_does_not_parse_says_where() {
    let prefix = "key set of identity source `accounts`: ";
    let table = [
        ("{\n \"keys\": [", "not a JSON Web Key Set: EOF while parsing a list at line 2 column 10"),
        ("{}", "not a JSON Web Key Set: missing field `keys` at line 1 column 2"),
        (r#"{"keys": []}"#, "no key for RS256, ES256 or EdDSA among 0"),
        (
            r#"{"keys": [7, {"kty": "oct", "k": "c2VjcmV0"}]}"#,
            "no key for RS256, ES256 or EdDSA among 2",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(refused_set(text), format!("{prefix}{expected}"));
    }
    let many = json!({ "keys": vec![KEYS.ed.jwk(); 257] }).to_string();
    assert_eq!(refused_set(&many), format!("{prefix}257 keys, 256 allowed"));
}

#[test]
fn keys_for_other_purposes_are_skipped_and_counted() {
    let changed = |name: &str, value: Value| {
        let mut jwk = KEYS.ec.jwk();
        jwk[name] = value;
        jwk
    };
    let unusable = [
        changed("use", json!("enc")),
        changed("key_ops", json!(["sign"])),
        changed("alg", json!("ES384")),
        changed("crv", json!("P-384")),
        changed("crv", json!("secp256k1")),
        changed("x", json!("AAAA")),
        changed("x", json!("not base64url!")),
        changed("kid", json!(7)),
        changed("kty", json!("XYZ")),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "short" }),
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "shared" }),
        json!("text"),
    ];
    let mut keys = unusable.to_vec();
    keys.push(KEYS.ed.jwk());
    let text = json!({ "keys": keys }).to_string();
    let edge = Edge::with(jwt(KeySet::Text(text.into())));
    let status = edge.authenticator.status().remove(0);
    assert_eq!((status.keys_count, status.skipped_count), (1, unusable.len()));
    assert!(edge.present(&KEYS.ed.sign(&claims())).is_ok());
}

#[test]
fn a_key_that_is_listed_twice_is_one_key() {
    let edge = Edge::with(jwt(KeySet::Text(key_set(&[&KEYS.ed, &KEYS.ed]).into())));
    assert_eq!(edge.authenticator.status()[0].keys_count, 1);
    assert!(edge.present(&KEYS.ed.sign(&claims())).is_ok());
}

#[test]
fn private_members_of_a_key_are_ignored() {
    let mut jwk = KEYS.ed.jwk();
    jwk["d"] = json!("AAAA");
    let edge = Edge::with(jwt(KeySet::Text(json!({ "keys": [jwk] }).to_string().into())));
    assert!(edge.present(&KEYS.ed.sign(&claims())).is_ok());
}

#[test]
fn a_header_that_is_none_is_refused_at_set_up() {
    let keys = ApiKeys { header: "no header".to_owned(), keys: Vec::new() };
    let sources = [source(IdentityKind::ApiKeys(keys))];
    let clock = Arc::new(ManualClock::default());
    let error = Authenticator::new(&sources, clock, Arc::new(FakeFetch::default())).unwrap_err();
    assert_eq!(error.to_string(), "`no header` of identity source `accounts` is not a header name");
}

proptest! {
    #[test]
    fn no_header_makes_the_edge_panic_or_let_anyone_in(
        value in prop::collection::vec(32_u8..=255, 0..300),
        is_bearer: bool,
    ) {
        let value = if is_bearer { [b"Bearer ".as_slice(), &value].concat() } else { value };
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
            prop_assert!(edge().authenticate(&headers).is_err());
        }
    }

    #[test]
    fn no_changed_character_leaves_a_token_good(at: prop::sample::Index, by in 1_u8..64) {
        const ALPHABET: &[u8] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut token = KEYS.ec.sign(&claims()).into_bytes();
        let at = at.index(token.len());
        let digit = ALPHABET.iter().position(|digit| *digit == token[at]).unwrap_or(0);
        token[at] = ALPHABET[(digit + usize::from(by)) % 64];
        prop_assert!(edge().present(std::str::from_utf8(&token).unwrap()).is_err());
    }

    #[test]
    fn no_json_in_place_of_header_and_claims_panics(header in any_json(), claims in any_json()) {
        let token = format!("{}.{}.AAAA", part(&header), part(&claims));
        prop_assert!(edge().present(&token).is_err());
    }
}

proptest! {
    #[test]
    fn no_text_in_place_of_a_key_set_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        key in any_json(),
        member in prop::sample::select(vec!["kty", "crv", "x", "n", "e", "alg", "use", "key_ops"]),
        value in any_json(),
    ) {
        prop_assert!(KeyRing::parse(&bytes).is_err());
        let mut changed = KEYS.ed.jwk();
        changed[member] = value;
        let text = json!({ "keys": [key, changed] }).to_string();
        // Members that an Ed25519 key does not have may hold anything.
        prop_assert_eq!(KeyRing::parse(text.as_bytes()).is_ok(), matches!(member, "n" | "e"));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["alg", "kid", "crit", "exp", "aud", "iss", "jwk", "typ"]);
    let leaf = prop_oneof![
        Just(json!("EdDSA")),
        Just(json!("ed")),
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let value = leaf
        .prop_recursive(2, 8, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Value::Array));
    prop::collection::btree_map(name, value, 0..6)
        .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
