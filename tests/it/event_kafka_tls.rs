//! Events in a Kafka that is reached by TLS, and wants a certificate and a password.

use std::{process, time::Duration};

use headgate_events::{
    KafkaLog, Log as _, LogError, Topics,
    kafka::{Further, KafkaLocal, Mechanism, OwnKafka, Sasl, Secret, Settings, Tls},
};
use headgate_idempotency::testing::DynamoDbLocal;
use headgate_tests::{Folder, Site, tls::Authority};
use serde_json::json;

use crate::events::{charging, handler, order_route, place, platform, results};

const PASSWORD: &str = "correct-horse";

/// A broker that takes nobody without a certificate and a password, with the files for both sides.
struct Secured {
    kafka: OwnKafka,
    authority: Authority,
    folder: Folder,
}

impl Secured {
    /// None: Kafka is left out, or there is no TLS to it in this build.
    #[expect(clippy::print_stderr, reason = "the test runner shows it")]
    fn start() -> Option<Self> {
        if KafkaLocal::is_left_out() {
            return None;
        }
        let (authority, folder) = (Authority::default(), Folder::default());
        folder.write("ca.pem", authority.root_pem());
        let broker = authority.issue("127.0.0.1");
        folder.write("broker.pem", [broker.cert_pem, broker.key_pem].concat());
        folder.write("password", PASSWORD);
        let edge = authority.issue_client("edge");
        folder.write("edge.pem", edge.cert_pem);
        folder.write("edge.key", edge.key_pem);
        let tls = Some(Tls::default());
        let probe = KafkaLog::new(Settings { tls, ..Settings::new("a:1") }, Topics::default());
        if let Err(LogError::Invalid(why)) = probe {
            eprintln!("left out: {why}");
            return None;
        }
        let data = folder.path().join("data");
        let kafka = OwnKafka::start_with(&data, Further::Secure(folder.path()))?;
        Some(Self { kafka, authority, folder })
    }

    fn settings(&self, mechanism: Mechanism, password: &str) -> Settings {
        let file = |name: &str| self.folder.path().join(name);
        let tls =
            Tls { ca: Some(file("ca.pem")), identity: Some((file("edge.pem"), file("edge.key"))) };
        let password = Secret(password.to_owned());
        let sasl = Sasl { mechanism, username: "edge".to_owned(), password };
        Settings {
            tls: Some(tls),
            sasl: Some(sasl),
            ..Settings::new(self.kafka.further().to_string())
        }
    }
}

async fn topics(settings: Settings) -> Result<Vec<String>, LogError> {
    KafkaLog::new(settings, Topics::default()).unwrap().topics().await
}

#[tokio::test]
async fn brokers_take_who_has_a_certificate_and_the_password() {
    let Some(secured) = Secured::start() else { return };
    for mechanism in [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512] {
        topics(secured.settings(mechanism, PASSWORD)).await.unwrap();
    }

    let settings = |password| Settings {
        request_timeout: Duration::from_secs(3),
        ..secured.settings(Mechanism::ScramSha512, password)
    };
    let good = || settings(PASSWORD);
    let guessed = settings("guessed");
    let ca = Some(secured.folder.path().join("ca.pem"));
    let unnamed = Settings { tls: Some(Tls { ca, identity: None }), ..good() };
    let foreign = Tls { ca: None, ..good().tls.unwrap() };
    let foreign = Settings { tls: Some(foreign), ..good() };
    let plain = Settings { tls: None, ..good() };
    let refused = tokio::join!(topics(guessed), topics(unnamed), topics(foreign), topics(plain));
    let refused = [refused.0, refused.1, refused.2, refused.3];
    for (refused, what) in refused.iter().zip(["password", "certificate", "authority", "TLS"]) {
        assert!(matches!(refused, Err(LogError::Unavailable(_))), "{what}: {refused:?}");
    }
}

#[tokio::test]
async fn edge_speaks_to_brokers_by_tls_with_its_certificate_and_password() {
    let (Some(secured), Some(table)) = (Secured::start(), DynamoDbLocal::shared()) else { return };
    let bff = charging().await;
    let name = format!("it-{}-tls", process::id());
    let shared = format!(
        "[events]\nlog = \"kafka\"\n[events.kafka]\nbrokers = \"{}\"\ninstance = \"edge-1\"\n\
         tls = {{ ca = \"ca.pem\", cert = \"edge.pem\", key = \"edge.key\" }}\n\
         sasl = {{ username = \"edge\", password = \"file:kafka.password\" }}\n\
         [idempotency]\nstore = \"dynamodb\"\n\
         dynamodb = {{ table = \"{name}\", endpoint = {:?}, region = \"local\" }}\n",
        secured.kafka.further(),
        table.endpoint(),
    );
    let own = secured.authority.issue_client("edge");
    let edge = Site::new()
        .platform(&platform())
        .platform(&shared)
        .file("ca.pem", secured.authority.root_pem())
        .file("edge.pem", own.cert_pem)
        .file("edge.key", own.key_pem)
        .file("kafka.password", format!("{PASSWORD}\n"))
        .team("tv", &[order_route("", ""), handler("charge", &bff, "")])
        .start()
        .await;

    let reply = edge.send(place("o-1")).await;

    assert_eq!(reply.status, 202, "{}", reply.text());
    let found = results(&edge, reply.header("location")).await;
    assert_eq!(found, json!({ "charge": { "charged": true } }));
}
