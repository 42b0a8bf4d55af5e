use headgate_store::{Compare, Content, Key};
use headgate_types::UnixTime;

use super::*;

fn put(when: Condition) -> Batch {
    Batch::new().put(Key::new("s", "k"), Content::default(), when)
}

#[test]
fn a_single_write_is_sent_again_when_its_condition_is_spent() {
    let check = |when: Condition, expected| assert_eq!(may_repeat(&put(when)), expected);
    let owned = || Condition::equals("own", "me");
    let attribute = |compare| Condition::Attribute { name: "n".into(), compare, value: 1.into() };
    check(Condition::Absent, true);
    check(Condition::VersionIs(1), true);
    check(owned(), true);
    check(Condition::All(vec![Condition::Present, owned()]), true);
    check(Condition::Any(vec![Condition::Absent, Condition::ExpiredBy(UnixTime::default())]), true);
    check(Condition::Always, false);
    check(Condition::Present, false);
    check(attribute(Compare::NotEqual), false);
    check(attribute(Compare::Less), false);
    check(Condition::Any(vec![owned(), Condition::Present]), false);
    check(Condition::All(vec![]), false);
}

#[test]
fn a_token_is_as_long_as_dynamodb_takes_and_carries_the_version() {
    let commit = Commit::of("t", 0x1234, u64::MAX);
    assert_eq!(commit.token, "0000000000001234ffffffffffffffff");
    assert!(commit.token.len() <= 36);
}

#[test]
fn what_stood_against_a_commit_is_judged() {
    let commit = Commit::of("t", 7, 0);
    let row = |version| {
        let mut row = layout::item(&Key::new("s", "k"));
        row.insert(layout::VERSION.to_owned(), layout::number(version));
        row
    };
    let batch = put(Condition::Absent);
    assert!(commit.judge(&batch, &[(0, Some(row(7)))]).is_ok(), "it is its own write");
    let refused = commit.judge(&batch, &[(0, Some(row(8)))]);
    let Err(StoreError::Refused(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!((refused.operation, refused.current.map(|item| item.version)), (0, Some(8)));
    let sum = commit.judge(&put(Condition::Present), &[(0, Some(row(8)))]);
    assert!(matches!(sum, Err(StoreError::Invalid(_))), "the condition holds: {sum:?}");
}

#[tokio::test(start_paused = true)]
async fn attempts_and_their_time_are_bounded() {
    let settings = Settings { attempts_max: 3.try_into().unwrap(), ..Settings::default() };
    let mut retries = Retries::new(&settings);
    assert!(retries.wait(&Meter::default()).await && retries.wait(&Meter::default()).await);
    assert!(!retries.wait(&Meter::default()).await, "the first attempt was one of the three");
    let begun = Instant::now();
    let mut retries = Retries::new(&settings);
    let answer: Result<(), _> = retries.bound(std::future::pending()).await;
    assert!(matches!(answer, Err(Failure::Lost(_))));
    assert_eq!(begun.elapsed(), settings.operation_timeout);
    assert!(!retries.wait(&Meter::default()).await, "there is no time left");
}
