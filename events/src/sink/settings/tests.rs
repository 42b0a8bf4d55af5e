use super::*;

fn column(name: &str) -> Column {
    Column { name: name.to_owned(), kind: Kind::Text, value: Value::Attribute("id") }
}

fn table(columns: &[&str], key: &[&str]) -> Table {
    Table {
        name: "orders".to_owned(),
        topic: "orders".to_owned(),
        kinds: Vec::new(),
        columns: columns.iter().map(|name| column(name)).collect(),
        key: key.iter().map(|key| (*key).to_owned()).collect(),
        sequence: None,
    }
}

fn fault(tables: Vec<Table>) -> String {
    let found = Settings::new("shop", "postgres://", tables).validate();
    found.map_or_else(|error| error.to_string(), |()| "none".to_owned())
}

#[test]
fn a_table_has_columns_and_a_key_among_them() {
    assert_eq!(fault(vec![table(&["id", "total"], &["id"])]), "none");
    assert_eq!(fault(vec![table(&["id"], &[])]), "the table orders has no key");
    assert_eq!(fault(vec![table(&["id"], &["nr"])]), "the key nr is no column of the table orders");
    assert!(fault(vec![table(&[], &["id"])]).contains("no columns"));
}

#[test]
fn a_name_is_used_once() {
    let twice = vec![table(&["id"], &["id"]), table(&["id"], &["id"])];
    assert_eq!(fault(twice), "the table orders is named twice");
    assert_eq!(
        fault(vec![table(&["id", "id"], &["id"])]),
        "the table orders has the column id twice"
    );
    assert!(fault(vec![table(&["hg_seq"], &["hg_seq"])]).contains("the sink's own"));
}

#[test]
fn values_are_attributes_data_and_parts_of_it() {
    assert_eq!("type".parse(), Ok(Value::Attribute("type")));
    assert_eq!("data".parse(), Ok(Value::Data(Vec::new())));
    let path = vec!["customer".to_owned(), "name".to_owned()];
    assert_eq!("data.customer.name".parse(), Ok(Value::Data(path)));
    for wrong in ["", "dat", "data.", "data..a", "ID"] {
        assert!(wrong.parse::<Value>().is_err(), "{wrong:?}");
    }
}

#[test]
fn types_are_those_of_the_database() {
    assert_eq!("double precision".parse(), Ok(Kind::Double));
    let error = "int".parse::<Kind>().unwrap_err().to_string();
    assert!(error.contains("\"int\" is none of text, bigint"), "{error}");
}

#[test]
fn an_address_is_never_shown() {
    let settings = Settings::new("shop", "postgres://u:hunter2@h/d", Vec::new());
    assert!(!format!("{settings:?}").contains("hunter2"));
}
