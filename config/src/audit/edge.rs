//! Rules on listeners, certificates and the keys of callers.

use std::net::{IpAddr, SocketAddr};

use headgate_gateway::tls;

use crate::{
    audit::{EXPIRY_DAYS, Mark, Subject, secrets::KeyView, upstreams},
    document::scalar::{LastDay, count_of_days},
    source::Step,
};

/// A moment as a day.
pub(super) fn day(seconds: u64) -> String {
    LastDay::day_of(seconds).to_string()
}

/// The first certificate of each chain to end: its place, its file, and when in seconds.
fn certificates<'s>(
    subject: &'s Subject<'_>,
) -> impl Iterator<Item = (Vec<Step<'static>>, String, u64)> + 's {
    let all = subject.settings.edge.tls.iter().flat_map(|tls| &tls.certificates);
    all.enumerate().filter_map(|(index, certificate)| {
        let mut path: Vec<Step<'static>> = vec!["edge".into(), "tls".into()];
        if let Some(further) = index.checked_sub(1) {
            path.extend([Step::from("certificates"), further.into()]);
        }
        path.push("cert".into());
        let ends = tls::ends_at(&certificate.cert_pem)?.as_secs();
        Some((path, certificate.cert_path.display().to_string(), ends))
    })
}

pub(super) fn expired_certificates(subject: &Subject<'_>) -> Vec<Mark> {
    let over = certificates(subject).filter(|(.., ends)| subject.days_until(*ends).is_none());
    let own = over.map(|(path, file, ends)| {
        subject.mark(&path, &file, format!("the certificate ended on {}", day(ends)))
    });
    own.chain(upstreams::expired(subject)).collect()
}

pub(super) fn expiring_certificates(subject: &Subject<'_>) -> Vec<Mark> {
    let mark = |(path, file, ends): (Vec<Step<'_>>, String, u64)| {
        let days = subject.days_until(ends).filter(|days| *days <= EXPIRY_DAYS)?;
        let message = format!("the certificate ends on {}, in {}", day(ends), count_of_days(days));
        Some(subject.mark(&path, &file, message))
    };
    certificates(subject).filter_map(mark).chain(upstreams::expiring(subject)).collect()
}

pub(super) fn plain_keys(subject: &Subject<'_>) -> Vec<Mark> {
    let mut marks = Vec::new();
    for (name, source) in &subject.input.platform.doc.identity {
        let Some(url) = source.jwks.as_ref().map(|url| &url.0) else { continue };
        let host = url.host().unwrap_or_default();
        if url.scheme_str() == Some("http") && !is_loopback(host) {
            let path = ["identity".into(), name.as_str().into(), "jwks".into()];
            let message = format!("keys are fetched from {host} without TLS");
            marks.push(subject.mark(&path, name, message));
        }
    }
    marks
}

/// Whether a host in a URL is this machine.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = |address: IpAddr| address.is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_local)
}

pub(super) fn open_admin(subject: &Subject<'_>) -> Vec<Mark> {
    let address = subject.input.platform.doc.admin.listen.0;
    let message = format!("{address} can be reached from elsewhere");
    let mark = subject.mark(&["admin".into(), "listen".into()], "admin.listen", message);
    if is_open(address) { vec![mark] } else { Vec::new() }
}

pub(super) fn plain_listeners(subject: &Subject<'_>) -> Vec<Mark> {
    let listeners = subject.settings.edge.listen.iter().enumerate();
    let open = listeners.filter(|(_, address)| is_open(**address));
    open.map(|(index, address)| {
        let path = ["edge".into(), "listen".into(), index.into()];
        let message = format!("{address} can be reached from elsewhere without TLS");
        subject.mark(&path, "edge.listen", message)
    })
    .collect()
}

const fn is_open(address: SocketAddr) -> bool {
    !address.ip().is_loopback()
}

pub(super) fn expired_keys(subject: &Subject<'_>) -> Vec<Mark> {
    let over = subject.keys.iter().filter(|key| subject.days_until(key.ends).is_none());
    over.map(|key| key_mark(key, format!("the API key ended on {}", day(key.ends)))).collect()
}

pub(super) fn expiring_keys(subject: &Subject<'_>) -> Vec<Mark> {
    let mark = |key: &KeyView| {
        let days = subject.days_until(key.ends).filter(|days| *days <= EXPIRY_DAYS)?;
        let message = format!("the API key ends on {}, in {}", day(key.ends), count_of_days(days));
        Some(key_mark(key, message))
    };
    subject.keys.iter().filter_map(mark).collect()
}

fn key_mark(key: &KeyView, message: String) -> Mark {
    Mark { at: key.at.clone(), key: key.key.clone(), subject: key.subject.clone(), message }
}
