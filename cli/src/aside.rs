//! A thread for long work that must not take time from what serves.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

use tokio::sync::oneshot;

/// How much nicer than the threads that serve, on the scale of `nice(1)`: where all processors are
/// busy it still gets a ninth of one, so that a change of the configuration is not put off for ever.
const NICER: i32 = 10;
/// Jobs that wait.
const JOBS_MAX: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// Runs one job after the other, below everything that serves. Ends with its last clone.
#[derive(Clone, Debug)]
pub(crate) struct Aside {
    jobs: SyncSender<Job>,
}

impl Aside {
    /// Starts the thread. Threads that its jobs start are as nice as itself.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let (jobs, all) = sync_channel::<Job>(JOBS_MAX);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Without it, requests wait a little more while a job runs.
            let _nicer = rustix::process::nice(NICER);
            for job in all {
                // It has told what went wrong, and who waits hears that there is no answer.
                let _panic = catch_unwind(AssertUnwindSafe(job));
            }
        })?;
        Ok(Self { jobs })
    }

    /// Runs a job and waits for what it gives. None when it panicked, or too many wait.
    ///
    /// # Cancel safety
    ///
    /// The job runs all the same.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, ran) = oneshot::channel();
        // Whoever asked may have gone.
        self.jobs.try_send(Box::new(move || drop(answer.send(job())))).ok()?;
        ran.await.ok()
    }
}

#[cfg(test)]
mod tests;
