use http::Request;

use super::*;

fn read_from(version: Version, uri: &str, hosts: &[&str]) -> Result<Target, Error> {
    let mut request = Request::builder().version(version).uri(uri);
    for host in hosts {
        request = request.header(HOST, *host);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    read(&parts, Hop::default())
}

#[test]
fn host_and_authority_must_agree() {
    let target = read_from(Version::HTTP_11, "http://Api.Example:80/a?b", &["api.example:80"]);
    let target = target.unwrap();
    assert_eq!(target.host, "api.example");
    assert_eq!((target.path(), target.query()), ("/a", Some("b")));
    let differ = read_from(Version::HTTP_2, "http://one/", &["two"]);
    assert!(matches!(differ, Err(Error::BadRequest(_))));
}

#[test]
fn only_http_1_0_may_name_no_host() {
    assert_eq!(read_from(Version::HTTP_10, "/", &[]).unwrap().host, "");
    assert!(read_from(Version::HTTP_11, "/", &[]).is_err());
}

#[test]
fn several_malformed_or_peopled_hosts_are_refused() {
    for hosts in [&["a", "a"][..], &["a b"], &["user@a"], &[""]] {
        assert!(read_from(Version::HTTP_11, "/", hosts).is_err(), "{hosts:?}");
    }
}

#[test]
fn connect_and_asterisk_are_not_served() {
    assert!(read_from(Version::HTTP_11, "*", &["a"]).is_err());
    let request = Request::builder().method(Method::CONNECT).uri("a:1").body(()).unwrap();
    let (parts, ()) = request.into_parts();
    assert!(read(&parts, Hop::default()).is_err());
}

#[test]
fn the_upstream_gets_the_host_as_written_and_the_path_as_matched() {
    let target = read_from(Version::HTTP_2, "http://Api.Example/a%20b?c=%2e", &[]).unwrap();
    assert_eq!(target.authority.unwrap(), "Api.Example");
    assert_eq!(target.path_and_query.as_str(), "/a%20b?c=%2e");
    let target = read_from(Version::HTTP_11, "/open/%2e%2e//admin?d", &["a"]).unwrap();
    assert_eq!(target.path(), "/admin");
    assert_eq!(target.path_and_query.as_str(), "/admin?d");
}
