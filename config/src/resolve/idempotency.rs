//! What an `idempotency-key` does on a route.

use std::{path::Path, time::Duration};

use headgate_gateway::settings::{self, ANSWER_BYTES_MAX};
use headgate_router::pattern::Pattern;
use headgate_types::{ByteSize, format_duration};
use http::Method;

use crate::{
    document::{
        idempotency::{Idempotency, OnLost, RecordStore, StatusKind},
        scalar::Size,
        team::{Route, TeamFile},
    },
    fault::{Code, Draft, Report},
    load::{Document, Input, LOCAL_REGION, Records},
    source::{Step, key_path},
};

/// The shortest lease: a renewal takes a synced write, and comes three times in it.
const LEASE_MIN: Duration = Duration::from_secs(1);

/// An item of DynamoDB has 400 KB for the answer, its head and the record around it.
const DYNAMODB_ANSWER_BYTES_MAX: ByteSize = ByteSize::from_bytes(320 << 10);

/// Methods that may change something (RFC 9110, 9.2.1 calls the others safe).
const UNSAFE: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Where records are kept. None where there is no folder for them.
pub(super) fn records(
    input: &Input<'_>,
    data_dir: Option<&Path>,
    report: &mut Report,
) -> Option<Records> {
    let platform = &input.platform;
    let keys = &platform.doc.idempotency;
    let table = keys.dynamodb.clone().unwrap_or_default();
    let mut fault = |path: &[Step<'_>], message: &str, help: &str| {
        let draft = Draft::new(Code::Contradiction, platform.at(path), message);
        report.push(draft.key(key_path(path)).help(help));
    };
    if keys.store == RecordStore::Embedded {
        if keys.dynamodb.is_some() {
            let path = ["idempotency".into(), "dynamodb".into()];
            fault(&path, "`dynamodb` is not used", "set `store = \"dynamodb\"` beside it");
        }
        return data_dir.map(|dir| Records::Embedded { dir: dir.to_owned() });
    }
    if table.region.as_deref() == Some(LOCAL_REGION) && table.endpoint.is_none() {
        let path = ["idempotency".into(), "dynamodb".into(), "region".into()];
        fault(&path, "region \"local\" is nowhere", "name DynamoDB Local's `endpoint` beside it");
    }
    let endpoint = table.endpoint.map(|url| url.0);
    Some(Records::DynamoDb { table: table.table, endpoint, region: table.region })
}

/// One route's table, and the route's other keys that it has to fit.
pub(super) struct Resolver<'i, 'r> {
    pub(super) input: &'i Input<'i>,
    pub(super) file: &'i Document<TeamFile>,
    pub(super) name: &'i str,
    pub(super) route: &'i Route,
    /// The exchange's time.
    pub(super) timeout: Duration,
    pub(super) report: &'r mut Report,
}

impl Resolver<'_, '_> {
    /// Checks the table and makes the settings from it.
    pub(super) fn resolve(mut self, table: &Idempotency) -> settings::Idempotency {
        self.check_store();
        if let Some(matches) = &self.route.matches {
            self.check_match(&matches.0);
        }
        self.check_times(table);
        let body_max =
            self.route.max_body.as_ref().unwrap_or(&self.input.platform.doc.edge.max_body);
        self.check_sizes(table, body_max);
        let defaults = settings::Idempotency::default();
        settings::Idempotency {
            is_required: table.required,
            ttl: table.ttl.0,
            wait: table.wait.0,
            lease: table.lease.0,
            on_lost: match table.on_lost {
                OnLost::Retry => settings::OnLost::Retry,
                OnLost::Hold => settings::OnLost::Hold,
            },
            body_bytes_max: match &table.max_body {
                Some(size) => size.0,
                None => defaults.body_bytes_max.min(body_max.0),
            },
            answer_bytes_max: table.max_answer.0,
            keep: table.keep.iter().copied().map(kind).collect(),
        }
    }

    fn check_store(&mut self) {
        let platform = &self.input.platform;
        let is_embedded = platform.doc.idempotency.store == RecordStore::Embedded;
        if !is_embedded || platform.doc.data.dir.is_some() || !platform.is_whole {
            return;
        }
        let data = platform.key_at(&["data".into()]);
        let draft = self.draft(Code::Contradiction, None, "there is no folder to keep records in");
        let draft =
            draft.help("set `dir` in `[data]` of headgate.toml: the store keeps its file there");
        self.report.push(draft.related(data, "`data.dir` is not set"));
    }

