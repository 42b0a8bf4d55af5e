use super::*;

fn node(kind: &str, handlers: Vec<HandledStatus>, followed: Vec<SeriesNode>) -> SeriesNode {
    SeriesNode {
        id: format!("id-{kind}"),
        kind: kind.to_owned(),
        source: "/hg/edge/tv/order".to_owned(),
        topic: "orders".to_owned(),
        partition: 0,
        offset: 7,
        key: "o-1".to_owned(),
        time: "2026-11-21T06:34:00.000Z".to_owned(),
        after_ms: 3,
        lasts_ms: 0,
        is_critical: kind != "b.v1",
        handlers,
        followed,
    }
}

#[test]
fn series_is_drawn_as_a_tree() {
    let parked = HandledStatus {
        group: "tv.charge".to_owned(),
        state: "parked".to_owned(),
        attempts: Some(3),
        error: Some("the function answered 500".to_owned()),
        dead_letter: Some("abc".to_owned()),
    };
    let followed = vec![node("b.v1", Vec::new(), Vec::new()), node("c.v1", Vec::new(), Vec::new())];
    let series = Series {
        trace_id: "0af7".to_owned(),
        events: vec![node("a.v1", vec![parked], followed)],
        is_cut: true,
        duration_ms: 3,
        control: SeriesStand {
            state: "paused".to_owned(),
            actor: Some("ada".to_owned()),
            why: Some("INC-1".to_owned()),
            time: Some("now".to_owned()),
        },
    };
    let expected = "\
trace 0af7 3ms, paused by ada at now: INC-1
└─ a.v1 in orders key=o-1 +3ms critical by /hg/edge/tv/order (id-a.v1)
   │  tv.charge: parked after 3 attempts: the function answered 500 (dead letter abc)
   ├─ b.v1 in orders key=o-1 +3ms by /hg/edge/tv/order (id-b.v1)
   └─ c.v1 in orders key=o-1 +3ms critical by /hg/edge/tv/order (id-c.v1)
older entries were not looked at
";
    assert_eq!(tree(&series), expected);
}

#[test]
fn entry_is_one_line() {
    let entry = EventEntry {
        topic: "orders".to_owned(),
        partition: 1,
        offset: 2,
        time: "now".to_owned(),
        event: serde_json::json!({ "type": "t.v1", "id": "i", "partitionkey": "k", "data": [1] }),
    };
    assert_eq!(line(&entry), "now 1:2 t.v1 i key=k trace=- [1]");
}
