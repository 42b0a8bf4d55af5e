use headgate_types::ByteSize;

use super::*;

fn recent(bytes: u64, passed_per_second: u32) -> Recent {
    let bytes_max = ByteSize::from_bytes(bytes);
    Recent::new(settings::Recent { bytes_max, passed_per_second }, NonZeroUsize::MIN)
}

#[test]
fn each_end_has_its_kind() {
    for (outcome, expected) in [
        (Outcome::Ok, Kept::Passed),
        (Outcome::NoRoute, Kept::Rejected),
        (Outcome::DeniedAuth, Kept::Rejected),
        (Outcome::LimitedConcurrency, Kept::Shed),
        (Outcome::OkDegraded, Kept::Shed),
        (Outcome::OriginReset, Kept::Failed),
        (Outcome::Origin5xx, Kept::Failed),
        (Outcome::ClientCancelled, Kept::Failed),
        (Outcome::Internal, Kept::Failed),
    ] {
        assert_eq!(Kept::of(outcome), expected, "{outcome}");
    }
}

#[test]
fn all_that_did_not_pass_is_kept_and_some_of_what_did() {
    let recent = recent(1 << 20, 1);
    let kept = |outcome| {
        let at = |number: u64| Moment::from_nanos(60_000_000_000 + number * 5_000_000);
        (0..2_000).filter(|number| recent.keeps(outcome, false, at(*number)).is_some()).count()
    };
    assert_eq!(kept(Outcome::LimitedConcurrency), 2_000);
    // The second of the first rush is kept whole; then one of two hundred.
    let passed = kept(Outcome::Ok);
    assert!((200..260).contains(&passed), "{passed}");
    let spared = recent.keeps(Outcome::Ok, true, Moment::from_nanos(90_000_000_000));
    assert_eq!(spared, Some(Kept::Shed));
}

#[test]
fn nothing_is_kept_where_nothing_may_be() {
    let recent = recent(0, 1);
    assert_eq!(recent.keeps(Outcome::Internal, false, Moment::ZERO), None);
    let told = recent.tell(TraceId::from_hex(&[b'1'; 32]).unwrap(), UnixTime::from_secs(1));
    assert_eq!(told.exchanges, Vec::<Vec<u8>>::new());
}
