use super::*;

fn change(class: Class, what: &str, before: Option<&str>, after: Option<&str>) -> Change {
    Change {
        class,
        what: what.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    }
}

fn plan(changes: Vec<Change>) -> Plan {
    Plan { old: "0123456789abcdef".to_owned(), new: "new".to_owned(), changes, replay: None }
}

#[test]
fn changes_are_told_with_their_classes() {
    let changes = vec![
        change(Class::Hot, "edge.timeout", Some("\"30s\""), Some("\"5s\"")),
        change(Class::Drain, "team.tv.route.home", Some("{}"), None),
        change(Class::Hot, "team.tv.route.new", None, Some("{}")),
    ];
    assert_eq!(
        text(&plan(changes)),
        "3 changes from 0123456789ab to new: 1 drain, 2 hot\n  \
         hot    edge.timeout        \"30s\" → \"5s\"\n  \
         drain  team.tv.route.home  - {}\n  \
         hot    team.tv.route.new   + {}\n"
    );
}

#[test]
fn no_change_is_said() {
    assert_eq!(text(&plan(Vec::new())), "no changes: 0123456789ab is in force\n");
}

#[test]
fn many_changes_are_cut() {
    let one = change(Class::Hot, "edge.timeout", None, Some("1"));
    let text = text(&plan(vec![one; CHANGES_SHOWN_MAX + 7]));
    assert!(text.ends_with("  and 7; --json tells them\n"), "{text}");
}

#[test]
fn replay_needs_a_length() {
    assert_eq!(length("15m"), Ok(Duration::from_mins(15)));
    assert!(length("0s").is_err());
    assert!(length("soon").is_err());
}
