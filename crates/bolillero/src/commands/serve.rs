//! `bolillero serve`: runs the central, on the ledger in a folder or on a store that it shares.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use central::limits::SHUTDOWN_TIME_MAX_DEFAULT;
use central::{Central, Mode, OpenError, Options, Server, Zone};
use central_http::{ClientHeader, HttpLimits, HttpServer, Letterhead, Network, Origin, Proxies};
use central_tcp::limits::REJECTED_MAX;
use central_tcp::{AgencyServer, Limits};
use clap::Args;
use engine::{Clock, LedgerId};
use lottery::{Agencies, DrawName, DrawTerms, Timestamp};
use pki::CentralFiles;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use super::bind::Addresses;
use super::http;
use super::place::{Opened, Place};
use super::reload;
use crate::arg_types::{Line, Listen, Name, Numbers, Span, StoreUrl, one_or_more};
use crate::exit::Ending;
use crate::logging::{self, LogFormat, LogLevel};
use crate::random::secret_bytes;
use crate::settings::{ReadSettings, is_false, needed};
use crate::supervisor::{self, Pulse};
use crate::{descriptors, settings, signals};

const EXAMPLES: &str = "\
Examples:
  bolillero serve --listen 127.0.0.1:12345 --data ./data --agencies 5
  bolillero serve --tls-listen 0.0.0.0:12346 --tls-cert central.crt --tls-key central.key \\
    --tls-agencies-ca ca.crt --tls-revoked crl.pem --data ./data --agencies 5
  bolillero serve --config central.toml --log-format json --http 127.0.0.1:8080 \\
    --http-origin https://lottery.example

  bolillero serve --listen 127.0.0.1:12345=matutina --listen 127.0.0.1:12346=nocturna \\
    --data ./data --http 127.0.0.1:8080

  bolillero serve --listen 127.0.0.1:12345 --agencies 5 \\
    --store 'postgres://central@db1,db2,db3/lottery?sslrootcert=ca.crt'

A configuration file holds the same settings with _ for -:
  listen = \"127.0.0.1:12345\"
  data = \"/var/lib/bolillero\"
  agencies = 5
  winners_wait = \"10m\"

SIGTERM or SIGINT shuts it down cleanly; a second one stops it at once.";

/// The winning number of the course's assignment.
const WINNING_NUMBER_DEFAULT: u32 = 7574;
const WINNERS_WAIT_DEFAULT: Duration = Duration::from_secs(600);
/// File descriptors kept free besides those of accepted connections: for rejected connections, the
/// ledger, files that are read again, the listeners, the log and the runtimes.
const DESCRIPTORS_SPARE: usize = REJECTED_MAX + 128;
/// The central does not start with fewer connections than this.
const CONNECTIONS_LEAST: usize = 16;
/// When descriptors are short, one in this many connections is reserved for HTTP.
const HTTP_PART: usize = 4;
const RAISE_FILES: &str = "raise the limit of open files (ulimit -n, or LimitNOFILE of systemd)";
/// Time for reads of winners that may still be running after the connections are closed.
const RUNTIME_END_TIME_MAX: Duration = Duration::from_millis(500);

