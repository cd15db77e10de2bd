//! The life of a draw led over HTTP: what is disclosed about it, when, and to whom.

use std::sync::mpsc;

use lottery::{
    Agencies, AgencyId, Batch, Bets, ChunkId, DrawId, DrawName, DrawTerms, NumberRange,
    SealedNumber,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Answer, As, ask, look};
use crate::languages::{done, filled};
use crate::setting::Running;

/// No other value in these tests contains these digits.
pub(crate) const WINNING_NUMBER: u32 = 7574;
const WINNER: &str = "30904465";
const LOSER: &str = "28123123";

/// A central with a draw, and its operators.
pub(crate) struct Day {
    pub(crate) central: Running,
    pub(crate) roles: [As; 4],
    /// A second operator who may lead draws.
    pub(crate) admin: As,
}

impl Day {
    /// Starts a day with two agencies; one has sent a winning bet and a losing one.
    pub(crate) async fn with_bets() -> Self {
        Self::with_bets_on(Running::start().await).await
    }

    pub(crate) async fn with_bets_on(central: Running) -> Self {
        let viewer = central.logged_in("viewer").await;
        let operator = central.logged_in("operator").await;
        let auditor = central.logged_in("auditor").await;
        let admin = central.logged_in("admin").await;
        let day = Self { central, roles: [viewer, operator, auditor, admin.clone()], admin };
        for (number, name) in [(1, "La Suerte"), (2, "El Trébol")] {
            let data = json!({ "name": name, "place": "Rosario" });
            let path = format!("/api/v1/agencies/{number}");
            assert_eq!(
                ask(day.central.port, day.operator(), "PUT", &path, Some(&data)).await.status,
                200
            );
        }
        let draw = day.post("/api/v1/draws", &json!({ "name": "nocturna" })).await;
        assert_eq!(draw["agencies"], json!([{ "first": 1, "last": 2 }]));
        assert_eq!((&draw["id"], &draw["state"]), (&json!(1), &json!("announced")));
        assert_eq!(day.post("/api/v1/draws/1/open", &json!({})).await["state"], "open");
        day.bet(0, &format!("Santiago|Lorca|{WINNER}|1999-03-17|{WINNING_NUMBER}"));
        day.bet(1, &format!("\"Ana, la\"|=1+1|{LOSER}|1980-01-02|12"));
        day
    }

    pub(crate) fn operator(&self) -> &As {
        &self.roles[1]
    }

    pub(crate) fn auditor(&self) -> &As {
        &self.roles[2]
    }

