//! `/docs` in a real browser, clicked through a real driver (W3C WebDriver over HTTP).

use crate::support::{Road, skip};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the page may take for any one step.
const PATIENCE: Duration = Duration::from_secs(60);
/// The member that holds an element's id in WebDriver's JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,2400",
];

fn chromium() -> Option<String> {
    let there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let name = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(there)?;
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|p| p.join(name)).find(|p| p.is_file())?;
    Some(found.to_str()?.to_owned())
}

/// A browser driven by chromedriver; both end when dropped.
struct Browser {
    driver: Child,
    http: reqwest::Client,
    /// The driver's URL with the session.
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts driver and browser; none when one of them is not installed.
    async fn start() -> Option<Self> {
        let chromium = chromium()?;
        let mut command = Command::new("chromedriver");
        let mut driver = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| port(&line.unwrap())).unwrap();
        // The rest of what it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let profile = tempfile::tempdir().unwrap();
        let mut arguments = FLAGS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let mut browser =
            Self { driver, http, session: format!("http://127.0.0.1:{port}/session"), _profile: profile };
        let options = json!({ "binary": chromium, "args": arguments });
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let made = browser.ask("", json!({ "capabilities": { "alwaysMatch": wanted } })).await;
        browser.session = format!("{}/{}", browser.session, made["sessionId"].as_str().unwrap());
        Some(browser)
    }

    /// A command; its value.
    async fn ask(&self, command: &str, body: Value) -> Value {
        self.try_ask(command, &body).await.unwrap_or_else(|e| panic!("{command} {body}: {e}"))
    }

    async fn try_ask(&self, command: &str, body: &Value) -> Result<Value, Value> {
        let answer = self.http.post(format!("{}{command}", self.session)).json(body).send().await.unwrap();
        let good = answer.status().is_success();
        let value = answer.json::<Value>().await.unwrap()["value"].clone();
        if good { Ok(value) } else { Err(value) }
    }

    async fn open(&self, url: &str) {
        self.ask("/url", json!({ "url": url })).await;
    }

    /// The text of the page's elements of a selector, as it is rendered.
    async fn text(&self, selector: &str) -> String {
        let script =
            "return Array.from(document.querySelectorAll(arguments[0])).map(e => e.innerText).join('\\n')";
        let text = self.ask("/execute/sync", json!({ "script": script, "args": [selector] })).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an element is there and takes what is done to it.
    async fn act(&self, selector: &str, action: &str, body: Value) {
        let since = Instant::now();
        loop {
            let find = json!({ "using": "css selector", "value": selector });
            let done = match self.try_ask("/element", &find).await {
                Ok(found) => {
                    let id = found[ELEMENT].as_str().unwrap().to_owned();
                    self.try_ask(&format!("/element/{id}/{action}"), &body).await
                }
                Err(error) => Err(error),
            };
            let Err(error) = done else { return };
            if since.elapsed() > PATIENCE {
                panic!("{action} {selector}: {error}\n{}", self.text("body").await);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn click(&self, selector: &str) {
        self.act(selector, "click", json!({})).await;
    }

    /// Waits until the rendered text of a selector has a part.
    async fn see(&self, selector: &str, part: &str) -> String {
        let since = Instant::now();
        loop {
            let text = self.text(selector).await;
            if text.contains(part) {
                return text;
            }
            if since.elapsed() > PATIENCE {
                let page = self.text("body").await;
                panic!("'{part}' does not come in {selector}, which shows '{text}'; the page:\n{page}");
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session; the driver alone would leave it behind.
        let _ = self.delete();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    fn delete(&self) -> std::io::Result<usize> {
        let rest = self.session.trim_start_matches("http://");
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "DELETE /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        stream.read(&mut [0; 256])
    }
}

/// The port that the driver says it listens on.
fn port(line: &str) -> Option<u16> {
    line.strip_prefix("ChromeDriver was started successfully on port ")?.trim_end_matches('.').parse().ok()
}

/// Fills Authorize with a key or token, as a person does.
async fn authorize(browser: &Browser, bearer: &str) {
    browser.click(".scheme-container .btn.authorize").await;
    browser.act(".auth-container input", "value", json!({ "text": bearer })).await;
    browser.click(".auth-btn-wrapper button[type=submit]").await;
    browser.see(".auth-container", "Logout").await;
    browser.click(".auth-btn-wrapper .btn-done").await;
}

/// Opens POST /score and sends its example; the status and body that the page shows.
async fn execute(browser: &Browser, status: &str) -> String {
    let score = "[id$='-RunMLService']";
    if browser.text(&format!("{score} .opblock-body")).await.is_empty() {
        browser.click(&format!("{score} .opblock-summary-control")).await;
    }
    // The page opens with it on; off and on again is what a person may do.
    browser.see(&format!("{score} .try-out"), "Cancel").await;
    browser.click(&format!("{score} .try-out__btn")).await;
    browser.see(&format!("{score} .try-out"), "Try it out").await;
    browser.click(&format!("{score} .try-out__btn")).await;
    browser.see(&format!("{score} .try-out"), "Cancel").await;
    browser.click(&format!("{score} .btn.execute")).await;
    browser.see(&format!("{score} .live-responses-table .response-col_status"), status).await;
    browser.text(&format!("{score} .live-responses-table")).await
}

#[tokio::test]
async fn swagger_ui_scores_by_key_and_by_token() {
    let Some(browser) = Browser::start().await else {
        return skip("swagger_ui", "chromium and chromedriver");
    };
    let road = Road::walk();
    let server = &road.server;
    server.cli(&["endpoint", "create", "shown", "--docs-public"]);
    server.cli(&["deployment", "create", "--endpoint", "shown", "--model", "small:1"]);
    let publish =
        ["api", "publish", "--endpoint", "shown", "--path", "team/shown", "--audience", "api://small"];
    server.cli(&publish);
    let keys = server.cli(&["endpoint", "keys", "shown"]);
    let key = keys["primaryKey"].as_str().unwrap();
    let token = server.token_for(&road.principal).await;

    for (page, bearer) in [("endpoints/shown", key), ("team/shown", token.as_str())] {
        browser.open(&format!("{}/{page}/docs", server.url)).await;
        let shown = browser.see("#swagger-ui", "/predict").await;
        assert!(shown.contains("/score") && shown.contains("Authorize"), "{page}: {shown}");
        let refused = execute(&browser, "401").await;
        assert!(refused.contains("application/problem+json"), "{page} before Authorize: {refused}");
        authorize(&browser, bearer).await;
        let answered = execute(&browser, "200").await;
        assert!(answered.contains("result"), "{page}: {answered}");
    }
    let calls = server.cli(&["logs", "shown"]);
    let scored = calls.as_array().unwrap().iter().filter(|call| call["OperationName"] == json!("score"));
    let seen: Vec<(&Value, &Value)> = scored.map(|c| (&c["ResponseCode"], &c["AuthType"])).collect();
    let (none, no, yes) = (Value::Null, json!(401), json!(200));
    let (by_key, by_token) = (json!("Key"), json!("AADToken"));
    assert_eq!(seen, [(&no, &none), (&yes, &by_key), (&no, &none), (&yes, &by_token)], "{calls}");
}
