//! An edge that serves nobody, for verbs that ask what an edge would do.

use std::{io, sync::Arc, time::Duration};

use headgate_config::Loaded;
use headgate_gateway::{Edge, Parts, identity::HttpFetch};
use headgate_telemetry::{
    Metrics,
    access::{Log, Writer},
};

use crate::{clock::SystemClock, exit::Invalid};

/// Time for the writer of access lines, which has none here, to end.
pub(crate) const WRITER_END: Duration = Duration::from_millis(100);

/// Builds the edge as `run` does, without its listeners. Its lines go nowhere, until the writer is
/// closed.
///
/// # Errors
///
/// [`Invalid`] for settings that make no edge, which loading should have ruled out; no thread for
/// the writer.
pub(crate) fn unserved(loaded: &Loaded) -> anyhow::Result<(Arc<Edge>, Writer)> {
    let metrics = Metrics::new();
    let (access, writer) = Log::start(io::sink(), &metrics)?;
    let parts = Parts {
        clock: Arc::new(SystemClock),
        metrics,
        access,
        fetch: Arc::new(HttpFetch::default()),
        digest: loaded.digest.as_str().into(),
        records: None,
    };
    Ok((Edge::new(&loaded.settings, parts).map_err(Invalid::new)?, writer))
}
