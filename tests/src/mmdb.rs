//! Writes tiny databases of addresses in MaxMind's format (version 2.0), as its specification says.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// A database of IPv4 networks, each with its record: objects, lists, texts and whole numbers.
///
/// # Panics
///
/// On other values, and on networks that lie in one another.
pub fn database(networks: &[(&str, Value)]) -> Vec<u8> {
    let (mut data, mut offsets) = (Vec::new(), Vec::new());
    for (_, record) in networks {
        offsets.push(u32::try_from(data.len()).unwrap());
        write(&mut data, record);
    }
    // A node has a left and a right record: another node, or none, or where its data is.
    let mut nodes: Vec<[Option<Target>; 2]> = vec![[None, None]];
    for ((network, _), offset) in networks.iter().zip(offsets) {
        let (address, length) = network.split_once('/').unwrap();
        let bits = address.parse::<Ipv4Addr>().unwrap().to_bits();
        let length: u32 = length.parse().unwrap();
        let mut at = 0;
        for depth in 0..length {
            let side = usize::try_from((bits >> (31 - depth)) & 1).unwrap();
            if depth + 1 == length {
                assert!(nodes[at][side].is_none(), "{network} lies in another");
                nodes[at][side] = Some(Target::Data(offset));
                break;
            }
            at = match nodes[at][side] {
                Some(Target::Node(next)) => next,
                Some(Target::Data(_)) => panic!("{network} lies in another"),
                None => {
                    nodes.push([None, None]);
                    nodes[at][side] = Some(Target::Node(nodes.len() - 1));
                    nodes.len() - 1
                }
            };
        }
    }
    let count = u32::try_from(nodes.len()).unwrap();
    let mut file = Vec::new();
    for target in nodes.iter().flatten() {
        let record = match target {
            None => count,
            Some(Target::Node(node)) => u32::try_from(*node).unwrap(),
            // Data begins behind sixteen bytes of nothing.
            Some(Target::Data(offset)) => count + 16 + offset,
        };
        file.extend(&record.to_be_bytes()[1..]);
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    metadata(&mut file, count);
    file
}

/// What stands behind the data: a map whose numbers have the sizes of the specification.
fn metadata(file: &mut Vec<u8>, nodes_count: u32) {
    let texts = json!({
        "database_type": "Test-City", "languages": ["en"], "description": { "en": "of tests" },
    });
    let members = texts.as_object().unwrap();
    head(file, MAP, members.len() + 6);
    for (name, value) in members {
        write(file, &Value::from(name.as_str()));
        write(file, value);
    }
    write(file, &Value::from("node_count"));
    write(file, &Value::from(nodes_count));
    write(file, &Value::from("build_epoch"));
    head(file, LONG, 8);
    file.extend(1_u64.to_be_bytes());
    for (name, number) in [
        ("record_size", 24_u16),
        ("ip_version", 4),
        ("binary_format_major_version", 2),
        ("binary_format_minor_version", 0),
    ] {
        write(file, &Value::from(name));
        head(file, SHORT, 2);
        file.extend(number.to_be_bytes());
    }
}

#[derive(Clone, Copy)]
enum Target {
    Node(usize),
    Data(u32),
}

const TEXT: u8 = 2;
const SHORT: u8 = 5;
const NUMBER: u8 = 6;
const MAP: u8 = 7;
const LONG: u8 = 9;
const LIST: u8 = 11;

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => {
            head(out, TEXT, text.len());
            out.extend(text.as_bytes());
        }
        Value::Number(number) => {
            let number = u32::try_from(number.as_u64().unwrap()).unwrap();
            head(out, NUMBER, 4);
            out.extend(number.to_be_bytes());
        }
        Value::Object(members) => {
            head(out, MAP, members.len());
            for (name, value) in members {
                write(out, &Value::from(name.as_str()));
                write(out, value);
            }
        }
        Value::Array(elements) => {
            head(out, LIST, elements.len());
            for element in elements {
                write(out, element);
            }
        }
        other => panic!("{other} is not written"),
    }
}

/// The control bytes: the kind in the upper three bits, or zero and a byte for it, then the size.
fn head(out: &mut Vec<u8>, kind: u8, size: usize) {
    let (short, long) = if size < 29 { (size, None) } else { (29, Some(size - 29)) };
    let short = u8::try_from(short).unwrap();
    if kind > 7 {
        out.extend([short, kind - 7]);
    } else {
        out.push(kind << 5 | short);
    }
    out.extend(long.map(|long| u8::try_from(long).unwrap()));
}
