//! Where a scenario runs: the real edge on a core of its own, and endpoints and clients on another.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use headgate_load::{machine::Cores, process::Proxy};
use headgate_sim::{figures::Run, traffic::Stream, upstream::Change};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::sleep_until,
};

use self::{client::Clients, origin::Origin, recorder::Answers};
pub(crate) use self::{
    operator::{Operator, sum},
    recorder::Recorder,
    setup::{Setup, USUAL},
};

pub(crate) mod client;
mod files;
mod operator;
mod origin;
mod recorder;
mod setup;
mod wire;

/// How often the edge is asked how its limits stand.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What runs scenarios.
#[derive(Debug)]
pub(crate) struct Lab {
    /// The edge's binary.
    pub(crate) edge: PathBuf,
    /// Who runs where.
    pub(crate) cores: Cores,
    /// Chooses the arrivals and the times of calls.
    pub(crate) seed: u64,
    /// Whether the layers act.
    pub(crate) protects: bool,
    /// Whether everything is shorter.
    pub(crate) is_quick: bool,
    /// Whether each run tells how its requests were answered.
    pub(crate) tells_answers: bool,
    /// Seconds of half load, instead of the scenario's.
    pub(crate) soak: Option<f64>,
    runtime: Runtime,
}

/// What one run has shown.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// In the simulator's terms.
    pub(crate) run: Run,
    /// Answers as clients count them.
    pub(crate) answers: Answers,
}

impl Lab {
    /// One that has not run anything.
    ///
    /// # Errors
    ///
    /// There are no two processors, or no runtime.
    pub(crate) fn new(edge: PathBuf, seed: u64, is_quick: bool) -> Result<Self> {
        let cores = Cores::take()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self {
            edge,
            cores,
            seed,
            protects: true,
            is_quick,
            tells_answers: false,
            soak: None,
            runtime,
        })
    }

    /// Runs what a scenario sets up, and nothing beside.
    ///
    /// # Errors
    ///
    /// The edge does not start or does not answer.
    pub(crate) fn run(&self, setup: Setup) -> Result<Run> {
        Ok(self.see(setup)?.run)
    }

    /// The same, with what clients have counted.
    ///
    /// # Errors
    ///
    /// As [`Lab::run`].
    pub(crate) fn see(&self, setup: Setup) -> Result<Seen> {
        self.stage(setup, async |stage| stage.play().await)
    }

    /// Starts what a scenario sets up, and lets it do as it likes there.
    ///
    /// # Errors
    ///
    /// As [`Lab::run`], and what `act` returns.
    pub(crate) fn stage<T>(
        &self,
        setup: Setup,
        act: impl AsyncFnOnce(&Stage) -> Result<T>,
    ) -> Result<T> {
        // What a run leaves behind ends before the next one begins.
        let runtime = &self.runtime;
        runtime.block_on(async {
            let stage = Stage::start(self, setup).await?;
            act(&stage).await
        })
    }

    /// A length of time in seconds, shorter in a quick run.
    pub(crate) fn time(&self, full: f64, quick: f64) -> f64 {
        if self.is_quick { quick } else { full }
    }

    /// A setup with the usual upstream.
    pub(crate) fn usual(&self, seconds: f64) -> Setup {
        Setup::usual(self.seed, seconds, self.protects)
    }
}

