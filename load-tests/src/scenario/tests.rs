use super::*;

#[test]
fn every_scenario_reads_and_ends_within_two_minutes() {
    for (name, _) in ALL {
        let scenario = Scenario::named(name).unwrap();
        assert!(scenario.length() <= Duration::from_mins(2), "{name}");
    }
}

#[test]
fn unknown_scenario_names_the_known_ones() {
    let error = Scenario::named("smoek").unwrap_err().to_string();
    assert!(error.contains("smoke,") || error.ends_with("smoke"), "{error}");
}

#[test]
fn bar_over_a_missing_row_is_refused() {
    let (_, text) = ALL[0];
    let text = text.replace("against = \"bare hyper\"", "against = \"bare hyperr\"");
    assert!(Scenario::parse(&text).unwrap_err().to_string().contains("`bare hyperr`"));
}

#[test]
fn kept_rows_take_their_bars_along() {
    let mut scenario = Scenario::named("smoke").unwrap();
    scenario.keep(&["bare hyper".to_owned(), "headgate plain".to_owned()]);
    assert_eq!((scenario.rows.len(), scenario.bars.len()), (2, 1));
}
