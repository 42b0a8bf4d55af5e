//! Rules on upstreams.

use headgate_gateway::{
    settings::{Trust, Upstream},
    tls,
};

use crate::{
    audit::{EXPIRY_DAYS, Mark, Subject, edge::day, overload::mark},
    document::scalar::count_of_days,
};

pub(super) fn unverified(subject: &Subject<'_>) -> Vec<Mark> {
    let find = |upstream: &Upstream| {
        let tls = upstream.tls.as_ref().filter(|tls| tls.trust == Trust::Anybody);
        let message = "its endpoints' certificates are not verified".to_owned();
        tls.and_then(|_| mark(subject, upstream, "tls", message))
    };
    subject.settings.upstreams.iter().filter_map(find).collect()
}

/// What the TLS of upstreams hangs on, and when it ends in seconds: the certificate that the edge
/// shows, and the last of the authorities that it trusts. What the endpoints show is theirs.
fn ends<'s>(
    subject: &'s Subject<'_>,
) -> impl Iterator<Item = (&'s Upstream, &'static str, u64)> + 's {
    subject.settings.upstreams.iter().flat_map(|upstream| {
        let tls = upstream.tls.as_ref();
        let shown = tls.and_then(|tls| tls::ends_at(&tls.client.as_ref()?.cert_pem));
        let trusted = tls.and_then(|tls| match &tls.trust {
            Trust::Authorities(pem) => tls::last_ends_at(pem),
            Trust::Machine | Trust::Anybody => None,
        });
        let all = [("the certificate that the edge shows", shown), ("the last authority", trusted)];
        all.into_iter().filter_map(move |(what, ends)| Some((upstream, what, ends?.as_secs())))
    })
}

pub(super) fn expired<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = Mark> + 's {
    let over = ends(subject).filter(|(.., ends)| subject.days_until(*ends).is_none());
    over.filter_map(|(upstream, what, ends)| {
        mark(subject, upstream, "tls", format!("{what} ended on {}", day(ends)))
    })
}

pub(super) fn expiring<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = Mark> + 's {
    ends(subject).filter_map(|(upstream, what, ends)| {
        let days = subject.days_until(ends).filter(|days| *days <= EXPIRY_DAYS)?;
        let message = format!("{what} ends on {}, in {}", day(ends), count_of_days(days));
        mark(subject, upstream, "tls", message)
    })
}
