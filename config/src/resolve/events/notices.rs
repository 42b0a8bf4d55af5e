//! Who is told when events fail.

use headgate_events::{NOTICE_KIND, NOTICE_TOPIC};
use headgate_gateway::settings;
use headgate_idempotency::Order;

use super::no_log;
use crate::{
    document::{events::Handler, scalar::Called, team::Upstream},
    fault::{Code, Draft, Report},
    load::Input,
    resolve::upstreams::Upstreams,
    source::key_path,
};

/// The team and the name of the webhook's handler: no configured team's name has a dot.
const TEAM: &str = "hg.notices";
const NAME: &str = "webhook";

/// The webhook as a handler of notices. None: there is none.
pub(super) fn webhook(
    input: &Input<'_>,
    upstreams: &mut Upstreams,
    report: &mut Report,
) -> Option<settings::Handler> {
    let platform = &input.platform;
    let called = &platform.doc.events.notices.webhook.as_ref()?.0;
    if let Some((message, help, (table, note))) = no_log(input) {
        let path = ["events".into(), "notices".into(), "webhook".into()];
        let related = platform.key_at(&[table.into()]);
        let draft = Draft::new(Code::NoLog, platform.at(&path), message).key(key_path(&path));
        report.push(draft.help(help).related(related, note));
    }
    let Called::At { endpoint, path, .. } = called else { return None };
    let overload = settings::UpstreamOverload::default();
    let endpoints = endpoint.clone().into();
    let upstream = upstreams.add((TEAM, NAME), &Upstream::default(), endpoints, (None, overload));
    let usual = Handler::default();
    let (first, longest) = usual.retry.backoff.0;
    Some(settings::Handler {
        team: TEAM.into(),
        name: NAME.into(),
        topic: NOTICE_TOPIC.into(),
        kind: NOTICE_KIND.into(),
        upstream,
        path: path.clone(),
        order: Order::Unordered,
        retry: settings::Redelivery { max: usual.retry.max, first, longest },
        timeout: usual.timeout.0,
        concurrency: usize::try_from(usual.concurrency).unwrap_or(usize::MAX),
    })
}
