use super::*;

#[test]
fn one_digest_is_told_at_a_time() {
    let metrics = Metrics::new();
    let config = metrics.config();
    config.in_force("c0ffee");
    config.in_force("decaf");
    let page = metrics.exporter().render();
    assert!(page.contains("headgate_config_running_info{digest=\"decaf\"} 1\n"), "{page}");
    assert!(!page.contains("c0ffee"), "{page}");
}

#[test]
fn team_that_is_gone_is_told_no_longer() {
    let metrics = Metrics::new();
    let config = metrics.config();
    config.parts([("tv", false), ("web", true)].into_iter());
    config.parts([("tv", true)].into_iter());
    let page = metrics.exporter().render();
    assert!(page.contains("headgate_config_part_ok_flag{team=\"tv\"} 1\n"), "{page}");
    assert!(!page.contains("web"), "{page}");
}

#[test]
fn loads_are_counted_by_what_came_of_them() {
    let metrics = Metrics::new();
    let config = metrics.config();
    config.ended(Reload::Rejected, Duration::from_millis(3));
    config.loaded(UnixTime::from_duration(Duration::from_millis(1_500)));
    let page = metrics.exporter().render();
    for line in [
        "headgate_config_ended_reloads_total{result=\"rejected\"} 1",
        "headgate_config_ended_reloads_total{result=\"applied\"} 0",
        "headgate_config_reload_duration_seconds_count 1",
        "headgate_config_last_success_timestamp_seconds 1.5",
    ] {
        assert!(page.contains(line), "{line} is not in {page}");
    }
}