    /// A key is of no use where nothing changes, or where a request or its answer has no end.
    fn check_match(&mut self, pattern: &Pattern) {
        if !UNSAFE.iter().any(|method| pattern.takes_method(method)) {
            let message = "the route takes no method that a key is for";
            let draft = self.draft(Code::Contradiction, None, message);
            let allowed = UNSAFE.map(|method| method.to_string()).join(", ");
            self.report
                .push(draft.help(format!("keys are for {allowed}; GET may be repeated anyway")));
        }
        let takes = |header: &str, value: &str| {
            pattern.header_predicates().any(|one| one.contains(header) && one.contains(value))
        };
        let stream = if takes("header.content-type", "application/grpc") {
            "gRPC"
        } else if takes("header.upgrade", "") {
            "WebSockets"
        } else {
            return;
        };
        let message =
            format!("the route is for {stream}, whose messages can't be kept and repeated");
        let draft = self.draft(Code::Contradiction, None, message);
        self.report.push(draft.help("let the messages carry a key of their own, for the BFF"));
    }

    fn check_times(&mut self, table: &Idempotency) {
        if table.lease.0 < LEASE_MIN {
            let message = format!("lease {} is too short", format_duration(table.lease.0));
            let draft = self.draft(Code::OutOfRange, Some("lease"), message);
            self.report.push(draft.help(format!("at least {}", format_duration(LEASE_MIN))));
        }
        if !self.input.platform.is_whole {
            return;
        }
        let timeout = format_duration(self.timeout);
        if table.wait.0 > self.timeout {
            let message = format!("wait {} outlasts the exchange", format_duration(table.wait.0));
            let draft = self.draft(Code::Contradiction, Some("wait"), message);
            self.report.push(draft.help(format!("at most the exchange's {timeout}")));
        }
        let least = self.timeout.max(table.lease.0);
        if table.ttl.0 <= least {
            let message = format!(
                "ttl {} is too short: the key would be free while its request is served",
                format_duration(table.ttl.0)
            );
            let lease = format_duration(table.lease.0);
            let help = format!("longer than the exchange's {timeout} and the lease of {lease}");
            let draft = self.draft(Code::Contradiction, Some("ttl"), message);
            self.report.push(draft.help(help));
        }
    }

    fn check_sizes(&mut self, table: &Idempotency, body_max: &Size) {
        let answer_max = match self.input.platform.doc.idempotency.store {
            RecordStore::Embedded => ANSWER_BYTES_MAX,
            RecordStore::Dynamodb => DYNAMODB_ANSWER_BYTES_MAX,
        };
        if table.max_answer.0 > answer_max {
            let message = format!("max_answer {} is more than can be kept", table.max_answer.0);
            let draft = self.draft(Code::OutOfRange, Some("max_answer"), message);
            self.report.push(draft.help(format!("at most {answer_max}")));
        }
        if let Some(size) = &table.max_body
            && size.0 > body_max.0
            && self.input.platform.is_whole
        {
            let message = format!("max_body {} is more than the route takes", size.0);
            let draft = self.draft(Code::Contradiction, Some("max_body"), message);
            self.report.push(draft.help(format!("at most the route's {}", body_max.0)));
        }
    }

    /// A fault of a key in the table, or of the table.
    fn draft(&self, code: Code, key: Option<&str>, message: impl Into<String>) -> Draft {
        let mut path: Vec<Step<'_>> = vec!["route".into(), self.name.into(), "idempotency".into()];
        path.extend(key.map(Step::from));
        Draft::new(code, self.file.at(&path), message).key(key_path(&path))
    }
}

const fn kind(kind: StatusKind) -> settings::StatusKind {
    match kind {
        StatusKind::Success => settings::StatusKind::Success,
        StatusKind::Redirection => settings::StatusKind::Redirection,
        StatusKind::ClientError => settings::StatusKind::ClientError,
        StatusKind::ServerError => settings::StatusKind::ServerError,
    }
}
