use super::*;

fn answer(body: &'static str) -> Answer {
    Answer { status: StatusCode::OK, trace: None, location: None, body: body.into() }
}

#[test]
fn handler_that_failed_fails_the_probe() {
    assert_eq!(done(&answer("{\"charge\":{\"charged\":true}}")), Ok(()));
    assert_eq!(done(&answer("{}")), Ok(()));
    let failed = done(&answer("{\"charge\":{},\"ship\":{\"error\":\"no such street\"}}"));
    assert_eq!(failed, Err((ProbeResult::Handler, "ship: no such street".to_owned())));
}

#[test]
fn listener_on_all_addresses_is_called_on_loopback() {
    for (address, called) in
        [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.7:80", "10.0.0.7:80")]
    {
        assert_eq!(callable(address.parse().unwrap()), called.parse().unwrap());
    }
}
