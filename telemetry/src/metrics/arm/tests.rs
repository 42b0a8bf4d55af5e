use super::*;

const NAMES: ArmNames<'_> = ArmNames { team: "tv", route: "home", arm: "canary" };

#[test]
fn same_names_go_on_counting() {
    let metrics = Metrics::new();
    let at = UnixTime::from_secs;
    let first = metrics.arm(NAMES, at(10));
    assert_eq!(first.counts(), ArmCounts { since: at(10), requests: 0, last: None });
    first.ended(Outcome::Ok, at(12), Duration::from_millis(3));
    drop(first);

    let second = metrics.arm(NAMES, at(20));
    second.ended(Outcome::Origin5xx, at(11), Duration::from_millis(3));

    let expected = ArmCounts { since: at(10), requests: 2, last: Some(at(12)) };
    assert_eq!(second.counts(), expected);
    let other = metrics.arm(ArmNames { arm: "stable", ..NAMES }, at(20));
    assert_eq!(other.counts().requests, 0);
    let page = metrics.exporter().render();
    let line = "arm_ended_requests_total{team=\"tv\",route=\"home\",arm=\"canary\",\
                outcome=\"origin_5xx\"} 1";
    assert!(page.contains(line), "{page}");
}
