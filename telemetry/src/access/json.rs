//! The line as bytes: one pass, one buffer, nothing that formats through `fmt`.

use std::{cell::Cell, io::Write as _, net::SocketAddr, time::Duration};

use headgate_types::UnixTime;

use super::{
    ATTEMPTS_MAX, Attempt, Detail, Journal, Line, Mark, Ruling, TEXT_BYTES_MAX, refusals::LeftOut,
};
use crate::labels::{Listener, Ruled};

thread_local! {
    /// The second that the thread wrote last, and its text.
    static SECOND: Cell<(u64, [u8; SECOND_BYTES])> = const { Cell::new((u64::MAX, [b'0'; SECOND_BYTES])) };
}

/// Bytes of a line of one attempt, about.
const LINE_BYTES: usize = 1_024;
/// `2026-11-18T11:06:40`.
const SECOND_BYTES: usize = 19;

/// A member's name with all that stands around it.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":").as_bytes()
    };
}

/// Appends one line with its newline.
pub(super) fn write(out: &mut Vec<u8>, line: &Line<'_>) {
    let noted = line.rulings.iter().filter(|ruling| ruling.ruled != Ruled::Admitted);
    write_line(out, line, noted);
    out.extend_from_slice(b"}\n");
}

/// Appends a line that counts refused exchanges without lines of their own.
pub(super) fn write_left_out(out: &mut Vec<u8>, left_out: &LeftOut) {
    let mut object = Object { out };
    object.raw(b"{\"time\":\"");
    object.time(left_out.time);
    object.raw(b"\",\"left_out\":{");
    let mut separator: &[u8] = b"\"";
    for (code, count) in left_out.codes.iter().filter(|(_, count)| *count > 0) {
        object.raw(separator);
        object.raw(code.as_bytes());
        object.raw(b"\":");
        object.digits(*count);
        separator = b",\"";
    }
    object.raw(b"}}\n");
}

/// All but the end of a line.
fn write_line<'r>(out: &mut Vec<u8>, line: &Line<'_>, rulings: impl Iterator<Item = &'r Ruling>) {
    // Nearly every line fits, so that its parts find the room that they need.
    out.reserve(LINE_BYTES);
    let mut object = Object { out };
    object.raw(b"{\"time\":\"");
    object.time(line.time);
    object.raw(b"\"");
    request(&mut object, line);
    object.word(key!("outcome"), line.outcome.as_str());
    if let Some(status) = line.status {
        object.number(key!("status"), status.into());
    }
    if let Some(code) = line.code {
        object.word(key!("code"), code);
    }
    decisions(&mut object, line);
    object.number(key!("request_bytes"), line.request_bytes);
    object.number(key!("response_bytes"), line.response_bytes);
    object.number(key!("duration_us"), micros(line.duration));
    timing(&mut object, line.journal);
    layers(&mut object, rulings);
    attempts(&mut object, line.attempts);
    object.raw(&line.config.0);
}

/// Appends one line with what is kept beside it, without a newline.
pub(super) fn write_with(out: &mut Vec<u8>, line: &Line<'_>, detail: &Detail<'_>) {
    write_line(out, line, line.rulings.iter());
    let mut object = Object { out };
    if let Some(route) = detail.route {
        object.raw(&route.0);
    }
    if let Some(arm) = detail.arm {
        object.word(key!("arm_by"), arm.by);
        if let Some(bucket) = arm.bucket {
            object.number(key!("arm_bucket"), bucket.into());
        }
    }
    if let Some(granted) = detail.granted {
        object.word(key!("priority_granted"), granted.as_str());
    }
    object.raw(b"}");
}

