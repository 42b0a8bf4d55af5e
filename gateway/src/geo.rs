//! Where a client is, as far as a database of addresses can tell.
//!
//! Reads files of MaxMind's format (version 2.0), whoever has made them, and of a record what the
//! common databases of countries and cities have: continent, country, the first subdivision, and
//! the time zone.

use std::{
    fmt::{self, Write as _},
    net::IpAddr,
    sync::Arc,
};

use http::HeaderValue;
use maxminddb::Reader;
use serde::Deserialize;

/// The largest file that is read; the largest common one has 120 MiB.
pub const GEO_BYTES_MAX: usize = 512 << 20;

/// Bytes of one part: the longest name of a time zone has 32.
const PART_BYTES_MAX: usize = 64;

/// A database of addresses; a copy is cheap.
#[derive(Clone)]
pub struct Geo(Arc<Reader<Vec<u8>>>);

/// Bytes that are no such database.
#[derive(Debug, thiserror::Error)]
#[error("no database of addresses: {0}")]
pub struct GeoError(#[source] maxminddb::MaxMindDbError);

impl fmt::Debug for Geo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let built_at = self.0.metadata().build_epoch;
        f.debug_struct("Geo").field("built_at", &built_at).finish_non_exhaustive()
    }
}

/// The parts of a record that are handed on.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Record<'a> {
    #[serde(borrow)]
    continent: Coded<'a>,
    #[serde(borrow)]
    country: Coded<'a>,
    #[serde(borrow)]
    subdivisions: Vec<Coded<'a>>,
    #[serde(borrow)]
    location: Location<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Coded<'a> {
    code: Option<&'a str>,
    iso_code: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Location<'a> {
    time_zone: Option<&'a str>,
}

impl Geo {
    /// Takes the bytes of a file.
    ///
    /// # Errors
    ///
    /// [`GeoError`] when they are no database of addresses.
    pub fn new(bytes: Vec<u8>) -> Result<Self, GeoError> {
        Reader::from_source(bytes).map(|reader| Self(Arc::new(reader))).map_err(GeoError)
    }

    /// Where an address is, as a dictionary of structured fields (RFC 9651, 3.2):
    /// `country="DE", region="BE", continent="EU", tz="Europe/Berlin"`, as far as it is known. None
    /// where nothing is, or the record can't be read.
    pub fn tell(&self, address: IpAddr) -> Option<HeaderValue> {
        let record: Record<'_> = self.0.lookup(address.to_canonical()).ok()?.decode().ok()??;
        let region = record.subdivisions.first().and_then(|region| region.iso_code);
        let parts = [
            ("country", record.country.iso_code),
            ("region", region),
            ("continent", record.continent.code),
            ("tz", record.location.time_zone),
        ];
        let mut text = String::new();
        for (name, part) in parts {
            let Some(part) = part.filter(|part| is_plain(part)) else { continue };
            let comma = if text.is_empty() { "" } else { ", " };
            // Writing to a text can't fail.
            write!(text, "{comma}{name}=\"{part}\"").unwrap_or_default();
        }
        if text.is_empty() { None } else { HeaderValue::try_from(text).ok() }
    }
}

/// Whether a part needs no escape: whoever has made the file may have written anything.
fn is_plain(part: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/+".contains(&byte);
    !part.is_empty() && part.len() <= PART_BYTES_MAX && part.bytes().all(is_plain)
}

#[cfg(test)]
mod tests;
