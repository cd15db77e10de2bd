//! An interrupted run stops where it is, so that its servers are ended and its folder removed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::ensure;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on a signal has [`check`] fail.
pub(crate) fn watch() -> anyhow::Result<()> {
    let interrupted = INTERRUPTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(interrupted))?;
    }
    Ok(())
}

/// Fails once a signal came. Whatever goes on for long asks it now and then.
pub(crate) fn check() -> anyhow::Result<()> {
    let interrupted = INTERRUPTED.get().is_some_and(|it| it.load(Ordering::Relaxed));
    ensure!(!interrupted, "interrupted");
    Ok(())
}
