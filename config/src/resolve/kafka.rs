//! The Kafka cluster, and how it is spoken to.

use std::path::PathBuf;

use headgate_events::kafka::{self as events, Settings, Tls};
use headgate_gateway::{settings::Certificate, tls as gateway};

use crate::{
    document::kafka::{Kafka, KafkaTls, Mechanism, Sasl},
    fault::{Code, Draft, Report},
    load::{EventLog, Input},
    resolve::{
        last_good::{FileFault, LastGood},
        tls::check_pair,
    },
    source::{Step, key_path},
};

/// A key of `events.kafka`, for whoever has something to say of it.
fn draft(input: &Input<'_>, keys: &[&'static str], (code, message): (Code, String)) -> Draft {
    let cluster = [Step::from("events"), "kafka".into()];
    let path: Vec<_> = cluster.into_iter().chain(keys.iter().map(|key| Step::from(*key))).collect();
    Draft::new(code, input.platform.at(&path), message).key(key_path(&path))
}

/// The log on a cluster.
pub(super) fn log(
    input: &Input<'_>,
    written: &Kafka,
    last_good: &mut LastGood,
    report: &mut Report,
) -> EventLog {
    let settings = Settings {
        instance: written.instance.as_ref().map(|name| name.0.clone()),
        tls: written.tls.as_ref().map(|written| tls(input, written, last_good, report)),
        sasl: written.sasl.as_ref().map(sasl),
        ..Settings::new(written.brokers.as_str())
    };
    if let Err(error) = settings.validate() {
        report.push(draft(input, &[], (Code::Contradiction, error.to_string())));
    }
    let place = written.sasl.as_ref().and_then(|sasl| sasl.password.as_ref());
    let password = place.map(|place| place.0.below(&input.base));
    EventLog::Kafka { password, settings: Box::new(settings) }
}

fn sasl(written: &Sasl) -> events::Sasl {
    events::Sasl {
        mechanism: match written.mechanism {
            Mechanism::Plain => events::Mechanism::Plain,
            Mechanism::ScramSha256 => events::Mechanism::ScramSha256,
            Mechanism::ScramSha512 => events::Mechanism::ScramSha512,
        },
        username: written.username.clone(),
        password: events::Secret(String::new()),
    }
}

/// The files are read once more by the client; here they are only looked at.
fn tls(
    input: &Input<'_>,
    written: &KafkaTls,
    last_good: &mut LastGood,
    report: &mut Report,
) -> Tls {
    let path = |file: &String| input.base.join(file);
    let place = |ca: bool| {
        move |code, fault: FileFault| {
            let key = match (ca, fault.is_key) {
                (true, _) => "ca",
                (false, true) => "key",
                (false, false) => "cert",
            };
            draft(input, &["tls", key], (code, fault.message))
        }
    };
    let ca = written.ca.as_ref().map(path);
    if let Some(ca) = &ca {
        let check = |ca: &Certificate| {
            gateway::check_authorities(&ca.cert_pem).map_err(|error| (false, error.to_string()))
        };
        last_good.read(input.files, (ca.clone(), None), check, (place(true), report));
    }
    let identity: Option<(PathBuf, PathBuf)> = match (&written.cert, &written.key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((path(cert), path(key))),
        (cert, _) => {
            let (key, message) = match cert {
                Some(_) => ("cert", "`cert` without `key`"),
                None => ("key", "`key` without `cert`"),
            };
            let fault = (Code::Contradiction, message.to_owned());
            report.push(draft(input, &["tls", key], fault));
            None
        }
    };
    if let Some((cert, key)) = &identity {
        let files = (cert.clone(), Some(key.clone()));
        last_good.read(input.files, files, check_pair, (place(false), report));
    }
    Tls { ca, identity }
}
