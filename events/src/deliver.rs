//! A handler behind one pointer, whatever it takes and returns.

use std::pin::Pin;

use headgate_idempotency::{
    Aside, CommitError, Decorated, Delivery, Handler, RecordKey, Scope, Settlement, StoreError,
    Terms,
};
use headgate_types::Event;

/// What comes of a delivery.
pub type Delivered<'a> = Pin<Box<dyn Future<Output = Result<Settlement, CommitError>> + Send + 'a>>;
/// How an event stands with a handler.
pub type Stands<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Settlement>, StoreError>> + Send + 'a>>;

/// A handler whose recorded effects happen once for each key.
pub trait Deliver: Send + Sync + 'static {
    /// The terms on which it is run.
    fn terms(&self) -> &Terms;

    /// Its scope: the name of its group, its delay queue, and its dead letters.
    fn scope(&self) -> &Scope;

    /// Runs it for a delivery, see [`Decorated::deliver`].
    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> Delivered<'a>;

    /// Settles a delivery without it, see [`Decorated::set_aside`].
    fn set_aside<'a>(&'a self, delivery: &'a Delivery, aside: Aside) -> Delivered<'a>;

    /// How an event stands with it, see [`Decorated::standing`]. None: not settled yet.
    fn standing<'a>(&'a self, event: &'a Event) -> Stands<'a>;

    /// What names the work that an event asks of it.
    fn key(&self, event: &Event) -> RecordKey;
}

impl<H: Handler> Deliver for Decorated<H> {
    fn terms(&self) -> &Terms {
        Self::terms(self)
    }

    fn scope(&self) -> &Scope {
        Self::scope(self)
    }

    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> Delivered<'a> {
        Box::pin(Self::deliver(self, delivery))
    }

    fn set_aside<'a>(&'a self, delivery: &'a Delivery, aside: Aside) -> Delivered<'a> {
        Box::pin(Self::set_aside(self, delivery, aside))
    }

    fn standing<'a>(&'a self, event: &'a Event) -> Stands<'a> {
        Box::pin(Self::standing(self, event))
    }

    fn key(&self, event: &Event) -> RecordKey {
        Self::key(self, event)
    }
}
