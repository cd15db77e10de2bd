//! `bolillero health`: asks a central on this machine whether it is ready, for supervisors and
//! containers without other programs.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use super::ServeArgs;
use crate::arg_types::{Listen, Span};
use crate::exit::{Ending, print};
use crate::settings;

const EXAMPLES: &str = "\
Examples:
  bolillero health --http 127.0.0.1:8080
  bolillero health --config central.toml

With --http it asks /readyz, as --http of serve has it. Without, it connects to an address of
agencies: then only that the central accepts connections is known.";

/// Longest answer that is read.
const ANSWER_LEN_MAX: usize = 64 << 10;
/// How much of it is shown.
const SHOWN_CHARS_MAX: usize = 1_000;
const TIME_MAX_DEFAULT: Duration = Duration::from_secs(3);

/// Where the central is: as for `serve`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HealthArgs {
    /// Address of the operators' server.
    #[arg(long, env = "BOLILLERO_HTTP", value_name = "HOST:PORT")]
    http: Option<String>,

    /// Address that agencies connect to, in plain text or with TLS.
    #[arg(long, env = "BOLILLERO_LISTEN", value_name = "HOST:PORT[=DRAW]")]
    listen: Option<Listen>,

    /// Configuration file of serve, for the addresses.
    #[arg(long, env = "BOLILLERO_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Longest wait for the answer [default: 3s].
    #[arg(long, value_name = "TIME")]
    time_max: Option<Span>,
}

/// Asks, and prints the answer.
pub(crate) fn run(args: HealthArgs) -> Result<(), Ending> {
    let file: ServeArgs = settings::layered(ServeArgs::default(), args.config.as_deref())?;
    let time_max = args.time_max.map_or(TIME_MAX_DEFAULT, |Span(time)| time);
    // What is given on the command line or as a variable comes before the file.
    let (http, listen) = match (args.http, args.listen) {
        (None, None) => (file.http_address(), file.agencies_address()),
        (http, listen) => (http, listen.map(|listen| listen.address)),
    };
    match (http, listen) {
        (Some(address), _) => print(&ready(&address, time_max)?),
        (None, Some(address)) => {
            connected(&address, time_max)?;
            print("accepts connections\n")
        }
        (None, None) => Err(Ending::wrong(
            "--http or --listen is required: set one as a flag, as BOLILLERO_HTTP or \
             BOLILLERO_LISTEN, or in the configuration file",
        )),
    }
}

/// Returns what the central answers if it is ready.
fn ready(address: &str, time_max: Duration) -> Result<String, Ending> {
    let end = now() + time_max;
    let mut stream = connected(address, time_max)?;
    let mut answer = Vec::new();
    let asked = (|| -> io::Result<()> {
        stream.set_write_timeout(Some(time_max))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut part = [0; 4096];
        while answer.len() < ANSWER_LEN_MAX {
            let left = end.saturating_duration_since(now());
            if left.is_zero() {
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut part)? {
                0 => break,
                len => answer.extend_from_slice(&part[..len]),
            }
        }
        Ok(())
    })();
    asked.with_context(|| format!("{address} does not answer"))?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok("ready\n".to_owned()),
        Some("503") => {
            let body: String = body.chars().take(SHOWN_CHARS_MAX).collect();
            let body = body.split_whitespace().collect::<Vec<_>>().join(" ");
            Err(Ending::Failed(anyhow!("{address} is not ready: {body}")))
        }
        _ => Err(Ending::Failed(anyhow!("{address} does not answer as a central does"))),
    }
}

fn connected(address: &str, time_max: Duration) -> anyhow::Result<TcpStream> {
    let addresses = address.to_socket_addrs().with_context(|| format!("address {address}"))?;
    let mut last = None;
    for found in addresses {
        if found.port() == 0 {
            bail!("address {address}: port 0 is chosen when the central starts; give the port");
        }
        match TcpStream::connect_timeout(
            &SocketAddr::new(reached(found.ip()), found.port()),
            time_max,
        ) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    let error = last.map_or_else(|| anyhow!("there is no such address"), anyhow::Error::new);
    Err(error.context(format!("can't connect to {address}")))
}

/// An address of this machine, if a server listens on all of them.
fn reached(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

#[expect(clippy::disallowed_methods, reason = "how long an answer takes is bounded")]
fn now() -> Instant {
    Instant::now()
}
