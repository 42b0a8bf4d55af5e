use super::*;

#[test]
fn routes_are_read_from_a_page() {
    let page = "# HELP headgate_gateway_arrived_requests_total Requests.\n\
        headgate_gateway_arrived_requests_total{team=\"tv\",route=\"home\"} 12\n\
        headgate_gateway_ended_requests_total{team=\"tv\",route=\"home\",outcome=\"ok\"} 7\n\
        headgate_gateway_ended_requests_total{team=\"tv\",route=\"home\",outcome=\"origin_reset\"} 2\n\
        headgate_gateway_ended_requests_total{team=\"tv\",route=\"home\",outcome=\"limited_concurrency\"} 1\n\
        headgate_gateway_ended_requests_total{team=\"tv\",route=\"home\",outcome=\"denied_auth\"} 1\n\
        headgate_gateway_in_flight_requests{team=\"tv\",route=\"home\"} 1\n\
        headgate_gateway_exchange_duration_seconds_bucket{team=\"tv\",route=\"home\",le=\"0.001\"} 5\n\
        headgate_gateway_exchange_duration_seconds_bucket{team=\"tv\",route=\"home\",le=\"+Inf\"} 11\n\
        headgate_gateway_exchange_duration_seconds_sum{team=\"tv\",route=\"home\"} 0.5\n\
        headgate_gateway_draining_flag 0\n";
    let routes = read(page);
    assert_eq!(routes.len(), 1);
    let counts = &routes[&("tv".to_owned(), "home".to_owned())];
    // Shed, rejected, failed, passed.
    assert_eq!((counts.arrived, counts.ended, counts.in_flight), (12, [1, 1, 2, 7], 1.0));
    assert_eq!(counts.took, [(0.001, 5), (f64::INFINITY, 11)]);
}

#[test]
fn quotes_in_labels_are_read() {
    let line = r#"x{team="a\"b\\",route="c,d=\"e"} 1"#;
    let (name, labels, value) = series(line).unwrap();
    assert_eq!((name, value), ("x", 1.0));
    assert_eq!(labels, [("team", r#"a"b\"#.to_owned()), ("route", r#"c,d="e"#.to_owned())]);
}

#[test]
fn what_the_format_does_not_allow_is_passed_over() {
    for line in ["", "x", "x{team=\"a} 1", "x{team=\"a\" 1", "# TYPE x counter"] {
        assert_eq!(read(line), Routes::new(), "{line}");
    }
}
