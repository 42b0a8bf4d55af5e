use headgate_admin::RouteLimits;

use super::*;
use crate::top::Counts;

fn page(routes: &[(&str, [u64; 4])]) -> Routes {
    let counts = |ended| Counts { ended, ..Counts::default() };
    let entry =
        |(name, ended): &(&str, [u64; 4])| (("tv".to_owned(), (*name).to_owned()), counts(*ended));
    routes.iter().map(entry).collect()
}

#[test]
fn only_routes_of_higher_classes_are_watched() {
    let route = |name: &str, priority: &str| RouteLimits {
        team: "tv".to_owned(),
        name: name.to_owned(),
        priority: priority.to_owned(),
        ..RouteLimits::default()
    };
    let limits = LimitsStatus {
        routes: vec![
            route("play", "critical"),
            route("home", "standard"),
            route("prefetch", "best_effort"),
            route("logs", "bulk"),
        ],
        ..LimitsStatus::default()
    };
    let names =
        |class| higher(&limits, class).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(names("bulk"), ["home", "play", "prefetch"]);
    assert_eq!(names("standard"), ["play"]);
}

#[test]
fn refused_and_failed_are_those_that_suffer() {
    let page = page(&[("play", [1, 5, 2, 90]), ("logs", [50, 0, 50, 0])]);
    let routes = [("tv".to_owned(), "play".to_owned())].into();
    // Shed, rejected, failed, passed.
    assert_eq!(seen(&page, &routes), (98, 3));
}

#[test]
fn share_is_of_what_ended_in_between() {
    assert_eq!(share(Some(&(100, 0)), Some(&(200, 5))), Some(0.05));
    assert_eq!(share(Some(&(100, 0)), Some(&(100 + REQUESTS_MIN - 1, 5))), None);
    assert_eq!(share(None, Some(&(200, 5))), None);
}
