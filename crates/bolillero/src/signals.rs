//! Signal handling: the first SIGTERM or SIGINT requests an orderly shutdown, the second ends the
//! process at once. SIGXFSZ does not end the process: the write returns an error instead. SIGHUP
//! reloads certificates.

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Returns a token that SIGTERM and SIGINT cancel. Must be called within a runtime.
pub(crate) fn shutdown_token() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(watch(signals, token.clone()));
    Ok(token)
}

/// Makes a write over the file size limit fail instead of ending the process; the ledger treats it
/// as a full disk. Must be called within a runtime.
pub(crate) fn outlive_file_limits() -> std::io::Result<()> {
    // The signal stays handled after the listener is dropped.
    signal(SignalKind::from_raw(Number::XFSZ.as_raw())).map(drop)
}

/// Returns a stream of SIGHUPs, which no longer end the process. Must be called within a runtime.
pub(crate) fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

#[expect(clippy::disallowed_methods, reason = "the second signal asks for just this")]
async fn watch((mut terminate, mut interrupt): (Signal, Signal), token: CancellationToken) {
    either(&mut terminate, &mut interrupt).await;
    token.cancel();
    either(&mut terminate, &mut interrupt).await;
    std::process::exit(1);
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
