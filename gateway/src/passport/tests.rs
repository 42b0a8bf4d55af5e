use std::{collections::HashSet, fs, os::unix::fs::PermissionsExt as _, path::Path};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{JwkSet, ThumbprintHash},
};
use proptest::prelude::*;
use tokio::{sync::watch, time::sleep};

use super::{
    rotation::{RETIRED_MAX, SKEW},
    *,
};
use crate::identity::testing::{ManualClock, PausedClock, START, verified};

const TTL: Duration = Duration::from_mins(1);
const PERIOD: Duration = Duration::from_hours(1);

fn to(route: &'static str) -> PassportFor<'static> {
    let trace = TraceId::from_bytes([7; 16]).unwrap();
    PassportFor { team: "tv", route, upstream: "tv/home", device: "tv", trace }
}

fn settings() -> settings::Passport {
    settings::Passport {
        issuer: "edge.example".to_owned(),
        ttl: TTL,
        rotate_every: PERIOD,
        keys_dir: None,
    }
}

fn mint_with(settings: &settings::Passport) -> (Mint, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    (Mint::new(settings, clock.clone()).unwrap(), clock)
}

fn mint() -> (Mint, Arc<ManualClock>) {
    mint_with(&settings())
}

/// What an upstream does: takes the key that the token names out of the set, and verifies.
fn verify(token: &HeaderValue, jwks: &str) -> Option<Passport> {
    let set: JwkSet = serde_json::from_str(jwks).unwrap();
    let kid = decode_header(token.as_bytes()).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(set.find(&kid)?).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["tv/home"]);
    validation.set_issuer(&["edge.example"]);
    // The test's clock is not the library's.
    validation.validate_exp = false;
    Some(decode(token.as_bytes(), &key, &validation).unwrap().claims)
}

fn kids(jwks: &str) -> Vec<String> {
    let set: JwkSet = serde_json::from_str(jwks).unwrap();
    set.keys.into_iter().map(|jwk| jwk.common.key_id.unwrap()).collect()
}

fn lasting() -> Verified {
    verified(None, Duration::ZERO)
}

#[test]
fn a_passport_says_who_calls_and_for_whom_it_is() {
    let (mint, _) = mint();
    let token = mint.passport(&lasting(), &to("home")).unwrap();
    let passport = verify(&token, &mint.jwks()).unwrap();
    let expected = Passport {
        iss: "edge.example".to_owned(),
        aud: "tv/home".to_owned(),
        sub: "user-1".to_owned(),
        device_id: "tv-9".to_owned(),
        device: "tv".to_owned(),
        source: "accounts".to_owned(),
        strength: "signed_token".to_owned(),
        scopes: vec!["read".to_owned()],
        route: "tv/home".to_owned(),
        trace: "07".repeat(16),
        iat: START,
        exp: START + 60,
        jti: passport.jti.clone(),
    };
    assert_eq!(passport, expected);
    assert_eq!(passport.jti.len(), 22);
}

#[test]
fn a_passport_is_not_shown_in_logs() {
    let (mint, _) = mint();
    let token = mint.passport(&lasting(), &to("home")).unwrap();
    assert_eq!(format!("{token:?}"), "Sensitive");
}

#[test]
fn keys_are_named_by_their_thumbprint() {
    let (mint, _) = mint();
    let set: JwkSet = serde_json::from_str(&mint.jwks()).unwrap();
    for jwk in &set.keys {
        let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).unwrap();
        assert_eq!(jwk.common.key_id.as_ref(), Some(&thumbprint));
    }
    assert_eq!(set.keys.len(), 2);
}

#[test]
fn one_passport_serves_many_requests_while_it_is_fresh() {
    let (mint, clock) = mint();
    let caller = lasting();
    let first = mint.passport(&caller, &to("home")).unwrap();
    let other_trace = PassportFor { trace: TraceId::from_bytes([9; 16]).unwrap(), ..to("home") };
    assert_eq!(mint.passport(&caller, &other_trace).unwrap(), first);
    clock.advance(Duration::from_millis(39_999));
    assert_eq!(mint.passport(&caller, &to("home")).unwrap(), first);
    clock.advance(Duration::from_millis(1));
    let second = mint.passport(&caller, &to("home")).unwrap();
    assert_ne!(second, first, "a third of its life is left, and no more");
}

