//! A real central behind a real nginx, configured as in `deploy/`. Skipped without Debian's nginx
//! or curl.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::http::{Http, add_operator};
use support::tools::{has_curl, has_tool};
use support::{Central, PATIENCE, drawn, free_address, run_well, str, text};

const NAME: &str = "lottery.example";

/// An event that nginx passes on at once arrives within this time; a buffered one arrives with the
/// next event, a second or more later.
const WITHOUT_DELAY: Duration = Duration::from_millis(500);

/// A path proxied with nginx's defaults: it speaks HTTP 1.0 to the central and buffers responses
/// that are not marked otherwise.
const UNTOLD: &str = "/untold";

/// A running nginx with `deploy/nginx.conf`, except for addresses and the certificate, and with
/// [`UNTOLD`] added. Killed when dropped.
struct Nginx {
    process: Child,
    folder: PathBuf,
    address: String,
}

impl Nginx {
    fn start(folder: &Path, address: &str, central: &str) -> Self {
        let pki = folder.join("pki");
        run_well(&["pki", "--dir", str(&pki), "init"]);
        run_well(&["pki", "--dir", str(&pki), "central", NAME]);
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/nginx.conf");
        let mut server = fs::read_to_string(example).unwrap();
        for (there, here) in [
            ("listen 443", &*format!("listen {address}")),
            ("/etc/nginx/lottery.example.crt", str(&pki.join("central.crt"))),
            ("/etc/nginx/lottery.example.key", str(&pki.join("central.key"))),
            ("127.0.0.1:8080", central),
        ] {
            assert!(server.contains(there), "{there}: {server}");
            server = server.replace(there, here);
        }
        let untold = format!("    location {UNTOLD}/ {{ proxy_pass http://{central}/; }}\n");
        server.insert_str(server.rfind('}').unwrap(), &untold);
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|it| format!("{it}_temp_path {it};"));
        // The rest of the configuration, for an nginx that writes in this folder only.
        let config = format!(
            "daemon off; master_process off; pid pid; error_log error.log;\n\
             events {{}}\n\
             http {{ access_log off; {}\n{server} }}\n",
            temporary.join(" ")
        );
        fs::write(folder.join("nginx.conf"), config).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]);
        let log = fs::File::create(folder.join("nginx.log")).unwrap();
        let process = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        let nginx = Self { process, folder: folder.to_owned(), address: address.to_owned() };
        nginx.listens();
        nginx
    }

    #[expect(clippy::disallowed_methods, reason = "nginx does not report when it listens")]
    fn listens(&self) {
        let start = Instant::now();
        while self.asked("127.0.0.9", &["/login"]).is_none() {
            let log = fs::read_to_string(self.folder.join("nginx.log")).unwrap();
            assert!(start.elapsed() < PATIENCE, "nginx does not listen: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns a curl command that connects from this loopback address: the path first, then
    /// arguments.
    fn curl(&self, from: &str, asked: &[&str]) -> Command {
        let mut curl = Command::new("curl");
        let (host, port) = self.address.rsplit_once(':').unwrap();
        let resolve = format!("{NAME}:{port}:{host}");
        curl.args(["--silent", "--no-buffer", "--interface", from, "--resolve", &resolve]);
        curl.args(["--cacert", str(&self.folder.join("pki/ca.crt"))]);
        curl.arg(format!("https://{NAME}:{port}{}", asked[0])).args(&asked[1..]);
        curl
    }

    /// Returns the status of the response, or `None` without one.
    fn asked(&self, from: &str, asked: &[&str]) -> Option<u16> {
        let mut curl = self.curl(from, asked);
        let output = curl.args(["--output", "/dev/null", "--write-out", "%{http_code}"]).output();
        text(&output.unwrap().stdout).parse().ok().filter(|status| *status != 0)
    }

    fn log_in(&self, from: &str, password: &str, more: &[&str]) -> Option<u16> {
        let body = format!("{{\"name\": \"eva\", \"password\": \"{password}\"}}");
        let asked = ["/api/v1/session", "--header", "Content-Type: application/json"];
        self.asked(from, &[&asked[..], &["--data", &body], more].concat())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_example_of_nginx_serves_operators_as_if_it_was_not_there() {
    if !(has_tool(&["nginx", "-v"], "nginx") && has_curl()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // More than nginx buffers in memory.
    let (data, _) = drawn(folder.path(), 100_000);
    add_operator(&data, "eva", "auditor");
    let address = free_address();
    let (_, port) = address.rsplit_once(':').unwrap();
    let origin = format!("https://{NAME}:{port}");
    let reached = ["--http", "127.0.0.1:0", "--http-origin", &origin];
    let trusted = ["--http-trusted-proxies", "127.0.0.1"];
    let header = ["--http-client-header", "x-forwarded-for"];
    let args = [&reached[..], &trusted, &header].concat();
    let mut central = Central::start(&data, "127.0.0.1:0", &args);
    let http = Http::of(&mut central);
    let nginx = Nginx::start(folder.path(), &address, &http.address);
    let jar = str(&folder.path().join("jar")).to_owned();

    tells_clients_apart(&nginx, &mut central);
    assert_eq!(
        nginx.log_in("127.0.0.3", "the password of eva", &["--cookie-jar", &jar]),
        Some(200)
    );
    for before in ["", UNTOLD] {
        sends_the_board_on_at_once(&nginx, &format!("{before}/board/events"), &jar);
    }
    lets_a_slow_reader_take_all(&nginx, &jar, &http.log_in("eva"));
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(nginx.asked("127.0.0.3", &[path]), Some(404), "{path}");
    }
    let ended = central.process.terminate();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
}

fn tells_clients_apart(nginx: &Nginx, central: &mut Central) {
    for at in 0..5 {
        let forged = format!("X-Forwarded-For: 203.0.113.{at}");
        assert_eq!(nginx.log_in("127.0.0.2", "a wrong one", &["--header", &forged]), Some(401));
        let message = central.process.wait_for("action: log_in | result: fail");
        assert!(message.contains("ip: 127.0.0.2"), "{message}");
    }
    assert_eq!(nginx.log_in("127.0.0.2", "the password of eva", &[]), Some(429));
}

#[expect(clippy::disallowed_methods, reason = "how long it takes is what is promised")]
fn sends_the_board_on_at_once(nginx: &Nginx, path: &str, jar: &str) {
    // Repeated: a busy machine may be slow, and a buffered event may happen to be in time once.
    let took = (0..5).map(|_| {
        let begun = Instant::now();
        let mut curl = nginx.curl("127.0.0.3", &[path, "--cookie", jar]);
        let mut watching = curl.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(watching.stdout.take().unwrap()).lines();
        // Reads to the end of the event: a page shows nothing while the last part is held back.
        let mut event = lines.map_while(Result::ok).skip_while(|line| line != "event: board");
        let end = event.find(String::is_empty);
        let took = begun.elapsed();
        watching.kill().unwrap();
        watching.wait().unwrap();
        assert!(end.is_some(), "the board ended");
        took
    });
    let mut took: Vec<_> = took.collect();
    took.sort_unstable();
    assert!(took[took.len() / 2] < WITHOUT_DELAY, "{path}: {took:?}");
}

fn lets_a_slow_reader_take_all(nginx: &Nginx, jar: &str, direct: &Http) {
    let path = "/api/v1/draws/1/bets.csv";
    let slowly = ["--cookie", jar, "--limit-rate", "3M", "--fail"];
    let slow = nginx.curl("127.0.0.3", &[&[path], &slowly[..]].concat()).output().unwrap();
    assert!(slow.status.success(), "{:?}: {}", slow.status, slow.stdout.len());
    let url = format!("http://{}{path}", direct.address);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", &url]);
    curl.args(direct.credentials().iter().flat_map(|line| ["--header", line]));
    let whole = curl.output().unwrap();
    assert!(whole.status.success() && whole.stdout.len() > 1_000_000, "{whole:?}");
    assert!(slow.stdout == whole.stdout, "{} of {}", slow.stdout.len(), whole.stdout.len());
}
