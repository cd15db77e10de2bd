//! Stands between the program and the server, and holds or breaks off what passes.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::support::PATIENCE;

/// What does not pass until it is released.
#[derive(Clone, Copy)]
pub(crate) enum Holding {
    Nothing,
    /// Everything after this many bytes, both ways.
    After(u64),
    /// Requests that begin so.
    Requests(&'static str),
}

/// Passes connections on. Ends them when dropped.
pub(crate) struct Proxy {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    server: String,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    holding: Holding,
    bytes: u64,
    is_held: bool,
    /// An answer is broken off, once, after this many bytes.
    break_off_after: Option<usize>,
    has_broken_off: bool,
    is_over: bool,
}

impl Proxy {
    pub(crate) fn to(server: &str, holding: Holding) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = State {
            holding,
            bytes: 0,
            is_held: false,
            break_off_after: None,
            has_broken_off: false,
            is_over: false,
        };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        let shared = Arc::new(Shared { server: server.to_owned(), state, changed });
        let passing = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming().map(Result::unwrap) {
                if passing.state.lock().unwrap().is_over {
                    return;
                }
                passing.pass_on(connection);
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many bytes have passed.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.state.lock().unwrap().bytes
    }

    /// Waits until something is held.
    pub(crate) fn held(&self) {
        let state = self.shared.state.lock().unwrap();
        let waits = |state: &mut State| !state.is_held;
        let (state, waited) =
            self.shared.changed.wait_timeout_while(state, PATIENCE, waits).unwrap();
        drop(state);
        assert!(!waited.timed_out(), "nothing came to be held");
    }

    /// Lets everything pass.
    pub(crate) fn release(&self) {
        self.change(|state| state.holding = Holding::Nothing);
    }

    pub(crate) fn break_off_after(&self, bytes: usize) {
        self.change(|state| state.break_off_after = Some(bytes));
    }

    pub(crate) fn has_broken_off(&self) -> bool {
        self.shared.state.lock().unwrap().has_broken_off
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state.lock().unwrap());
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    /// Ends its connections; what is held is lost.
    fn drop(&mut self) {
        self.change(|state| state.is_over = true);
        let _ = TcpStream::connect(&self.address);
    }
}

impl Shared {
    fn pass_on(self: &Arc<Self>, client: TcpStream) {
        let server = TcpStream::connect(&self.server).unwrap();
        let (client2, server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (requests, answers) = (Arc::clone(self), Arc::clone(self));
        thread::spawn(move || requests.pump(client, server, true));
        thread::spawn(move || answers.pump(server2, client2, false));
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, is_request: bool) {
        let mut bytes = vec![0; 16 << 10];
        let mut passed = 0;
        while let Ok(len @ 1..) = from.read(&mut bytes) {
            if let Some(last) = self.breaks_off(is_request, passed, len) {
                let _ = to.write_all(&bytes[..last]);
                break;
            }
            let (now, later) = bytes[..len].split_at(self.allow(&bytes[..len], is_request));
            passed += len;
            if to.write_all(now).is_err() {
                break;
            }
            let passes = later.is_empty() || self.is_released() && to.write_all(later).is_ok();
            if !passes {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Returns how many of these bytes of an answer still pass, if it is to break off in them.
    fn breaks_off(&self, is_request: bool, passed: usize, len: usize) -> Option<usize> {
        let mut state = self.state.lock().unwrap();
        let after = state.break_off_after.filter(|&after| !is_request && passed + len > after)?;
        (state.break_off_after, state.has_broken_off) = (None, true);
        Some(after - passed)
    }

    /// Returns how many of these bytes may pass now.
    fn allow(&self, bytes: &[u8], is_request: bool) -> usize {
        let mut state = self.state.lock().unwrap();
        let len = bytes.len() as u64;
        let allowed = match state.holding {
            Holding::Nothing => len,
            Holding::After(most) => len.min(most.saturating_sub(state.bytes)),
            Holding::Requests(begin) if is_request && bytes.starts_with(begin.as_bytes()) => 0,
            Holding::Requests(_) => len,
        };
        state.bytes += allowed;
        if allowed < len {
            state.is_held = true;
            self.changed.notify_all();
        }
        usize::try_from(allowed).unwrap()
    }

    /// Waits until what is held is released; returns whether it is.
    fn is_released(&self) -> bool {
        let state = self.state.lock().unwrap();
        let waits =
            |state: &mut State| !state.is_over && !matches!(state.holding, Holding::Nothing);
        !self.changed.wait_while(state, waits).unwrap().is_over
    }
}
