//! The console in a real browser: what an operator does and sees.

use std::path::PathBuf;
use std::time::Duration;

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::{PrintConfiguration, TimeoutConfiguration};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::driver::Driver;

/// Timeout for anything to appear.
const PATIENCE: Duration = Duration::from_secs(60);

/// The window size and color scheme of a page.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) name: &'static str,
    scheme: &'static str,
    width: u32,
    height: u32,
}

impl Look {
    pub(crate) const DESKTOP: Self =
        Self { name: "desktop", scheme: "light", width: 1366, height: 900 };
    pub(crate) const PHONE: Self = Self { name: "phone", scheme: "light", width: 390, height: 844 };
    pub(crate) const ALL: [Self; 4] = [
        Self::DESKTOP,
        Self { name: "desktop-dark", scheme: "dark", ..Self::DESKTOP },
        Self::PHONE,
        Self { name: "phone-dark", scheme: "dark", ..Self::PHONE },
    ];
}

pub(crate) struct Console {
    client: Client,
    http: String,
    driver: Driver,
}

impl Console {
    /// Opens a window on the console's first page.
    pub(crate) async fn open(http: &str, language: &str, look: Look) -> Self {
        let driver = Driver::start();
        let options = json!({
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                format!("--accept-lang={language}"),
            ],
            "prefs": { "intl.accept_languages": language },
        });
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let connecting = async {
            loop {
                // The driver takes a moment to listen.
                let mut builder = ClientBuilder::new(HttpConnector::new());
                builder.capabilities(capabilities.clone());
                match builder.connect(&driver.address).await {
                    Ok(client) => return client,
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        let client = tokio::time::timeout(PATIENCE, connecting).await.expect("no browser");
        let patience = TimeoutConfiguration::new(None, Some(PATIENCE), None);
        client.update_timeouts(patience).await.unwrap();
        let console = Self { client, http: format!("http://{http}"), driver };
        console.appear(look).await;
        console.go("/").await;
        console
    }

    pub(crate) async fn go(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.http)).await.unwrap();
    }

    pub(crate) async fn log_in(&self, name: &str, password: &str) {
        self.fill("name", name).await;
        self.fill("password", password).await;
        self.press_first().await;
    }

    pub(crate) async fn fill(&self, field: &str, value: &str) {
        self.fill_in(&format!("main form [name={field}]:not([type=hidden])"), value).await;
    }

    pub(crate) async fn tick(&self, field: &str) {
        self.click(Locator::Css(&format!("main [name={field}]"))).await;
    }

    pub(crate) async fn press(&self, name: &str) {
        self.click(Locator::XPath(&format!("//button[normalize-space()='{name}']"))).await;
    }

    pub(crate) async fn follow(&self, name: &str) {
        self.click(Locator::LinkText(name)).await;
    }

    async fn click(&self, what: Locator<'_>) {
        self.with(what, async |element| element.click().await).await;
    }

    async fn fill_in(&self, field: &str, value: &str) {
        let fill = async |element: &Element| {
            element.clear().await?;
            element.send_keys(value).await
        };
        self.with(Locator::Css(field), fill).await;
    }

    /// Waits for an element and does something with it; again, if the page was replaced meanwhile.
    async fn with(&self, what: Locator<'_>, act: impl AsyncFn(&Element) -> Result<(), CmdError>) {
        let done = async {
            loop {
                let found = self.client.wait().at_most(PATIENCE).for_element(what).await.unwrap();
                match act(&found).await {
                    Err(error) if error.is_stale_element_reference() => {}
                    done => return done.unwrap(),
                }
            }
        };
        tokio::time::timeout(PATIENCE, done).await.expect("a page that stays");
    }

    /// Types the winning number, and confirms it.
    pub(crate) async fn enter_number(&self, number: &str) {
        self.fill("number", number).await;
        self.press_first().await;
        self.confirm_number(number).await;
    }

