//! The members of a line by name, for whoever wants some lines and not others.

use super::{Line, Members, json::protocol, micros};

/// The members that are texts.
pub const TEXTS: &[&str] = &[
    "client", "listener", "protocol", "method", "host", "path", "outcome", "code", "team", "route",
    "upstream", "arm", "device", "priority", "identity", "endpoint", "result",
];
/// The members that are whole numbers.
pub const COUNTS: &[&str] = &["status", "attempts", "request_bytes", "response_bytes"];
/// The members that are lengths of time.
pub const LENGTHS: &[&str] = &["duration"];

impl Line<'_> {
    /// One of [`TEXTS`], as the line says it. `endpoint` and `result` are those of the last attempt.
    pub fn text(&self, name: &str) -> Option<&str> {
        let request = &self.request;
        match name {
            "client" | "listener" => request.client.text(name),
            "protocol" => Some(protocol(request.version)),
            "method" => Some(request.method),
            "host" => request.host,
            "path" => Some(request.path),
            "outcome" => Some(self.outcome.as_str()),
            "code" => self.code,
            "team" | "route" | "upstream" | "arm" => self.route?.text(name),
            "device" => Some(&*self.device?.class),
            "priority" => Some(self.priority?.as_str()),
            "identity" => Some(self.identity?.source),
            "endpoint" => Some(&*self.attempts.last()?.endpoint),
            "result" => Some(self.attempts.last()?.result.as_str()),
            _ => None,
        }
    }

    /// One of [`COUNTS`], or the microseconds of one of [`LENGTHS`].
    pub fn number(&self, name: &str) -> Option<u64> {
        match name {
            "status" => self.status.map(u64::from),
            "attempts" => Some(self.attempts.len() as u64),
            "request_bytes" => Some(self.request_bytes),
            "response_bytes" => Some(self.response_bytes),
            "duration" => Some(micros(self.duration)),
            _ => None,
        }
    }
}

impl Members {
    /// The text of a member, if it is there and needed no escape: names of a configuration and
    /// addresses never do.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut rest = std::str::from_utf8(&self.0).ok()?;
        // Each is `,"name":"text"` or `,"name":number`.
        while let Some((_, member)) = rest.split_once(",\"") {
            let (known, value) = member.split_once("\":")?;
            if known == name {
                let (text, _) = value.strip_prefix('"')?.split_once('"')?;
                return Some(text).filter(|text| !text.contains('\\'));
            }
            rest = value;
        }
        None
    }
}