    /// Sends a request as the operator, checks that it succeeds, and returns the response.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.central.post(self.operator(), path, body).await;
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        answer.json()
    }

    fn bet(&self, chunk: u32, bet: &str) {
        self.bets((1, 1), chunk, bet);
    }

    /// Stores bets of an agency in a draw.
    pub(crate) fn bets(&self, (draw, agency): (u32, u32), chunk: u32, bets: &str) {
        let bets = Bets::parse(bets, NumberRange::default()).unwrap();
        let (draw, agency, chunk) = (DrawId(draw), AgencyId(agency), ChunkId(chunk));
        let batch = Batch { draw, agency, chunk, bets };
        let (answer, answered) = mpsc::channel();
        self.central.store.append(batch, move |it| answer.send(it).unwrap());
        answered.recv().unwrap().unwrap();
    }

    pub(crate) async fn close(&self) {
        let closed = self.post("/api/v1/draws/1/close", &json!({ "why": "prueba" })).await;
        assert_eq!(closed["state"], "closed");
    }

    async fn enter(&self, who: &As, number: u32) -> Value {
        let entry = json!({ "number": number });
        self.central.post(who, "/api/v1/draws/1/number", &entry).await.json()
    }

    pub(crate) async fn draw(&self) {
        assert_eq!(self.enter(self.operator(), WINNING_NUMBER).await["outcome"], "awaited");
        assert_eq!(self.enter(&self.admin, WINNING_NUMBER).await["outcome"], "agree");
    }

    /// Lets an agency finish draw 1.
    pub(crate) fn finish(&self, agency: u32) {
        let (answer, answered) = mpsc::channel();
        let done = move |it| answer.send(it).unwrap();
        self.central.store.finish(DrawId(1), AgencyId(agency), done);
        answered.recv().unwrap().unwrap();
    }

    /// Returns a program with an operator's rights.
    pub(crate) async fn robot(&self) -> As {
        let new = json!({ "label": "robot", "role": "operator", "days": 1 });
        let token = self.central.post(&self.admin, "/api/v1/tokens", &new).await.json();
        As { token: token["secret"].as_str().map(str::to_owned), ..As::default() }
    }

    /// Returns the status for each role.
    async fn statuses(&self, path: &str) -> [u16; 4] {
        let mut statuses = [0; 4];
        for (status, who) in statuses.iter_mut().zip(&self.roles) {
            *status = self.central.get(who, path).await.status;
        }
        statuses
    }

    /// Checks that nothing readable contains the future winning number of draw 1, or its winners.
    async fn tells_nothing(&self) {
        self.tells_nothing_of(1).await;
    }

    async fn tells_nothing_of(&self, draw: u32) {
        let description: Value = serde_json::from_str(&central_http::openapi()).unwrap();
        let paths = description["paths"].as_object().unwrap().iter();
        // The stream of events never ends.
        let paths = paths.filter(|(path, methods)| {
            methods.get("get").is_some() && path.as_str() != "/api/v1/events"
        });
        let pages = [
            "/",
            "/draws",
            "/draws/{id}",
            "/draws/{id}/acta",
            "/draws/{id}/winners",
            "/draws/{id}/winners/1",
            "/agencies",
            "/audit",
        ];
        for path in paths.map(|(path, _)| path.as_str()).chain(pages) {
            let path = path.replace("{id}", &draw.to_string());
            for (who, role) in self.roles.iter().zip(["viewer", "operator", "auditor", "admin"]) {
                let content = self.central.get(who, &path).await.body;
                let number = WINNING_NUMBER.to_string();
                assert!(
                    !content.contains(&number) && !content.contains(WINNER),
                    "{role} {path}: {content}"
                );
            }
        }
        let told_later = ["winners", "settlement", "bets.csv", "bets.parquet", "bets"];
        for path in told_later.into_iter().chain(["bets?number=7574"]) {
            let path = format!("/api/v1/draws/{draw}/{path}");
            let statuses = self.statuses(&path).await;
            assert!(statuses.iter().all(|status| [403, 409].contains(status)), "{path}");
        }
        // The search page contains the searched text, but not who has the number.
        for who in &self.roles {
            let path = format!("/search?draw={draw}&number={WINNING_NUMBER}");
            let content = self.central.get(who, &path).await.body;
            assert!(!content.contains(WINNER) && !content.contains("Lorca"), "{content}");
        }
        let both = format!("/api/v1/draws/{draw}/bets?number={WINNING_NUMBER}&document={WINNER}");
        self.central.get(self.auditor(), &both).await.is_problem(409, "not-yet");
    }
}

#[tokio::test]
async fn a_draw_without_bets_is_made_only_by_who_says_so() {
    let day = Day::with_bets().await;
    day.post("/api/v1/draws", &json!({ "name": "vacía" })).await;
    day.post("/api/v1/draws/2/open", &json!({})).await;
    day.post("/api/v1/draws/2/close", &json!({ "why": "prueba" })).await;
    let enter = async |who: &As, entry: Value| {
        day.central.post(who, "/api/v1/draws/2/number", &entry).await
    };
    for who in [day.operator(), &day.admin] {
        enter(who, json!({ "number": 7 })).await.is_problem(409, "no-bets");
        let form = async |fields| filled(&day.central, who, "/draws/2/number", fields).await;
        let page = form("number=7").await;
        assert!(page.status == 409 && page.body.contains("no tiene apuestas"), "{page:?}");
        assert!(page.body.contains("name=\"allow_empty\""), "{page:?}");
    }
    let entry = json!({ "number": 7, "allow_empty": true });
    assert_eq!(enter(day.operator(), entry).await.json()["outcome"], "awaited");
    let page = done(&day.central, &day.admin, "/draws/2/number", "number=7&allow_empty=on").await;
    assert!(page.status == 200 && page.body.contains("Número ganador"), "{page:?}");
    let draw = day.central.get(day.operator(), "/api/v1/draws/2").await.json();
    assert_eq!(draw["state"], "drawn");
}

