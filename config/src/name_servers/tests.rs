use super::*;

#[test]
fn servers_are_read_as_the_c_library_reads_them() {
    for (text, expected) in [
        ("nameserver 10.0.0.2\nsearch a.example\nnameserver fd00::2", "10.0.0.2:53 [fd00::2]:53"),
        ("# nameserver 10.0.0.1\n  nameserver\t10.0.0.2 # first", "10.0.0.2:53"),
        ("nameserver a.example\nnameserver", "127.0.0.1:53"),
        ("", "127.0.0.1:53"),
        (
            "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4",
            "10.0.0.1:53 10.0.0.2:53 10.0.0.3:53",
        ),
    ] {
        let found: Vec<_> = named(text).iter().map(ToString::to_string).collect();
        assert_eq!(found.join(" "), expected, "{text}");
    }
}
