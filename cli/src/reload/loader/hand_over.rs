//! The configuration's part in a hand-over: what the new process takes over, and the old one's end.

use super::Loader;

impl Loader {
    /// Keeps what the process begins with.
    pub(crate) fn begin(&mut self) {
        if let Err(error) = self.begin.shelf.tidy() {
            tracing::warn!(%error, "texts that nothing needs stay in the store");
        }
        self.keep();
    }

    /// Takes over what another process kept up to the moment at which it handed over, and then keeps
    /// what this one begins with. What operators changed meanwhile stands in the log.
    pub(crate) fn catch_up(&mut self) {
        // Found again, since the other one may have kept another configuration meanwhile.
        if let Err(error) = self.begin.shelf.find() {
            tracing::error!(%error, "last good configuration can't be read");
        }
        self.begin();
    }

    /// Lets what is in force stay as it is, for good: the process that has taken over follows files
    /// and keeps overlays.
    pub(crate) const fn retire(&mut self) {
        self.is_retired = true;
    }
}
