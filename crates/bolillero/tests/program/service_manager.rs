//! What a central tells the service manager that started it. The test is the service manager.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Central, PATIENCE, Process, str};

/// Listens as a service manager does.
pub(crate) struct Manager {
    socket: UnixDatagram,
    /// The value of NOTIFY_SOCKET.
    address: String,
}

impl Manager {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self::at(socket, str(&path).to_owned())
    }

    fn with_abstract_name(name: &str) -> Self {
        let address = SocketAddr::from_abstract_name(name).unwrap();
        Self::at(UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}"))
    }

    fn at(socket: UnixDatagram, address: String) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, address }
    }

    /// Starts a central whose watchdog has `watchdog` to be fed.
    pub(crate) fn start(&self, args: &[&str], watchdog: Duration) -> Central {
        let watchdog = watchdog.as_micros().to_string();
        let environment = [("NOTIFY_SOCKET", &*self.address), ("WATCHDOG_USEC", &watchdog)];
        Central::listening(Process::start_with(&environment, args))
    }

    /// Starts a standby.
    pub(crate) fn start_standby(&self, args: &[&str]) -> Process {
        Process::start_with(&[("NOTIFY_SOCKET", &*self.address)], args)
    }

    /// Returns the next message.
    pub(crate) fn told(&self) -> String {
        let mut message = [0; 4096];
        let len = loop {
            match self.socket.recv(&mut message) {
                // With a time limit, a signal of any other test's child interrupts it.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => break received.expect("nothing is told"),
            }
        };
        String::from_utf8(message[..len].to_vec()).unwrap()
    }

    /// Waits for a message, and returns how often the watchdog was fed before.
    pub(crate) fn fed_until(&self, message: &str) -> usize {
        let mut fed = 0;
        loop {
            match self.told() {
                told if told == message => return fed,
                told => assert_eq!(told, FED, "before {message}"),
            }
            fed += 1;
        }
    }
}

pub(crate) const FED: &str = "WATCHDOG=1\n";
pub(crate) const OPENS: &str = "STATUS=opens the ledger\n";
pub(crate) const READY: &str = "READY=1\nSTATUS=accepts connections\n";
pub(crate) const STOPS: &str = "STOPPING=1\nSTATUS=shuts down\n";

#[test]
fn a_service_manager_hears_when_the_central_is_ready_that_it_lives_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("bolillero-test-{}", std::process::id());
    for manager in [Manager::in_folder(folder.path()), Manager::with_abstract_name(&name)] {
        let data = folder.path().join("data");
        let serve = ["serve", "--listen", "127.0.0.1:0", "--data", str(&data), "--agencies", "1"];
        let central = manager.start(&serve, Duration::from_millis(200));
        assert_eq!(manager.told(), OPENS);
        assert_eq!(manager.told(), READY);
        TcpStream::connect(&central.address).unwrap();
        (0..5).for_each(|_| assert_eq!(manager.told(), FED));
        central.process.signal(Signal::TERM);
        manager.fed_until(STOPS);
        assert_eq!(central.process.ended().code, Some(0));
    }
}

#[test]
fn a_central_serves_although_its_service_manager_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::in_folder(folder.path());
    std::fs::remove_file(folder.path().join("notify")).unwrap();
    let data = folder.path().join("data");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", str(&data), "--agencies", "1"];
    let central = manager.start(&serve, Duration::from_secs(60));
    TcpStream::connect(&central.address).unwrap();
    let ended = central.process.terminate();
    assert_eq!(ended.code, Some(0));
    let warning = "action: notify | result: fail | error: ";
    assert!(ended.log.iter().any(|line| line.contains(warning)), "{:#?}", ended.log);
}