#[tokio::test]
async fn agency_zero_is_neither_announced_nor_registered() {
    let day = Day::with_bets().await;
    let data = json!({ "name": "Nadie", "place": "Rosario" });
    let (port, who) = (day.central.port, day.operator());
    ask(port, who, "PUT", "/api/v1/agencies/0", Some(&data)).await.is_problem(400, "bad-request");
    let draw = json!({ "name": "otra", "agencies": [{ "first": 0, "last": 3 }] });
    day.central.post(who, "/api/v1/draws", &draw).await.is_problem(400, "bad-request");
    let draw = "name=otra&agencies=0-3&number_min=0&number_max=9";
    let page = filled(&day.central, who, "/draws", draw).await;
    assert!(page.status == 400 && page.body.contains("No hay agencia 0"), "{page:?}");
}

#[tokio::test]
async fn metrics_tell_where_a_draw_is() {
    let day = Day::with_bets().await;
    let is = async |state: &str| {
        let content = day.central.get(&As::default(), "/metrics").await.body;
        let draws: Vec<_> =
            content.lines().filter(|line| line.starts_with("bolillero_draw{")).collect();
        assert_eq!(draws, [format!("bolillero_draw{{draw=\"nocturna\",state=\"{state}\"}} 1")]);
    };
    is("open").await;
    day.close().await;
    is("closed").await;
    day.draw().await;
    is("drawn").await;
    day.post("/api/v1/draws/1/publish", &json!({})).await;
    is("published").await;
}

#[tokio::test]
async fn nobody_learns_before_the_draw_what_will_win_by_any_path() {
    let day = Day::with_bets().await;
    day.tells_nothing().await;
    day.close().await;
    day.tells_nothing().await;
    // Nor after one of the two has entered the number, nor when the two numbers differ.
    assert_eq!(day.enter(day.operator(), WINNING_NUMBER).await["outcome"], "awaited");
    let seen = day.central.get(&day.admin, "/api/v1/draws/1").await.json();
    assert_eq!(seen["number_entered_by"], "operator");
    day.tells_nothing().await;
    assert_eq!(day.enter(&day.admin, 1).await["outcome"], "differ");
    day.tells_nothing().await;
}

#[tokio::test]
async fn nobody_learns_the_number_that_a_draw_that_goes_by_itself_was_opened_with() {
    let day = Day::with_bets().await;
    let terms = DrawTerms {
        name: DrawName::new("sola").unwrap(),
        agencies: Agencies::first(2).unwrap(),
        numbers: NumberRange::default(),
    };
    let (answer, answered) = mpsc::channel();
    let number = SealedNumber(WINNING_NUMBER);
    day.central.store.open_draw(terms, number, move |it| answer.send(it).unwrap());
    assert_eq!(answered.recv().unwrap(), Ok(DrawId(2)));
    day.bets((2, 1), 0, &format!("Santiago|Lorca|{WINNER}|1999-03-17|{WINNING_NUMBER}"));
    assert_eq!(day.central.get(day.operator(), "/api/v1/draws/2").await.json()["by_itself"], true);
    day.tells_nothing_of(2).await;
    // Nor by an act that is refused.
    for (act, body) in [("number", json!({ "number": 1 })), ("publish", json!({}))] {
        let path = format!("/api/v1/draws/2/{act}");
        let refused = day.central.post(&day.admin, &path, &body).await;
        assert!(refused.status == 409 && !refused.body.contains("7574"), "{refused:?}");
    }
    day.tells_nothing_of(2).await;
    day.post("/api/v1/draws/2/close", &json!({ "why": "prueba" })).await;
    let made = day.central.get(day.operator(), "/api/v1/draws/2").await;
    assert!(made.json()["state"] == "published" && made.body.contains("7574"), "{made:?}");
}

