//! The values that arguments take, and what is said of others.

use syn::{
    Error, Expr, ExprClosure, Ident, Lit, LitInt, LitStr, Pat, Result, Token,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    spanned::Spanned as _,
};

use super::Mode;

/// A length of time in milliseconds, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Millis(pub(crate) u64);

/// What happens to work whose lease ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnLost {
    Retry,
    Hold,
}

/// Which events wait for one that is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Unordered,
    PerKey,
}

/// The waits between attempts, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Backoff {
    pub(crate) first: Millis,
    pub(crate) factor: f64,
    pub(crate) longest: Millis,
    pub(crate) attempts_max: u32,
}

impl Parse for Millis {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let literal: LitStr = input.parse()?;
        millis(&literal.value()).ok_or_else(|| {
            let message = "expected a duration such as \"250ms\", \"30s\", \"5m\" or \"24h\"";
            Error::new(literal.span(), message)
        })
    }
}

/// As `headgate_types::parse_duration`, without zero.
fn millis(text: &str) -> Option<Millis> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let each = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let millis = number.parse::<u64>().ok()?.checked_mul(each)?;
    (millis > 0).then_some(Millis(millis))
}

impl Parse for Backoff {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        const EXPECTED: &str = "expected exp(first wait, factor, longest wait, attempts), such as \
                                exp(\"200ms\", 2.0, \"5m\", 8)";
        let expected = |span| Error::new(span, EXPECTED);
        let name: Ident = input.parse().map_err(|_| expected(input.span()))?;
        if name != "exp" {
            return Err(expected(name.span()));
        }
        let content;
        syn::parenthesized!(content in input);
        let first = content.parse()?;
        content.parse::<Token![,]>()?;
        let factor = factor(&content)?;
        content.parse::<Token![,]>()?;
        let longest = content.parse()?;
        content.parse::<Token![,]>()?;
        let attempts: LitInt = content.parse()?;
        let attempts_max = attempts.base10_parse()?;
        content.parse::<Option<Token![,]>>()?;
        if attempts_max == 0 || !content.is_empty() {
            return Err(expected(attempts.span()));
        }
        Ok(Self { first, factor, longest, attempts_max })
    }
}

fn factor(input: ParseStream<'_>) -> Result<f64> {
    let literal: Lit = input.parse()?;
    let factor = match &literal {
        Lit::Float(float) => float.base10_parse::<f64>()?,
        Lit::Int(int) => int.base10_parse::<f64>()?,
        _ => 0.0,
    };
    if (1.0..=100.0).contains(&factor) {
        return Ok(factor);
    }
    Err(Error::new(literal.span(), "expected a factor from 1 to 100"))
}

/// A closure of one plain parameter.
pub(super) fn key(input: ParseStream<'_>) -> Result<ExprClosure> {
    let closure: ExprClosure = input.parse()?;
    let parameters: &Punctuated<Pat, _> = &closure.inputs;
    let is_plain = matches!(parameters.first(), Some(Pat::Ident(_))) && parameters.len() == 1;
    if is_plain && closure.asyncness.is_none() && closure.capture.is_none() {
        return Ok(closure);
    }
    Err(Error::new(closure.span(), "expected the event's key, such as `|e| &e.data.order_id`"))
}

pub(super) fn mode(input: ParseStream<'_>) -> Result<Mode> {
    let modes = [Mode::Transactional, Mode::Keyed, Mode::Leased];
    word(input, &modes.map(|mode| (mode.as_str(), mode)))
}

pub(super) fn on_lost(input: ParseStream<'_>) -> Result<OnLost> {
    word(input, &[("retry", OnLost::Retry), ("hold", OnLost::Hold)])
}

pub(super) fn order(input: ParseStream<'_>) -> Result<Order> {
    word(input, &[("unordered", Order::Unordered), ("per_key", Order::PerKey)])
}

fn word<T: Copy>(input: ParseStream<'_>, words: &[(&str, T)]) -> Result<T> {
    let expected = || {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("expected one of `{}`", words.join("`, `"))
    };
    let expression: Expr = input.parse()?;
    let written = match &expression {
        Expr::Path(path) => path.path.get_ident(),
        _ => None,
    };
    words
        .iter()
        .find(|(word, _)| written.is_some_and(|written| written == word))
        .map(|(_, value)| *value)
        .ok_or_else(|| Error::new(expression.span(), expected()))
}

/// What `headgate_idempotency::Scope` takes.
pub(super) fn scope(literal: &LitStr, bytes_max: usize) -> Result<String> {
    let scope = literal.value();
    let is_allowed = |c: char| c.is_ascii_graphic() && !"#~".contains(c);
    if !scope.is_empty() && scope.len() <= bytes_max && scope.chars().all(is_allowed) {
        return Ok(scope);
    }
    let message = format!(
        "expected 1 to {bytes_max} visible ASCII characters without `#` and `~`, such as \
         \"billing.charge@1\""
    );
    Err(Error::new(literal.span(), message))
}

pub(super) fn topic_and_type(literal: &LitStr) -> Result<(String, String)> {
    let text = literal.value();
    let halves = text.split_once('/').filter(|(topic, kind)| {
        let is_name = |name: &str| {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
            !name.is_empty() && name.len() <= 128 && name.chars().all(is_allowed)
        };
        is_name(topic) && is_name(kind)
    });
    halves.map(|(topic, kind)| (topic.to_owned(), kind.to_owned())).ok_or_else(|| {
        let message = "expected a topic and a type, such as \"orders/order.placed.v1\"";
        Error::new(literal.span(), message)
    })
}
