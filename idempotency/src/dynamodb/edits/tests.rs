use super::*;

fn set(value: impl Into<Scalar>) -> Edit {
    Edit::Set("x".to_owned(), value.into())
}

fn add(amount: u64, from: u64) -> Edit {
    Edit::Add { name: "x".to_owned(), amount, from }
}

fn remove() -> Edit {
    Edit::Remove("x".to_owned())
}

/// What becomes of the one attribute that edits are about.
fn check(edits: &[Edit], expected: &Result<Change<'_>, &'static str>) {
    let folded = Update::fold(edits).map(|mut update| update.changes.pop_last().unwrap().1);
    assert_eq!(&folded, expected, "{edits:?}");
}

#[test]
fn edits_of_one_attribute_become_one() {
    check(&[set(1), set(2)], &Ok(Change::Set(2.into())));
    check(&[set(1), add(2, 9)], &Ok(Change::Set(3.into())));
    check(&[set(1), remove()], &Ok(Change::Remove));
    check(&[remove(), add(2, 9)], &Ok(Change::Set(11.into())));
    check(&[add(2, 9), add(3, 8)], &Ok(Change::Add { amount: 5, from: 9 }));
    check(&[add(2, 9), set(1)], &Ok(Change::Set(1.into())));
    check(&[set("bytes"), add(1, 0)], &Err(NO_NUMBER));
    check(&[set(u64::MAX), add(1, 0)], &Err(OVERFLOW));
    check(&[add(u64::MAX, 0), add(1, 0)], &Err(OVERFLOW));
}

#[test]
fn an_update_sets_its_version_and_removes_what_is_gone() {
    let edits = [add(1, 100), Edit::Value("v".into()), Edit::Expires(None)];
    let (mut places, update) = (Placeholders::default(), Update::fold(&edits).unwrap());
    let text = update.text(7, &mut places);
    assert_eq!(text, "SET #0 = :0, #1 = if_not_exists(#1, :1) + :2, #4 = :3 REMOVE #2, #3");
    let names = places.names().unwrap();
    let named = ["#0", "#1", "#2", "#3", "#4"].map(|place| names[place].as_str());
    assert_eq!(named, ["v", "a_x", "exp", "ttl", "val"]);
}

#[test]
fn the_time_to_live_is_never_before_the_time_to_expire() {
    let time = UnixTime::from_duration(std::time::Duration::from_millis(5_001));
    let edits = [Edit::Expires(Some(time))];
    let update = Update::fold(&edits).unwrap();
    assert_eq!(update.changes.get(EXPIRES), Some(&Change::Set(5_001.into())));
    assert_eq!(update.changes.get(TTL), Some(&Change::Set(6.into())));
}

#[test]
fn the_longest_update_fits_into_an_expression() {
    let edits: Vec<_> = (0..headgate_store::ATTRIBUTES_MAX)
        .map(|number| Edit::Add { name: number.to_string(), amount: 1, from: 0 })
        .collect();
    let (mut places, update) = (Placeholders::default(), Update::fold(&edits).unwrap());
    assert!(update.text(7, &mut places).len() < 4 << 10);
    let guard = update.guard().text(&mut places).unwrap();
    assert!(guard.len() < 4 << 10, "{} bytes", guard.len());
}
