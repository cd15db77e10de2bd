//! Tells the service manager that started the central, if one did, how it is: systemd's messages of
//! sd_notify(3).
//!
//! The watchdog is fed while the engine commits, or waits for a store that is away. One that hangs
//! in a write, or tasks that no longer run, let the service manager end the process and start it
//! again.
//!
//! Deliberately absent:
//! - socket activation: agencies reconnect and systemd restarts within a second, and addresses, TLS
//!   and draws would be bound together in two places;
//! - messages about reloading: certificates are replaced while the central serves.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use ledger_postgres::Status;
use tokio_util::sync::CancellationToken;

const SERVES: &str = "STATUS=accepts connections\n";
/// How often the watchdog is fed in its time. Half of it would do if every feeding were on time.
const FEEDINGS: u32 = 4;
/// Spares the processor whatever the environment says.
const FEED_TIME_MIN: Duration = Duration::from_millis(1);
/// Longest wait for a service manager that reads nothing.
const TELL_TIME_MAX: Duration = Duration::from_secs(1);

/// Tells that the ledger is being opened, which may take long.
pub(crate) fn opens() {
    tell("STATUS=opens the ledger\n");
}

/// Tells that a shared store is away, or back.
pub(crate) fn store_is_away(away: bool) {
    let waits = "STATUS=waits for the store, which is away: the log says why\n";
    tell(if away { waits } else { SERVES });
}

/// Tells that the central accepts connections, and feeds the watchdog, until `shutdown`.
pub(crate) async fn accompany(mut pulse: Pulse, shutdown: CancellationToken) {
    tell(&format!("READY=1\n{SERVES}"));
    feed_until(&shutdown, move || pulse.beats()).await;
}

/// Tells what a standby does, and, once it could take the central's place, that it is ready.
pub(crate) fn follows(is_ready: bool, status: &str) {
    let ready = if is_ready { "READY=1\n" } else { "" };
    tell(&format!("{ready}STATUS={status}\n"));
}

/// Feeds the watchdog while it `beats`, until `shutdown`, which is told too.
pub(crate) async fn feed_until(shutdown: &CancellationToken, beats: impl FnMut() -> bool) {
    let feeding = async {
        match watchdog_time() {
            Some(time) => feed(beats, (time / FEEDINGS).max(FEED_TIME_MIN)).await,
            None => std::future::pending().await,
        }
    };
    shutdown.run_until_cancelled(feeding).await;
    tell("STOPPING=1\nSTATUS=shuts down\n");
}

async fn feed(mut beats: impl FnMut() -> bool, every: Duration) -> std::convert::Infallible {
    loop {
        if beats() {
            tell("WATCHDOG=1\n");
        }
        tokio::time::sleep(every).await;
    }
}

/// Whether the engine works.
pub(crate) struct Pulse {
    engine: Arc<Engine>,
    store: Option<Status>,
    /// The groups begun when it was last looked at.
    begun: Option<u64>,
}

impl Pulse {
    pub(crate) fn of(engine: Arc<Engine>, store: Option<Status>) -> Self {
        Self { engine, store, begun: None }
    }

    /// Whether the engine has begun a group since this was last asked, or waits for its store. Has
    /// it begin another one.
    fn beats(&mut self) -> bool {
        let begun = Some(self.engine.groups().begun());
        let has_begun = begun != self.begun;
        self.begun = begun;
        self.engine.check(|_| ());
        has_begun || self.store.as_ref().is_some_and(|store| store.state().away.is_some())
    }
}

/// Returns how long the watchdog waits to be fed by this process, if there is one.
fn watchdog_time() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|_| is_ours).map(Duration::from_micros)
}

/// Tells the service manager, if there is one.
fn tell(message: &str) {
    if let Err(error) = send(message) {
        tracing::warn!(
            action = "notify",
            result = "fail",
            error = %format_args!(
                "can't tell the service manager at NOTIFY_SOCKET, which may end this process: {error}"
            ),
        );
    }
}

fn send(message: &str) -> io::Result<()> {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match address.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&address),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(TELL_TIME_MAX))?;
    socket.send_to_addr(message.as_bytes(), &address?).map(drop)
}

#[cfg(test)]
mod tests {
    use engine::{Clock, LedgerId, MemoryLog};
    use lottery::Timestamp;

    use super::*;

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
    }

    #[test]
    fn an_engine_that_begins_no_groups_has_no_pulse() {
        let log = Box::new(MemoryLog::new(LedgerId([0; 16])));
        let (engine, mut committer) = Engine::stepped(log, Arc::new(Stopped)).unwrap();
        let mut pulse = Pulse::of(Arc::new(engine), None);
        assert!(pulse.beats(), "at first");
        assert!(!pulse.beats() && !pulse.beats(), "it hangs");
        committer.commit_group();
        assert!(pulse.beats(), "it goes on");
        assert!(!pulse.beats());
    }
}