/// Settings of the central. None: not given here.
#[derive(Args, Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Address that agencies connect to in plain text; port 0 selects a free one and logs it. With
    /// =DRAW, agencies that name no draw there bet in that one, which may be announced later. May
    /// be repeated.
    #[arg(long, env = "BOLILLERO_LISTEN", value_name = "HOST:PORT[=DRAW]")]
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    listen: Vec<Listen>,

    /// Allow --listen to be reached from other hosts, although anybody on the network path can read
    /// and change plain text.
    #[arg(long, env = "BOLILLERO_ALLOW_PLAINTEXT")]
    #[serde(skip_serializing_if = "is_false")]
    allow_plaintext: bool,

    /// Address that agencies connect to with TLS 1.3 and certificates; SIGHUP reloads all of the
    /// central's TLS files. Accepts =DRAW and may be repeated, as --listen.
    #[arg(long, env = "BOLILLERO_TLS_LISTEN", value_name = "HOST:PORT[=DRAW]")]
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    tls_listen: Vec<Listen>,

    /// The central's certificate, followed by intermediate certificates, if any.
    #[arg(long, env = "BOLILLERO_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The private key of the central's certificate.
    #[arg(long, env = "BOLILLERO_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// The authorities trusted to certify agencies.
    #[arg(long, env = "BOLILLERO_TLS_AGENCIES_CA", value_name = "FILE")]
    tls_agencies_ca: Option<PathBuf>,

    /// The authorities' revocation lists.
    #[arg(long, env = "BOLILLERO_TLS_REVOKED", value_name = "FILE")]
    tls_revoked: Option<PathBuf>,

    /// Address of the operators' server: console, API, metrics, health. By default there is none.
    /// Not encrypted: use the loopback, or a reverse proxy.
    #[arg(long, env = "BOLILLERO_HTTP", value_name = "HOST:PORT")]
    http: Option<String>,

    /// The origin at which browsers reach --http through a reverse proxy: https://lottery.example.
    /// Cookies are then sent over HTTPS only, and cross-site forms are rejected.
    #[arg(long, env = "BOLILLERO_HTTP_ORIGIN", value_name = "https://HOST")]
    http_origin: Option<Origin>,

    /// Reverse proxies, by address or network, that are trusted to report their clients' addresses:
    /// limits and log lines then use the client's address instead of the proxy's.
    #[arg(
        long,
        env = "BOLILLERO_HTTP_TRUSTED_PROXIES",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    http_trusted_proxies: Vec<Network>,

    /// The header in which these proxies report the client: x-forwarded-for, x-real-ip or
    /// forwarded. They must set it in every request; otherwise clients can forge it.
    #[arg(long, env = "BOLILLERO_HTTP_CLIENT_HEADER", value_name = "HEADER")]
    http_client_header: Option<ClientHeader>,

    /// The lottery's name, with which the printed records of draws begin.
    #[arg(long, env = "BOLILLERO_LOTTERY", value_name = "NAME")]
    lottery: Option<Line>,

    /// The lottery's place, as printed records of draws state it.
    #[arg(long, env = "BOLILLERO_PLACE", value_name = "PLACE")]
    place: Option<Line>,

    /// Folder of the ledger and the operators; created if missing, accessible to its owner only.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// PostgreSQL database that holds both instead, shared by several centrals and prepared
    /// by `store init`. Name all its servers: the one that can be written to is used. With a
    /// password, set the variable or the configuration file: other users can see a flag.
    #[arg(long, env = "BOLILLERO_STORE", value_name = "URL", hide_env_values = true)]
    store: Option<StoreUrl>,

    /// Refuse servers of --store that have no synchronous standby.
    #[arg(long, env = "BOLILLERO_REQUIRE_STANDBY")]
    #[serde(skip_serializing_if = "is_false")]
    require_standby: bool,

    /// The name of this central among those that share --store [default: the machine's name].
    #[arg(long, env = "BOLILLERO_NODE", value_name = "NAME")]
    node: Option<Line>,

    /// Number of agencies that take part: those numbered 1 to N. There is then one automatic draw,
    /// made when all of them have finished. Without it, operators run the draws (--http).
    #[arg(long, env = "BOLILLERO_AGENCIES", value_name = "N")]
    agencies: Option<u32>,

    /// Name of the draw to open or continue [default: sorteo].
    #[arg(long, env = "BOLILLERO_DRAW", value_name = "NAME")]
    draw: Option<Name>,

    /// The winning number [default: 7574].
    #[arg(long, env = "BOLILLERO_WINNING_NUMBER", value_name = "N")]
    winning_number: Option<u32>,

    /// Range of numbers to bet on [default: 0-9999].
    #[arg(long, env = "BOLILLERO_NUMBERS", value_name = "MIN-MAX")]
    numbers: Option<Numbers>,

    /// Longest wait of an agency that requests winners before the draw; 0 replies at once that
    /// there are none yet [default: 10m].
    #[arg(long, env = "BOLILLERO_WINNERS_WAIT", value_name = "TIME")]
    winners_wait: Option<Span>,

    /// The lottery's time zone, a name of the tz database, for the times that people read and type
    /// [default: America/Argentina/Buenos_Aires].
    #[arg(long, env = "BOLILLERO_TIME_ZONE", value_name = "ZONE")]
    time_zone: Option<String>,

    /// Most unacknowledged batches of an agency [default: 16].
    #[arg(long, env = "BOLILLERO_WINDOW", value_name = "N")]
    window: Option<u16>,

    /// Longest message of an agency, including its 4 header bytes [default: 8192].
    #[arg(long, env = "BOLILLERO_FRAME_LEN_MAX", value_name = "BYTES")]
    frame_len_max: Option<u32>,

    /// Longest time for the TLS handshake of an agency [default: 10s].
    #[arg(long, env = "BOLILLERO_HANDSHAKE_TIME_MAX", value_name = "TIME")]
    handshake_time_max: Option<Span>,

    /// Longest time for a message to arrive completely [default: 30s].
    #[arg(long, env = "BOLILLERO_FRAME_TIME_MAX", value_name = "TIME")]
    frame_time_max: Option<Span>,

    /// Longest time that an agency may leave its replies unread [default: 30s].
    #[arg(long, env = "BOLILLERO_WRITE_TIME_MAX", value_name = "TIME")]
    write_time_max: Option<Span>,

    /// Most concurrent connections; fewer if the system allows fewer open files [default: 16000].
    #[arg(long, env = "BOLILLERO_CONNECTIONS_MAX", value_name = "N")]
    connections_max: Option<usize>,

    /// Most concurrent connections from one address (IPv6: one /64 prefix) [default: 4000].
    #[arg(long, env = "BOLILLERO_CONNECTIONS_PER_ADDRESS_MAX", value_name = "N")]
    connections_per_address_max: Option<usize>,

    /// Longest time for a clean shutdown, before remaining connections are cut [default: 4s].
    #[arg(long, env = "BOLILLERO_SHUTDOWN_TIME_MAX", value_name = "TIME")]
    shutdown_time_max: Option<Span>,

    /// Length of the ledger's files, which are allocated in advance: a multiple of 4096 from 98304
    /// to 1073741824. Small files suit small lotteries [default: 67108864].
    #[arg(long, env = "BOLILLERO_SEGMENT_LEN", value_name = "BYTES")]
    segment_len: Option<u64>,

    /// Format of log lines [default: text].
    #[arg(long, env = "BOLILLERO_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,

    /// Lowest level that is logged [default: info].
    #[arg(long, env = "BOLILLERO_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<LogLevel>,

    /// TOML file with settings.
    #[arg(long, env = "BOLILLERO_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
}

