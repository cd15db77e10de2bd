//! Authorization is checked when a request is decided, not when it begins: each act, with each way
//! to lose the right to it.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use central_http::HttpLimits;
use operators::{OperatorsFile, TokenId};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::{Answer, As, answer, ask, begun_post, broken_off, fill, stalled};
use crate::draws::{Day, WINNING_NUMBER};
use crate::setting::{PASSWORD, Running};
use crate::store::Mode;

/// A way to lose the right to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Disabled,
    Password,
    RoleLowered,
    LoggedOut,
    Revoked,
    Expired,
}

/// A request and who sends it.
struct Asked {
    name: &'static str,
    method: &'static str,
    path: String,
    body: String,
    /// Whether it is a form of the console.
    form: bool,
}

const SESSION: [Loss; 4] = [Loss::Disabled, Loss::Password, Loss::RoleLowered, Loss::LoggedOut];
const TOKEN: [Loss; 5] =
    [Loss::Disabled, Loss::Password, Loss::RoleLowered, Loss::Revoked, Loss::Expired];

/// The operators file of a central, to be restored later.
struct Kept {
    path: PathBuf,
    text: String,
}

impl Kept {
    fn of(central: &Running) -> Self {
        let path = central.data().join("operators.json");
        let text = std::fs::read_to_string(&path).unwrap();
        Self { path, text }
    }

    fn put_back(&self) {
        self.put(&self.text);
    }

    fn put(&self, text: &str) {
        let new = self.path.with_extension("other");
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new);
        std::io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
        std::fs::rename(new, &self.path).unwrap();
    }

    /// Takes the right away by changing the file, as another process would.
    fn lose(&self, central: &Running, name: &str, loss: Loss) {
        let file = OperatorsFile::in_folder(central.data());
        let whose = name.parse().unwrap();
        match loss {
            Loss::Disabled => file.change(|people| people.disable(&whose)).unwrap(),
            Loss::Password => {
                let other = operators::Password::given("quite another one".to_owned());
                let other = other.hash(&whose, [9; 16]).unwrap();
                file.change(|people| people.set_password(&whose, other)).unwrap();
            }
            Loss::RoleLowered => {
                let mut people: Value = serde_json::from_str(&self.text).unwrap();
                people["operators"][name]["role"] = json!("viewer");
                self.put(&people.to_string());
            }
            Loss::Revoked => file.change(|people| people.revoke(TokenId(1))).unwrap(),
            Loss::Expired => central.clock.advance(24 * 60 * 60 * 1000),
            Loss::LoggedOut => unreachable!("that is asked for"),
        }
    }
}

fn api(name: &'static str, method: &'static str, path: &str, body: &Value) -> Asked {
    let path = format!("/api/v1/{path}");
    Asked { name, method, path, body: body.to_string(), form: false }
}

fn form(name: &'static str, path: &str, fields: &str) -> Asked {
    Asked { name, method: "POST", path: path.to_owned(), body: fields.to_owned(), form: true }
}

/// Returns all acts that are recorded when decided. Draw 1 is closed, 2 open, 3 announced, 4 drawn.
fn acts() -> Vec<Asked> {
    let why = json!({ "why": "prueba" });
    let agency = json!({ "name": "Otra", "place": "Salta", "why": "" });
    vec![
        api("operator", "POST", "draws", &json!({ "name": "otro" })),
        api("operator", "POST", "draws/3/open", &why),
        api("operator", "POST", "draws/2/close", &why),
        api("operator", "POST", "draws/1/number", &json!({ "number": 7 })),
        api("operator", "POST", "draws/4/publish", &why),
        api("operator", "PUT", "agencies/9", &agency),
        api("operator", "POST", "agencies/1/disable", &why),
        form("operator", "/draws", "name=otro&agencies=1&number_min=0&number_max=9"),
        form("operator", "/draws/3/open", "why="),
        form("operator", "/draws/2/close", "why=prueba&sure=yes"),
        form("operator", "/draws/1/number", "number=7&sure=yes"),
        form("operator", "/draws/4/publish", "sure=yes"),
        form("operator", "/agencies", "agency=9&name=Otra&place=Salta"),
        form("operator", "/agencies", "agency=1&enabled=no"),
    ]
}

/// Returns the reads that are recorded, each by a role that may do it.
fn readings() -> Vec<Asked> {
    let get = |path: &str| Asked { method: "GET", ..api("auditor", "", path, &json!("")) };
    vec![
        get("draws/4/winners"),
        get("draws/4/settlement"),
        get("draws/4/bets?number=7"),
        get("draws/4/bets.csv"),
        get("draws/4/bets.parquet"),
    ]
}

