//! The console in a browser of its own: what an operator does and sees.

use std::path::PathBuf;
use std::time::Duration;

use fantoccini::wd::TimeoutConfiguration;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use crate::driver::Driver;

/// Longest that anything takes to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Console {
    client: Client,
    http: String,
    _driver: Driver,
}

impl Console {
    /// A window of this size on the console's first page.
    pub(crate) async fn open(http: &str, language: &str, (width, height): (u32, u32)) -> Self {
        let driver = Driver::start();
        let options = json!({
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                format!("--window-size={width},{height}"),
                format!("--accept-lang={language}"),
            ],
            "prefs": { "intl.accept_languages": language },
            // A window of the desktop is never as narrow as a phone.
            "mobileEmulation": if width < 500 {
                json!({ "deviceMetrics": { "width": width, "height": height, "pixelRatio": 2.0 } })
            } else {
                json!({})
            },
        });
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let serde_json::Value::Object(capabilities) = capabilities else { unreachable!() };
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
        let console = Self { client, http: format!("http://{http}"), _driver: driver };
        console.go("/").await;
        console
    }

    pub(crate) async fn go(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.http)).await.unwrap();
    }

    pub(crate) async fn log_in(&self, name: &str, password: &str) {
        self.fill("name", name).await;
        self.fill("password", password).await;
        self.client.find(Locator::Css("main form button")).await.unwrap().click().await.unwrap();
    }

    pub(crate) async fn fill(&self, field: &str, value: &str) {
        let field = format!("main form:not(.inline) [name={field}]");
        let field = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(&field)).await;
        let field = field.unwrap();
        field.clear().await.unwrap();
        field.send_keys(value).await.unwrap();
    }

    pub(crate) async fn tick(&self, field: &str) {
        let field = format!("main [name={field}]");
        self.client.find(Locator::Css(&field)).await.unwrap().click().await.unwrap();
    }

    pub(crate) async fn press(&self, name: &str) {
        let button = format!("//button[normalize-space()='{name}']");
        let button = self.client.wait().at_most(PATIENCE).for_element(Locator::XPath(&button));
        button.await.unwrap().click().await.unwrap();
    }

    pub(crate) async fn follow(&self, name: &str) {
        let link = Locator::LinkText(name);
        self.client.find(link).await.unwrap().click().await.unwrap();
    }

    pub(crate) async fn enter_number(&self, number: &str) {
        self.fill("number", number).await;
        self.tick("sure").await;
        self.client.find(Locator::Css("main form button")).await.unwrap().click().await.unwrap();
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

    /// The text of an element.
    pub(crate) async fn text_of(&self, css: &str) -> String {
        let element = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        element.unwrap().text().await.unwrap()
    }

    /// Waits until an element has this text, the page being left as it is.
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

    async fn text_of_now(&self, css: &str) -> Option<String> {
        // It may be replaced at any moment.
        self.client.find(Locator::Css(css)).await.ok()?.text().await.ok()
    }

    /// The page's source.
    pub(crate) async fn page(&self) -> String {
        self.client.source().await.unwrap()
    }

    /// Whether nothing has to be scrolled sideways to be seen.
    pub(crate) async fn is_as_wide_as_the_window(&self) -> bool {
        let script = "return document.documentElement.scrollWidth <= window.innerWidth";
        self.client.execute(script, vec![]).await.unwrap() == json!(true)
    }

    /// What a link of this name downloads, with this session.
    pub(crate) async fn download(&self, name: &str) -> String {
        let link = self.client.find(Locator::LinkText(name)).await.unwrap();
        let path = link.attr("href").await.unwrap().unwrap();
        let script = "const [path, done] = arguments; \
                      fetch(path).then(async it => done([it.status, await it.text()]))";
        let got = self.client.execute_async(script, vec![json!(path)]).await.unwrap();
        assert_eq!(got[0], 200, "{path}: {got}");
        got[1].as_str().unwrap().to_owned()
    }

    /// Keeps a picture of the window.
    pub(crate) async fn shoot(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/browser");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.client.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    pub(crate) async fn close(self) {
        self.client.close().await.unwrap();
    }
}
