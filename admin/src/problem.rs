//! Faults as RFC 9457 problem details.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

/// Why a request gets no answer of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No such path.
    NotFound,
    /// Another method than `GET` or `HEAD`.
    MethodNotAllowed,
    /// A query that the endpoint can't read.
    BadQuery,
    /// An answer that can't be written.
    Internal,
}

impl Problem {
    /// Every problem.
    pub(crate) const ALL: [Self; 4] =
        [Self::NotFound, Self::MethodNotAllowed, Self::BadQuery, Self::Internal];

    /// The stable code, with a page in `docs/errors/`.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "HG1201",
            Self::MethodNotAllowed => "HG1202",
            Self::Internal => "HG1203",
            Self::BadQuery => "HG1210",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadQuery => StatusCode::BAD_REQUEST,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::NotFound => "The admin API has no such path",
            Self::MethodNotAllowed => "The admin API only answers GET and HEAD",
            Self::BadQuery => "The query can't be read",
            Self::Internal => "The admin API failed",
        }
    }
}

/// The media type of a problem.
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, title) = (self.status(), self.code(), self.title());
        let body = serde_json::json!({
            "type": format!("urn:headgate:error:{code}"),
            "title": title,
            "status": status.as_u16(),
            "code": code,
        });
        (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body.to_string()).into_response()
    }
}
