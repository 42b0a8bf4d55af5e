//! Faults as RFC 9457 problem details.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::status::FaultStatus;

/// Why a request gets no answer of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No such path.
    NotFound,
    /// A method that the path does not take.
    MethodNotAllowed,
    /// A query that the endpoint can't read.
    BadQuery,
    /// An answer that can't be written.
    Internal,
    /// No store of idempotency keys, or one that does not answer.
    NoRecords,
    /// No such key waits for a person.
    NoSuchKey,
    /// The key stands otherwise than whoever resolves it has seen.
    KeyMoved,
    /// What is asked for can't be understood; the text says why.
    BadRequest(&'static str),
    /// A body that is no JSON, too large, or not said to be JSON.
    BadBody,
    /// An overlay that can't be in force as it is wished.
    OverlayRefused,
    /// No overlay has this number.
    NoOverlay,
    /// As many overlays as there may be.
    TooManyOverlays,
    /// No exchange of the trace is kept.
    NoExchange,
    /// As many wishes wait as may wait, or another process takes over.
    NotTaken,
    /// No log of events, or one that does not answer.
    NoEvents,
    /// No such event, series, topic or dead letter.
    NoSuchEvent,
    /// The dead letter stands otherwise than whoever changes it thinks; the text says how.
    LetterStands(&'static str),
    /// Upstreams may not have read the next Passport key.
    KeyTooNew,
    /// The Passport keys could not be made or kept.
    KeysNotKept,
    /// No probe has this name.
    NoProbe,
    /// As many watch access lines as may.
    TooManyTails,
    /// A filter of access lines that can't be read.
    BadFilter,
    /// Another version stands than the one that was expected.
    OtherVersion,
    /// The log of operators' changes can't be reached.
    NoControl,
    /// The log of operators' changes did not tell in time whether it has a change.
    ChangeInDoubt,
    /// No such version is known.
    NoVersion,
    /// What was in force at a time is not remembered.
    NotRecorded,
}

impl Problem {
    /// Every problem.
    pub(crate) const ALL: [Self; 27] = [
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Internal,
        Self::BadQuery,
        Self::BadBody,
        Self::OverlayRefused,
        Self::NoOverlay,
        Self::TooManyOverlays,
        Self::NotTaken,
        Self::NoRecords,
        Self::NoSuchKey,
        Self::KeyMoved,
        Self::BadRequest(""),
        Self::NoEvents,
        Self::NoSuchEvent,
        Self::LetterStands(""),
        Self::NoExchange,
        Self::KeyTooNew,
        Self::KeysNotKept,
        Self::NoProbe,
        Self::TooManyTails,
        Self::BadFilter,
        Self::OtherVersion,
        Self::NoControl,
        Self::ChangeInDoubt,
        Self::NoVersion,
        Self::NotRecorded,
    ];

    /// The stable code, with a page in `docs/errors/`.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "HG1201",
            Self::MethodNotAllowed => "HG1202",
            Self::Internal => "HG1203",
            Self::BadBody => "HG1204",
            Self::OverlayRefused => "HG1205",
            Self::NoOverlay => "HG1206",
            Self::TooManyOverlays => "HG1207",
            Self::NotTaken => "HG1208",
            Self::NoRecords => "HG1211",
            Self::NoSuchKey => "HG1212",
            Self::KeyMoved => "HG1213",
            Self::BadRequest(_) => "HG1214",
            Self::BadQuery => "HG1210",
            Self::NoEvents => "HG1235",
            Self::NoSuchEvent => "HG1236",
            Self::LetterStands(_) => "HG1237",
            Self::NoExchange => "HG1225",
            Self::KeyTooNew => "HG1250",
            Self::KeysNotKept => "HG1251",
            Self::NoProbe => "HG1256",
            Self::TooManyTails => "HG1268",
            Self::BadFilter => "HG1269",
            Self::OtherVersion => "HG1260",
            Self::NoControl => "HG1261",
            Self::ChangeInDoubt => "HG1262",
            Self::NoVersion => "HG1263",
            Self::NotRecorded => "HG1264",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::NotFound
            | Self::NoOverlay
            | Self::NoSuchKey
            | Self::NoSuchEvent
            | Self::NoExchange
            | Self::NoProbe
            | Self::NoVersion
            | Self::NotRecorded => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BadBody | Self::BadQuery | Self::BadRequest(_) | Self::BadFilter => {
                StatusCode::BAD_REQUEST
            }
            Self::OverlayRefused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyOverlays
            | Self::KeyMoved
            | Self::LetterStands(_)
            | Self::KeyTooNew
            | Self::OtherVersion => StatusCode::CONFLICT,
            Self::NotTaken
            | Self::NoRecords
            | Self::NoEvents
            | Self::KeysNotKept
            | Self::NoControl
            | Self::ChangeInDoubt
            | Self::TooManyTails => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::NotFound => "The admin API has no such path",
            Self::MethodNotAllowed => "The path does not take this method",
            Self::BadQuery => "The query can't be read",
            Self::Internal => "The admin API failed",
            Self::BadBody => "The body is no JSON that the path takes",
            Self::OverlayRefused => "The overlay can't be in force",
            Self::NoOverlay => "There is no such overlay",
            Self::TooManyOverlays => "There are as many overlays as there may be",
            Self::NotTaken => "The edge takes no change for the moment; nothing has changed",
            Self::NoEvents => "The edge has no log of events, or it does not answer",
            Self::NoSuchEvent => "There is no such event",
            Self::LetterStands(_) => "The dead letter stands otherwise",
            Self::NoRecords => "The edge has no store of idempotency keys that answers",
            Self::NoSuchKey => "No such key waits for a person",
            Self::KeyMoved => "The key stands otherwise by now",
            Self::BadRequest(_) => "The request is not valid",
            Self::NoExchange => "No exchange of this trace is kept",
            Self::KeyTooNew => "Upstreams may not have read the next key",
            Self::NoProbe => "There is no such probe",
            Self::KeysNotKept => "The keys could not be made or kept; the same one signs on",
            Self::TooManyTails => "As many watch access lines as may",
            Self::BadFilter => "The filter can't be read",
            Self::OtherVersion => "Somebody else changed it meanwhile; nothing has changed",
            Self::NoControl => "The log of changes can't be reached; nothing has changed",
            Self::ChangeInDoubt => "Whether the change is in the log is not known yet",
            Self::NoVersion => "There is no such version",
            Self::NotRecorded => "This edge does not remember what was in force then",
        }
    }

    const fn detail(self) -> Option<&'static str> {
        match self {
            Self::BadRequest(detail) | Self::LetterStands(detail) => Some(detail),
            _ => None,
        }
    }
}

/// The media type of a problem.
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.with_faults(&[])
    }
}

impl Problem {
    /// The answer, with what there is to say beside the title.
    pub(crate) fn with_detail(self, detail: &str) -> Response {
        self.answer(Some(detail), &[])
    }

    /// The answer, with all that is wrong.
    pub(crate) fn with_faults(self, faults: &[FaultStatus]) -> Response {
        self.answer(self.detail(), faults)
    }

    fn answer(self, detail: Option<&str>, faults: &[FaultStatus]) -> Response {
        let (status, code, title) = (self.status(), self.code(), self.title());
        let mut body = serde_json::json!({
            "type": format!("urn:headgate:error:{code}"),
            "title": title,
            "status": status.as_u16(),
            "code": code,
        });
        if let Some(members) = body.as_object_mut() {
            if let Some(detail) = detail {
                members.insert("detail".to_owned(), detail.into());
            }
            if !faults.is_empty() {
                members.insert("faults".to_owned(), serde_json::json!(faults));
            }
        }
        (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body.to_string()).into_response()
    }
}
