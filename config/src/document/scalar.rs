//! Texts with a form of their own: lengths of time, sizes, addresses, matches.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use headgate_events::sink;
use headgate_gateway::settings;
use headgate_router::{
    compare::Field, device, event_key, hash_by, overload::mode::Mode, pattern::Pattern, retry,
    split::Weight,
};
use headgate_types::{ByteSize, Ratio, format_duration, parse_duration};
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{digest::hex, fault::Code, secret::Secret};

mod date;
mod events;
mod form;
mod last_day;
mod plain;
mod rate;
mod web;

use date::{read_date, write_date};
pub(crate) use events::{Called, Taken};
use form::Read as _;
pub(crate) use form::{Form, Misfit};
pub(crate) use last_day::{LastDay, count_of_days};
use plain::{digits, is_name};
use rate::{read_rate, read_route_id, write_rate};
use web::{
    is_fetchable, is_host_name, is_host_pattern, is_path_prefix, is_service, read_dns_name,
    read_endpoint, read_sha256,
};

/// The schema keyword that names a text's form.
pub(crate) const SYNTAX: &str = "x-syntax";

macro_rules! forms {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident($inner:ty), form $form:literal, expected $expected:literal,
        examples [$($example:literal),+], read $read:expr, write $write:expr;
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Debug)]
            pub(crate) struct $name(pub(crate) $inner);

            impl $name {
                fn read(text: &str) -> Result<Self, Misfit> {
                    let read: fn(&str) -> _ = $read;
                    read(text).or_expected($expected, text).map(Self)
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    let write: fn(&$inner) -> String = $write;
                    serializer.serialize_str(&write(&self.0))
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let text = Cow::<'de, str>::deserialize(deserializer)?;
                    Self::read(&text).map_err(|misfit| D::Error::custom(misfit.message))
                }
            }

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({
                        "type": "string",
                        "examples": [$($example),+],
                        "x-syntax": $form,
                    })
                }
            }
        )+

        const PLAIN_FORMS: &[Form] = &[$(
            Form { name: $form, check: |text| $name::read(text).map(drop) },
        )+];
    };
}