#[tokio::test]
async fn two_people_enter_the_number_and_one_person_is_not_two() {
    let day = Day::with_bets().await;
    assert_eq!(day.enter(day.operator(), 1).await["type"], "urn:bolillero:problem:conflict");
    day.close().await;
    assert_eq!(day.enter(day.operator(), WINNING_NUMBER).await["outcome"], "awaited");
    let again = day.enter(day.operator(), WINNING_NUMBER).await;
    assert_eq!(again["type"], "urn:bolillero:problem:entered-before", "{again}");
    let robot = day.robot().await;
    let by_token = day.enter(&robot, WINNING_NUMBER).await;
    assert_eq!(by_token["type"], "urn:bolillero:problem:session-needed");
    let outside = day.enter(&day.admin, 10_000).await;
    assert_eq!(outside["type"], "urn:bolillero:problem:bad-request");
    assert_eq!(day.enter(&day.admin, WINNING_NUMBER).await["outcome"], "agree");
    let late = day.enter(&day.admin, WINNING_NUMBER).await;
    assert_eq!(late["type"], "urn:bolillero:problem:conflict", "the draw was made: {late}");
}

#[tokio::test]
async fn what_is_told_of_bets_depends_on_who_asks_and_on_the_draws_life() {
    let day = Day::with_bets().await;
    let by_document = format!("/api/v1/draws/1/bets?document={WINNER}");
    let (csv, parquet) = ("/api/v1/draws/1/bets.csv", "/api/v1/draws/1/bets.parquet");
    let winners = "/api/v1/draws/1/winners";
    // Viewer, operator, auditor, admin.
    let auditors = [403, 403, 200, 403];
    let later = [403, 409, 409, 409];
    let but_viewers = [403, 200, 200, 200];
    assert_eq!(day.statuses(&by_document).await, auditors);
    day.close().await;
    assert_eq!(day.statuses(&by_document).await, auditors);
    assert_eq!(day.statuses(csv).await, later);
    assert_eq!(day.statuses(winners).await, later);
    day.draw().await;
    assert_eq!(day.statuses(&by_document).await, auditors);
    assert_eq!(day.statuses("/api/v1/draws/1/bets?number=7574").await, auditors);
    assert_eq!(day.statuses(csv).await, auditors);
    assert_eq!(day.statuses(parquet).await, auditors);
    assert_eq!(day.statuses(winners).await, but_viewers);
    assert_eq!(day.statuses("/api/v1/draws/1/winners.csv").await, but_viewers);
    assert_eq!(day.statuses("/api/v1/draws/1/settlement").await, but_viewers);
    assert_eq!(day.post("/api/v1/draws/1/publish", &json!({})).await["state"], "published");
    assert_eq!(day.statuses("/api/v1/draws/1/bets").await, but_viewers);
    assert_eq!(day.statuses(csv).await, but_viewers);
}

#[tokio::test]
async fn a_document_is_found_however_people_write_it() {
    let day = Day::with_bets().await;
    day.bet(2, "Rosa|Paz|1.234.567|1950-05-05|3");
    for (document, stored) in [
        ("30.904.465", WINNER),
        ("%2030%20904%20465", WINNER),
        ("30.904%C2%A0465", WINNER),
        ("1234567", "1.234.567"),
    ] {
        let search = format!("/api/v1/draws/1/bets?document={document}");
        let found = day.central.get(day.auditor(), &search).await.json();
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{document}: {found}");
        assert_eq!(found["items"][0]["document"], stored, "{document}");
    }
    let page = look(day.central.port, day.auditor(), "/search?draw=1&value=30.904.465").await;
    assert!(page.body.contains("Lorca"), "{page:?}");
}

#[tokio::test]
async fn who_may_not_search_yet_is_told_who_may_and_since_when() {
    let day = Day::with_bets().await;
    let search = format!("/api/v1/draws/1/bets?document={WINNER}");
    let refused = day.central.get(day.operator(), &search).await;
    refused.is_problem(403, "not-permitted");
    let (detail, remedy) = (refused.json()["detail"].clone(), refused.json()["remedy"].clone());
    assert_eq!(detail, "your role may not search bets of a draw that is not published");
    let who = "ask somebody with one of these roles: auditor; once the draw is published: operator, \
               auditor, admin";
    assert_eq!(remedy, who);
    let search = format!("/search?draw=1&value={WINNER}");
    let page = look(day.central.port, day.operator(), &search).await;
    let why = "Hasta que el sorteo se publique, esto sólo puede hacerlo quien sea auditor.";
    assert!(page.status == 403 && page.body.contains(why), "{page:?}");
}

