use super::*;

fn keys(row: &Row) -> (&str, &str) {
    let text = |name: &str| row[name].as_s().unwrap().as_str();
    (text(PARTITION_KEY), text(SORT_KEY))
}

#[test]
fn a_key_is_text_where_it_can_be() {
    let check = |key: &'static [u8], expected: &str| {
        let row = item(&Key::new("state", key));
        assert_eq!(keys(&row), (expected, "state"));
    };
    check(b"order-7", "i#=order-7");
    check(b"", "i#=");
    check(b"~AP8", "i#=~AP8");
    check(b"\0\xff", "i#~AP8");
    check(b"two words", "i#~dHdvIHdvcmRz");
}

#[test]
fn keys_stay_within_what_the_table_takes() {
    let longest = vec![0; headgate_store::KEY_BYTES_MAX];
    let row = item(&Key::new("s".repeat(headgate_store::NAME_BYTES_MAX), longest.clone()));
    let (partition, sort) = keys(&row);
    assert!(partition.len() <= 2_048 && sort.len() <= 1_024);
    let time = UnixTime::from_secs(1);
    let refused = delayed("q", time, &longest.into());
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert!(delayed("q", time, &vec![b'x'; 1_000].into()).is_ok());
}

#[test]
fn entries_stand_in_the_order_of_their_times() {
    let sort = |time, by| {
        let row = entry("t", 0, UnixTime::from_secs(time), by);
        keys(&row).1.to_owned()
    };
    let in_order = [sort(9, (1, 2)), sort(9, (1, 11)), sort(9, (2, 0)), sort(10, (0, 0))];
    assert!(in_order.is_sorted(), "{in_order:?}");
}

#[test]
fn a_row_reads_back_as_its_item() {
    let content = Content {
        attributes: [("n".to_owned(), 7.into()), ("b".to_owned(), "x".into())].into(),
        value: "v".into(),
        expires: Some(UnixTime::from_duration(Duration::from_millis(1_234))),
    };
    let mut row = item(&Key::new("s", "k"));
    fill(&mut row, &content);
    assert!(read(&row).is_err(), "without a version it is nobody's");
    row.insert(VERSION.to_owned(), number(9));
    assert_eq!(read(&row).unwrap(), Item { version: 9, content });
    row.insert(VALUE.to_owned(), AttributeValue::Bool(true));
    assert!(read(&row).is_err());
}