/// Starts a central with draws in each state.
async fn day() -> Day {
    let day = Day::with_bets().await;
    day.close().await;
    for name in ["abierto", "anunciado", "hecho"] {
        day.post(
            "/api/v1/draws",
            &json!({ "name": name, "agencies": [{ "first": 1, "last": 2 }] }),
        )
        .await;
    }
    let why = json!({ "why": "prueba" });
    day.post("/api/v1/draws/2/open", &why).await;
    day.post("/api/v1/draws/4/open", &why).await;
    day.bets((4, 1), 0, &format!("Santiago|Lorca|30904465|1999-03-17|{WINNING_NUMBER}"));
    day.post("/api/v1/draws/4/close", &why).await;
    let entry = json!({ "number": WINNING_NUMBER });
    day.central.post(day.operator(), "/api/v1/draws/4/number", &entry).await;
    day.central.post(&day.admin, "/api/v1/draws/4/number", &entry).await;
    day
}

impl Asked {
    async fn ask(&self, port: u16, who: &As) -> Answer {
        if self.form {
            let csrf = who.csrf.as_deref().unwrap();
            return fill(port, who, &self.path, &format!("{}&csrf={csrf}", self.body)).await;
        }
        let body = (self.method != "GET").then(|| serde_json::from_str(&self.body).unwrap());
        ask(port, who, self.method, &self.path, body.as_ref()).await
    }

    /// Sends the head and waits until the central expects the body; returns the rest to send.
    async fn begin(&self, port: u16, who: &As) -> (TcpStream, String) {
        let (kind, body) = if self.form {
            let csrf = who.csrf.as_deref().unwrap();
            ("application/x-www-form-urlencoded", format!("{}&csrf={csrf}", self.body))
        } else {
            ("application/json", self.body.clone())
        };
        let who = if self.form { &As { csrf: None, ..who.clone() } } else { who };
        (begun_post(port, who, (self.method, &self.path), kind, body.len()).await, body)
    }
}

/// Checks that the request was refused because of the loss.
fn is_refused(answer: &Answer, loss: Loss, asked: &str) {
    let is_over = answer.status == 401
        || answer.status == 303 && answer.header("location") == Some("/login")
        || answer.status == 403 && loss == Loss::RoleLowered;
    assert!(is_over, "{asked} {loss:?}: {answer:?}");
}

/// Returns the number of recorded events, except batches and logouts.
fn recorded(central: &Running) -> usize {
    let mut count = 0;
    let mut add = |event: lottery::StoredEvent, _| {
        count += usize::from(event.event.describe().action != "logged-out");
        std::ops::ControlFlow::Continue(())
    };
    central.store.audit_log(lottery::AuditSpan::From(0), &mut add).unwrap();
    count
}

async fn log_out(central: &Running, who: As) -> tokio::task::JoinHandle<Answer> {
    let port = central.port;
    let left =
        tokio::spawn(async move { ask(port, &who, "DELETE", "/api/v1/session", None).await });
    central.store.holds(2).await;
    left
}

/// Holds the act before its decision, takes the right away, and then lets it be decided.
async fn decided_after(day: &Day, kept: &Kept, who: &As, asked: &Asked, loss: Loss) {
    let (central, port) = (&day.central, day.central.port);
    let before = recorded(central);
    central.store.set(Mode::Holds);
    let mut asking = pin!(asked.ask(port, who));
    let losing = async {
        let left = match loss {
            Loss::LoggedOut => Some(log_out(central, who.clone()).await),
            loss => {
                kept.lose(central, asked.name, loss);
                None
            }
        };
        // The act first, then the record of the logout.
        central.store.release(1);
        central.store.release_all();
        left
    };
    tokio::select! {
        answer = &mut asking => panic!("{} {loss:?}: not held: {answer:?}", asked.path),
        () = central.store.holds(1) => {}
    }
    let (answer, left) = tokio::join!(asking, losing);
    if let Some(left) = left {
        assert_eq!(left.await.unwrap().status, 204);
    }
    is_refused(&answer, loss, &asked.path);
    assert_eq!(recorded(central), before, "{} {loss:?}", asked.path);
    kept.put_back();
}

