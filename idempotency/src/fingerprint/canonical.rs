//! JSON in canonical form, in one pass and without a tree of it.

use std::{fmt, io::Write as _, ops::Range};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Appends a document in canonical form. What is appended is read by nobody, only compared: no two
/// documents that differ have one form.
///
/// # Errors
///
/// The bytes are no JSON. What was appended by then is worth nothing.
pub(super) fn append(payload: &[u8], out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let mut document = serde_json::Deserializer::from_slice(payload);
    Form(out).deserialize(&mut document)?;
    document.end()
}

/// Writes the value that it is given.
struct Form<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Form<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Form<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        write!(self.0, "{number}").map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        write!(self.0, "{number}").map_err(E::custom)
    }

    /// A double that is a whole number is written as that number, so that `1.0` is `1`.
    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        // Above it a double is not every whole number any more.
        const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
        if number.fract() == 0.0 && number.abs() < WHOLE_MAX {
            // Adding zero makes one of the two zeros.
            return write!(self.0, "{:.0}", number + 0.0).map_err(E::custom);
        }
        write!(self.0, "{number:e}").map_err(E::custom)
    }

    /// Length and text: no escape is needed where nothing is read back.
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.push(b'"');
        self.0.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        self.0.push(b'[');
        while values.next_element_seed(Form(self.0))?.is_some() {
            self.0.push(b',');
        }
        self.0.push(b']');
        Ok(())
    }

    /// Members are written as they come, and put in order only where they are not.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.push(b'{');
        let start = self.0.len();
        let mut written: Vec<Member> = Vec::new();
        loop {
            let begin = self.0.len();
            if members.next_key_seed(Form(self.0))?.is_none() {
                break;
            }
            let name = begin..self.0.len();
            members.next_value_seed(Form(self.0))?;
            written.push(Member { name, end: self.0.len() });
        }
        let is_ordered = written.is_sorted_by(|a, b| name(self.0, a) < name(self.0, b));
        if !is_ordered {
            order(self.0, start, &mut written);
        }
        self.0.push(b'}');
        Ok(())
    }
}

/// Where a member stands.
struct Member {
    name: Range<usize>,
    end: usize,
}

fn name<'a>(out: &'a [u8], member: &Member) -> &'a [u8] {
    out.get(member.name.clone()).unwrap_or_default()
}

/// Sorts members by name. Of several with one name the last counts, as most readers have it.
fn order(out: &mut Vec<u8>, start: usize, members: &mut [Member]) {
    // Stable, so that the last of one name stays the last.
    members.sort_by(|a, b| name(out, a).cmp(name(out, b)));
    let mut sorted = Vec::with_capacity(out.len() - start);
    for (at, member) in members.iter().enumerate() {
        let is_last = members.get(at + 1).is_none_or(|next| name(out, next) != name(out, member));
        if is_last {
            sorted.extend_from_slice(out.get(member.name.start..member.end).unwrap_or_default());
        }
    }
    out.truncate(start);
    out.append(&mut sorted);
}