#[tokio::test]
async fn a_draw_that_was_made_is_told_whole() {
    let day = Day::with_bets().await;
    day.close().await;
    day.draw().await;
    let draw = day.central.get(&day.roles[0], "/api/v1/draws/1").await.json();
    assert_eq!((&draw["state"], &draw["winning_number"]), (&json!("drawn"), &json!(7574)));
    assert_eq!(draw["closed"]["by"], "operator");
    let get = async |path: &str| day.central.get(day.auditor(), path).await;
    let winners = get("/api/v1/draws/1/winners").await.json();
    assert_eq!(winners, json!({ "items": [{ "agency": 1, "document": WINNER }] }));
    let settlement = get("/api/v1/draws/1/settlement").await.json();
    assert_eq!((&settlement["bets"], &settlement["winners"]), (&json!(2), &json!(1)));
    let first = json!({ "agency": 1, "batches": 2, "bets": 2, "finished": false, "winners": 1 });
    assert_eq!(settlement["items"][0], first);
    // The sha256sum of "1,2,2,0,1\n2,0,0,0,0\n".
    let digest = "9d12ba6e8ec26e6c";
    assert!(settlement["digest"].as_str().unwrap().starts_with(digest), "{settlement}");
    let csv = get("/api/v1/draws/1/bets.csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    for line in [
        "agency,chunk,position,first_name,last_name,document,birthdate,number",
        "1,0,0,Santiago,Lorca,30904465,1999-03-17,7574",
        "1,1,0,\"\"\"Ana, la\"\"\",'=1+1,28123123,1980-01-02,12",
    ] {
        assert!(csv.body.contains(line), "{line}: {}", csv.body);
    }
    let raw = get("/api/v1/draws/1/bets.csv?raw=true").await;
    assert!(raw.body.contains(",=1+1,28123123,"), "{}", raw.body);
    assert_eq!(get("/api/v1/draws/1/bets.csv?rew=true").await.status, 400);
    let one = get("/api/v1/draws/1/bets?limit=1").await.json();
    assert_eq!(one["items"][0]["document"], WINNER);
    assert_eq!(one["items"][0]["name"], "1-1-0-0");
    let next = format!("/api/v1/draws/1/bets?limit=1&cursor={}", one["next"].as_str().unwrap());
    assert_eq!(get(&next).await.json()["items"][0]["document"], LOSER);
}

#[tokio::test]
async fn winners_are_exported_with_the_names_of_agencies_and_bettors() {
    let day = Day::with_bets().await;
    let more = format!("=Ana|Paz|23456789|1980-01-02|{WINNING_NUMBER}&Eva|Ríos|7|1980-01-02|8");
    day.bets((1, 2), 0, &more);
    day.close().await;
    day.draw().await;
    let get = async |path: &str| day.central.get(day.auditor(), path).await;
    let csv = get("/api/v1/draws/1/winners.csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let lines = [
        "agency,agency_name,chunk,position,first_name,last_name,document,number",
        "1,La Suerte,0,0,Santiago,Lorca,30904465,7574",
        "2,El Trébol,0,0,'=Ana,Paz,23456789,7574",
    ];
    let rows_of = |csv: &Answer| {
        let rows = csv.body.lines().filter(|line| line.contains(','));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rows_of(&csv), lines);
    let of_one = get("/api/v1/draws/1/winners.csv?agency=2&raw=true").await;
    assert_eq!(rows_of(&of_one), [lines[0], &lines[2].replace('\'', "")]);
    let name = "attachment; filename=\"draw-1-agency-2-winners.csv\"";
    assert_eq!(of_one.header("content-disposition"), Some(name));
    get("/api/v1/draws/1/winners.csv?agency=3").await.is_problem(404, "not-found");
    let audited = get("/api/v1/audit?limit=500").await.body;
    assert_eq!(audited.matches("winners-read").count(), 2, "{audited}");
    for path in ["/draws/1/winners", "/draws/1/winners/2"] {
        let page = look(day.central.port, day.auditor(), path).await.body;
        assert!(page.contains("href=\"/api/v1/draws/1/winners.csv"), "{page}");
    }
}