/// Runs the central until a signal or a failure stops it.
pub(crate) fn run(args: ServeArgs) -> Result<(), Ending> {
    let (given, file) = (args.clone(), args.config.clone());
    let settings = settings::layered(args, file.as_deref())?;
    let (addresses, place) = (settings.addresses()?, settings.place()?);
    let options = settings.options()?;
    let format = settings.log_format.unwrap_or_default();
    let (written_at_the_end, level) =
        logging::start_queued(format, settings.log_level(), options.zone)?;
    let log_lines_dropped = written_at_the_end.dropped();
    tell_zone(options.zone);

    let runtime = Runtime::new().context("can't start the runtime")?;
    let hangups = runtime.block_on(async {
        signals::outlive_file_limits()?;
        signals::hangups()
    });
    let hangups = hangups.context("can't handle signals")?;
    let (limits, http_limits) = allow_connections(settings.limits(), settings.http.is_some())?;
    // Bind before touching the ledger: a failure to bind leaves no trace.
    let bound = runtime.block_on(addresses.bind())?;
    let http = match &settings.http {
        Some(http) => {
            let reached = (settings.http_origin.clone(), settings.proxies()?);
            Some(runtime.block_on(http::bound(http, reached, settings.letterhead()))?)
        }
        None => None,
    };
    let clock = Arc::new(SystemClock);
    supervisor::opens();
    let Opened { engine, kept, keeping } = place.open(clock.clone())?;
    bound.check_draws(engine.view())?;
    let (shared, groups) = (Arc::clone(&engine), Arc::clone(engine.groups()));
    let pulse = Pulse::of(Arc::clone(&engine), kept.health.store.clone());
    let looked_after = &keeping;
    let served = runtime.block_on(async move {
        let shutdown = signals::shutdown_token().context("can't listen for signals")?;
        let central = Central::open(shared, clock.clone(), options);
        let central = central.await.map_err(not_opened)?;
        looked_after.join(central.presence());
        let mut servers: Vec<Box<dyn Server>> = Vec::new();
        if let Some(http) = http {
            let (listener, options) = http.listen(http_limits, &groups, kept, log_lines_dropped)?;
            let server = HttpServer::new(central.service(), clock, listener, options);
            servers.push(Box::new(server.context("can't start the HTTP thread")?));
        }
        let (listeners, certificates) = bound.listen()?;
        let reloaded = file.map(|file| reload::Settings { given, file, started: settings, level });
        tokio::spawn(reload::at_each(hangups, reloaded, certificates));
        servers.push(Box::new(AgencyServer::new(central.service(), &limits, listeners)?));
        let telling = tokio::spawn(supervisor::accompany(pulse, shutdown.clone()));
        // Runs as a task, so that it is scheduled fairly with those of the connections.
        let serving = tokio::spawn(central.serve(servers, shutdown));
        serving.await.context("the central panicked")?.context("the central stopped")?;
        telling.await.context("telling the service manager panicked")?;
        Ok(())
    });
    runtime.shutdown_timeout(RUNTIME_END_TIME_MAX);
    drop(keeping);
    // Dropped last: it finishes the pending work.
    drop(engine);
    served
}

