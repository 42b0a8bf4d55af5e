//! Requests that the edge sends to itself.

use headgate_gateway::settings;
use http::HeaderValue;

use crate::load::{Input, Probe};

/// All probes in the order of their names.
pub(super) fn probes(input: &Input<'_>) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (name, written) in &input.platform.doc.probe {
        // What could not be read has been reported with its own caret.
        let Some(send) = &written.send else { continue };
        let (method, path) = send.0.clone();
        let host = written.host.as_ref().and_then(|host| HeaderValue::from_str(&host.0).ok());
        let Ok(header) = written.credential_header.0.parse() else { continue };
        probes.push(Probe {
            settings: settings::Probe {
                name: name.as_str().into(),
                method,
                path,
                host,
                headers: written.headers.iter().map(|line| line.0.clone()).collect(),
                body: written.body.clone().unwrap_or_default().into(),
                timeout: written.timeout.0,
            },
            credential: written.credential.as_ref().map(|place| place.0.below(&input.base)),
            credential_header: header,
            every: written.every.as_ref().map(|every| every.0),
        });
    }
    probes
}