#[tokio::test]
async fn an_act_is_judged_when_it_is_decided_whichever_way_the_right_was_lost() {
    let day = day().await;
    let kept = Kept::of(&day.central);
    let names = [("operator", day.operator()), ("auditor", day.auditor())];
    let mut people = std::collections::BTreeMap::from(names.map(|(name, who)| (name, who.clone())));
    let (acts, readings) = (acts(), readings());
    let (forms, of_api): (Vec<&Asked>, Vec<_>) =
        acts.iter().chain(&readings).partition(|asked| asked.form);
    let losses = SESSION.into_iter().filter(|loss| *loss != Loss::LoggedOut);
    for asked in &of_api {
        for loss in losses.clone() {
            decided_after(&day, &kept, &people[asked.name], asked, loss).await;
        }
    }
    // Each needs a login, of which an address has a limited number.
    let logged_out = of_api.iter().step_by(3).map(|asked| (asked, Loss::LoggedOut));
    for (asked, loss) in forms.iter().zip(losses.cycle()).chain(logged_out) {
        decided_after(&day, &kept, &people[asked.name], asked, loss).await;
        people.insert(asked.name, day.central.logged_in(asked.name).await);
    }
    // All of them succeed for an operator who still has the right.
    for asked in of_api {
        let done = asked.ask(day.central.port, &people[asked.name]).await;
        assert!((200..300).contains(&done.status), "{}: {done:?}", asked.path);
    }
}

#[tokio::test]
async fn a_programs_act_is_judged_when_it_is_decided_too() {
    let day = day().await;
    let token = json!({ "label": "robot", "role": "operator", "days": 1 });
    let given = day.post("/api/v1/tokens", &token).await;
    let robot = As { token: given["secret"].as_str().map(str::to_owned), ..As::default() };
    let kept = Kept::of(&day.central);
    let may = |asked: &Asked| !asked.form && !asked.path.ends_with("/number");
    for loss in TOKEN {
        for asked in acts().iter().filter(|asked| may(asked)) {
            if loss == Loss::Expired {
                continue;
            }
            decided_after(&day, &kept, &robot, asked, loss).await;
        }
    }
    decided_after(&day, &kept, &robot, &acts()[0], Loss::Expired).await;
}

#[tokio::test]
async fn who_sends_the_body_late_is_judged_by_then() {
    let day = day().await;
    let central = &day.central;
    crate::setting::add_operator(central.data(), "segunda", operators::Role::Admin);
    let kept = Kept::of(central);
    let others = [
        api(
            "admin",
            "POST",
            "operators",
            &json!({ "name": "x", "role": "viewer", "password": PASSWORD }),
        ),
        api(
            "admin",
            "PUT",
            "operators/viewer/password",
            &json!({ "password": "quite another one" }),
        ),
        api("operator", "POST", "tokens", &json!({ "label": "x", "role": "viewer", "days": 1 })),
        form("admin", "/operators", "name=x&role=viewer&password=a+long+password"),
        form("admin", "/operators/viewer/disable", "why=prueba&sure=yes"),
    ];
    // Logins per address are limited.
    for asked in acts().iter().step_by(2).chain(&others) {
        let before = recorded(central) + 1;
        let who = central.logged_in(asked.name).await;
        let (mut stream, body) = asked.begin(central.port, &who).await;
        kept.lose(central, asked.name, Loss::Disabled);
        stream.write_all(body.as_bytes()).await.unwrap();
        is_refused(&answer(&mut stream).await, Loss::Disabled, &asked.path);
        assert_eq!(recorded(central), before, "logged in and no more: {}", asked.path);
        kept.put_back();
    }
    for loss in [Loss::Password, Loss::RoleLowered, Loss::LoggedOut] {
        let asked = &acts()[2];
        let who = central.logged_in(asked.name).await;
        let (mut stream, body) = asked.begin(central.port, &who).await;
        if loss == Loss::LoggedOut {
            assert_eq!(
                ask(central.port, &who, "DELETE", "/api/v1/session", None).await.status,
                204
            );
        } else {
            kept.lose(central, asked.name, loss);
        }
        stream.write_all(body.as_bytes()).await.unwrap();
        is_refused(&answer(&mut stream).await, loss, &asked.path);
        kept.put_back();
    }
}