fn not_opened(error: OpenError) -> Ending {
    let wrong = matches!(error, OpenError::Name(_));
    Ending::of(wrong, anyhow::Error::new(error).context("can't open the draw"))
}

/// Logs the time zone, so that closing times are no surprise.
fn tell_zone(zone: Zone) {
    let offset = zone.offset(SystemClock.now());
    tracing::info!(action = "time_zone", result = "success", %zone, offset);
}

/// Raises the limit of open files if needed, and lowers the connection limits to what the system
/// allows less the spare descriptors.
fn allow_connections(limits: Limits, http: bool) -> Result<(Limits, HttpLimits), Ending> {
    let http_limits = HttpLimits::default();
    let over_http = if http { http_limits.connections_max } else { 0 };
    let wanted = limits.connections_max.saturating_add(over_http + DESCRIPTORS_SPARE);
    let allowed = descriptors::allow(wanted);
    if allowed >= wanted {
        return Ok((limits, http_limits));
    }
    let places = allowed.saturating_sub(DESCRIPTORS_SPARE);
    if places < CONNECTIONS_LEAST {
        return Err(Ending::Failed(anyhow!(
            "only {allowed} open files are allowed, and {DESCRIPTORS_SPARE} are needed in addition \
             to the connections: {RAISE_FILES}"
        )));
    }
    let (agencies, over_http) = shared(places, limits.connections_max, over_http);
    tracing::warn!(
        action = "limit_connections",
        result = "in_progress",
        connections = agencies,
        http_connections = over_http,
        descriptors = allowed,
        descriptors_needed = wanted,
        error = %format_args!(
            "fewer connections than configured are accepted: {RAISE_FILES}, or lower \
             --connections-max"
        ),
    );
    let http_limits = http_limits.with_connections_max(over_http);
    Ok((limits.with_connections_max(agencies), http_limits))
}

/// Divides places between agencies and HTTP, which gets a fixed part or what agencies leave.
fn shared(places: usize, agencies: usize, over_http: usize) -> (usize, usize) {
    let left = places.saturating_sub(agencies);
    let over_http = over_http.min(left.max(places / HTTP_PART));
    (agencies.min(places - over_http), over_http)
}

pub(super) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the clock enters")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Parses the text of a `serve` configuration file, without acting on it.
///
/// # Errors
/// The message for the user when the file can't be used.
pub fn serve_settings(text: &str) -> Result<ReadSettings, String> {
    ReadSettings::of(text, ServeArgs::options)
}

impl ServeArgs {
    /// Checks the settings, and the files that they name.
    pub(super) fn check(&self) -> Result<(), Ending> {
        self.check_values()?;
        self.addresses()?.check_files()
    }

    /// Checks the settings alone.
    pub(super) fn check_values(&self) -> Result<(), Ending> {
        self.addresses()?;
        self.place()?;
        self.options().map(drop)
    }

    /// Returns the lowest level that is logged.
    pub(super) fn log_level(&self) -> LogLevel {
        self.log_level.unwrap_or_default()
    }

    /// Returns the address of the operators' server.
    pub(super) fn http_address(&self) -> Option<String> {
        self.http.clone()
    }

