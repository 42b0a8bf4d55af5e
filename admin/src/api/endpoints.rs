//! The table of endpoints: what each takes and answers, for the router and for the API's document.

mod shape;

use axum::routing::{get, post};

pub(crate) use self::shape::{Answer, Endpoint, Parameter, Takes};

use super::{
    config, document, facts, healthz, metrics, mirrors, passport_keys, readyz, routes, status,
    strangle,
};
use crate::{
    control, events, history, idempotency, limits, overlays, passport, probes, problem, tail, why,
};

pub(crate) const JSON: &str = "application/json";
pub(super) const JWKS: &str = "application/jwk-set+json";

const fn ok(summary: &'static str, content_type: &'static str) -> Answer {
    Answer { status: 200, summary, content_type, schema: None }
}

pub(crate) const fn json(summary: &'static str, schema: &'static str) -> Answer {
    Answer { status: 200, summary, content_type: JSON, schema: Some(schema) }
}

pub(crate) const fn problem(status: u16, summary: &'static str) -> Answer {
    Answer { status, summary, content_type: problem::CONTENT_TYPE, schema: Some("Problem") }
}

/// Where the Passport keys are.
const KEYS_PATH: &str = "/v1/passport/jwks.json";
const KEYS: &[Answer] = &[ok("A JSON Web Key Set", JWKS)];

const NO_SUCH_KEY: Answer = Answer {
    status: 404,
    summary: "No such key waits",
    content_type: problem::CONTENT_TYPE,
    schema: Some("Problem"),
};

const BAD_QUERY: Answer = Answer {
    status: 400,
    summary: "The query can't be read",
    content_type: problem::CONTENT_TYPE,
    schema: Some("Problem"),
};

/// What is asked for page by page.
const PAGES: &[Parameter] = &[
    Parameter {
        name: "since",
        is_path: false,
        kind: "string",
        summary: "Only what is of this time up to the present, such as `15m`",
    },
    Parameter {
        name: "after",
        is_path: false,
        kind: "integer",
        summary: "The `next` of the page before; from the start unless said",
    },
];

const ID: &[Parameter] = &[Parameter {
    name: "id",
    is_path: true,
    kind: "string",
    summary: "The key's `id` as the list has it, with `/` and `#` escaped",
}];

pub(crate) const fn query(
    name: &'static str,
    kind: &'static str,
    summary: &'static str,
) -> Parameter {
    Parameter { name, is_path: false, kind, summary }
}

const fn path(name: &'static str, summary: &'static str) -> Parameter {
    Parameter { name, is_path: true, kind: "string", summary }
}

const GROUP: Parameter = path("group", "The handler's scope, `TEAM.HANDLER`");
const LETTER: Parameter = path("id", "The letter's name");

const NO_SUCH_EVENT: Answer = Answer {
    status: 404,
    summary: "There is no such event",
    content_type: problem::CONTENT_TYPE,
    schema: Some("Problem"),
};

const NO_EVENTS: Answer = Answer {
    status: 503,
    summary: "The edge has no log of events, or it does not answer",
    content_type: problem::CONTENT_TYPE,
    schema: Some("Problem"),
};