    /// Confirms the number that is shown digit by digit.
    pub(crate) async fn confirm_number(&self, number: &str) {
        let shown = self.text_of(".digits").await.replace(' ', "");
        assert_eq!(shown.trim_start_matches('0'), number.trim_start_matches('0'));
        self.tick("sure").await;
        self.press_first().await;
    }

    async fn press_first(&self) {
        self.click(Locator::Css("main form button")).await;
    }

    /// Opens what is folded under this title.
    pub(crate) async fn unfold(&self, title: &str) {
        self.click(Locator::XPath(&format!("//summary[normalize-space()='{title}']"))).await;
    }

    /// Fills in a field of the form of a draw's step.
    pub(crate) async fn fill_for(&self, step: &str, field: &str, value: &str) {
        self.fill_in(&format!("main form[action$='/{step}'] [name={field}]"), value).await;
    }

    /// Prints the page on A4 into a file of this name beside the screenshots; returns the number of
    /// sheets.
    pub(crate) async fn sheets(&self, name: &str) -> usize {
        let pdf = self.client.print(PrintConfiguration::default()).await.unwrap();
        std::fs::write(file_of(&format!("browser/{name}"), "pdf"), &pdf).unwrap();
        let pdf = String::from_utf8_lossy(&pdf);
        let pages = pdf.split("/Type /Page").skip(1).filter(|rest| !rest.starts_with('s'));
        pages.count()
    }