    /// Returns an address of agencies.
    pub(super) fn agencies_address(&self) -> Option<String> {
        self.listen.iter().chain(&self.tls_listen).next().map(|listen| listen.address.clone())
    }

    /// Returns where the ledger is.
    fn place(&self) -> Result<Place, Ending> {
        let Some(store) = &self.store else {
            let unused = [("require-standby", self.require_standby), ("node", self.node.is_some())];
            if let Some((name, _)) = unused.into_iter().find(|(_, given)| *given) {
                return Err(Ending::wrong(format!("--{name} requires --store")));
            }
            let data = needed(self.data.clone(), "data")?;
            return Ok(Place::Folder { data, options: self.ledger_options()? });
        };
        if self.segment_len.is_some() {
            return Err(Ending::wrong("--segment-len has no effect with --store"));
        }
        if self.data.is_some() {
            return Err(Ending::wrong("--data has no effect with --store"));
        }
        let node = match &self.node {
            Some(Line(node)) => node.to_string(),
            None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        };
        let (target, require_standby) = (store.target()?, self.require_standby);
        Ok(Place::Shared { target, require_standby, node })
    }

    fn addresses(&self) -> Result<Addresses, Ending> {
        let (plain, allow_plaintext) = (self.listen.clone(), self.allow_plaintext);
        if self.agencies.is_some() {
            self.expect_unbound()?;
        }
        let tls = match self.tls_listen.clone() {
            listen if !listen.is_empty() => {
                let files = CentralFiles {
                    certificate: needed(self.tls_cert.clone(), "tls-cert")?,
                    key: needed(self.tls_key.clone(), "tls-key")?,
                    agencies_ca: needed(self.tls_agencies_ca.clone(), "tls-agencies-ca")?,
                    revoked: self.tls_revoked.clone(),
                };
                Some((listen, files))
            }
            _ => {
                self.expect_no_tls_files()?;
                None
            }
        };
        if plain.is_empty() && tls.is_none() {
            return Err(Ending::wrong(
                "--listen or --tls-listen is required: set one as a flag, as BOLILLERO_LISTEN or \
                 BOLILLERO_TLS_LISTEN, or in the configuration file",
            ));
        }
        Ok(Addresses { plain, allow_plaintext, tls })
    }

    /// Checks that no address is bound to a draw: the automatic draw is open to all addresses.
    fn expect_unbound(&self) -> Result<(), Ending> {
        match self.listen.iter().chain(&self.tls_listen).find(|listen| listen.draw.is_some()) {
            None => Ok(()),
            Some(bound) => Err(Ending::wrong(format!(
                "{bound} is bound to a draw, and with --agencies there is one automatic draw for \
                 all addresses: remove =DRAW, and name the draw with --draw"
            ))),
        }
    }

    fn expect_no_tls_files(&self) -> Result<(), Ending> {
        let files = [
            ("tls-cert", &self.tls_cert),
            ("tls-key", &self.tls_key),
            ("tls-agencies-ca", &self.tls_agencies_ca),
            ("tls-revoked", &self.tls_revoked),
        ];
        match files.into_iter().find(|(_, file)| file.is_some()) {
            None => Ok(()),
            Some((name, _)) => Err(Ending::wrong(format!(
                "--{name} has no effect without --tls-listen: set both or neither"
            ))),
        }
    }

    fn options(&self) -> Result<Options, Ending> {
        self.limits().check().map_err(Ending::wrong)?;
        if self.http_origin.is_some() && self.http.is_none() {
            return Err(Ending::wrong("--http-origin requires --http"));
        }
        if (self.lottery.is_some() || self.place.is_some()) && self.http.is_none() {
            return Err(Ending::wrong("--lottery and --place require --http"));
        }
        self.proxies()?;
        Ok(Options {
            mode: self.mode()?,
            winners_wait: self.winners_wait.map_or(WINNERS_WAIT_DEFAULT, |Span(time)| time),
            zone: self.zone()?,
            shutdown_time_max: self
                .shutdown_time_max
                .map_or(SHUTDOWN_TIME_MAX_DEFAULT, |Span(time)| time),
        })
    }