/// Texts as they stand behind other members.
pub(super) fn texts(members: &[(&'static str, &str)]) -> Box<[u8]> {
    let mut out = Vec::new();
    let mut object = Object { out: &mut out };
    for (name, value) in members {
        object.raw(b",\"");
        object.raw(name.as_bytes());
        object.text(b"\":", value);
    }
    out.into()
}

/// A client as it stands behind other members.
pub(super) fn client(address: SocketAddr, listener: Listener) -> Box<[u8]> {
    let mut out = Vec::new();
    let mut object = Object { out: &mut out };
    object.text(key!("client"), &address.ip().to_canonical().to_string());
    object.number(key!("client_port"), address.port().into());
    object.word(key!("listener"), listener.as_str());
    out.into()
}

fn request(object: &mut Object<'_>, line: &Line<'_>) {
    object.ascii(key!("trace_id"), &line.trace.trace_id.to_hex());
    object.ascii(key!("span_id"), &line.trace.span_id.to_hex());
    if let Some(parent) = line.trace.parent_id {
        object.ascii(key!("parent_id"), &parent.to_hex());
    }
    if let Some(parent) = line.untrusted_parent {
        object.ascii(key!("untrusted_traceparent"), parent.to_header().as_bytes());
    }
    object.raw(&line.request.client.0);
    object.word(key!("protocol"), protocol(line.request.version));
    object.text(key!("method"), line.request.method);
    if let Some(host) = line.request.host {
        object.text(key!("host"), host);
    }
    object.text(key!("path"), line.request.path);
}

fn decisions(object: &mut Object<'_>, line: &Line<'_>) {
    if let Some(route) = line.route {
        object.raw(&route.0);
    }
    if let Some(device) = line.device {
        object.text(key!("device"), &device.class);
        object.text(key!("device_reason"), &device.reason);
    }
    if let Some(priority) = line.priority {
        object.word(key!("priority"), priority.as_str());
    }
    if let Some(caller) = line.identity {
        object.text(key!("identity"), caller.source);
        object.raw(key!("subject_sha256"));
        object.raw(b"\"");
        for byte in caller.subject.as_bytes() {
            object.hex(*byte);
        }
        object.raw(b"\"");
    }
    if let Some(probe) = line.probe {
        object.text(key!("probe"), probe);
    }
}

fn timing(object: &mut Object<'_>, journal: &Journal) {
    object.raw(key!("timing_us"));
    object.raw(b"{");
    let mut separator: &[u8] = b"";
    for mark in Mark::ALL {
        if let Some(micros) = journal.micros(mark) {
            object.raw(separator);
            object.raw(b"\"");
            object.raw(mark.as_str().as_bytes());
            object.raw(b"\":");
            object.digits(micros.into());
            separator = b",";
        }
    }
    object.raw(b"}");
}

/// What layers said; nothing where none is to be named.
fn layers<'r>(object: &mut Object<'_>, rulings: impl Iterator<Item = &'r Ruling>) {
    let mut separator = key!("layers");
    let mut bracket: &[u8] = b"[";
    for ruling in rulings {
        object.raw(separator);
        object.raw(bracket);
        layer(object, ruling);
        (separator, bracket) = (b",", b"");
    }
    if bracket.is_empty() {
        object.raw(b"]");
    }
}

fn layer(object: &mut Object<'_>, ruling: &Ruling) {
    object.raw(b"{\"layer\":\"");
    object.raw(ruling.layer.as_bytes());
    object.raw(b"\"");
    object.word(key!("mode"), ruling.mode);
    object.word(key!("ruled"), ruling.ruled.as_str());
    if let Some(reason) = ruling.reason {
        object.word(key!("reason"), reason);
    }
    object.float(key!("observed"), ruling.observed);
    object.float(key!("limit"), ruling.limit);
    object.number(key!("level"), ruling.level.into());
    if let Some(threshold) = ruling.threshold {
        object.number(key!("threshold"), threshold.into());
    }
    if !ruling.retry_after.is_zero() {
        let millis = u64::try_from(ruling.retry_after.as_millis()).unwrap_or(u64::MAX);
        object.number(key!("retry_after_ms"), millis);
    }
    if !ruling.waited.is_zero() {
        object.number(key!("waited_us"), micros(ruling.waited));
    }
    object.raw(b"}");
}

fn attempts(object: &mut Object<'_>, attempts: &[Attempt]) {
    object.number(key!("attempts_count"), attempts.len() as u64);
    object.raw(key!("attempts"));
    object.raw(b"[");
    let mut separator: &[u8] = b"";
    for attempt in attempts.iter().take(ATTEMPTS_MAX) {
        object.raw(separator);
        object.raw(b"{\"endpoint\":");
        object.escaped(&attempt.endpoint);
        object.number(key!("started_us"), micros(attempt.started));
        if let Some(connect) = attempt.connect {
            object.number(key!("connect_us"), micros(connect));
        }
        match attempt.head {
            Some(head) => object.number(key!("head_us"), micros(head)),
            None => object.number(key!("took_us"), micros(attempt.took)),
        }
        object.word(key!("result"), attempt.result.as_str());
        object.raw(b"}");
        separator = b",";
    }
    object.raw(b"]");
}

pub(super) fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

pub(super) const fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_09 => "HTTP/0.9",
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2",
        http::Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

/// Appends the members of an object that has a first one already.
struct Object<'a> {
    out: &'a mut Vec<u8>,
}