#[tokio::test]
async fn every_act_is_on_record_with_who_did_it_and_why() {
    let day = Day::with_bets().await;
    day.close().await;
    day.draw().await;
    let mut actions = Vec::new();
    let mut path = "/api/v1/audit?limit=3".to_owned();
    loop {
        let part = day.central.get(day.auditor(), &path).await.json();
        actions.extend(part["items"].as_array().unwrap().clone());
        let Some(next) = part["next"].as_str() else { break };
        path = format!("/api/v1/audit?limit=3&cursor={next}");
    }
    let count_of = |action: &str| actions.iter().filter(|it| it["action"] == action).count();
    for (action, count) in [
        ("agency-registered", 2),
        ("draw-announced", 1),
        ("draw-opened", 1),
        ("draw-closed", 1),
        ("bets-closed", 1),
        ("number-entered", 2),
        ("draw-made", 1),
        // One for each login.
        ("logged-in", 4),
    ] {
        assert_eq!(count_of(action), count, "{action}: {actions:#?}");
    }
    let closed = actions.iter().find(|it| it["action"] == "draw-closed").unwrap();
    assert_eq!((&closed["by"], &closed["why"]), (&json!("operator"), &json!("prueba")));
}

#[tokio::test]
async fn numbers_that_operators_entered_are_on_record_once_the_draw_is_made_and_not_before() {
    let day = Day::with_bets().await;
    day.close().await;
    assert_eq!(day.enter(day.operator(), 4321).await["outcome"], "awaited");
    let correction = json!({ "number": WINNING_NUMBER });
    let number = "/api/v1/draws/1/number";
    ask(day.central.port, day.operator(), "PUT", number, Some(&correction)).await.json();
    assert_eq!(day.enter(&day.admin, 1).await["outcome"], "differ");
    day.tells_nothing().await;
    day.draw().await;
    day.central.clock.advance(1);
    let why = json!({ "why": "error" });
    for who in [day.operator(), &day.admin] {
        assert_eq!(day.central.post(who, "/api/v1/draws/1/void", &why).await.status, 200);
    }
    let entered = async |number_of_next: Option<u32>| {
        let draw = day.central.get(day.operator(), "/api/v1/draws/1").await.json();
        let history = draw["history"].as_array().unwrap().iter();
        let history = history.filter(|it| it["step"].as_str().unwrap().starts_with("number-"));
        let of_draw: Vec<_> = history.map(|it| it["number"].clone()).collect();
        let audit = "/api/v1/audit?draw=1&order=oldest&limit=500";
        let audit = day.central.get(day.auditor(), audit).await.json();
        let audited = audit["items"].as_array().unwrap().iter();
        let audited = audited.filter(|it| it["action"].as_str().unwrap().starts_with("number-"));
        let audited: Vec<_> = audited.map(|it| it["arguments"]["number"].clone()).collect();
        let expected = [4321, 7574, 1, 7574, 7574].map(Value::from).to_vec();
        let expected = [expected, vec![json!(number_of_next)]].concat();
        assert_eq!((of_draw, audited), (expected.clone(), expected));
    };
    assert_eq!(day.enter(&day.admin, 5656).await["outcome"], "awaited");
    entered(None).await;
    for path in ["/draws/1", "/audit?draw=1", "/draws/1/acta"] {
        let page = look(day.central.port, day.auditor(), path).await.body;
        let expected = if path.starts_with("/audit") { "del sorteo 1: 4321" } else { "vez: 4321" };
        assert!(page.contains(expected) && !page.contains("5656"), "{path}: {page}");
    }
    assert_eq!(day.enter(day.operator(), 5656).await["outcome"], "agree");
    let draw = day.central.get(day.operator(), "/api/v1/draws/1").await.json();
    assert_eq!(draw["history"][10]["number"], 5656, "{draw}");
}

