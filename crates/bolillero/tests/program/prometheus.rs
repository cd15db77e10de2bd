//! Checks the metrics configuration in `deploy/` with a real Prometheus and a real central.
//!
//! Skipped without Debian's prometheus or curl.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::http::Http;
use crate::support::tools::{has_curl, has_tool};
use crate::support::{Bets, Central, agency, free_address, str, until};
use serde_json::Value;

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}

/// Runs a tool, checks that it succeeds, and returns its output.
fn tool(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let wrong = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{command:?}: {printed}{wrong}");
    printed
}

fn got(url: &str) -> String {
    tool(Command::new("curl").args(["--silent", "--show-error", "--fail", url]))
}

fn has_prometheus() -> bool {
    has_tool(&["promtool", "--version"], "prometheus")
}

#[test]
fn alerts_fire_when_they_should_and_not_before() {
    if !has_prometheus() {
        return;
    }
    tool(Command::new("promtool").args(["check", "rules"]).arg(deploy("prometheus-alerts.yml")));
    let tests = deploy("prometheus-alerts-test.yml");
    tool(Command::new("promtool").args(["test", "rules"]).arg(tests));
}

/// A running Prometheus that scrapes a central, configured as in `deploy/` except for addresses and
/// times.
struct Prometheus {
    process: Child,
    address: String,
}

impl Prometheus {
    fn start(folder: &Path, central: &str) -> Self {
        let config = fs::read_to_string(deploy("prometheus.yml")).unwrap();
        let here = config.replace("127.0.0.1:8080", central).replace("10s", "1s");
        let rules = deploy("prometheus-alerts.yml");
        let here = here.replace("prometheus-alerts.yml", str(&rules));
        let file = folder.join("prometheus.yml");
        fs::write(&file, here).unwrap();
        let address = free_address();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", str(&file)));
        command.arg(format!("--storage.tsdb.path={}", str(&folder.join("tsdb"))));
        command.arg(format!("--web.listen-address={address}"));
        let log = fs::File::create(folder.join("prometheus.log")).unwrap();
        command.stdout(Stdio::null()).stderr(log);
        Self { process: command.spawn().unwrap(), address }
    }

    fn asked(&self, path: &str) -> Option<Value> {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let output = Command::new("curl").args(["--silent", "--fail", &url]).output().unwrap();
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Returns how many series an expression has now.
    fn series(&self, expression: &str) -> Option<usize> {
        let query: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.asked(&format!("query?query={query}"))?;
        Some(answer["data"]["result"].as_array().unwrap().len())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Collects all expressions of a dashboard.
fn expressions(of: &Value, found: &mut Vec<String>) {
    match of {
        Value::Object(fields) => {
            found.extend(fields.get("expr").map(|it| it.as_str().unwrap().to_owned()));
            fields.values().for_each(|it| expressions(it, found));
        }
        Value::Array(items) => items.iter().for_each(|it| expressions(it, found)),
        _ => {}
    }
}

#[test]
fn a_prometheus_sees_what_the_dashboard_shows_and_the_alerts_ask() {
    if !(has_prometheus() && has_curl()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let options = ["--http", "127.0.0.1:0", "--agencies", "2"];
    let mut central = Central::start(&data, "127.0.0.1:0", &options);
    let http = Http::of(&mut central).address;
    let prometheus = Prometheus::start(folder.path(), &http);
    until("the central is up", || prometheus.series("up == 1").filter(|count| *count == 1));

    // Counters must grow between scrapes: some batches are sent before one, some after it.
    let bets = Bets::generated(&folder.path().join("bets"), 400);
    let slow = ["--batch-max-bets", "1", "--window", "1", "--legacy"];
    let mut first = agency(1, &central.address, bets.file(1), &slow);
    first.wait_for_many("action: apuesta_enviada", 50);
    let refused = |chunk: u32| {
        let text = format!("2&{chunk}&Ana|Paz|7|2000-02-30|22");
        let mut message = vec![0, 12, 0, u8::try_from(text.len()).unwrap()];
        message.extend(text.as_bytes());
        let mut agency = std::net::TcpStream::connect(&central.address).unwrap();
        agency.write_all(&message).unwrap();
    };
    refused(0);
    let seen = "bolillero_batches_total{result=\"refused\"}";
    until("a refusal", || prometheus.series(seen).filter(|count| *count == 1));
    refused(1);
    let second = agency(2, &central.address, bets.file(2), &slow);

    let dashboard = fs::read(deploy("grafana-dashboard.json")).unwrap();
    let mut asked = Vec::new();
    expressions(&serde_json::from_slice(&dashboard).unwrap(), &mut asked);
    assert!(asked.len() >= 10, "{asked:?}");
    for expression in asked {
        until(&expression, || prometheus.series(&expression).filter(|count| *count > 0));
    }
    let rules = until("rules", || prometheus.asked("rules"));
    for rule in rules["data"]["groups"][0]["rules"].as_array().unwrap() {
        let judged = || {
            let rules = prometheus.asked("rules")?;
            let rules = rules["data"]["groups"][0]["rules"].as_array()?;
            let rule = rules.iter().find(|it| it["name"] == rule["name"])?;
            (rule["health"] != "unknown").then(|| rule.clone())
        };
        let rule = until("a rule is asked", judged);
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    // Checks names and help texts with promtool.
    let mut lint = Command::new("promtool");
    lint.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut lint = lint.spawn().unwrap();
    let metrics = got(&format!("http://{http}/metrics"));
    lint.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    assert!(lint.wait().unwrap().success(), "{metrics}");
    drop(second);
    central.process.kill();
    until("a central that is down is seen", || {
        prometheus.series("ALERTS{alertname=\"BolilleroDown\"}").filter(|count| *count == 1)
    });
}
