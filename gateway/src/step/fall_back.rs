//! Answers with less where a request was refused for load, or its upstream is out of reach.

use http::{HeaderMap, request::Parts};

use crate::{
    body::ClientBody,
    error::Error,
    headers,
    record::Record,
    settings::{Fallback, StaticAnswer},
    step::{
        admit,
        dispatch::{self, Context},
        forward::{self, Answer},
    },
};

/// Whether another answer helps: it does not help who asks too often, too late or without leave,
/// nor where the request may have been carried out.
fn is_for_load(error: Error) -> bool {
    matches!(
        error,
        Error::ShedPriority(_)
            | Error::LimitedConcurrency(_)
            | Error::ConnectionsExhausted
            | Error::BreakerOpen(_)
            | Error::NoEndpoint
            | Error::Connect
            | Error::Tls
            | Error::Untrusted
    )
}

/// Asks the upstream that answers in the route's own place, if there is one and nothing of the
/// request was sent.
///
/// # Errors
///
/// Why the route's own upstream gave no answer, if there is no other; else why that gave none.
///
/// # Cancel safety
///
/// As [`forward::forward`].
pub(crate) async fn ask(
    context: &Context<'_>,
    record: &mut Record,
    parts: &mut Parts,
    body: ClientBody,
    error: Error,
) -> Result<Answer, Error> {
    let fallback = context.route.settings.overload.fallback.as_ref();
    if !is_for_load(error) || !matches!(fallback, Some(Fallback::Upstream(_))) {
        return Err(error);
    }
    record.falls_back();
    let permits = admit::admit(context, record, &parts.headers).await?;
    let mut call = dispatch::dispatch(context, record, parts, body).await?;
    call.hold(permits);
    forward::forward(context.edge, context.connection, context.route, record, &mut call).await
}

/// Takes back what the edge has said to one upstream and would say again to the next.
pub(crate) fn unsay(headers: &mut HeaderMap, context: &Context<'_>) {
    if !context.connection.peer_is_trusted {
        return;
    }
    let own = &context.connection.forwarded_for;
    let mut said: Vec<_> = headers.get_all(headers::FORWARDED_FOR).iter().cloned().collect();
    if said.last() == Some(own) {
        said.pop();
    }
    headers.remove(headers::FORWARDED_FOR);
    for value in said {
        headers.append(headers::FORWARDED_FOR, value);
    }
}

/// The answer that stands in the configuration, for requests that change nothing: to others it
/// would say that they were carried out.
pub(crate) fn answer_of(record: &Record, error: Error) -> Option<StaticAnswer> {
    match record.route()?.settings.overload.fallback.as_ref()? {
        Fallback::Answer(answer) if is_for_load(error) && record.is_safe() => Some(answer.clone()),
        _ => None,
    }
}
