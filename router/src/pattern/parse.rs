//! Reads a pattern from its text.

use super::{Host, Methods, Pattern, Predicate, segment};
use crate::{ParseError, text::Piece};

/// Longer than any line that a reader takes in.
const PATTERN_BYTES_MAX: usize = 2048;
const PREDICATES_MAX: usize = 16;
const WHOLE: &str = "METHOD [host]/path [predicates], such as GET /tv/home/{profile} device=tv";

pub(super) fn pattern(text: &str) -> Result<Pattern, ParseError> {
    let whole = Piece::whole(text);
    if text.len() > PATTERN_BYTES_MAX {
        let allowed = format!("at most {PATTERN_BYTES_MAX} bytes");
        return Err(whole.fault("the pattern is too long", allowed));
    }
    let is_space = |character: char| character.is_ascii_whitespace();
    let (methods, after) = whole.trimmed().divide_before(is_space);
    if methods.text.is_empty() {
        return Err(methods.fault("an empty pattern", WHOLE));
    }
    if methods.text.contains('/') {
        return Err(methods.fault("no method before the path", WHOLE));
    }
    let methods = Methods::parse(methods)?;
    let (target, after) = after.trimmed().divide_before(is_space);
    if !target.text.contains('/') {
        return Err(target.fault("no path", WHOLE));
    }
    let (host, path) = target.divide_before(|character| character == '/');
    let host = Host::parse(&host)?;
    let segments = segment::parse(&path)?;
    let predicates = predicates(after.trimmed())?;
    let prefix_literal = segment::prefix_literal(&segments);
    Ok(Pattern { methods, host, segments, predicates, prefix_literal })
}

fn predicates(mut piece: Piece<'_>) -> Result<Vec<Predicate>, ParseError> {
    let mut predicates: Vec<Predicate> = Vec::new();
    while !piece.text.is_empty() {
        let (predicate, rest) = Predicate::parse(&piece)?;
        let (written, _) = piece.divide(piece.text.len() - rest.text.len());
        if predicates.iter().any(|one| one.subject() == predicate.subject()) {
            return Err(written.fault("a second predicate on the same name", "one for each name"));
        }
        if !rest.text.is_empty() && !rest.text.starts_with(|c: char| c.is_ascii_whitespace()) {
            let (junk, _) = rest.divide_before(|character| character.is_ascii_whitespace());
            return Err(junk.fault("no space after a predicate", "white space between predicates"));
        }
        predicates.push(predicate);
        if predicates.len() > PREDICATES_MAX {
            return Err(written.fault("too many predicates", format!("at most {PREDICATES_MAX}")));
        }
        piece = rest.trimmed();
    }
    predicates.sort_by(|one, other| one.subject().cmp(&other.subject()));
    Ok(predicates)
}
