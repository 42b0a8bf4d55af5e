//! What stands in the attribute's parentheses.

mod values;

use proc_macro2::Span;
use syn::{
    Error, ExprClosure, Ident, LitStr, Result, Token,
    parse::{Parse, ParseStream},
};

pub(crate) use self::values::{Backoff, Millis, OnLost, Order};

/// What may be written, in the order in which messages name it.
const NAMES: [&str; 11] = [
    "scope", "on", "key", "mode", "on_lost", "ttl", "lease", "timeout", "window", "retry", "order",
];

/// Bytes of a scope at most, as `headgate_idempotency::SCOPE_BYTES_MAX`.
const SCOPE_BYTES_MAX: usize = 128;

/// How external effects are made safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Transactional,
    Keyed,
    Leased,
}

impl Mode {
    /// The context that a handler of this mode takes.
    pub(crate) fn context(self) -> &'static str {
        match self {
            Self::Transactional => "Tx",
            Self::Keyed => "Keyed",
            Self::Leased => "Leased",
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Transactional => "transactional",
            Self::Keyed => "keyed",
            Self::Leased => "leased",
        }
    }
}

/// The attribute's arguments, checked one by one and against each other.
pub(crate) struct Arguments {
    pub(crate) scope: String,
    pub(crate) topic: String,
    pub(crate) kind: String,
    pub(crate) key: Option<ExprClosure>,
    pub(crate) mode: Mode,
    pub(crate) on_lost: Option<OnLost>,
    pub(crate) ttl: Option<Millis>,
    pub(crate) lease: Option<Millis>,
    pub(crate) timeout: Option<Millis>,
    pub(crate) window: Option<Millis>,
    pub(crate) retry: Option<Backoff>,
    pub(crate) order: Option<Order>,
}

/// A value and the place of its name.
type Given<T> = Option<(Span, T)>;

#[derive(Default)]
struct Written {
    scope: Given<LitStr>,
    on: Given<LitStr>,
    key: Given<ExprClosure>,
    mode: Given<Mode>,
    on_lost: Given<OnLost>,
    ttl: Given<Millis>,
    lease: Given<Millis>,
    timeout: Given<Millis>,
    window: Given<Millis>,
    retry: Given<Backoff>,
    order: Given<Order>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut written = Written::default();
        while !input.is_empty() {
            written.argument(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        written.check(input.span())
    }
}

impl Written {
    fn argument(&mut self, input: ParseStream<'_>) -> Result<()> {
        let name: Ident = input.parse()?;
        let written = name.to_string();
        if !NAMES.contains(&written.as_str()) {
            let allowed = NAMES.join("`, `");
            let message = format!("unknown argument `{written}`; allowed are `{allowed}`");
            return Err(Error::new(name.span(), message));
        }
        input.parse::<Token![=]>()?;
        match written.as_str() {
            "scope" => set(&mut self.scope, &name, input.parse()?),
            "on" => set(&mut self.on, &name, input.parse()?),
            "key" => set(&mut self.key, &name, values::key(input)?),
            "mode" => set(&mut self.mode, &name, values::mode(input)?),
            "on_lost" => set(&mut self.on_lost, &name, values::on_lost(input)?),
            "ttl" => set(&mut self.ttl, &name, input.parse()?),
            "lease" => set(&mut self.lease, &name, input.parse()?),
            "timeout" => set(&mut self.timeout, &name, input.parse()?),
            "window" => set(&mut self.window, &name, input.parse()?),
            "retry" => set(&mut self.retry, &name, input.parse()?),
            _ => set(&mut self.order, &name, values::order(input)?),
        }
    }

    /// Joins all that is wrong into one error, so that a reader sees it at once.
    fn check(self, end: Span) -> Result<Arguments> {
        let mut faults: Vec<Error> = Vec::new();
        let mode = self.mode.as_ref().map_or(Mode::Transactional, |(_, mode)| *mode);
        faults.extend(self.refused_by_mode(mode, end));
        let scope = required(self.scope, "scope", "\"billing.charge@1\"", end)
            .and_then(|scope| values::scope(&scope, SCOPE_BYTES_MAX))
            .map_err(|error| faults.push(error));
        let on = required(self.on, "on", "\"orders/order.placed.v1\"", end)
            .and_then(|on| values::topic_and_type(&on))
            .map_err(|error| faults.push(error));
        if let Some(error) = faults.into_iter().reduce(|mut all, error| {
            all.combine(error);
            all
        }) {
            return Err(error);
        }
        let (Ok(scope), Ok((topic, kind))) = (scope, on) else {
            return Err(Error::new(end, "`scope` and `on` are required"));
        };
        Ok(Arguments {
            scope,
            topic,
            kind,
            key: value(self.key),
            mode,
            on_lost: value(self.on_lost),
            ttl: value(self.ttl),
            lease: value(self.lease),
            timeout: value(self.timeout),
            window: value(self.window),
            retry: value(self.retry),
            order: value(self.order),
        })
    }

    fn refused_by_mode(&self, mode: Mode, end: Span) -> Vec<Error> {
        let mut faults = Vec::new();
        let mut refuse = |span: Option<Span>, name: &str, why: &str| {
            let message = format!("`{name}` has no meaning in mode {}: {why}", mode.as_str());
            faults.extend(span.map(|span| Error::new(span, message)));
        };
        if mode == Mode::Transactional {
            let no_claim = "nothing is claimed before its one commit";
            refuse(place(self.on_lost.as_ref()), "on_lost", no_claim);
            refuse(place(self.lease.as_ref()), "lease", no_claim);
        }
        if mode != Mode::Keyed {
            refuse(place(self.window.as_ref()), "window", "no key is given to another service");
        }
        if mode == Mode::Leased && self.on_lost.is_none() {
            let span = self.mode.as_ref().map_or(end, |(span, _)| *span);
            faults.push(Error::new(
                span,
                "mode leased needs `on_lost`: `retry` may repeat an effect, `hold` waits for a \
                 person",
            ));
        }
        faults
    }
}

fn set<T>(slot: &mut Given<T>, name: &Ident, value: T) -> Result<()> {
    if slot.is_some() {
        return Err(Error::new(name.span(), format!("`{name}` stands here twice")));
    }
    *slot = Some((name.span(), value));
    Ok(())
}

fn value<T>(given: Given<T>) -> Option<T> {
    given.map(|(_, value)| value)
}

fn place<T>(given: Option<&(Span, T)>) -> Option<Span> {
    given.map(|(span, _)| *span)
}

fn required(given: Given<LitStr>, name: &str, example: &str, end: Span) -> Result<LitStr> {
    let missing = || Error::new(end, format!("`{name}` is missing, such as `{name} = {example}`"));
    value(given).ok_or_else(missing)
}

#[cfg(test)]
mod tests;
