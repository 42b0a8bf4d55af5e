//! What a form is, and what does not have it.

use std::ops::Range;

use headgate_router::ParseError;

use crate::fault::Code;

/// Characters of a value that a message shows.
const FOUND_CHARS_MAX: usize = 64;

/// Why a text does not have the form that its key wants.
#[derive(Clone, Debug)]
pub(crate) struct Misfit {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// The part that is wrong, in bytes of the text; none for all of it.
    pub(crate) part: Option<Range<usize>>,
}

/// What reading a text gives: a value, or what is wrong in the form's own words or the parser's.
pub(super) trait Read<T> {
    fn or_expected(self, expected: &str, found: &str) -> Result<T, Misfit>;
}

impl<T> Read<T> for Option<T> {
    fn or_expected(self, expected: &str, found: &str) -> Result<T, Misfit> {
        self.ok_or_else(|| Misfit {
            code: Code::BadValue,
            message: format!("expected {expected}, found {:?}", shortened(found)),
            help: None,
            part: None,
        })
    }
}

impl<T> Read<T> for Result<T, (Code, ParseError)> {
    fn or_expected(self, _: &str, _: &str) -> Result<T, Misfit> {
        self.map_err(|(code, error)| Misfit {
            code,
            message: error.what().to_owned(),
            help: Some(format!("allowed is {}", error.allowed())),
            part: Some(error.span()),
        })
    }
}

/// A form that texts can have.
pub(crate) struct Form {
    pub(crate) name: &'static str,
    pub(crate) check: fn(&str) -> Result<(), Misfit>,
}

/// The value as a message shows it.
fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(FOUND_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}