forms! {
    /// A length of time above zero.
    Length(Duration), form "duration",
    expected "a duration above zero such as \"250ms\", \"30s\", \"5m\" or \"24h\"",
    examples ["900ms", "30s"],
    read |text| parse_duration(text).ok().filter(|length| !length.is_zero()),
    write |length| format_duration(*length);

    /// A length of time that may be zero.
    LengthOrZero(Duration), form "duration-or-zero",
    expected "a duration such as \"0s\", \"250ms\" or \"30s\"",
    examples ["0s", "30s"],
    read |text| parse_duration(text).ok(),
    write |length| format_duration(*length);

    /// A number of bytes.
    Size(ByteSize), form "size",
    expected "a size such as \"512B\", \"64KiB\" or \"1MiB\"",
    examples ["64KiB", "1MiB"],
    read |text| text.parse().ok(),
    write ToString::to_string;

    /// A share of a whole.
    Share(Ratio), form "share",
    expected "a share from \"0%\" to \"100%\"",
    examples ["20%"],
    read |text| text.parse().ok(),
    write ToString::to_string;

    /// A share of requests.
    Percent(Weight), form "weight",
    expected "a weight from \"0%\" to \"100%\" in steps of \"0.01%\"",
    examples ["5%", "0.25%"],
    read |text| text.parse().ok(),
    write ToString::to_string;

    /// An address to listen on.
    Address(SocketAddr), form "address",
    expected "an address with its port such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
    examples ["127.0.0.1:8080", "[::1]:0"],
    read |text| text.parse().ok(),
    write ToString::to_string;

    /// A network, or one address.
    Network(IpNet), form "network",
    expected "a network such as \"10.0.0.0/8\" or \"::1/128\", or one address",
    examples ["10.0.0.0/8", "127.0.0.1"],
    read |text| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok(),
    write ToString::to_string;

    /// A claim's hosts: one, those below a domain, or any.
    HostPattern(String), form "host-pattern",
    expected "a host such as \"api.example\", \"*.example\" or \"*\", without a port",
    examples ["*", "api.example", "*.example"],
    read |text| is_host_pattern(text).then(|| text.to_ascii_lowercase()),
    write Clone::clone;

    /// The start of a claim's paths.
    PathPrefix(String), form "path-prefix",
    expected "the start of a path such as \"/tv/\", without wildcards",
    examples ["/tv/"],
    read |text| is_path_prefix(text).then(|| text.to_owned()),
    write Clone::clone;

    /// The URL of a key set.
    KeysUrl(http::Uri), form "url",
    expected "a URL such as \"https://id.example/jwks.json\"",
    examples ["https://id.example/jwks.json"],
    read |text| text.parse().ok().filter(is_fetchable),
    write ToString::to_string;

    /// The URL of a service.
    ServiceUrl(String), form "service-url",
    expected "a URL without a path such as \"http://127.0.0.1:8000\"",
    examples ["http://127.0.0.1:8000"],
    read |text| is_service(text).then(|| text.trim_end_matches('/').to_owned()),
    write Clone::clone;

    /// The name of a request header.
    HeaderName(String), form "header-name",
    expected "a header name such as \"x-api-key\"",
    examples ["x-api-key"],
    read |text| http::HeaderName::try_from(text).ok().map(|name| name.as_str().to_owned()),
    write Clone::clone;

    /// What a route matches.
    Match(Pattern), form "match",
    expected "METHOD [host]/path [predicates]",
    examples ["GET /tv/home/{profile} device=tv"],
    read |text| text.parse().map_err(|error| (Code::BadMatch, error)),
    write ToString::to_string;

    /// A test of a request.
    Test(device::Condition), form "test",
    expected "a test of a request",
    examples ["header x-app ~ '^tv/'", "*"],
    read |text| text.parse().map_err(|error| (Code::BadRule, error)),
    write ToString::to_string;

    /// A failure that is retried.
    Condition(retry::Condition), form "condition",
    expected "a failure",
    examples ["connect", "503"],
    read |text| text.parse().map_err(|error| (Code::BadValue, error)),
    write ToString::to_string;

    /// A part of an answer.
    Compared(Field), form "field",
    expected "a part of an answer",
    examples ["json:/rows/*/id"],
    read |text| text.parse().map_err(|error| (Code::BadValue, error)),
    write ToString::to_string;

    /// An address of an upstream.
    EndpointAddress(settings::Address), form "endpoint",
    expected "\"host:port\", \"[::1]:port\" or \"unix:/path/to/socket\"",
    examples ["127.0.0.1:7001", "unix:/run/home.sock"],
    read read_endpoint,
    write ToString::to_string;

    /// A host without a port.
    HostName(String), form "host-name",
    expected "a host such as \"home.internal\" or an address, without a port",
    examples ["home.internal"],
    read |text| is_host_name(text).then(|| text.to_ascii_lowercase()),
    write Clone::clone;

    /// A name that is looked up, a whole one.
    DnsName(String), form "dns-name",
    expected "a name such as \"home.tv.svc.cluster.local\" or \"_http._tcp.home.example\"",
    examples ["home.tv.svc.cluster.local"],
    read read_dns_name,
    write Clone::clone;

    /// What a check asks for.
    CheckPath(http::uri::PathAndQuery), form "check-path",
    expected "a path such as \"/healthz\"",
    examples ["/healthz"],
    read |text| text.starts_with('/').then(|| text.parse().ok()).flatten(),
    write ToString::to_string;

    /// The name of a topic.
    TopicName(String), form "topic",
    expected "a topic's name of at most 128 letters, digits, \".\", \"-\" and \"_\" that begins with a letter or digit, and not with \"hg.\"",
    examples ["orders"],
    read |text| events::is_topic(text).then(|| text.to_owned()),
    write Clone::clone;

    /// The type of an event.
    EventType(String), form "event-type",
    expected "a type of at most 128 letters, digits, \".\", \"-\" and \"_\" such as \"order.placed.v1\"",
    examples ["order.placed.v1"],
    read |text| events::is_type(text).then(|| text.to_owned()),
    write Clone::clone;

    /// Where an event's key is in its request.
    EventKey(event_key::EventKey), form "event-key",
    expected "the place of a key in a request",
    examples ["body.order_id"],
    read |text| text.parse().map_err(|error| (Code::BadExpression, error)),
    write ToString::to_string;

    /// What requests keep to their endpoints by.
    HashBy(hash_by::HashBy), form "hash-by",
    expected "what requests keep to their endpoints by",
    examples ["device_id", "header.x-session", "path.profile"],
    read |text| text.parse().map_err(|error| (Code::BadExpression, error)),
    write ToString::to_string;

    /// The events that a handler takes.
    On(Taken), form "on",
    expected "a topic and a type such as \"orders/order.placed.v1\"",
    examples ["orders/order.placed.v1"],
    read Taken::read,
    write ToString::to_string;

    /// A function.
    Function(Called), form "function",
    expected "\"http://host:port/path\" without TLS, or \"UPSTREAM/path\" at an upstream of the team",
    examples ["http://127.0.0.1:7003/charge", "billing/charge"],
    read Called::read,
    write ToString::to_string;

    /// The URL that is told of errors.
    Webhook(Called), form "webhook",
    expected "\"http://host:port/path\" without TLS",
    examples ["http://127.0.0.1:9100/notices"],
    read |text| Called::read(text).filter(|called| matches!(called, Called::At { .. })),
    write ToString::to_string;

    /// The first and the longest wait between attempts.
    Backoff((Duration, Duration)), form "backoff",
    expected "the first wait and the longest such as \"200ms..5m\"",
    examples ["200ms..5m"],
    read events::read_backoff,
    write |(first, longest)| format!("{}..{}", format_duration(*first), format_duration(*longest));

    /// Where a secret is.
    SecretPlace(Secret), form "secret",
    expected "the place of a secret: \"env:NAME\" for a variable of the environment, or \"file:PATH\"",
    examples ["env:REPORTS_URL", "file:secrets/reports-url"],
    read |text| text.parse().ok(),
    write ToString::to_string;

    /// A request that the edge sends to itself.
    Sent((http::Method, http::uri::PathAndQuery)), form "sent",
    expected "a method and a path such as \"GET /tv/home\"",
    examples ["GET /tv/home", "POST /tv/orders"],
    read web::read_sent,
    write |(method, path)| format!("{method} {path}");

    /// A header with its value.
    HeaderLine((http::HeaderName, http::HeaderValue)), form "header-line",
    expected "a header with its value such as \"x-app: tv/7.2\"",
    examples ["x-app: tv/7.2"],
    read web::read_header_line,
    write |(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default());

    /// What a column gets of an event.
    Part(sink::Value), form "event-part",
    expected "an attribute of an event such as \"id\", \"type\", \"time\" or \"partitionkey\", \"data\", or a part of it such as \"data.customer.name\"",
    examples ["partitionkey", "data.total"],
    read |text| text.parse().ok(),
    write ToString::to_string;

    /// The type of a column.
    ColumnType(sink::Kind), form "column-type",
    expected "text, bigint, double precision, numeric, boolean, timestamptz, jsonb or uuid",
    examples ["text", "numeric"],
    read |text| text.parse().ok(),
    write |kind| kind.sql().to_owned();

    /// Whether a protective layer acts.
    LayerMode(Mode), form "mode",
    expected "a mode",
    examples ["observe", "enforce", "enforce:25%"],
    read |text| text.parse().map_err(|error| (Code::BadValue, error)),
    write ToString::to_string;

    /// Requests in a time.
    PerTime((NonZeroU32, Duration)), form "rate",
    expected "a rate such as \"5/s\", \"100/m\" or \"1000/h\", at most a million",
    examples ["5/s", "100/m"],
    read read_rate,
    write |(requests, period)| write_rate(*requests, *period);

    /// A route with its team.
    RouteId((String, String)), form "route-id",
    expected "a team and its route such as \"tv/home\"",
    examples ["tv/home"],
    read read_route_id,
    write |(team, route)| format!("{team}/{route}");

    /// The name of a team, route, upstream, identity source or device class.
    Name(String), form "name",
    expected "a name of at most 64 letters, digits, \"-\" and \"_\" that begins with a letter or digit",
    examples ["tv"],
    read |text| is_name(text).then(|| text.to_owned()),
    write Clone::clone;

    /// A SHA-256 digest.
    Sha256([u8; 32]), form "sha256",
    expected "64 hexadecimal digits: the SHA-256 digest of the key, never the key itself",
    examples ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    read read_sha256,
    write |digest| hex(digest);

    /// A moment in UTC, in seconds since the epoch.
    Date(u64), form "date",
    expected "a moment in UTC such as \"2027-01-31T00:00:00Z\"",
    examples ["2027-01-31T00:00:00Z"],
    read read_date,
    write |seconds| write_date(*seconds);

    /// When something ends: after a day in UTC, or at a moment.
    Until(LastDay), form "last-day",
    expected "a day such as \"2027-03-31\", which counts to its end, or a moment in UTC such as \"2027-03-31T12:00:00Z\"",
    examples ["2027-03-31"],
    read LastDay::read,
    write ToString::to_string;
}

/// None of it.
impl Default for Share {
    fn default() -> Self {
        Self(Ratio::default())
    }
}

/// Checks a text against the form that a schema names.
pub(crate) fn check(form: &str, text: &str) -> Result<(), Misfit> {
    let known = PLAIN_FORMS.iter().find(|known| known.name == form);
    known.map_or(Ok(()), |known| (known.check)(text))
}

#[cfg(test)]
mod tests;