    /// Waits until the page shows a text.
    pub(crate) async fn sees(&self, text: &str) {
        let seen = async {
            loop {
                let shown = self.client.find(Locator::Css("body")).await;
                let shown = match shown {
                    Ok(body) => body.text().await.unwrap_or_default(),
                    Err(_) => String::new(),
                };
                if shown.contains(text) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, seen).await.is_err() {
            let body = self.client.find(Locator::Css("body")).await.unwrap();
            panic!("'{text}' is not seen in:\n{}", body.text().await.unwrap());
        }
    }

    /// Returns the text of an element.
    pub(crate) async fn text_of(&self, css: &str) -> String {
        let element = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        element.unwrap().text().await.unwrap()
    }

    /// Waits until an element has this text, without a reload of the page.
    pub(crate) async fn waits_for(&self, css: &str, text: &str) {
        let loaded = self.client.execute("window.here = window.here || 1", vec![]).await;
        loaded.unwrap();
        let reached = async {
            while self.text_of_now(css).await.as_deref() != Some(text) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert!(reached.is_ok(), "{css} is not '{text}' but {:?}", self.text_of_now(css).await);
        let still = self.client.execute("return window.here", vec![]).await.unwrap();
        assert_eq!(still, json!(1), "the page was loaded again");
    }

    /// Waits until the text of an element changes.
    pub(crate) async fn sees_change_of(&self, css: &str) {
        let before = self.text_of_now(css).await;
        let changed = async {
            while self.text_of_now(css).await == before {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let changed = tokio::time::timeout(PATIENCE, changed).await;
        assert!(changed.is_ok(), "{css} stays {before:?}");
    }

    async fn text_of_now(&self, css: &str) -> Option<String> {
        // The element may be replaced at any moment.
        self.client.find(Locator::Css(css)).await.ok()?.text().await.ok()
    }

    /// Returns the page's source.
    pub(crate) async fn page(&self) -> String {
        self.client.source().await.unwrap()
    }

    /// Returns whether the page fits the window's width.
    pub(crate) async fn is_as_wide_as_the_window(&self) -> bool {
        let script = "return document.documentElement.scrollWidth <= window.innerWidth";
        self.client.execute(script, vec![]).await.unwrap() == json!(true)
    }

    /// Downloads the target of a link with the current session, and returns it.
    pub(crate) async fn download(&self, name: &str) -> String {
        let link = self.client.find(Locator::LinkText(name)).await.unwrap();
        let path = link.attr("href").await.unwrap().unwrap();
        let script = "const [path, done] = arguments; \
                      fetch(path).then(async it => done([it.status, await it.text()]))";
        let got = self.client.execute_async(script, vec![json!(path)]).await.unwrap();
        assert_eq!(got[0], 200, "{path}: {got}");
        got[1].as_str().unwrap().to_owned()
    }

    /// Sets the size and the color scheme of the window.
    pub(crate) async fn appear(&self, look: Look) {
        let Look { scheme, width, height, .. } = look;
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let session = self.client.session_id().await.unwrap().unwrap();
        self.driver.tell(&session, "Emulation.setDeviceMetricsOverride", &size);
        let media = json!({ "features": features });
        self.driver.tell(&session, "Emulation.setEmulatedMedia", &media);
    }

    /// Sends a request to the API as the logged-in operator, checks that it succeeds, and returns
    /// the response.
    pub(crate) async fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        let script = "
            const [method, path, body, done] = arguments;
            const asked = async () => {
                const me = await (await fetch('/api/v1/session')).json();
                const headers = {
                    'Content-Type': 'application/json',
                    'X-CSRF-Token': me.csrf_token,
                };
                const sent = body === null ? undefined : JSON.stringify(body);
                const answer = await fetch('/api/v1' + path, { method, headers, body: sent });
                return [answer.status, await answer.json()];
            };
            asked().then(done, (error) => done([0, String(error)]));";
        let arguments = vec![json!(method), json!(path), body.clone()];
        let got = self.client.execute_async(script, arguments).await.unwrap();
        assert!([200, 201].map(Value::from).contains(&got[0]), "{method} {path}: {got}");
        got[1].clone()
    }

    /// Ends the session as a restart of the central does: the browser keeps its cookie.
    pub(crate) async fn ends_the_session(&self) {
        let cookies = self.client.get_all_cookies().await.unwrap();
        let is_session = |name: &str| name.starts_with("bolillero_session_");
        let mut session = cookies.into_iter().find(|it| is_session(it.name())).unwrap();
        session.set_value("0".repeat(64));
        self.client.add_cookie(session).await.unwrap();
    }

    /// Loads a script into the page.
    pub(crate) async fn load(&self, script: &str) {
        self.client.execute(script, vec![]).await.unwrap();
    }

    /// Returns the WCAG violations found by axe-core, which must be loaded.
    pub(crate) async fn violations(&self) -> Vec<String> {
        let script = "
            const [done] = arguments;
            const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
            const said = (it) => it.id + ' ' + it.nodes.map(
                (node) => node.target + ' (' + node.failureSummary + ')').join('; ');
            axe.run(document, { runOnly: tags }).then(
                (found) => done(found.violations.map(said)),
                (error) => done(['axe failed: ' + error]));";
        let found = self.client.execute_async(script, vec![]).await.unwrap();
        let found = found.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned());
        found.collect()
    }

    /// Presses and releases a key.
    pub(crate) async fn strike(&self, key: impl Into<char>) {
        let value = key.into();
        let keyboard = KeyActions::new("keyboard".to_owned());
        let strike = keyboard.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.client.perform_actions(strike).await.unwrap();
    }

    /// Returns the result of a script run in the page.
    pub(crate) async fn tells(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// Saves a screenshot of the window in `target/browser/`.
    pub(crate) async fn shoot(&self, name: &str) {
        self.shoot_as(&format!("browser/{name}")).await;
    }

    /// Saves a screenshot of the window, under a path in `target/`.
    pub(crate) async fn shoot_as(&self, path: &str) {
        let picture = self.client.screenshot().await.unwrap();
        std::fs::write(file_of(path, "png"), picture).unwrap();
    }

    pub(crate) async fn close(self) {
        self.client.close().await.unwrap();
    }
}

/// Returns the file of a path in `target/`, in a folder that exists.
fn file_of(path: &str, extension: &str) -> PathBuf {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let file = target.join(path).with_added_extension(extension);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    file
}
