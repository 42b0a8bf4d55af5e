//! One request under its key: claimed, passed on if it is the first, and settled.

use std::time::Duration;

use bytes::Bytes;
use headgate_idempotency::{
    Blame, Claimed, Commit, CommitError, Hold, Lost, OnLost, Outcome, Recorded, Records, Release,
    StoreError, Ticket, Uncommitted,
    http::{self as keys, Answer as Kept},
};
use http::{Response, response};
use http_body::Body as _;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

use crate::{
    body::{Held, OriginBody, Pace, ReadAhead, ResponseBody},
    error::Error,
    record::Record,
    settings::Idempotency,
    step::{
        forward::Answer,
        idempotency::{Keyed, Keys},
        respond,
    },
};

/// How long a write of the store may take. One of the embedded store takes milliseconds.
const STORE_WAIT: Duration = Duration::from_secs(5);
/// How soon a request that waits for its twin looks again.
const LOOK_AGAIN_FIRST: Duration = Duration::from_millis(5);
/// How seldom it looks at last, where a look is a read of memory.
const LOOK_AGAIN_LAST: Duration = Duration::from_millis(100);
/// How seldom it looks at last, where each look is a request that is paid for.
const LOOK_AGAIN_LAST_REMOTE: Duration = Duration::from_millis(500);

type Reply = oneshot::Sender<Response<ResponseBody>>;

/// Serves a request under its key.
///
/// # Cancel safety
///
/// Dropping it loses the answer only: a call that has begun goes on to its end, and its answer is
/// kept under the key.
pub(crate) async fn serve(record: Box<Record>, keyed: Box<Keyed>) -> Response<ResponseBody> {
    let (reply, replied) = oneshot::channel();
    tokio::spawn(keyed.run(record, reply));
    // It is gone only when the runtime ends, or when the task has panicked.
    replied.await.unwrap_or_else(|_gone| respond::broken_off())
}

/// What the BFF said, and what is to be done with it.
enum Said {
    /// Nothing; the error says why.
    Nothing(Error),
    /// An answer after which the key is free again.
    Passing(Answer),
    /// An answer that is not kept, of which nothing has been read.
    Endless(Answer),
    /// An answer that is not kept, of which a part has been read.
    TooLong(response::Parts, Box<OriginBody>),
    /// An answer to keep.
    Whole(response::Parts, Bytes),
}

impl Keyed {
    async fn run(self: Box<Self>, record: Box<Record>, mut reply: Reply) {
        let response = self.respond(record, &mut reply).await;
        if let Err(unwanted) = reply.send(response) {
            unwanted.into_body().abandon();
        }
    }

    async fn respond(
        self: Box<Self>,
        record: Box<Record>,
        reply: &mut Reply,
    ) -> Response<ResponseBody> {
        let route = std::sync::Arc::clone(&self.known.route);
        let Some((keys, records)) =
            route.keys.as_ref().and_then(|keys| Some((keys, keys.records.as_ref()?)))
        else {
            return respond::refuse(record, Error::StoreUnavailable);
        };
        match self.claim(keys, records, reply).await {
            Ok(Claimed::Run(ticket)) if reply.is_closed() => {
                // Nothing has been sent, and nobody waits.
                settle(records, ticket, released("the client left")).await;
                respond::refuse(record, Error::ClientLeft)
            }
            Ok(Claimed::Run(ticket)) => self.first(keys, records, (record, ticket)).await,
            Ok(Claimed::Replay(recorded)) => replay(record, recorded),
            Ok(Claimed::Busy { .. }) => respond::refuse(record, Error::KeyBusy),
            Ok(Claimed::Conflict) => respond::refuse(record, Error::KeyConflict),
            Ok(Claimed::Held(_)) => respond::refuse(record, Error::KeyInDoubt),
            Err(error) => respond::refuse(record, error),
        }
    }

