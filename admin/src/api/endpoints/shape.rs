//! What a row of the table of endpoints says.

use axum::routing::MethodRouter;

use crate::api::State;

/// One method of one path of the API.
pub(crate) struct Endpoint {
    pub(crate) path: &'static str,
    pub(crate) takes: Takes,
    /// What it answers, for the API's document.
    pub(crate) summary: &'static str,
    pub(crate) answers: &'static [Answer],
    pub(crate) handler: fn() -> MethodRouter<State>,
}

/// The method of a path, and what comes with it, for the API's document.
pub(crate) enum Takes {
    /// `GET` and `HEAD`.
    Get(&'static [Parameter]),
    /// `POST`, with a body of this schema.
    Post(&'static [Parameter], &'static str),
    /// `DELETE`.
    Delete(&'static [Parameter]),
}

impl Takes {
    /// The method's member in the API's document.
    pub(crate) const fn method(&self) -> &'static str {
        match self {
            Self::Get(_) => "get",
            Self::Post(..) => "post",
            Self::Delete(_) => "delete",
        }
    }
}

/// One parameter of an endpoint, for the API's document.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// Whether it is a part of the path; else it is one of the query, and may be left out.
    pub(crate) is_path: bool,
    /// Its type in JSON Schema.
    pub(crate) kind: &'static str,
    pub(crate) summary: &'static str,
}

/// One answer of an endpoint, for the API's document.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) summary: &'static str,
    pub(crate) content_type: &'static str,
    /// The name of the body's schema, where it has one.
    pub(crate) schema: Option<&'static str>,
}