impl Object<'_> {
    #[inline]
    fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[inline]
    fn text(&mut self, key: &[u8], value: &str) {
        self.raw(key);
        self.escaped(value);
    }

    /// A word of ours, which needs no escape.
    #[inline]
    fn word(&mut self, key: &[u8], value: &'static str) {
        self.ascii(key, value.as_bytes());
    }

    /// A value that is known to need no escape.
    #[inline]
    fn ascii(&mut self, key: &[u8], value: &[u8]) {
        self.raw(key);
        self.raw(b"\"");
        self.raw(value);
        self.raw(b"\"");
    }

    #[inline]
    fn number(&mut self, key: &[u8], value: u64) {
        self.raw(key);
        self.digits(value);
    }

    /// To a millionth; what is no number is left out, as JSON has no word for it.
    fn float(&mut self, key: &[u8], value: f64) {
        if value.is_finite() {
            self.raw(key);
            let is_whole = value.fract().abs() < f64::EPSILON;
            let digits = if is_whole { 0 } else { 6 };
            // A vector takes any text.
            write!(self.out, "{value:.digits$}").unwrap_or_default();
        }
    }

    /// RFC 8259, section 7, in quotes; cut at [`TEXT_BYTES_MAX`].
    fn escaped(&mut self, text: &str) {
        let cut = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
        self.raw(b"\"");
        let mut rest = cut.as_bytes();
        // Hardly any text needs an escape, and looking at every byte of it is what compilers
        // turn into vector instructions.
        if rest.iter().fold(false, |any, byte| any | must_escape(*byte)) {
            while let Some(at) = rest.iter().position(|byte| must_escape(*byte)) {
                let (plain, special) = rest.split_at(at);
                self.raw(plain);
                let Some((byte, after)) = special.split_first() else { break };
                self.escape(*byte);
                rest = after;
            }
        }
        self.raw(rest);
        if cut.len() < text.len() {
            self.raw("…".as_bytes());
        }
        self.raw(b"\"");
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            b'"' => self.raw(b"\\\""),
            b'\\' => self.raw(b"\\\\"),
            _ => {
                self.raw(b"\\u00");
                self.hex(byte);
            }
        }
    }

    fn hex(&mut self, byte: u8) {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        self.raw(&[digit(byte >> 4), digit(byte & 15)]);
    }

    fn digits(&mut self, value: u64) {
        self.raw(itoa::Buffer::new().format(value).as_bytes());
    }

    /// RFC 3339 with milliseconds. All but those is kept from line to line.
    fn time(&mut self, time: UnixTime) {
        let seconds = time.as_secs();
        let (mut known, mut text) = SECOND.get();
        if known != seconds {
            known = seconds;
            let full = UnixTime::from_secs(seconds).to_string();
            for (place, byte) in text.iter_mut().zip(full.bytes()) {
                *place = byte;
            }
            SECOND.set((known, text));
        }
        self.raw(&text);
        let millis = time.as_duration().subsec_millis();
        let digit = |unit: u32| b'0' + u8::try_from(millis / unit % 10).unwrap_or_default();
        self.raw(&[b'.', digit(100), digit(10), digit(1), b'Z']);
    }
}

const fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}
