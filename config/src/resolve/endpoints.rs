//! Where the endpoints of an upstream come from: they are listed, in a file, or looked up.

use std::{collections::BTreeSet, num::NonZeroU16, sync::Arc};

use headgate_gateway::settings::{self, Address, Endpoint, Question};
use headgate_router::{discovery::Pace, health::ENDPOINTS_MAX};
use serde::Deserialize;

use crate::{
    document::{
        discovery::Dns,
        scalar::{EndpointAddress, Name},
        team::Upstream,
    },
    fault::{Code, Report},
    resolve::{last_good::LastGood, upstreams::At},
};

/// The keys of which an upstream has one.
const SOURCES: [&str; 3] = ["endpoints", "endpoints_file", "dns"];

/// The endpoints of an upstream, as far as its document tells.
#[derive(Default)]
pub(super) struct Endpoints {
    pub(super) list: Vec<Endpoint>,
    pub(super) dns: Option<settings::Dns>,
    /// The zone that the edge stands in.
    pub(super) zone: Option<Arc<str>>,
}

/// One endpoint, wherever the edge stands.
impl From<Address> for Endpoints {
    fn from(address: Address) -> Self {
        Self { list: vec![address.into()], ..Self::default() }
    }
}

/// An entry of a file of endpoints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    address: EndpointAddress,
    #[serde(default = "one")]
    weight: NonZeroU16,
    zone: Option<Name>,
}

const fn one() -> NonZeroU16 {
    NonZeroU16::MIN
}

/// The endpoints of an upstream; none where there is a fault, which is reported.
pub(super) fn of(
    at: &At<'_>,
    upstream: &Upstream,
    (last_good, report): (&mut LastGood, &mut Report),
) -> Endpoints {
    let written: Vec<_> = SOURCES.into_iter().filter(|key| at.has(&[*key])).collect();
    let zone = at.input.platform.doc.edge.zone.as_ref().map(|zone| zone.0.as_str().into());
    match written.as_slice() {
        [] if at.file.is_whole => {
            let message = "missing key `endpoints`".to_owned();
            let help = "list `endpoints`, name an `endpoints_file`, or look them up by `dns`";
            report.push(at.draft(Code::MissingKey, &[], message).help(help));
        }
        [first, second, ..] => {
            let message = format!("`{second}` beside `{first}`");
            let help = "endpoints come from one place";
            report.push(at.draft(Code::Contradiction, &[second], message).help(help));
        }
        _ => {}
    }
    let listed = upstream.endpoints.iter().map(|endpoint| endpoint.0.clone().into());
    let file = upstream.endpoints_file.as_deref();
    let in_file = file.and_then(|file| read(at, file, (last_good, report))).unwrap_or_default();
    Endpoints {
        list: listed.chain(in_file).collect(),
        dns: upstream.dns.as_ref().and_then(|dns| look_up(at, upstream, (dns, report))),
        zone,
    }
}

/// The endpoints in a file, or what was last good in it.
fn read(
    at: &At<'_>,
    file: &str,
    (last_good, report): (&mut LastGood, &mut Report),
) -> Option<Vec<Endpoint>> {
    const KEY: &[&str] = &["endpoints_file"];
    let path = at.path((Code::BadEndpoints, KEY), file, report)?;
    let check = |text: &[u8]| parse(text).map(drop);
    let place = |code, message| at.draft(code, KEY, message);
    let codes = (Code::BadEndpoints, Code::EndpointsHeld);
    parse(&last_good.read_file((at.input.files, path), check, (codes, place), report)?).ok()
}

fn parse(text: &[u8]) -> Result<Vec<Endpoint>, String> {
    let entries: Vec<Entry> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if entries.is_empty() {
        return Err("it lists no endpoint".to_owned());
    }
    if entries.len() > ENDPOINTS_MAX {
        return Err(format!("{} endpoints, at most {ENDPOINTS_MAX} allowed", entries.len()));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = entries.iter().find(|one| !seen.insert(one.address.0.to_string())) {
        return Err(format!("{} is listed twice", twice.address.0));
    }
    let endpoint = |Entry { address, weight, zone }| Endpoint {
        address: address.0,
        weight,
        zone: zone.map(|zone| zone.0.into()),
    };
    Ok(entries.into_iter().map(endpoint).collect())
}

fn look_up(
    at: &At<'_>,
    upstream: &Upstream,
    (dns, report): (&Dns, &mut Report),
) -> Option<settings::Dns> {
    let question = match dns {
        Dns { name: Some(name), port: Some(port), srv: None, .. } => {
            let (name, port) = (name.0.as_str().into(), u16::try_from(*port).ok()?);
            Question::Addresses { name, port }
        }
        Dns { name: None, port: None, srv: Some(name), .. } => {
            let name = name.0.as_str().into();
            // Each target has a name of its own, which only the name server vouches for.
            if upstream.tls.as_ref().is_some_and(|tls| tls.server_name.is_none()) {
                let message = "no name that certificates of a service must be for".to_owned();
                let draft = at.draft(Code::Contradiction, &["dns", "srv"], message);
                report.push(draft.help("name it in `tls.server_name`"));
            }
            Question::Service { name }
        }
        // A name or port that is none has been reported.
        _ if at.has(&["dns", "name"]) != dns.name.is_some()
            || at.has(&["dns", "port"]) != dns.port.is_some()
            || at.has(&["dns", "srv"]) != dns.srv.is_some() =>
        {
            return None;
        }
        _ => {
            let message = "neither a name with its port nor a service".to_owned();
            let draft = at.draft(Code::Contradiction, &["dns"], message);
            report.push(draft.help("set `name` and `port`, or `srv` alone"));
            return None;
        }
    };
    let (least, longest) = (dns.refresh_min.0, dns.refresh_max.0);
    if least > longest {
        let message = "`refresh_min` is above `refresh_max`".to_owned();
        report.push(at.draft(Code::Contradiction, &["dns", "refresh_min"], message));
    }
    Some(settings::Dns { question, pace: Pace { least, longest } })
}
