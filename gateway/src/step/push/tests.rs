use http::Request;

use super::*;
use crate::{headers::Hop, step::target};

fn place(header: Option<&str>, uri: &str) -> Result<Following, &'static str> {
    let mut request = Request::get(uri).header("host", "edge");
    if let Some(header) = header {
        request = request.header("last-event-id", header);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let target = target::read(&parts, Hop::default()).unwrap();
    following(&parts.headers, &target).map_err(Error::code)
}

#[test]
fn place_to_go_on_from_is_a_number_in_the_header_or_the_query() {
    assert_eq!(place(None, "/_headgate/push"), Ok(Following::Now));
    assert_eq!(place(Some(""), "/_headgate/push"), Ok(Following::Now));
    assert_eq!(place(Some("0"), "/_headgate/push"), Ok(Following::From(0)));
    assert_eq!(place(None, "/_headgate/push?a=b&last-event-id=12"), Ok(Following::From(12)));
    // What a client remembers is newer than the address it was given.
    assert_eq!(place(Some("13"), "/_headgate/push?last-event-id=12"), Ok(Following::From(13)));
    for nonsense in ["x", "-1", "1.5", "99999999999999999999"] {
        assert_eq!(place(Some(nonsense), "/_headgate/push"), Err("HG0006"), "{nonsense}");
    }
}