#[test]
fn nobody_gets_a_passport_that_was_made_for_another_purpose() {
    let (mint, _) = mint();
    let (one, other) = (lasting(), lasting());
    let purposes = [
        (&one, to("home")),
        (&other, to("home")),
        (&one, to("search")),
        (&one, PassportFor { team: "web", ..to("home") }),
        (&one, PassportFor { upstream: "tv/home-next", ..to("home") }),
        (&one, PassportFor { device: "web", ..to("home") }),
    ];
    let tokens: HashSet<_> = purposes
        .iter()
        .map(|(caller, to)| mint.passport(caller, to).unwrap().as_bytes().to_vec())
        .collect();
    assert_eq!(tokens.len(), purposes.len());
}

fn exp(mint: &Mint, caller: &Verified) -> u64 {
    verify(&mint.passport(caller, &to("home")).unwrap(), &mint.jwks()).unwrap().exp
}

#[test]
fn a_passport_ends_with_the_credential() {
    let (mint, _) = mint();
    assert_eq!(exp(&mint, &verified(Some(START + 20), Duration::ZERO)), START + 20);
    assert_eq!(exp(&mint, &verified(Some(START + 20), Duration::from_secs(30))), START + 20);
    assert_eq!(exp(&mint, &verified(Some(START + 90), Duration::ZERO)), START + 60);
}

#[test]
fn a_credential_within_its_leeway_has_a_passport_that_is_good() {
    let (mint, _) = mint();
    assert_eq!(exp(&mint, &verified(Some(START - 10), Duration::from_secs(30))), START + 20);
}

#[test]
fn the_last_passport_of_a_credential_is_not_signed_again() {
    let (mint, clock) = mint();
    let caller = verified(Some(START + 20), Duration::ZERO);
    let first = mint.passport(&caller, &to("home")).unwrap();
    clock.advance(Duration::from_secs(19));
    assert_eq!(mint.passport(&caller, &to("home")).unwrap(), first);
}

#[test]
fn keys_follow_each_other_without_a_gap() {
    let (mint, clock) = mint();
    let [first, second] = kids(&mint.jwks()).try_into().unwrap();
    let signer = |mint: &Mint| {
        let token = mint.passport(&lasting(), &to("home")).unwrap();
        decode_header(token.as_bytes()).unwrap().kid.unwrap()
    };
    let step = |seconds: u64| {
        clock.advance(Duration::from_secs(seconds));
        mint.turn().unwrap();
    };

    step(3_599);
    assert_eq!(signer(&mint), first);
    assert_eq!(kids(&mint.jwks()), [&*first, &second]);

    step(1);
    assert_eq!(signer(&mint), second, "signs after a whole period in public");
    let [_, third, retired] = kids(&mint.jwks()).try_into().unwrap();
    assert_eq!(retired, first);

    step(119);
    assert!(kids(&mint.jwks()).contains(&first), "a minute of life and one of skew");
    step(1);
    assert_eq!(kids(&mint.jwks()), [&*second, &third]);

    step(3_480);
    assert_eq!(signer(&mint), third);
}

#[test]
fn settings_that_leave_a_gap_are_refused() {
    let clock = || Arc::new(ManualClock::default());
    let short = settings::Passport { ttl: Duration::from_millis(999), ..settings() };
    assert!(matches!(Mint::new(&short, clock()), Err(Error::TtlTooShort)));
    let fast = settings::Passport { rotate_every: Duration::from_secs(59), ..settings() };
    assert!(matches!(Mint::new(&fast, clock()), Err(Error::RotatesTooFast)));
}

#[tokio::test(start_paused = true)]
async fn keys_turn_by_themselves_until_shutdown() {
    let clock = Arc::new(PausedClock::default());
    let mint = Arc::new(Mint::new(&settings(), clock).unwrap());
    let [_, second] = kids(&mint.jwks()).try_into().unwrap();
    let (shutdown, over) = watch::channel(false);
    let task = tokio::spawn(Arc::clone(&mint).run(over));
    while kids(&mint.jwks())[0] != second {
        sleep(Duration::from_secs(30)).await;
    }
    shutdown.send_replace(true);
    task.await.unwrap();
}

