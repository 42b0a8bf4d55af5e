//! Rules on upstreams.

use headgate_gateway::settings::{Trust, Upstream};

use crate::audit::{Mark, Subject, overload::mark};

pub(super) fn unverified(subject: &Subject<'_>) -> Vec<Mark> {
    let find = |upstream: &Upstream| {
        let tls = upstream.tls.as_ref().filter(|tls| tls.trust == Trust::Anybody);
        let message = "its endpoints' certificates are not verified".to_owned();
        tls.and_then(|_| mark(subject, upstream, "tls", message))
    };
    subject.settings.upstreams.iter().filter_map(find).collect()
}