/// The edge with its endpoints, ready for clients.
#[derive(Debug)]
pub(crate) struct Stage {
    /// What was wanted.
    pub(crate) setup: Setup,
    /// The edge's process.
    pub(crate) proxy: Proxy,
    /// What operators ask.
    pub(crate) operator: Operator,
    /// What is seen.
    pub(crate) recorder: Arc<Recorder>,
    origins: Vec<Arc<Origin>>,
    tells_answers: bool,
    /// Removed with everything in it.
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn start(lab: &Lab, setup: Setup) -> Result<Self> {
        let recorder = Arc::new(Recorder::new(setup.streams.len(), setup.endpoints.len()));
        let mut origins = Vec::new();
        for (place, endpoint) in setup.endpoints.iter().enumerate() {
            let made = (setup.seed, setup.body_bytes);
            origins.push(Origin::start(place, endpoint, made, &recorder).await?);
        }
        let folder = tempfile::tempdir().context("can't make a folder")?;
        let addresses: Vec<_> = origins.iter().map(|origin| origin.address).collect();
        let config = files::write(folder.path(), &setup, &addresses)?;
        let mut command = std::process::Command::new(&lab.edge);
        command.arg("run").arg("--config").arg(&config);
        let proxy = Proxy::start(&mut command, "edge", folder.path(), lab.cores)?;
        let admin = proxy.admin()?.context("the edge names no admin address")?;
        let operator = Operator { edge: lab.edge.clone(), admin };
        let tells_answers = lab.tells_answers;
        Ok(Self { setup, proxy, operator, recorder, origins, tells_answers, _folder: folder })
    }

    /// Has clients ask and changes befall, until the end.
    ///
    /// # Errors
    ///
    /// The edge has ended.
    pub(crate) async fn play(&self) -> Result<Seen> {
        self.play_beside(async |_| Ok(())).await.map(|(seen, ())| seen)
    }

    /// The same, with something that happens meanwhile.
    ///
    /// # Errors
    ///
    /// The edge has ended, or what `beside` returns.
    pub(crate) async fn play_beside<T>(
        &self,
        beside: impl AsyncFnOnce(&Self) -> Result<T>,
    ) -> Result<(Seen, T)> {
        self.recorder.begin();
        let mut tasks = JoinSet::new();
        for clients in self.clients() {
            tasks.spawn(clients.ask(self.setup.seed));
        }
        let (looking, befalling) = (self.look(), self.befall());
        let done = beside(self);
        let all = async { while tasks.join_next().await.is_some() {} };
        let ((), (), done) = {
            let looking = std::pin::pin!(looking);
            let play = async { tokio::join!(all, befalling, done) };
            tokio::select! {
                done = play => done,
                never = looking => match never {},
            }
        };
        let (run, answers) = self.recorder.finish();
        if self.tells_answers {
            tell(&answers);
        }
        Ok((Seen { run, answers }, done?))
    }

    fn clients(&self) -> impl Iterator<Item = Arc<Clients>> + '_ {
        let streams = self.setup.streams.iter().cloned().enumerate();
        streams.map(|stream: (usize, Stream)| {
            let (address, seconds) = (self.proxy.address, self.setup.seconds);
            Clients::new(stream, (address, seconds), &self.recorder)
        })
    }

    async fn befall(&self) {
        let mut changes = self.setup.changes.clone();
        changes.sort_by(|one, other| one.0.total_cmp(&other.0));
        for (at, place, change) in changes {
            sleep_until(self.recorder.start() + Duration::from_secs_f64(at)).await;
            self.change(place, change);
        }
    }

    /// Lets something befall an endpoint.
    pub(crate) fn change(&self, place: usize, change: Change) {
        if let Some(origin) = self.origins.get(place) {
            origin.change(change);
        }
    }

    async fn look(&self) -> std::convert::Infallible {
        loop {
            // An edge that is too busy to tell is looked at again.
            if let Ok(limits) = self.operator.limits().await {
                let mut state = limits.state();
                let waiting = self.origins.first().map_or(0, |origin| origin.waiting());
                state.backlog = u16::try_from(waiting).unwrap_or(u16::MAX).into();
                self.recorder.state(state);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

#[expect(clippy::print_stderr, reason = "for who asks why a bar is missed")]
fn tell(answers: &Answers) {
    let Answers { statuses, codes, left, unexplained, .. } = answers;
    eprintln!(
        "  by status {statuses:?}, by code {codes:?}, {left} left, {unexplained} unexplained"
    );
}
