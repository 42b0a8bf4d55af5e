//! Waits that end: with what was waited for, or with the test.

use std::time::Duration;

use tokio::time::{Instant, interval, timeout};

/// How long anything that should happen may take; a loaded machine is slow, not broken.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Waits until `look` finds something, and returns that.
///
/// # Panics
///
/// When nothing was found within [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let ends = Instant::now() + PATIENCE;
    let mut looks = interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < ends, "never came: {what}");
    }
}

/// Awaits something that must end in time.
///
/// # Panics
///
/// When it does not end within [`PATIENCE`].
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("took too long: {what}"))
}
