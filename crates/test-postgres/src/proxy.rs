//! A proxy before a server, whose network fails when a test wants it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// A proxy. Its connections end when it is dropped.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    network: Mutex<Network>,
    changed: Condvar,
}

#[derive(Default)]
struct Network {
    /// Bytes wait here, and connections stay open.
    is_hole: bool,
    open: Vec<TcpStream>,
}

impl Proxy {
    /// Starts a proxy before a port of the loopback.
    ///
    /// # Panics
    /// When there is no port left.
    #[must_use]
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                accepting.pass(&client, &server);
            }
        });
        Self { port: own, state }
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections; new ones are taken.
    pub fn cut(&self) {
        self.state.cut();
    }

    /// Keeps all bytes until [`Proxy::heal`], with the connections open.
    pub fn swallow(&self) {
        self.state.network.lock().unwrap().is_hole = true;
    }

    /// Lets bytes pass again.
    pub fn heal(&self) {
        self.state.network.lock().unwrap().is_hole = false;
        self.state.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.heal();
        self.state.cut();
    }
}

impl State {
    fn cut(&self) {
        for stream in self.network.lock().unwrap().open.drain(..) {
            // It may have ended.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn pass(self: &Arc<Self>, client: &TcpStream, server: &TcpStream) {
        let copies = [(client, server), (server, client)]
            .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()));
        let both = [client, server].map(|stream| stream.try_clone().unwrap());
        self.network.lock().unwrap().open.extend(both);
        for (mut from, mut to) in copies {
            let state = Arc::clone(self);
            thread::spawn(move || {
                let mut buffer = [0; 16 << 10];
                while let Ok(len @ 1..) = from.read(&mut buffer) {
                    let network = state.network.lock().unwrap();
                    drop(state.changed.wait_while(network, |network| network.is_hole).unwrap());
                    if to.write_all(&buffer[..len]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
                let _ = from.shutdown(Shutdown::Both);
            });
        }
    }
}
