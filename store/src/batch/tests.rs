use super::*;

const T: UnixTime = UnixTime::from_secs(1);

fn key(text: &str) -> Key {
    Key::new("s", text.to_owned())
}

fn refusal(batch: &Batch) -> String {
    batch.validate().unwrap_err().to_string()
}

#[test]
fn a_batch_needs_an_operation() {
    assert_eq!(refusal(&Batch::new()), "the batch is not valid: it has no operation");
}

#[test]
fn one_item_takes_one_operation() {
    let twice = Batch::new()
        .put(key("a"), Content::default(), Condition::Always)
        .delete(key("a"), Condition::Always);
    assert_eq!(refusal(&twice), "the batch is not valid: two operations are on the same item");
    let two = Batch::new()
        .put(key("a"), Content::default(), Condition::Always)
        .delete(key("b"), Condition::Always);
    assert!(two.validate().is_ok());
}

#[test]
fn upkeep_stands_alone() {
    let mixed = Batch::sweep(T).append("t", 0, T, "x");
    assert!(refusal(&mixed).contains("stands beside"));
    assert!(Batch::sweep(T).is_upkeep());
    assert!(!Batch::new().append("t", 0, T, "x").is_upkeep());
}

#[test]
fn limits_are_told_with_size_and_maximum() {
    let large = Batch::new().append("t", 0, T, vec![0; ENTRY_BYTES_MAX + 1]);
    assert_eq!(refusal(&large), "a log entry's bytes has 1048577, and at most 1048576 are allowed");
    let fits = Batch::new().append("t", 0, T, vec![0; ENTRY_BYTES_MAX]);
    assert!(fits.validate().is_ok());
    assert!(refusal(&Batch::new().append("t", PARTITION_MAX + 1, T, "")).contains("partition"));
    assert!(refusal(&Batch::new().append("", 0, T, "")).contains("empty"));
    let many = (0..=OPERATIONS_MAX).fold(Batch::new(), |batch, _| batch.append("t", 0, T, ""));
    assert!(refusal(&many).contains("operations"));
    let deep = Condition::All(vec![Condition::Always; CONDITION_TERMS_MAX]);
    assert!(refusal(&Batch::new().delete(key("a"), deep)).contains("terms"));
}

#[test]
fn only_what_may_need_space_grows() {
    assert!(Batch::new().append("t", 0, T, "x").grows());
    assert!(!Batch::new().delete(key("a"), Condition::Always).grows());
    assert!(!Batch::trim("t", 0, Keep::default()).grows());
}