    /// Returns the trusted proxies, if any.
    fn proxies(&self) -> Result<Option<Proxies>, Ending> {
        let (networks, header) = (self.http_trusted_proxies.clone(), self.http_client_header);
        match (networks.is_empty(), header) {
            (true, None) => Ok(None),
            (false, Some(header)) if self.http.is_some() => Ok(Some(Proxies { networks, header })),
            (false, Some(_)) => Err(Ending::wrong("--http-trusted-proxies requires --http")),
            _ => Err(Ending::wrong(
                "--http-trusted-proxies and --http-client-header require each other: set the \
                 trusted proxies, and the header that they set",
            )),
        }
    }

    fn letterhead(&self) -> Letterhead {
        let label = |line: &Option<Line>| line.as_ref().map(|Line(label)| label.clone());
        Letterhead { lottery: label(&self.lottery), place: label(&self.place) }
    }

    fn zone(&self) -> Result<Zone, Ending> {
        let named = self.time_zone.as_deref().map(Zone::named).transpose();
        named
            .map(Option::unwrap_or_default)
            .map_err(|unknown| Ending::wrong(format!("--time-zone: {unknown}")))
    }

    /// Returns the mode: one automatic draw when a number of agencies is given, otherwise draws run
    /// by operators.
    fn mode(&self) -> Result<Mode, Ending> {
        let Some(agencies) = self.agencies else {
            return self.operated();
        };
        let name = match &self.draw {
            Some(Name(name)) => name.clone(),
            None => DrawName::new("sorteo").expect("a name without blanks at its ends"),
        };
        let numbers = self.numbers.map_or_else(Default::default, |Numbers(range)| range);
        let number = self.winning_number.unwrap_or(WINNING_NUMBER_DEFAULT);
        if !numbers.contains(number) {
            return Err(Ending::wrong(format!(
                "the winning number {number} is outside the range {numbers} of the draw; set \
                 --winning-number"
            )));
        }
        let agencies = Agencies::first(agencies).map_err(Ending::wrong)?;
        let terms = DrawTerms { name, agencies, numbers };
        Ok(Mode::Automatic { terms, winning_number: number })
    }

    fn operated(&self) -> Result<Mode, Ending> {
        if self.http.is_none() {
            return Err(Ending::wrong(
                "--agencies is required for an automatic draw, or --http for draws that operators \
                 run: set one as a flag, as BOLILLERO_AGENCIES or BOLILLERO_HTTP, or in the \
                 configuration file",
            ));
        }
        let of_one_draw = [
            ("draw", self.draw.is_some()),
            ("winning-number", self.winning_number.is_some()),
            ("numbers", self.numbers.is_some()),
        ];
        match of_one_draw.into_iter().find(|(_, given)| *given) {
            None => Ok(Mode::Operated),
            Some((name, _)) => Err(Ending::wrong(format!(
                "--{name} is for an automatic draw and requires --agencies; operators set it when \
                 they announce a draw"
            ))),
        }
    }

    fn ledger_options(&self) -> Result<ledger::Options, Ending> {
        let default = ledger::Options::new(LedgerId(secret_bytes().map_err(Ending::Failed)?));
        let segment_len = self.segment_len.unwrap_or(default.segment_len);
        let options = ledger::Options { segment_len, ..default };
        options.check().map_err(Ending::wrong)?;
        Ok(options)
    }

    fn limits(&self) -> Limits {
        let default = Limits::default();
        let time = |given: Option<Span>, default| given.map_or(default, |Span(time)| time);
        Limits {
            window: self.window.unwrap_or(default.window),
            frame_len_max: self.frame_len_max.unwrap_or(default.frame_len_max),
            connections_max: self.connections_max.unwrap_or(default.connections_max),
            connections_per_address_max: self
                .connections_per_address_max
                .unwrap_or(default.connections_per_address_max),
            handshake_time_max: time(self.handshake_time_max, default.handshake_time_max),
            frame_time_max: time(self.frame_time_max, default.frame_time_max),
            write_time_max: time(self.write_time_max, default.write_time_max),
            ..default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shared_and_what_one_side_leaves_is_the_others() {
        assert_eq!(shared(1_000, 16_000, 640), (750, 250));
        assert_eq!(shared(1_000, 300, 640), (300, 640));
        assert_eq!(shared(1_000, 600, 640), (600, 400));
        assert_eq!(shared(1_000, 16_000, 0), (1_000, 0));
        assert_eq!(shared(16, 16_000, 640), (12, 4));
    }
}
