//! Exit codes: 0 ok, 1 findings or differences, 2 invalid input, 3 unreachable.

use std::{error::Error, fmt};

/// All is well.
pub(crate) const OK: u8 = 0;
/// Findings, or differences.
pub(crate) const FINDINGS: u8 = 1;
/// Input that can't be used.
pub(crate) const INVALID: u8 = 2;
/// Nobody answers.
pub(crate) const UNREACHABLE: u8 = 3;

/// Input that can't be served; the process ends with code 2.
#[derive(Debug)]
pub(crate) struct Invalid(String);

impl Invalid {
    /// Its code, with a page in `docs/errors/`.
    pub(crate) const CODE: &'static str = "HG1101";

    /// Says what is wrong, with its causes, in one line.
    pub(crate) fn new(error: impl Error) -> Self {
        let mut line = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !line.contains(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        Self(line)
    }

    /// Takes the line as it is.
    pub(crate) const fn message(line: String) -> Self {
        Self(line)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Invalid {}

/// An edge that does not answer; the process ends with code 3.
#[derive(Debug)]
pub(crate) struct Unreachable(pub(crate) String);

impl Unreachable {
    /// Its code, with a page in `docs/errors/`.
    pub(crate) const CODE: &'static str = "HG1102";
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Unreachable {}

/// What a running edge does not take; the process ends with code 2.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

impl Refused {
    /// Its code, with a page in `docs/errors/`.
    pub(crate) const CODE: &'static str = "HG1103";
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Refused {}
