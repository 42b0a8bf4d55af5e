use headgate_admin::HeldEffect;

use super::*;

fn key() -> HeldKey {
    HeldKey {
        id: "http/tv/order#abc".to_owned(),
        scope: "http/tv/order".to_owned(),
        state: "in_doubt".to_owned(),
        fence: 7,
        attempts: 1,
        error: "the service broke off".to_owned(),
        trace_id: None,
        claimed_at: "2026-11-18T11:06:40.000Z".to_owned(),
        effects: vec![HeldEffect { name: "pay".to_owned(), is_carried_out: false }],
    }
}

#[test]
fn an_id_stays_one_part_of_a_path() {
    assert_eq!(path("http/tv/a b#x~1"), "/v1/idempotency/held/http%2Ftv%2Fa%20b%23x~1");
}

#[test]
fn a_list_says_where_it_goes_on() {
    assert_eq!(table(&HeldKeys::default()), "no key waits\n");
    let found = HeldKeys { keys: vec![key()], next: Some("here".to_owned()) };
    let lines = table(&found);
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(lines.ends_with("more may follow: --after 'here'\n"), "{lines}");
}

#[test]
fn what_is_known_of_effects_is_shown() {
    assert!(text(&key()).contains("effect pay  may be carried out"), "{}", text(&key()));
}
