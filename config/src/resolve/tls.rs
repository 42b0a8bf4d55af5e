//! TLS to upstreams.

use headgate_gateway::{
    settings::{Certificate, Trust, UpstreamTls},
    tls::{self as gateway, CertificateError, Certificates},
};

use crate::{
    document::{
        team::{Protocol, Upstream},
        tls::Tls,
    },
    fault::{Code, Report},
    resolve::{
        last_good::{FileFault, LastGood},
        upstreams::At,
    },
};

/// How an upstream is spoken to by TLS. None: in plain, or not at all because of a fault.
pub(super) fn upstream(
    at: &At<'_>,
    document: &Upstream,
    (last_good, report): (&mut LastGood, &mut Report),
) -> Option<UpstreamTls> {
    let Some(tls) = &document.tls else {
        if document.protocol == Protocol::H2 {
            let message = "`h2` is agreed on by TLS, and there is no `tls`".to_owned();
            let draft = at.draft(Code::Contradiction, &["protocol"], message);
            report.push(draft.help("set `tls = true`, or `h2c` for HTTP/2 without TLS"));
        }
        return None;
    };
    if document.protocol == Protocol::H2c {
        let message = "`h2c` is HTTP/2 without TLS, and there is `tls`".to_owned();
        let draft = at.draft(Code::Contradiction, &["protocol"], message);
        report.push(draft.help("`h2` is HTTP/2 by TLS"));
    }
    let trust = trust(at, tls, last_good, report);
    let client = client(at, tls, last_good, report);
    let server_name = tls.server_name.as_ref().map(|name| name.0.as_str().into());
    Some(UpstreamTls { trust: trust?, server_name, client })
}

/// Tells what only the whole upstream shows, such as an endpoint without a name to expect.
pub(super) fn check(
    at: &At<'_>,
    upstream: &headgate_gateway::settings::Upstream,
    report: &mut Report,
) {
    if let Err(error) = gateway::check_upstream(upstream) {
        report.push(at.draft(Code::BadCertificate, &["tls"], error.to_string()));
    }
}

fn trust(at: &At<'_>, tls: &Tls, last_good: &mut LastGood, report: &mut Report) -> Option<Trust> {
    let Some(ca) = &tls.ca else {
        return Some(if tls.verify { Trust::Machine } else { Trust::Anybody });
    };
    if !tls.verify {
        let message = "`ca` has no effect where nothing is verified".to_owned();
        report.push(at.draft(Code::Contradiction, &["tls", "ca"], message));
    }
    let path = at.path((Code::BadCertificate, &["tls", "ca"]), ca, report)?;
    let check = |ca: &Certificate| {
        gateway::check_authorities(&ca.cert_pem).map_err(|error| (false, error.to_string()))
    };
    let place = |code, fault: FileFault| at.draft(code, &["tls", "ca"], fault.message);
    let read = last_good.read(at.input.files, (path, None), check, (place, report))?;
    Some(Trust::Authorities(read.cert_pem.into()))
}

fn client(
    at: &At<'_>,
    tls: &Tls,
    last_good: &mut LastGood,
    report: &mut Report,
) -> Option<Certificate> {
    let (cert, key) = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) => return None,
        (cert, _) => {
            let (key, message) = match cert {
                Some(_) => ("cert", "`cert` without `key`"),
                None => ("key", "`key` without `cert`"),
            };
            report.push(at.draft(Code::Contradiction, &["tls", key], message.to_owned()));
            return None;
        }
    };
    let mut path = |key, file| at.path((Code::BadCertificate, &["tls", key]), file, report);
    let (cert, key) = (path("cert", cert), path("key", key));
    let place = |code, fault: FileFault| {
        let key = if fault.is_key { "key" } else { "cert" };
        at.draft(code, &["tls", key], fault.message)
    };
    last_good.read(at.input.files, (cert?, Some(key?)), check_pair, (place, report))
}

/// Whether a chain and its key can be used, and if not, whether the key is to blame and why.
pub(super) fn check_pair(certificate: &Certificate) -> Result<(), (bool, String)> {
    let checked = Certificates::new(std::slice::from_ref(certificate));
    checked.map(drop).map_err(|(_, error)| {
        let is_key = matches!(error, CertificateError::NoKey | CertificateError::Mismatch(_));
        (is_key, error.to_string())
    })
}