#[tokio::test]
async fn every_part_of_a_search_is_on_record_with_what_was_sought() {
    let day = Day::with_bets().await;
    // "c31" is the position after the first bet, as the previous response would return it.
    for path in [
        format!("/api/v1/draws/1/bets?document={LOSER}"),
        format!("/api/v1/draws/1/bets?document={LOSER}&cursor=c31"),
        format!("/search?draw=1&by=document&value={LOSER}&cursor=c31"),
    ] {
        let found = day.central.get(day.auditor(), &path).await;
        assert!(found.body.contains(LOSER), "{path}: {found:?}");
    }
    let audit_log = day.central.get(day.auditor(), "/api/v1/audit?order=oldest").await.json();
    let entries = audit_log["items"].as_array().unwrap().iter();
    let searches = entries.filter(|it| it["action"] == "bets-searched" && it["draw"] == 1);
    let sought: Vec<_> = searches.map(|it| &it["arguments"]).collect();
    let whole = json!({ "document": LOSER });
    let later = json!({ "document": LOSER, "after": 1 });
    assert_eq!(sought, [&whole, &later, &later]);
}

#[tokio::test]
async fn what_does_not_go_with_how_things_are_is_refused_with_what_to_do() {
    let day = Day::with_bets().await;
    let post = async |path: &str, body: Value| day.central.post(day.operator(), path, &body).await;
    post("/api/v1/draws/1/close", json!({})).await.is_problem(409, "reason-needed");
    post("/api/v1/draws/1/publish", json!({})).await.is_problem(409, "conflict");
    post("/api/v1/draws", json!({ "name": "nocturna" })).await.is_problem(409, "conflict");
    for wrong in [
        json!({ "name": " " }),
        json!({ "name": "a", "numbers": { "min": 9, "max": 1 } }),
        json!({ "name": "a", "agencies": [] }),
        json!({ "name": "a", "agencies": [{ "first": 1, "last": 2 }, { "first": 2, "last": 3 }] }),
        json!({ "name": "a", "closes_at": "tomorrow" }),
        json!({ "name": "a", "closes_at": "2001-01-01T00:00:00Z" }),
        json!({ "name": "a", "why": "x".repeat(501) }),
        json!({ "name": "a", "winning_number": 1 }),
    ] {
        post("/api/v1/draws", wrong).await.is_problem(400, "bad-request");
    }
}

#[tokio::test]
async fn draws_are_filtered_and_listed_in_both_orders() {
    let day = Day::with_bets().await;
    day.central.clock.advance(1_000);
    let agencies = json!([{ "first": 2, "last": 9 }]);
    for name in ["matutina", "vespertina"] {
        let draw = json!({ "name": name, "agencies": agencies });
        day.post("/api/v1/draws", &draw).await;
    }
    let since = day.central.get(day.operator(), "/api/v1/draws/2").await.json();
    let since = since["announced_at"].as_str().unwrap().to_owned();
    let ids = async |query: &str| {
        let mut ids = Vec::new();
        let mut path = format!("/api/v1/draws?{query}");
        loop {
            let page = day.central.get(&day.roles[0], &path).await.json();
            ids.extend(page["items"].as_array().unwrap().iter().map(|it| it["id"].clone()));
            let Some(next) = page["next"].as_str() else { return Value::from(ids) };
            path = format!("/api/v1/draws?{query}&cursor={next}");
        }
    };
    for (query, expected) in [
        ("limit=1", json!([1, 2, 3])),
        ("limit=2&order=newest", json!([3, 2, 1])),
        ("limit=1&order=newest", json!([3, 2, 1])),
        ("state=open", json!([1])),
        ("state=announced&order=newest", json!([3, 2])),
        ("agency=1", json!([1])),
        ("agency=2&limit=1", json!([1, 2, 3])),
        (&format!("since={since}&agency=9"), json!([2, 3])),
        ("state=published", json!([])),
    ] {
        assert_eq!(ids(query).await, expected, "{query}");
    }
    let wrong = day.central.get(&day.roles[0], "/api/v1/draws?state=won").await;
    wrong.is_problem(400, "bad-request");
    let wrong = wrong.json()["detail"].as_str().unwrap().to_owned();
    assert!(wrong.contains("not one of the values: `won`, expected: `announced`"), "{wrong}");
}

