use super::*;

#[track_caller]
fn check(source: ClientAddress, lines: &[&str], expected: Option<&str>) {
    let name = if source == ClientAddress::Forwarded { &FORWARDED } else { &FORWARDED_FOR };
    let headers =
        lines.iter().map(|line| (name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap()));
    let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()];
    let found = told(source, &headers.collect(), &trusted);
    assert_eq!(found, expected.map(|address| address.parse().unwrap()), "{lines:?}");
}

#[test]
fn last_address_that_is_no_proxys_is_the_client() {
    use ClientAddress::XForwardedFor as Source;

    check(Source, &[], None);
    check(Source, &["203.0.113.7"], Some("203.0.113.7"));
    check(Source, &["198.51.100.9, 203.0.113.7"], Some("203.0.113.7"));
    check(Source, &["198.51.100.9,203.0.113.7 , 10.1.2.3"], Some("203.0.113.7"));
    check(Source, &["203.0.113.7", "10.1.2.3"], Some("203.0.113.7"));
    check(Source, &["10.4.4.4, 10.1.2.3"], Some("10.4.4.4"));
    check(Source, &["2001:db8:2::1, 2001:db8:1::9"], Some("2001:db8:2::1"));
    check(Source, &["[2001:db8:2::1]:443"], Some("2001:db8:2::1"));
    check(Source, &["203.0.113.7:5120"], Some("203.0.113.7"));
    check(Source, &["::ffff:203.0.113.7"], Some("203.0.113.7"));
}

#[test]
fn what_is_no_address_ends_the_search() {
    use ClientAddress::XForwardedFor as Source;

    check(Source, &["unknown"], None);
    check(Source, &["203.0.113.7, unknown"], None);
    check(Source, &["203.0.113.7, unknown, 10.1.2.3"], Some("10.1.2.3"));
    check(Source, &["203.0.113.7, "], None);
    check(Source, &["203.0.113.7\u{e9}"], None);
    let long = format!("203.0.113.7{}", ", 10.0.0.1".repeat(ENTRIES_MAX));
    check(Source, &[&long], Some("10.0.0.1"));
}

#[test]
fn elements_of_forwarded_are_read_by_their_for() {
    use ClientAddress::Forwarded as Source;

    check(Source, &["for=203.0.113.7"], Some("203.0.113.7"));
    check(Source, &["For=\"[2001:db8:2::1]:4711\""], Some("2001:db8:2::1"));
    check(Source, &["for=192.0.2.60;proto=http;by=10.0.0.43"], Some("192.0.2.60"));
    check(Source, &["for=203.0.113.7, proto=https; for=10.0.0.9"], Some("203.0.113.7"));
    check(Source, &["for=203.0.113.7, by=10.0.0.9"], None);
    check(Source, &["for=203.0.113.7, for=_hidden"], None);
    check(Source, &["for=unknown"], None);
}

#[test]
fn other_sources_read_no_header() {
    check(ClientAddress::Peer, &["203.0.113.7"], None);
    check(ClientAddress::ProxyProtocol, &["203.0.113.7"], None);
}