const LETTER_STANDS: Answer = Answer {
    status: 409,
    summary: "The letter stands otherwise",
    content_type: problem::CONTENT_TYPE,
    schema: Some("Problem"),
};

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/healthz",
        takes: Takes::Get(&[]),
        summary: "Whether the process lives",
        answers: &[ok("It does", "text/plain")],
        handler: || get(healthz),
    },
    Endpoint {
        path: "/readyz",
        takes: Takes::Get(&[]),
        summary: "Whether requests are served",
        answers: &[
            json("They are", "Ready"),
            Answer {
                status: 503,
                summary: "Not yet, or not any more",
                content_type: JSON,
                schema: Some("Ready"),
            },
        ],
        handler: || get(readyz),
    },
    Endpoint {
        path: "/metrics",
        takes: Takes::Get(&[]),
        summary: "Metrics for Prometheus",
        answers: &[ok("Text format 0.0.4; OpenMetrics 1.0 where it is accepted", "text/plain")],
        handler: || get(metrics),
    },
    Endpoint {
        path: KEYS_PATH,
        takes: Takes::Get(&[]),
        summary: "The keys that verify Passports",
        answers: KEYS,
        handler: || get(passport_keys),
    },
    passport::ROTATE,
    probes::LIST,
    probes::RUN,
    Endpoint {
        path: "/.well-known/jwks.json",
        takes: Takes::Get(&[]),
        summary: "The keys that verify Passports, at the usual place",
        answers: KEYS,
        handler: || get(passport_keys),
    },
    Endpoint {
        path: "/v1/status",
        takes: Takes::Get(&[]),
        summary: "The state of the edge",
        answers: &[json("The state", "Status")],
        handler: || get(status),
    },
    Endpoint {
        path: "/v1/routes",
        takes: Takes::Get(&[]),
        summary: "The routes in force",
        answers: &[json("The routes, in the order in which they are tried", "Routes")],
        handler: || get(routes),
    },
    Endpoint {
        path: "/v1/idempotency/held",
        takes: Takes::Get(&[
            Parameter {
                name: "limit",
                is_path: false,
                kind: "integer",
                summary: "Records that are looked at in this step at most, 1 to 1024; 1024 unless \
                          said",
            },
            Parameter {
                name: "after",
                is_path: false,
                kind: "string",
                summary: "The `next` of the step before; the first step unless said",
            },
        ]),
        summary: "Idempotency keys that wait for a person, a step at a time",
        answers: &[json(
            "Those found in this step; none is no sign that it was the last",
            "HeldKeys",
        )],
        handler: || get(idempotency::list),
    },
    Endpoint {
        path: "/v1/idempotency/held/{id}",
        takes: Takes::Get(ID),
        summary: "One idempotency key that waits for a person",
        answers: &[json("How it stands", "HeldKey"), NO_SUCH_KEY],
        handler: || get(idempotency::show),
    },
    Endpoint {
        path: "/v1/idempotency/held/{id}/resolve",
        takes: Takes::Post(ID, "Resolve"),
        summary: "Says what became of an idempotency key that waits",
        answers: &[
            json("It waits no more", "Resolved"),
            NO_SUCH_KEY,
            Answer {
                status: 409,
                summary: "It stands otherwise by now",
                content_type: problem::CONTENT_TYPE,
                schema: Some("Problem"),
            },
        ],
        handler: || post(idempotency::resolve),
    },
    Endpoint {
        path: "/v1/topics",
        takes: Takes::Get(&[]),
        summary: "The topics of the log",
        answers: &[json("The topics, by name", "Topics"), NO_EVENTS],
        handler: || get(events::topics),
    },
    Endpoint {
        path: "/v1/groups",
        takes: Takes::Get(&[]),
        summary: "How the groups of handlers are doing in this process",
        answers: &[json("The groups, by name", "Groups"), NO_EVENTS],
        handler: || get(events::groups),
    },
    Endpoint {
        path: "/v1/events",
        takes: Takes::Get(&[
            query("topic", "string", "The topic; needed but for an `id`"),
            query("id", "string", "One event, by its id: the answer is an EventEntry"),
            query("after", "string", "The `next` of the page before; the last entries unless said"),
            query("limit", "integer", "Entries at most, 1 to 256; 20 unless said"),
        ]),
        summary: "Entries of a topic, a page at a time, or one event",
        answers: &[json("The entries", "EventPage"), NO_SUCH_EVENT, NO_EVENTS],
        handler: || get(events::entries),
    },
    Endpoint {
        path: "/v1/traces/{id}",
        takes: Takes::Get(&[path("id", "The trace ID, 32 digits")]),
        summary: "The events of a series as a tree, with their handlers",
        answers: &[json("The series", "Series"), NO_SUCH_EVENT, NO_EVENTS],
        handler: || get(events::series),
    },
    Endpoint {
        path: "/v1/traces/{id}/control",
        takes: Takes::Post(&[path("id", "The trace ID, 32 digits")], "SeriesWish"),
        summary: "Cancels, pauses or resumes a series",
        answers: &[json("How it stands", "SeriesStand"), NO_SUCH_EVENT, NO_EVENTS],
        handler: || post(events::control_series),
    },
    Endpoint {
        path: "/v1/dead-letters/{group}",
        takes: Takes::Get(&[
            GROUP,
            query("reason", "string", "Only those with this reason"),
            query("type", "string", "Only events of this type"),
            query("key", "string", "Only events of this key"),
            query("after", "integer", "The `next` of the page before"),
            query("limit", "integer", "Letters at most, 1 to 256; 256 unless said"),
        ]),
        summary: "A handler's dead letters, a page at a time",
        answers: &[json("The letters", "DeadLetterPage"), NO_EVENTS],
        handler: || get(events::dead_letters),
    },
    Endpoint {
        path: "/v1/dead-letters/{group}/redrive",
        takes: Takes::Post(&[GROUP], "Redrive"),
        summary: "Has dead letters handled again, or tells what that would do",
        answers: &[
            json("What was done; a RedrivePlan with `dry_run`", "Redriven"),
            NO_SUCH_EVENT,
            LETTER_STANDS,
            NO_EVENTS,
        ],
        handler: || post(events::redrive),
    },
    Endpoint {
        path: "/v1/dead-letters/{group}/{id}",
        takes: Takes::Get(&[GROUP, LETTER]),
        summary: "One dead letter, with its event",
        answers: &[json("The letter", "DeadLetter"), NO_SUCH_EVENT, NO_EVENTS],
        handler: || get(events::dead_letter),
    },
    Endpoint {
        path: "/v1/dead-letters/{group}/{id}/resolve",
        takes: Takes::Post(&[GROUP, LETTER], "ResolveLetter"),
        summary: "Says what became of a dead letter",
        answers: &[
            json("It waits no more", "ResolvedLetter"),
            NO_SUCH_EVENT,
            LETTER_STANDS,
            NO_EVENTS,
        ],
        handler: || post(events::resolve_letter),
    },
    Endpoint {
        path: "/v1/strangle",
        takes: Takes::Get(&[]),
        summary: "How far routes are on their way off legacy services",
        answers: &[json("The routes that still can send to one", "Strangle")],
        handler: || get(strangle),
    },
    Endpoint {
        path: "/v1/mirrors",
        takes: Takes::Get(&[]),
        summary: "How the answers to copied requests compare",
        answers: &[json("The routes whose requests are copied", "Mirrors")],
        handler: || get(mirrors),
    },
    Endpoint {
        path: "/v1/limits",
        takes: Takes::Get(&[]),
        summary: "What protects the edge, its upstreams and its routes",
        answers: &[json("Limits, who holds their permits, and breakers", "LimitsStatus")],
        handler: || get(limits::limits),
    },
    history::HISTORY,
    Endpoint {
        path: "/v1/why/{trace_id}",
        takes: Takes::Get(&[Parameter {
            name: "trace_id",
            is_path: true,
            kind: "string",
            summary: "The `headgate-trace-id` of an answer",
        }]),
        summary: "The life of a recent exchange: what decided on it, and by what numbers",
        answers: &[
            json("The last exchange of the trace, and earlier ones", "Why"),
            Answer {
                status: 404,
                summary: "None that has ended is kept; the detail says how far back they are",
                content_type: problem::CONTENT_TYPE,
                schema: Some("Problem"),
            },
            Answer {
                status: 400,
                summary: "It is no trace ID",
                content_type: problem::CONTENT_TYPE,
                schema: Some("Problem"),
            },
        ],
        handler: || get(why::why),
    },
    tail::TAIL,
    Endpoint {
        path: "/v1/config",
        takes: Takes::Get(&[]),
        summary: "The configuration in force, for a plan",
        answers: &[ok("Its digest, its documents, and what decides on requests", JSON)],
        handler: || get(config),
    },
    Endpoint {
        path: "/v1/facts",
        takes: Takes::Get(PAGES),
        summary: "Facts of recent requests, page by page, for a plan",
        answers: &[ok("Facts, and where the next page goes on", JSON), BAD_QUERY],
        handler: || get(facts),
    },
    Endpoint {
        path: "/v1/openapi.json",
        takes: Takes::Get(&[]),
        summary: "This document",
        answers: &[ok("OpenAPI 3.1", JSON)],
        handler: || get(document),
    },
    overlays::LIST,
    overlays::SET,
    overlays::UNSET,
    control::STATUS,
    control::VERSIONS,
    control::ROLLBACK,
    control::AT,
];
