//! What operators ask the edge, and tell it.

use std::{net::SocketAddr, path::PathBuf, process::Output, time::Duration};

use anyhow::{Context, Result, ensure};
use headgate_sim::figures::State;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::client::exchange;

/// An edge that takes longer to tell counts as silent.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who asks one edge.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    /// The binary, for the verbs.
    pub(crate) edge: PathBuf,
    /// Where the edge's admin listens.
    pub(crate) admin: SocketAddr,
}

/// The edge's limits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits(Value);

impl Operator {
    /// The body of an answer of the admin listener, and the time it took.
    ///
    /// # Errors
    ///
    /// There is none, or it is no success.
    pub(crate) async fn get(&self, path: &str) -> Result<(Vec<u8>, Duration)> {
        let start = Instant::now();
        let ask = async {
            let mut stream = TcpStream::connect(self.admin).await?;
            let head = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
            exchange(&mut stream, head.as_bytes()).await
        };
        let (answer, body) =
            timeout(PATIENCE, ask).await.context("the admin listener is silent")??;
        ensure!(answer.status == 200, "{path} is answered {}", answer.status);
        Ok((body, start.elapsed()))
    }

    /// The limits as they stand.
    ///
    /// # Errors
    ///
    /// As [`Operator::get`].
    pub(crate) async fn limits(&self) -> Result<Limits> {
        let (body, _) = self.get("/v1/limits").await?;
        Ok(Limits(serde_json::from_slice(&body)?))
    }

    /// The metrics' page.
    ///
    /// # Errors
    ///
    /// As [`Operator::get`].
    pub(crate) async fn metrics(&self) -> Result<String> {
        Ok(String::from_utf8(self.get("/metrics").await?.0)?)
    }

    /// Runs a verb of the binary against the edge, beside everything else that happens.
    ///
    /// # Errors
    ///
    /// It can't be started.
    pub(crate) async fn verb(&self, words: &[&str]) -> Result<Output> {
        let mut command = std::process::Command::new(&self.edge);
        command.args(words).arg("--admin").arg(format!("http://{}", self.admin));
        tokio::task::spawn_blocking(move || command.output())
            .await?
            .context("the binary can't be started")
    }
}

impl Limits {
    /// Those of the first upstream, as the simulator has them.
    #[expect(clippy::cast_possible_truncation, reason = "the simulator's figures are f32")]
    pub(crate) fn state(&self) -> State {
        let gate = self.0.pointer("/upstreams/0/gate").unwrap_or(&Value::Null);
        let number = |key: &str| gate.get(key).and_then(Value::as_f64).unwrap_or_default() as f32;
        State {
            limit: number("limit"),
            in_flight: number("in_flight"),
            queued: number("queued"),
            threshold: number("shed_from"),
            no_load_rtt: number("no_load_ms") / 1000.0,
            ..State::default()
        }
    }

    /// A number by its JSON pointer; zero where there is none.
    pub(crate) fn number(&self, pointer: &str) -> f64 {
        self.0.pointer(pointer).and_then(Value::as_f64).unwrap_or_default()
    }

    /// A text by its JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// The sum of a counter over all of its series whose labels contain these.
pub(crate) fn sum(page: &str, name: &str, labels: &[&str]) -> f64 {
    let series = page.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
    let fits = series.filter(|(head, _)| head.starts_with(['{', ' ']) || head.is_empty());
    let fits = fits.filter(|(head, _)| labels.iter().all(|label| head.contains(label)));
    fits.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
}
