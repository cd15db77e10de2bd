//! An interrupted bench stops where it is, so that its central is ended and its folder removed.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::ensure;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Waits for an interruption, and has [`check`] fail from then on.
pub(super) async fn watch() {
    if tokio::signal::ctrl_c().await.is_ok() {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
}

/// Fails once the bench was interrupted. Whatever goes on for long asks it now and then.
pub(super) fn check() -> anyhow::Result<()> {
    ensure!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted");
    Ok(())
}