    /// Claims the key, and asks again while another request has it and there is time to wait.
    async fn claim(
        &self,
        keys: &Keys,
        records: &Records,
        reply: &mut Reply,
    ) -> Result<Claimed, Error> {
        let wait = keys::wish_to_wait(&self.parts.headers).unwrap_or(keys.settings.wait);
        let left = self.deadline.remaining(self.known.edge.clock.now()).unwrap_or_default();
        let ends = Instant::now() + wait.min(left);
        let is_cheap = records.store().reads_first();
        let longest = if is_cheap { LOOK_AGAIN_LAST } else { LOOK_AGAIN_LAST_REMOTE };
        let mut pause = LOOK_AGAIN_FIRST;
        loop {
            let claimed = timeout(STORE_WAIT, records.claim(self.claim.clone())).await;
            let claimed = claimed.map_err(|_elapsed| Error::StoreUnavailable)?;
            let claimed = claimed.map_err(|error| not_claimed(&error))?;
            let left = ends.saturating_duration_since(Instant::now());
            if !matches!(claimed, Claimed::Busy { .. }) || left.is_zero() {
                return Ok(claimed);
            }
            tokio::select! {
                () = sleep(pause.min(left)) => {}
                () = reply.closed() => return Err(Error::ClientLeft),
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// Passes on the first request with the key, and settles the key by its answer.
    async fn first(
        self: Box<Self>,
        keys: &Keys,
        records: &Records,
        (mut record, ticket): (Box<Record>, Ticket),
    ) -> Response<ResponseBody> {
        let settings = &keys.settings;
        let on_lost = self.claim.on_lost;
        let said = match records.while_held(&ticket, self.ask(settings, &mut record)).await {
            Ok(said) => said,
            // The call was dropped where it stood. The ticket is worth nothing any more.
            Err(Lost::Fenced) => return respond::refuse(record, Error::KeyBusy),
            Err(_) => return respond::refuse(record, Error::StoreUnavailable),
        };
        match said {
            Said::Nothing(error) => {
                settle(records, ticket, unanswered(error, on_lost)).await;
                respond::refuse(record, error)
            }
            Said::Passing(answer) => {
                settle(records, ticket, released("the answer is not to be kept")).await;
                respond::pass_on(record, answer)
            }
            Said::Endless(answer) => {
                let status = answer.response.status();
                match commit(records, ticket, &Kept::NotKept { status }).await {
                    Ok(()) => respond::pass_on(record, answer),
                    Err(error) => respond::refuse(record, error),
                }
            }
            Said::TooLong(parts, body) => {
                let status = parts.status;
                match commit(records, ticket, &Kept::NotKept { status }).await {
                    Ok(()) => {
                        let body = ResponseBody::Origin(body.with_record(record));
                        Response::from_parts(parts, body)
                    }
                    Err(error) => respond::refuse(record, error),
                }
            }
            Said::Whole(parts, body) => {
                let (status, headers) = (parts.status, keys::kept_headers(&parts.headers));
                let kept = Kept::Kept { status, headers, body: body.clone() };
                match commit(records, ticket, &kept).await {
                    Ok(()) => respond::whole(record, parts, body),
                    Err(error) => respond::refuse(record, error),
                }
            }
        }
    }

    /// Sends the request, and reads an answer that is to be kept.
    async fn ask(self: Box<Self>, settings: &Idempotency, record: &mut Record) -> Said {
        let Self { known, mut parts, body, .. } = *self;
        let answer = match known.ask(record, &mut parts, body.into()).await {
            Ok(answer) => answer,
            Err(error) => return Said::Nothing(error),
        };
        if !settings.keeps(answer.response.status()) {
            return Said::Passing(answer);
        }
        let bytes_max = settings.answer_bytes_max.as_bytes();
        let declared = answer.response.body().size_hint().lower();
        if declared > bytes_max || matches!(answer.pace, Pace::Streaming(_)) {
            return Said::Endless(answer);
        }
        read(answer, record, bytes_max).await
    }
}

async fn read(answer: Answer, record: &Record, bytes_max: u64) -> Said {
    let Answer { mut response, lease, call, permits, pace, .. } = answer;
    if respond::clean(response.headers_mut()).is_err() {
        return Said::Nothing(Error::Garbled);
    }
    let (parts, incoming) = response.into_parts();
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    match OriginBody::read_ahead(incoming, (Held { lease, call, permits }, pace), record, bytes_max)
        .await
    {
        ReadAhead::Whole(body) => Said::Whole(parts, body),
        ReadAhead::Larger(body) => Said::TooLong(parts, body),
        ReadAhead::Broken(error) => Said::Nothing(error),
    }
}

/// Repeats the first answer.
fn replay(record: Box<Record>, recorded: Recorded) -> Response<ResponseBody> {
    match Kept::decode(recorded.result) {
        Ok(Kept::Kept { status, headers, body }) => {
            respond::replay(record, (status, headers), body)
        }
        Ok(Kept::NotKept { .. }) => respond::refuse(record, Error::AnswerNotKept),
        Err(_unreadable) => respond::refuse(record, Error::Internal("a kept answer can't be read")),
    }
}

/// What becomes of a key whose request has no answer.
fn unanswered(error: Error, on_lost: OnLost) -> Outcome {
    // Whether the BFF has seen the request is not known.
    let may_have_happened = matches!(
        error,
        Error::Reset | Error::Garbled | Error::AttemptTimeout | Error::DeadlineExceeded
    );
    match on_lost {
        OnLost::Hold if may_have_happened => {
            Outcome::Hold(Hold { error: error.to_string(), ..Hold::default() })
        }
        _ => released(&error.to_string()),
    }
}

/// Gives the key back: the next request with it is the first one again.
fn released(why: &str) -> Outcome {
    Outcome::Retry(Release {
        due: headgate_types::UnixTime::default(),
        error: why.to_owned(),
        blame: Blame::Dependency,
        delayed: None,
        also: Vec::new(),
    })
}

/// Settles a key that has no answer. Where that fails, its lease runs out by itself.
async fn settle(records: &Records, ticket: Ticket, outcome: Outcome) {
    match timeout(STORE_WAIT, records.settle(ticket, outcome)).await {
        Ok(Ok(_committed)) => {}
        Ok(Err(Uncommitted { error, .. })) => tracing::debug!(%error, "key not given back"),
        Err(_elapsed) => tracing::debug!("key not given back in time"),
    }
}

/// Keeps an answer. Nobody has seen any of it before this has succeeded.
async fn commit(records: &Records, ticket: Ticket, answer: &Kept) -> Result<(), Error> {
    let tries = async {
        let first = records.commit(ticket, Commit::new(answer.encode())).await;
        match first {
            // The store took it or not: the same again tells.
            Err(Uncommitted {
                error: CommitError::Store(StoreError::InDoubt(_)),
                ticket: Some(ticket),
            }) => records.commit(ticket, Commit::new(answer.encode())).await,
            // The store takes less than the route keeps.
            Err(Uncommitted { error: CommitError::TooLarge { .. }, ticket: Some(ticket) }) => {
                let status = answer.status();
                records.commit(ticket, Commit::new(Kept::NotKept { status }.encode())).await
            }
            other => other,
        }
    };
    match timeout(STORE_WAIT, tries).await {
        Ok(Ok(_committed)) => Ok(()),
        // Another request has taken the key since: its answer counts.
        Ok(Err(Uncommitted { error: CommitError::Fenced, .. })) => Err(Error::KeyBusy),
        Ok(Err(Uncommitted { error, .. })) => {
            tracing::debug!(%error, "answer not kept");
            Err(Error::StoreUnavailable)
        }
        Err(_elapsed) => Err(Error::StoreUnavailable),
    }
}

fn not_claimed(error: &StoreError) -> Error {
    tracing::debug!(%error, "key not claimed");
    Error::StoreUnavailable
}
