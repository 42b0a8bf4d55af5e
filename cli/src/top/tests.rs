use super::*;

fn routes(list: &[(&str, Counts)]) -> Routes {
    let key = |name: &str| ("tv".to_owned(), name.to_owned());
    list.iter().map(|(name, counts)| (key(name), counts.clone())).collect()
}

fn counts(arrived: u64, ended: [u64; 4]) -> Counts {
    Counts { arrived, ended, in_flight: 3.0, took: Vec::new() }
}

#[test]
fn rates_are_what_changed_a_second_and_the_busiest_is_first() {
    let before = routes(&[("home", counts(100, [0, 0, 0, 90])), ("list", counts(7, [0; 4]))]);
    let after = routes(&[("home", counts(120, [4, 2, 1, 100])), ("list", counts(207, [0; 4]))]);
    let rows = rows(&before, &after, Duration::from_secs(2));
    assert_eq!((rows[0].route.as_str(), rows[0].arrived), ("list", 100.0));
    let home = &rows[1];
    assert_eq!((home.arrived, home.passed, home.in_flight), (10.0, 5.0, 3.0));
    assert_eq!((home.shed, home.rejected, home.failed), (2.0, 1.0, 0.5));
}

#[test]
fn route_that_came_and_process_that_began_anew_count_from_zero() {
    let before = routes(&[("home", counts(100, [0; 4]))]);
    let after = routes(&[("home", counts(10, [0; 4])), ("new", counts(4, [0; 4]))]);
    let rows = rows(&before, &after, Duration::from_secs(1));
    assert_eq!((rows[0].route.as_str(), rows[0].arrived), ("new", 4.0));
    assert!(rows[1].arrived < f64::EPSILON);
}

#[test]
fn percentiles_lie_inside_their_bucket() {
    let took = [(0.001, 0), (0.01, 50), (0.1, 100), (f64::INFINITY, 100)];
    let p50 = percentile(&took, 0.5).unwrap();
    assert!((p50 - 0.01).abs() < 1e-9, "{p50}");
    let p99 = percentile(&took, 0.99).unwrap();
    assert!((0.097..0.1).contains(&p99), "{p99}");
    assert_eq!(percentile(&[(0.1, 0), (f64::INFINITY, 4)], 0.5), Some(0.1));
    assert_eq!(percentile(&[(0.1, 0), (f64::INFINITY, 0)], 0.5), None);
    assert_eq!(percentile(&[], 0.5), None);
}

#[test]
fn only_what_ended_in_between_is_timed() {
    let before = Counts { took: vec![(0.1, 10), (f64::INFINITY, 10)], ..Counts::default() };
    let after = Counts { took: vec![(0.1, 10), (f64::INFINITY, 14)], ..Counts::default() };
    assert_eq!(took(&before, &after), [(0.1, 0), (f64::INFINITY, 4)]);
}

#[test]
fn people_see_a_table() {
    let after = routes(&[("home", counts(10, [0, 0, 0, 10]))]);
    let text = text(&rows(&Routes::new(), &after, Duration::from_secs(1)));
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("ROUTE") && lines[1].starts_with("tv/home"), "{text}");
    assert!(lines[1].contains("10.0"), "{text}");
}
