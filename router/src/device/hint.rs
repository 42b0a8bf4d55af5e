//! Client hints: structured fields (RFC 9651) that a browser sends about itself.

use http::{HeaderMap, HeaderName};

use crate::value::Test;

/// A client hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// `sec-ch-ua-platform`, such as `"iOS"`.
    Platform,
    /// `sec-ch-ua-mobile`, `?1` or `?0`.
    Mobile,
    /// `sec-ch-ua-model`, such as `"Pixel 9"`.
    Model,
    /// The brands in `sec-ch-ua`, such as `"Chromium";v="124", "Google Chrome";v="124"`.
    Brand,
}

static PLATFORM: HeaderName = HeaderName::from_static("sec-ch-ua-platform");
static MOBILE: HeaderName = HeaderName::from_static("sec-ch-ua-mobile");
static MODEL: HeaderName = HeaderName::from_static("sec-ch-ua-model");
static BRANDS: HeaderName = HeaderName::from_static("sec-ch-ua");

impl Hint {
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Platform, Self::Mobile, Self::Model, Self::Brand]
            .into_iter()
            .find(|hint| hint.as_str() == name)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Mobile => "mobile",
            Self::Model => "model",
            Self::Brand => "brand",
        }
    }

    /// The header that carries it.
    pub(super) fn header(self) -> &'static HeaderName {
        match self {
            Self::Platform => &PLATFORM,
            Self::Mobile => &MOBILE,
            Self::Model => &MODEL,
            Self::Brand => &BRANDS,
        }
    }

    pub(super) fn holds(self, headers: &HeaderMap, test: &Test) -> bool {
        let first =
            |name: &HeaderName| headers.get(name).map(|value| value.as_bytes().trim_ascii());
        let one = |name: &HeaderName| first(name).is_some_and(|value| item_holds(value, test));
        match self {
            Self::Platform => one(&PLATFORM),
            Self::Model => one(&MODEL),
            // Being told that it is not mobile is no hint at all.
            Self::Mobile if *test == Test::Present => first(&MOBILE) == Some(b"?1"),
            Self::Mobile => one(&MOBILE),
            Self::Brand => headers
                .get_all(&BRANDS)
                .iter()
                .any(|line| brands(line.as_bytes()).any(|brand| item_holds(brand, test))),
        }
    }
}

/// Tests an item without its quotes. An escape inside a quoted text stays as it was sent: brands
/// and platforms have none but in the decoys that browsers mix in.
fn item_holds(item: &[u8], test: &Test) -> bool {
    let inside = item.strip_prefix(b"\"").and_then(|item| item.strip_suffix(b"\""));
    test.accepts(inside.unwrap_or(item))
}

/// The items of a list, without their parameters. Commas and semicolons in quotes divide nothing.
fn brands(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        (!rest.is_empty()).then(|| {
            let (member, after) = cut(rest, b',');
            rest = after;
            cut(member, b';').0.trim_ascii()
        })
    })
}

/// Cuts at the first separator outside of quotes.
fn cut(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let mut is_quoted = false;
    let mut is_escaped = false;
    let at = text.iter().position(|byte| {
        let is_separator = !is_quoted && *byte == separator;
        if *byte == b'"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = is_quoted && *byte == b'\\' && !is_escaped;
        is_separator
    });
    let (before, after) = text.split_at(at.unwrap_or(text.len()));
    (before, after.get(1..).unwrap_or_default())
}
