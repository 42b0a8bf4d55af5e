//! Where events are kept, and the functions that handle them.

mod exchanges;
mod notices;
mod publish;

use std::{collections::BTreeSet, path::Path};

use headgate_gateway::settings;
use headgate_idempotency::Order;

pub(super) use self::{
    exchanges::exchanges,
    publish::{Resolver, check_claim_check, check_publishers},
};
use crate::{
    document::{
        self,
        events::{self as written, Handler},
        idempotency::RecordStore,
        scalar::Called,
        team::TeamFile,
    },
    fault::{Code, Draft, Report},
    load::{Document, EventLog, Input, Sink},
    resolve::{
        at::At,
        kafka,
        last_good::LastGood,
        overload,
        route::{merged, no_upstream},
        upstreams::Upstreams,
    },
    source::{Step, key_path},
};

/// Bytes of a team's and a handler's name together: topics and queues are named after them.
const NAMES_BYTES_MAX: usize = 100;

/// Where events are kept. None where there is no place for them.
pub(super) fn log(
    input: &Input<'_>,
    data_dir: Option<&Path>,
    (last_good, report): (&mut LastGood, &mut Report),
) -> Option<EventLog> {
    let platform = &input.platform;
    let events = &platform.doc.events;
    let mut fault = |code: Code, path: &[Step<'_>], message: &str, help: &str| {
        let draft = Draft::new(code, platform.at(path), message);
        report.push(draft.key(key_path(path)).help(help));
    };
    if events.log == written::EventLog::Embedded {
        if events.kafka.is_some() {
            let path = ["events".into(), "kafka".into()];
            let help = "set `log = \"kafka\"` beside it";
            fault(Code::Contradiction, &path, "`kafka` is not used", help);
        }
        return data_dir.map(|dir| EventLog::Embedded { dir: dir.to_owned() });
    }
    let path = ["events".into(), "log".into()];
    if platform.doc.idempotency.store != RecordStore::Dynamodb {
        let message = "events in Kafka need their records where every edge finds them";
        fault(Code::NoLog, &path, message, "set `store = \"dynamodb\"` in `[idempotency]`");
    }
    let Some(kafka) = &events.kafka else {
        let help = "name them beside it: kafka = { brokers = \"127.0.0.1:9092\" }";
        fault(Code::NoLog, &path, "no brokers are named", help);
        return None;
    };
    Some(kafka::log(input, kafka, last_good, report))
}

/// Why events can't be kept, with what to do and the table to look at. None: they can.
pub(super) fn no_log(
    input: &Input<'_>,
) -> Option<(&'static str, &'static str, (&'static str, &'static str))> {
    let platform = &input.platform;
    if platform.doc.events.log == written::EventLog::Kafka || !platform.is_whole {
        return None;
    }
    if platform.doc.data.dir.is_none() {
        let help = "set `dir` in `[data]` of headgate.toml: the log keeps its file there";
        let related = ("data", "`data.dir` is not set");
        return Some(("there is no folder to keep events in", help, related));
    }
    if platform.doc.idempotency.store == RecordStore::Dynamodb {
        let help =
            "set `log = \"kafka\"` in `[events]`, or `store = \"embedded\"` in `[idempotency]`";
        let related = ("idempotency", "records are in a table here");
        return Some(("events in the embedded log need their records beside them", help, related));
    }
    None
}