#[tokio::test]
async fn who_changes_people_is_judged_when_that_is_recorded() {
    let central = Running::start().await;
    let new = json!({ "name": "x", "role": "viewer", "password": PASSWORD });
    let token = json!({ "label": "x", "role": "viewer", "days": 1 });
    let own = json!({ "password": "quite another one", "current_password": PASSWORD });
    for asked in [
        api("admin", "POST", "operators", &new),
        api("admin", "POST", "operators/viewer/disable", &json!({ "why": "prueba" })),
        api("admin", "POST", "operators/viewer/enable", &json!({})),
        api("admin", "PUT", "operators/admin/password", &own),
        api("admin", "POST", "tokens", &token),
        form("admin", "/operators", "name=x&role=viewer&password=a+long+password"),
        form("admin", "/operators/viewer/disable", "why=prueba&sure=yes"),
    ] {
        let who = central.logged_in("admin").await;
        let kept = Kept::of(&central);
        let before = recorded(&central);
        central.store.set(Mode::Holds);
        let losing = async {
            central.store.holds(1).await;
            let left = log_out(&central, who.clone()).await;
            central.store.release(1);
            central.store.release_all();
            left.await.unwrap().status
        };
        let (answer, left) = tokio::join!(asked.ask(central.port, &who), losing);
        is_refused(&answer, Loss::LoggedOut, &asked.path);
        assert_eq!((left, recorded(&central)), (204, before), "{}", asked.path);
        assert_eq!(std::fs::read_to_string(&kept.path).unwrap(), kept.text, "{}", asked.path);
    }
}

#[tokio::test]
async fn who_is_disabled_while_they_log_in_is_not_logged_in() {
    let central = Running::start().await;
    let kept = Kept::of(&central);
    let before = recorded(&central);
    for loss in [Loss::Disabled, Loss::Password] {
        central.store.set(Mode::Holds);
        let losing = async {
            central.store.holds(1).await;
            kept.lose(&central, "operator", loss);
            central.store.release_all();
        };
        let (answer, ()) = tokio::join!(central.log_in("operator", PASSWORD), losing);
        answer.is_problem(401, "not-authenticated");
        assert_eq!((answer.header("set-cookie"), recorded(&central)), (None, before));
        kept.put_back();
    }
}

#[tokio::test]
async fn a_disabling_on_record_holds_before_it_is_in_the_file() {
    let day = Day::with_bets().await;
    let central = &day.central;
    // Both wait for the store: first the record of the disabling, then the act.
    central.store.set(Mode::Holds);
    let why = json!({ "why": "prueba" });
    let disable = central.post(&day.admin, "/api/v1/operators/operator/disable", &why);
    let close = async {
        central.store.holds(1).await;
        day.central.post(day.operator(), "/api/v1/draws/1/close", &json!({ "why": "x" })).await
    };
    let release = async {
        central.store.holds(2).await;
        // The act is decided first, before the change is written to the file.
        central.store.release_last();
        central.store.release_all();
    };
    let (disabled, closed, ()) = tokio::join!(disable, close, release);
    assert_eq!(disabled.status, 204);
    closed.is_problem(401, "not-authenticated");
}

/// Makes a published draw with so many bets that an export does not fit the socket buffers.
async fn large(limits: HttpLimits) -> Day {
    let day = Day::with_bets_on(Running::start_with(limits).await).await;
    let bets = vec!["Santiago Lionel|Lorca|30904465|1999-03-17|7"; 128].join("&");
    (2..3_000).for_each(|chunk| day.bets((1, 1), chunk, &bets));
    day.close().await;
    day.draw().await;
    day.post("/api/v1/draws/1/publish", &json!({})).await;
    day
}

const EXPORT: &str = "/api/v1/draws/1/bets.csv";

#[tokio::test]
async fn a_running_export_ends_with_the_right_to_it_and_gives_its_place_back() {
    let day = large(HttpLimits::default()).await;
    let central = &day.central;
    let status = async || central.get(day.operator(), EXPORT).await.status;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(stalled(central.port, day.auditor(), EXPORT).await);
    }
    while status().await != 503 {}
    Kept::of(central).lose(central, "auditor", Loss::Disabled);
    while status().await != 200 {}
    for stream in held {
        broken_off(stream).await;
    }
}

#[tokio::test]
async fn an_export_that_nobody_takes_ends() {
    let limits = HttpLimits { export_wait_max: Duration::from_millis(300), ..Default::default() };
    let day = large(limits).await;
    let status = async || day.central.get(day.operator(), EXPORT).await.status;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(stalled(day.central.port, day.auditor(), EXPORT).await);
    }
    // Their places are freed although nothing was read.
    while status().await != 200 {}
    for stream in held {
        broken_off(stream).await;
    }
}