#[tokio::test]
async fn what_is_new_is_where_the_answer_says() {
    let day = Day::with_bets().await;
    let draw = json!({ "name": "matutina" });
    let operator = json!({ "name": "eva", "role": "viewer", "password": "a long password" });
    let token = json!({ "label": "hall", "role": "viewer", "days": 1 });
    for (path, new, field) in [
        ("/api/v1/draws", draw, "name"),
        ("/api/v1/operators", operator, "name"),
        ("/api/v1/tokens", token, "label"),
    ] {
        let created = day.central.post(&day.admin, path, &new).await;
        assert_eq!(created.status, 201, "{created:?}");
        let found = day.central.get(&day.admin, created.header("location").unwrap()).await.json();
        assert_eq!(found[field], new[field], "{found}");
    }
    let agency = day.central.get(&day.roles[0], "/api/v1/agencies/2").await.json();
    assert_eq!((&agency["number"], &agency["name"]), (&json!(2), &json!("El Trébol")));
}

#[tokio::test]
async fn an_agency_that_is_disabled_loses_its_connections() {
    let day = Day::with_bets().await;
    let mut agency = TcpStream::connect(("127.0.0.1", day.central.agencies_port)).await.unwrap();
    // FINISH of agency 2, which makes it known.
    let finish = [0, 14, 0, 0, 0, 2];
    agency.write_all(&finish).await.unwrap();
    let mut answered = [0; 6];
    agency.read_exact(&mut answered).await.unwrap();
    let connected = day.central.get(&day.roles[0], "/api/v1/connections").await.json();
    assert_eq!(
        (&connected["items"][0]["agency"], &connected["items"][0]["certified"]),
        (&json!(2), &json!(false))
    );
    let disabled = day.post("/api/v1/agencies/2/disable", &json!({ "why": "robo" })).await;
    assert_eq!(disabled["enabled"], false);
    let mut rest = Vec::new();
    agency.read_to_end(&mut rest).await.unwrap();
    let data = json!({ "name": "Otra", "place": "Funes" });
    let renamed = ask(day.central.port, day.operator(), "PUT", "/api/v1/agencies/2", Some(&data));
    assert_eq!(renamed.await.json()["enabled"], false, "a new name enables nobody");
    assert_eq!(day.post("/api/v1/agencies/2/enable", &json!({})).await["enabled"], true);
}

#[tokio::test]
async fn a_new_name_enables_nobody_however_it_comes() {
    let day = Day::with_bets().await;
    let port = day.central.port;
    let enabled = async || {
        let agencies = day.central.get(day.operator(), "/api/v1/agencies?limit=500").await.json();
        let items = agencies["items"].as_array().unwrap().clone();
        items.into_iter().find(|it| it["number"] == 2).unwrap()["enabled"] == true
    };
    for round in 0..50 {
        assert_eq!(day.post("/api/v1/agencies/2/enable", &json!({})).await["enabled"], true);
        let data = json!({ "name": format!("Otra {round}"), "place": "Funes" });
        let path = "/api/v1/agencies/2";
        let why = json!({ "why": "robo" });
        let disable = day.post("/api/v1/agencies/2/disable", &why);
        let renamed = ask(port, &day.admin, "PUT", path, Some(&data));
        let (renamed, disabled) = tokio::join!(renamed, disable);
        assert_eq!((renamed.status, &disabled["enabled"]), (200, &json!(false)));
        assert!(!enabled().await, "round {round}: disabling it was answered, and lost");
    }
    let form = "agency=2&name=La+Otra&place=Funes";
    assert_eq!(filled(&day.central, day.operator(), "/agencies", form).await.status, 303);
    assert!(!enabled().await, "the page for registering enables it");
    let form = "agency=2&enabled=yes";
    assert_eq!(filled(&day.central, day.operator(), "/agencies", form).await.status, 303);
    assert!(enabled().await);
}