struct Kept {
    folder: tempfile::TempDir,
}

impl Kept {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn settings(&self) -> settings::Passport {
        settings::Passport { keys_dir: Some(self.folder.path().join("keys")), ..settings() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("keys/passport-keys.json")
    }

    fn refusal(&self) -> String {
        let error = Mint::new(&self.settings(), Arc::new(ManualClock::default())).unwrap_err();
        assert_eq!(error.to_string(), format!("Passport keys in {}", self.file().display()));
        std::error::Error::source(&error).unwrap().to_string()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn kept_keys_survive_a_restart() {
    let kept = Kept::new();
    let (mint, clock) = mint_with(&kept.settings());
    let before = mint.passport(&lasting(), &to("home")).unwrap();
    clock.advance(PERIOD);
    mint.turn().unwrap();
    let after = mint.passport(&lasting(), &to("home")).unwrap();

    let restarted = Mint::new(&kept.settings(), clock).unwrap();
    assert_eq!(restarted.jwks(), mint.jwks());
    assert!(verify(&before, &restarted.jwks()).is_some(), "signed by a retired key");
    assert!(verify(&after, &restarted.jwks()).is_some());
}

#[test]
fn a_period_that_ended_while_nothing_ran_ends_at_once() {
    let kept = Kept::new();
    let (mint, clock) = mint_with(&kept.settings());
    let [_, second] = kids(&mint.jwks()).try_into().unwrap();
    clock.advance(PERIOD * 5);
    let restarted = Mint::new(&kept.settings(), clock).unwrap();
    restarted.turn().unwrap();
    assert_eq!(kids(&restarted.jwks())[0], second);
}

#[test]
fn a_shorter_period_holds_for_kept_keys() {
    let kept = Kept::new();
    let (mint, clock) = mint_with(&kept.settings());
    let [_, second] = kids(&mint.jwks()).try_into().unwrap();
    let hasty = settings::Passport { rotate_every: TTL, ..kept.settings() };
    let restarted = Mint::new(&hasty, clock.clone()).unwrap();
    clock.advance(TTL);
    restarted.turn().unwrap();
    assert_eq!(kids(&restarted.jwks())[0], second);
}

#[test]
fn kept_keys_are_for_the_owner_alone() {
    let kept = Kept::new();
    mint_with(&kept.settings());
    assert_eq!(mode(&kept.file()), 0o600);
    assert_eq!(mode(kept.file().parent().unwrap()), 0o700);
    fs::set_permissions(kept.file(), fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(kept.refusal(), "mode 640 lets others in, 600 is needed");
}

#[test]
fn the_private_half_of_a_retired_key_is_not_kept() {
    let kept = Kept::new();
    let (mint, clock) = mint_with(&kept.settings());
    let text = || -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(kept.file()).unwrap()).unwrap()
    };
    let secret = text()["current"]["d"].as_str().unwrap().to_owned();
    clock.advance(PERIOD);
    mint.turn().unwrap();
    assert_eq!(text()["retired"].as_array().unwrap().len(), 1);
    assert!(!text().to_string().contains(&secret));
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    let kept = Kept::new();
    mint_with(&kept.settings());
    let good = fs::read_to_string(kept.file()).unwrap();
    let document: serde_json::Value = serde_json::from_str(&good).unwrap();
    let with = |key: &str, member: &str, value: &str| {
        let mut changed = document.clone();
        changed[key][member] = value.into();
        changed.to_string()
    };
    let other = document["next"]["d"].as_str().unwrap();
    let table = [
        (String::new(), "damaged: EOF while parsing"),
        (good.get(..good.len() / 2).unwrap().to_owned(), "damaged: EOF while parsing"),
        (good.replace("retired", "tired"), "damaged: unknown field `tired`"),
        (with("current", "d", other), "damaged: `current` is no Ed25519 key"),
        (with("current", "d", "AAAA"), "damaged: `current` is no Ed25519 key"),
        (with("next", "x", "?"), "damaged: `next` is no Ed25519 key"),
        (good.replace("[]", r#"[{"x":"AAAA","until":1}]"#), "damaged: `retired` is no Ed25519 key"),
    ];
    for (text, expected) in table {
        fs::write(kept.file(), &text).unwrap();
        let refusal = kept.refusal();
        assert!(refusal.starts_with(expected), "{refusal} for {expected}");
        assert_eq!(fs::read_to_string(kept.file()).unwrap(), text);
    }
}

#[test]
fn a_draft_that_a_crash_left_is_replaced() {
    let kept = Kept::new();
    mint_with(&kept.settings());
    fs::write(kept.file().with_extension("draft"), "half a fi").unwrap();
    let (mint, clock) = mint_with(&kept.settings());
    clock.advance(PERIOD);
    mint.turn().unwrap();
    assert!(!kept.file().with_extension("draft").exists());
}

#[test]
fn keys_that_can_not_be_kept_are_not_used() {
    let kept = Kept::new();
    let (mint, clock) = mint_with(&kept.settings());
    let published = mint.jwks();
    // A file where the folder was: nobody, root included, can write in there.
    fs::remove_dir_all(kept.file().parent().unwrap()).unwrap();
    fs::write(kept.folder.path().join("keys"), "").unwrap();
    clock.advance(PERIOD);
    assert!(matches!(mint.turn(), Err(Error::File { .. })));
    assert_eq!(mint.jwks(), published);
    assert!(mint.passport(&lasting(), &to("home")).is_ok());
}

proptest! {
    /// An upstream that reads the keys once a period, at a moment of its own, verifies every
    /// Passport that has not ended.
    #[test]
    fn every_living_passport_is_verified(
        steps in prop::collection::vec(1_u64..1_800, 1..60),
        offset in 0_u64..3_600,
    ) {
        let (mint, clock) = mint();
        let caller = lasting();
        let mut jwks = mint.jwks();
        let mut read_at = START - offset;
        for step in steps {
            clock.advance(Duration::from_secs(step));
            mint.turn().unwrap();
            let now = clock.unix_time().as_secs();
            if now - read_at >= PERIOD.as_secs() {
                (jwks, read_at) = (mint.jwks(), now);
            }
            let token = mint.passport(&caller, &to("home")).unwrap();
            let passport = verify(&token, &jwks).expect("a published key");
            prop_assert!(passport.iat <= now && now < passport.exp);
            prop_assert!(verify(&token, &mint.jwks()).is_some());
        }
    }
}

#[test]
fn a_key_that_is_read_everywhere_takes_over_by_command_without_a_gap() {
    let (mint, clock) = mint();
    let before = mint.passport(&lasting(), &to("home")).unwrap();
    let [_, next] = kids(&mint.jwks()).try_into().unwrap();
    assert!(
        matches!(mint.rotate(false), Err(RotateError::TooSoon(left)) if left == Duration::from_mins(5))
    );
    clock.advance(Duration::from_mins(5));
    // What an upstream has read before the command.
    let read = mint.jwks();

    let rotated = mint.rotate(false).unwrap();

    assert_eq!(rotated.signs, next);
    assert_eq!(rotated.turns_at, UnixTime::from_secs(START + 300) + PERIOD);
    let after = mint.passport(&lasting(), &to("other")).unwrap();
    assert!(verify(&after, &read).is_some(), "by a set from before");
    assert!(verify(&before, &mint.jwks()).is_some(), "by a set from after");
    assert!(
        matches!(mint.rotate(false), Err(RotateError::TooSoon(_))),
        "the new next is not read yet"
    );
    clock.advance(TTL + SKEW);
    assert!(verify(&before, &mint.jwks()).is_none(), "its last Passport has ended");
}

#[test]
fn force_turns_keys_at_once_and_not_without_end() {
    let (mint, clock) = mint();
    for _ in 0..RETIRED_MAX {
        mint.rotate(true).unwrap();
    }
    assert!(matches!(mint.rotate(true), Err(RotateError::TooSoon(left)) if left == TTL + SKEW));
    assert_eq!(kids(&mint.jwks()).len(), RETIRED_MAX + 2);
    clock.advance(TTL + SKEW);
    mint.rotate(true).unwrap();
    assert_eq!(kids(&mint.jwks()).len(), 3);
}
