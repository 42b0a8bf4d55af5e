use super::*;

/// One node, whose left half of all addresses has this record, as raw data of the format.
fn database(record: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 17, 0, 0, 1];
    file.extend([0; 16]);
    file.extend(record);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    // A map of nine members.
    file.push(0xe9);
    let text = |file: &mut Vec<u8>, text: &str| {
        file.push(0x40 | u8::try_from(text.len()).unwrap());
        file.extend(text.as_bytes());
    };
    for (name, value) in [
        ("record_size", 24_u16),
        ("ip_version", 4),
        ("binary_format_major_version", 2),
        ("binary_format_minor_version", 0),
    ] {
        text(&mut file, name);
        file.push(0xa2);
        file.extend(value.to_be_bytes());
    }
    text(&mut file, "node_count");
    file.extend([0xc4, 0, 0, 0, 1]);
    text(&mut file, "build_epoch");
    file.extend([0x08, 0x02, 0, 0, 0, 0, 0, 0, 0, 9]);
    text(&mut file, "database_type");
    text(&mut file, "Test");
    text(&mut file, "languages");
    file.extend([0x00, 0x04]);
    text(&mut file, "description");
    file.push(0xe0);
    file
}

fn told(record: &[u8], address: &str) -> Option<String> {
    let geo = Geo::new(database(record)).unwrap();
    let told = geo.tell(address.parse().unwrap())?;
    Some(told.to_str().unwrap().to_owned())
}

/// `{"country": {"iso_code": "DE"}, "location": {"time_zone": "Europe/Berlin"}}`
const BERLIN: &[u8] =
    b"\xe2\x47country\xe1\x48iso_code\x42DE\x48location\xe1\x49time_zone\x4dEurope/Berlin";

#[test]
fn place_of_an_address_is_a_dictionary() {
    let expected = "country=\"DE\", tz=\"Europe/Berlin\"";
    assert_eq!(told(BERLIN, "1.2.3.4").as_deref(), Some(expected));
    assert_eq!(told(BERLIN, "::ffff:1.2.3.4").as_deref(), Some(expected));
}

#[test]
fn nothing_is_said_of_what_is_not_known() {
    assert_eq!(told(BERLIN, "203.0.113.7"), None, "no record");
    assert_eq!(told(BERLIN, "2001:db8::1"), None, "a database of IPv4");
    assert_eq!(told(b"\xe0", "1.2.3.4"), None, "an empty record");
    assert_eq!(told(b"\x42DE", "1.2.3.4"), None, "a record that is none");
}

#[test]
fn part_that_would_need_an_escape_is_left_out() {
    let evil = b"\xe1\x47country\xe1\x48iso_code\x44D\"\r\n";
    assert_eq!(told(evil, "1.2.3.4"), None);
}

#[test]
fn other_files_are_refused() {
    for bytes in [&b""[..], b"no database", b"\xab\xcd\xefMaxMind.com", &database(b"")[..20]] {
        assert!(Geo::new(bytes.to_vec()).is_err());
    }
}