/// Tells that events can't be kept, at whatever needs them.
pub(super) fn check_log(
    input: &Input<'_>,
    file: &Document<TeamFile>,
    path: &[Step<'_>],
    report: &mut Report,
) {
    let Some((message, help, (table, note))) = no_log(input) else { return };
    let related = input.platform.key_at(&[table.into()]);
    let draft = Draft::new(Code::NoLog, file.key_at(path), message).key(key_path(path));
    report.push(draft.help(help).related(related, note));
}

/// All handlers in the order of team and name. A function with an address of its own gets an
/// upstream of its own.
pub(super) fn handlers(
    input: &Input<'_>,
    upstreams: &mut Upstreams,
    report: &mut Report,
) -> Vec<settings::Handler> {
    let mut handlers = Vec::new();
    for ((team, name), (file, handler)) in merged(input, "handler", |doc| &doc.handler, report) {
        check_log(input, file, &["handler".into(), name.into()], report);
        if team.len() + name.len() > NAMES_BYTES_MAX {
            let path = ["handler".into(), name.into()];
            let message = format!("the names {team:?} and {name:?} are too long together");
            let draft = Draft::new(Code::OutOfRange, file.key_at(&path), message);
            let help = format!("at most {NAMES_BYTES_MAX} bytes");
            report.push(draft.key(key_path(&path)).help(help));
        }
        let upstream = function(input, (file, team, name), handler, upstreams, report);
        // What could not be read has been reported with its own caret.
        let (Some(on), Some(call), Some(upstream)) = (&handler.on, &handler.call, upstream) else {
            continue;
        };
        let (first, longest) = handler.retry.backoff.0;
        handlers.push(settings::Handler {
            team: team.into(),
            name: name.into(),
            topic: on.0.topic.as_str().into(),
            kind: on.0.kind.as_str().into(),
            upstream,
            path: call.0.path().clone(),
            order: match handler.order {
                written::Order::Unordered => Order::Unordered,
                written::Order::PerKey => Order::PerKey,
            },
            retry: settings::Redelivery { max: handler.retry.max, first, longest },
            timeout: handler.timeout.0,
            concurrency: usize::try_from(handler.concurrency).unwrap_or(usize::MAX),
        });
    }
    handlers.extend(notices::webhook(input, upstreams, report));
    handlers
}

/// The upstream of a function.
fn function(
    input: &Input<'_>,
    (file, team, name): (&Document<TeamFile>, &str, &str),
    handler: &Handler,
    upstreams: &mut Upstreams,
    report: &mut Report,
) -> Option<usize> {
    match &handler.call.as_ref()?.0 {
        Called::At { endpoint, .. } => {
            let upstream = document::team::Upstream::default();
            let at = At::new(file, "handler", name);
            let overload = overload::upstream(&upstream, &at, report);
            // No configured name has a dot.
            let own = format!("handler.{name}");
            Some(upstreams.add((team, &own), &upstream, endpoint.clone().into(), (None, overload)))
        }
        Called::Upstream { name: upstream, .. } => {
            let found = upstreams.position(team, upstream);
            if found.is_none()
                && let Some((message, help)) = no_upstream(input, team, upstream)
            {
                let path = ["handler".into(), name.into(), "call".into()];
                let draft = Draft::new(Code::Unresolved, file.at(&path), message);
                report.push(draft.key(key_path(&path)).help(help));
            }
            found
        }
    }
}

/// All topics that are published to, handled or written into tables, in the order of their names.
pub(super) fn topics(
    input: &Input<'_>,
    routes: &[settings::Route],
    handlers: &[settings::Handler],
    sinks: &[Sink],
) -> Vec<settings::Topic> {
    let published = routes.iter().filter_map(|route| Some(&route.publish.as_ref()?.topic));
    let handled = handlers.iter().map(|handler| &handler.topic);
    let said = &input.platform.doc.topic;
    let names: BTreeSet<&str> = published
        .chain(handled)
        .map(|name| &**name)
        .chain(sinks.iter().flat_map(|sink| &sink.settings.tables).map(|table| &*table.topic))
        .chain(said.keys().map(String::as_str))
        .collect();
    let topic = |name: &str| match said.get(name) {
        None => settings::Topic::new(name),
        Some(topic) => settings::Topic {
            name: name.into(),
            partitions: topic.partitions,
            retention: topic.retention.0,
        },
    };
    // What Headgate's own topics are is no matter of a configuration.
    let is_configured = |name: &&str| !name.starts_with("hg.");
    names.into_iter().filter(is_configured).map(topic).collect()
}
