//! docs/reference/metrics.md, from what a central answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect_file;
use pki::{Authority, CentralFiles, Subject};
use rustls::pki_types::UnixTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::client::{As, begun_stream};
use crate::draws::Day;
use crate::nodes::nodes;
use crate::setting::Running;

const HEAD: &str = "\
# Metrics

What `GET /metrics` of a central with `--http` answers, in Prometheus's text format: see
[the API](api.md#health-and-metrics). A metric or a label's value may be absent as long as there is
nothing to tell: nodes without a shared store, expiry without TLS, the disk without a folder, a
reason that was never given. A histogram `NAME` is told as `NAME_bucket` by upper bound (`le`),
`NAME_sum` and `NAME_count`.

| metric | type | labels | what |
|---|---|---|---|
";

const LABELS: &str = "
| label | values |
|---|---|
| `result` | `accepted`, `repeated` (stored before), `refused` |
| `reason` | of refused batches: [the code](protocol.md#codes), such as `bad_bets` |
| `le` | the upper bound, in seconds or events; `+Inf` counts all |
| `identity` | `certified` by a certificate, or `claimed` without TLS |
| `state` of nodes | `this`, `alive`, `away`, `unknown` |
| `state` of draws | `announced`, `cancelled`, `open`, `closed`, `drawn`, `published` |
| `draw` | the draw's name |
| `of` | `central`, `authority`, `revocations` |
| `name` | whose certificate or list it is |
";

/// Watches certificates that expire, as a central with TLS does.
fn watch_certificates(central: &Running) {
    let folder = tempfile::tempdir().unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
    let authority = Authority::create(folder.path(), "test", 100, None, now).unwrap();
    let subject = Subject::Central(vec!["localhost".to_owned()]);
    authority.issue(&subject, 100, false, now).unwrap();
    let file = |name| folder.path().join(name);
    let files = CentralFiles {
        certificate: file("central.crt"),
        key: file("central.key"),
        agencies_ca: file("ca.crt"),
        revoked: Some(file("crl.pem")),
    };
    let config = Arc::new(pki::central_config(&files, None, now).unwrap());
    let (presence, (_, configs)) = (Arc::clone(&central.presence), watch::channel(config));
    tokio::spawn(async move { presence.watch_certificates(configs).await });
}

/// Sends a batch that the central refuses, and waits for its answer.
async fn bet_badly(central: &Running) {
    let bets = b"1&7&Ana|Paz|7|2000-02-30|22";
    let head = [0, 12, 0, u8::try_from(bets.len()).unwrap()];
    let mut agency = TcpStream::connect(("127.0.0.1", central.agencies_port)).await.unwrap();
    agency.write_all(&[&head, &bets[..]].concat()).await.unwrap();
    agency.read_u8().await.unwrap();
}

/// The row of a metric, from its name on.
fn row(metric: &str) -> String {
    let (name, rest) = metric.split_once(' ').unwrap();
    let (what, rest) = rest.split_once("\n# TYPE ").unwrap();
    let (kind, values) = rest[name.len()..].split_once('\n').unwrap();
    let labels = values.split("=\"").map(|text| text.rsplit(['{', ',']).next().unwrap());
    let mut labels: Vec<_> = labels.collect();
    // What follows the last label.
    labels.pop();
    let mut known = BTreeSet::new();
    labels.retain(|label| known.insert(*label));
    let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
    format!("| `{name}` | {} | {} | {what} |\n", kind.trim(), labels.join(", "))
}

#[tokio::test]
async fn the_copy_of_the_metrics_is_up_to_date() {
    let day = Day::with_bets().await;
    day.central.presence.see(Ok(nodes()));
    watch_certificates(&day.central);
    bet_badly(&day.central).await;
    let standby = day.central.logged_in("standby").await;
    let path = "/api/v1/ledger/records?from=0";
    let _copying = begun_stream(day.central.port, &standby, path).await;
    let metrics = day.central.get(&As::default(), "/metrics").await.body;
    let rows = metrics.split("# HELP ").skip(1).map(row);
    let document = HEAD.to_owned() + &rows.collect::<String>() + LABELS;
    expect_file!["../../../../docs/reference/metrics.md"].assert_eq(&document);
}
