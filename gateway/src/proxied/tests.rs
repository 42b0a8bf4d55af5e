use proptest::prelude::*;

use super::*;

/// What is read of some bytes, and how many are left.
fn run(mut bytes: &[u8]) -> Option<(Option<String>, usize)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let read = runtime.block_on(read(&mut bytes)).ok()?;
    Some((read.map(|address| address.to_string()), bytes.len()))
}

fn told(address: &str, left: usize) -> (Option<String>, usize) {
    (Some(address.to_owned()), left)
}

fn version_2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, body].concat()
}

#[test]
fn line_of_version_1_names_the_client() {
    assert_eq!(
        run(b"PROXY TCP4 203.0.113.7 10.0.0.1 5120 443\r\nGET /"),
        Some(told("203.0.113.7:5120", 5))
    );
    let six = b"PROXY TCP6 2001:db8::7 2001:db8::1 5120 443\r\n";
    assert_eq!(run(six), Some(told("[2001:db8::7]:5120", 0)));
    assert_eq!(run(b"PROXY UNKNOWN\r\nx"), Some((None, 1)));
    assert_eq!(run(b"PROXY UNKNOWN ffff::1 whatever\r\nx"), Some((None, 1)));
}

#[test]
fn what_is_no_line_of_version_1_is_refused() {
    for line in [
        "GET / HTTP/1.1\r\n",
        "PROXY\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 5120\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 5120 443 1\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 5120 65536\r\n",
        "PROXY TCP4 2001:db8::7 10.0.0.1 5120 443\r\n",
        "PROXY TCP6 203.0.113.7 10.0.0.1 5120 443\r\n",
        "PROXY UDP4 203.0.113.7 10.0.0.1 5120 443\r\n",
        "PROXY  TCP4 203.0.113.7 10.0.0.1 5120 443\r\n",
        "PROXX TCP4 203.0.113.7 10.0.0.1 5120 443\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 5120 443\n",
    ] {
        assert_eq!(run(line.as_bytes()), None, "{line:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_BYTES_MAX));
    assert_eq!(run(long.as_bytes()), None);
}

#[test]
fn header_of_version_2_names_the_client() {
    let four = [&[203, 0, 113, 7, 10, 0, 0, 1], &5120_u16.to_be_bytes()[..], &[1, 187]].concat();
    let bytes = [&version_2(0x21, 0x11, &four)[..], b"GET"].concat();
    assert_eq!(run(&bytes), Some(told("203.0.113.7:5120", 3)));
    // What else the balancer has to say stands behind the addresses.
    let more = [&four[..], &[0x04, 0, 1, 0]].concat();
    assert_eq!(run(&version_2(0x21, 0x11, &more)), Some(told("203.0.113.7:5120", 0)));
    let source: Ipv6Addr = "2001:db8::7".parse().unwrap();
    let six = [&source.octets()[..], &[0; 16], &5120_u16.to_be_bytes(), &[1, 187]].concat();
    assert_eq!(run(&version_2(0x21, 0x21, &six)), Some(told("[2001:db8::7]:5120", 0)));
    assert_eq!(run(&version_2(0x20, 0x00, b"")), Some((None, 0)), "a health check");
    assert_eq!(run(&version_2(0x21, 0x31, &[0; 216])), Some((None, 0)), "a Unix socket");
}

#[test]
fn what_is_no_header_of_version_2_is_refused() {
    assert_eq!(run(&version_2(0x21, 0x11, &[0; 11])), None, "too short for its addresses");
    assert_eq!(run(&version_2(0x22, 0x11, &[0; 12])), None, "no such command");
    assert_eq!(run(&version_2(0x11, 0x11, &[0; 12])), None, "no such version");
    assert_eq!(run(&version_2(0x21, 0x11, &[0; 4097])), None, "too long");
    assert_eq!(run(&SIGNATURE), None, "cut off");
    let mut other = version_2(0x21, 0x11, &[0; 12]);
    other[5] = b'x';
    assert_eq!(run(&other), None);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), version in 0_u8..3) {
        let prefix: &[u8] = match version { 0 => b"", 1 => b"PROXY TCP4 ", _ => &SIGNATURE };
        run(&[prefix, &bytes].concat());
    }
}
