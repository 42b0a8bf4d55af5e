use super::*;
use crate::sink::{Column, Kind, Value};

fn table(name: &str, columns: &[(&str, Kind)]) -> Table {
    let column = |(name, kind): &(&str, Kind)| Column {
        name: (*name).to_owned(),
        kind: *kind,
        value: Value::Attribute("id"),
    };
    Table {
        name: name.to_owned(),
        topic: "orders".to_owned(),
        kinds: Vec::new(),
        columns: columns.iter().map(column).collect(),
        key: vec![columns[0].0.to_owned()],
        sequence: None,
    }
}

#[test]
fn a_table_has_its_columns_its_key_and_a_sequence() {
    let table = table("shop.orders", &[("id", Kind::Text), ("total", Kind::Numeric)]);
    assert_eq!(
        create(&table),
        "create table if not exists \"shop\".\"orders\" (\"id\" text, \"total\" numeric, \
         hg_seq bigint not null, primary key (\"id\"))"
    );
}

#[test]
fn a_row_gives_way_to_a_higher_sequence_alone() {
    let sql = upsert(&table("orders", &[("id", Kind::Text), ("total", Kind::Numeric)]));
    assert!(sql.contains("select distinct on (\"id\") \"id\", \"total\", hg_seq from"), "{sql}");
    assert!(
        sql.ends_with(
            "on conflict (\"id\") do update set \"total\" = excluded.\"total\", \
             hg_seq = excluded.hg_seq where stands.hg_seq < excluded.hg_seq"
        ),
        "{sql}"
    );
}

#[test]
fn a_name_never_ends_its_quotes() {
    let table = table("a\"; drop table b", &[("x\"y", Kind::Text)]);
    assert!(create(&table).contains("\"a\"\"; drop table b\" (\"x\"\"y\" text"));
}
