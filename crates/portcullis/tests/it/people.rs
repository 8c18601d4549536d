//! People from outside: first secret, session, CSRF, and a login at a real OpenID provider.

use crate::support::{Server, repository, skip};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A browser without pages: cookies by host, redirects one at a time.
struct Browser {
    http: reqwest::Client,
    jar: BTreeMap<(String, String), String>,
}

struct Shown {
    status: u16,
    location: Option<String>,
    cookies: Vec<String>,
    body: String,
}

impl Browser {
    fn new() -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { http, jar: BTreeMap::new() }
    }

    async fn send(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Shown {
        let place = place(url);
        let mine = self.jar.iter().filter(|((host, _), _)| *host == place);
        let cookies: Vec<String> = mine.map(|((_, name), value)| format!("{name}={value}")).collect();
        let mut request = self.http.request(method, url);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await.unwrap();
        let all = answer.headers().get_all("set-cookie").iter();
        let cookies: Vec<String> = all.map(|v| v.to_str().unwrap().to_owned()).collect();
        for cookie in &cookies {
            let (pair, flags) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            let key = (place.clone(), name.to_owned());
            let gone = value.is_empty() || flags.to_lowercase().contains("max-age=0");
            if gone {
                self.jar.remove(&key)
            } else {
                self.jar.insert(key, value.to_owned())
            };
        }
        let location = answer.headers().get("location").map(|v| v.to_str().unwrap().to_owned());
        Shown { status: answer.status().as_u16(), location, cookies, body: answer.text().await.unwrap() }
    }

    async fn get(&mut self, url: &str) -> Shown {
        self.send(Method::GET, url, &[], None).await
    }

    async fn form(&mut self, url: &str, form: &str) -> Shown {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, url, &kind, Some(form.to_owned())).await
    }

    async fn json(&mut self, method: Method, url: &str, body: &Value, csrf: &str) -> Shown {
        let headers = [("content-type", "application/json"), ("x-csrf-token", csrf)];
        self.send(method, url, &headers, Some(body.to_string())).await
    }

    /// Logs in at the provider's own pages, from its authorization URL on: the URL it sends the browser back to.
    async fn at_provider(&mut self, url: &str, who: &str, back: &str) -> String {
        let mut url = url.to_owned();
        for _ in 0..10 {
            let mut shown = self.get(&url).await;
            if shown.status == 200 {
                let prompt = if shown.body.contains("value=\"login\"") { "login" } else { "consent" };
                shown = self.form(&url, &format!("prompt={prompt}&login={who}&password=any")).await;
            }
            let location = shown.location.unwrap_or_else(|| panic!("{} {}", shown.status, shown.body));
            url = absolute(&url, &location);
            if url.starts_with(back) {
                return url;
            }
        }
        panic!("the provider never came back: {url}");
    }
}

fn place(url: &str) -> String {
    url.split('/').nth(2).unwrap().to_owned()
}

fn absolute(base: &str, location: &str) -> String {
    if location.starts_with('/') { format!("http://{}{location}", place(base)) } else { location.to_owned() }
}

/// `tests-node/login-idp.mjs`; it ends with its standard input.
struct Idp {
    child: Child,
    issuer: String,
}

impl Idp {
    fn start() -> Option<Self> {
        let modules = std::env::var_os("PORTCULLIS_NODE_MODULES")?;
        let mut command = Command::new("node");
        command.arg(repository("tests-node/login-idp.mjs")).env("PORTCULLIS_NODE_MODULES", modules);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("first line {line:?}: {e}"));
        Some(Self { child, issuer: ready["issuer"].as_str().unwrap().to_owned() })
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_person_logs_in_changes_something_and_logs_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let made = server.cli(&["principal", "create", "ada", "--person", "--role", "owner"]);
    let first = made["first_secret"].as_str().unwrap();
    let at = |route: &str| format!("{}/api/v1{route}", server.url);
    let mut browser = Browser::new();
    let ask = json!({ "name": "ada", "password": first });
    assert_eq!(browser.json(Method::POST, &at("/sessions"), &ask, "").await.status, 403);
    let ask = json!({ "name": "ada", "password": first, "new_password": "correct horse battery" });
    // A page of another site can neither post a form nor name itself.
    assert_eq!(browser.form(&at("/sessions"), "name=ada").await.status, 415);
    let origin = [("content-type", "application/json"), ("origin", "https://evil.example")];
    assert_eq!(
        browser.send(Method::POST, &at("/sessions"), &origin, Some(ask.to_string())).await.status,
        403
    );
    let opened = browser.json(Method::POST, &at("/sessions"), &ask, "").await;
    assert_eq!(opened.status, 201, "{}", opened.body);
    assert!(opened.cookies[0].contains("; HttpOnly; SameSite=Strict"), "{:?}", opened.cookies);
    let body: Value = serde_json::from_str(&opened.body).unwrap();
    let csrf = body["csrf_token"].as_str().unwrap();
    let secret = opened.cookies[0].split([';', '=']).nth(1).unwrap();
    assert!(!opened.body.contains(secret));
    let current: Value = serde_json::from_str(&browser.get(&at("/sessions/current")).await.body).unwrap();
    assert_eq!((&current["principal"], &current["csrf_token"]), (&json!("ada"), &json!(csrf)));
    let endpoint = json!({ "name": "mine" });
    assert_eq!(browser.json(Method::POST, &at("/endpoints"), &endpoint, "").await.status, 403);
    assert_eq!(browser.json(Method::POST, &at("/endpoints"), &endpoint, csrf).await.status, 201);
    let ledger = server.cli(&["ledger", "show"]);
    let by = ledger.as_array().unwrap().iter().find(|l| l["subject"] == "mine").unwrap();
    assert_eq!(by["actor"], "ada");
    for text in [first, secret, "correct horse battery"] {
        assert!(!ledger.to_string().contains(text));
    }
    let sessions: Value = serde_json::from_str(&browser.get(&at("/sessions")).await.body).unwrap();
    assert_eq!(sessions.as_array().unwrap().len(), 1);
    let kept = browser.jar.clone();
    assert_eq!(browser.json(Method::DELETE, &at("/sessions/current"), &json!({}), csrf).await.status, 204);
    assert!(browser.jar.is_empty());
    browser.jar = kept;
    assert_eq!(browser.get(&at("/sessions/current")).await.status, 401);
    let (status, _) = server.api(Method::GET, "/api/v1/sessions/current", None).await;
    assert_eq!(status, 409);
}

/// A server that lets people in by a provider.
fn server(idp: &Idp, folder: &tempfile::TempDir) -> Server {
    let secret = folder.path().join("client-secret");
    std::fs::write(&secret, "a secret with spaces & signs").unwrap();
    Server::start_with(
        &folder.path().join("data"),
        &[
            ("GATEWAY__LOGIN__ISSUER", idp.issuer.as_str()),
            ("GATEWAY__LOGIN__CLIENT_ID", "portcullis"),
            ("GATEWAY__LOGIN__CLIENT_SECRET", &format!("file:{}", secret.display())),
            ("GATEWAY__LOGIN__ROLE_CLAIM", "groups"),
            ("GATEWAY__LOGIN__ROLES", "ml-admins=owner,staff=reader"),
            ("OUTBOUND__ALLOW", "127.0.0.0/8"),
        ],
    )
}

async fn ready(idp: &Idp, server: &Server) {
    let back = format!("{}/api/v1/sessions/oidc/callback", server.url);
    let url = format!("{}/test/client?redirect={back}", idp.issuer);
    assert_eq!(server.http().post(url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn people_log_in_at_a_real_provider() {
    let Some(idp) = Idp::start() else {
        return skip("people_log_in_at_a_real_provider", "PORTCULLIS_NODE_MODULES");
    };
    let folder = tempfile::tempdir().unwrap();
    let server = server(&idp, &folder);
    ready(&idp, &server).await;
    // A principal of the same name is there before, and stays somebody else.
    server.cli(&["principal", "create", "ada", "--role", "reader", "--audience", "api://x"]);
    let begin = format!("{}/api/v1/sessions/oidc?return_to=/studio", server.url);
    let current = format!("{}/api/v1/sessions/current", server.url);
    let mut names = Vec::new();
    for (who, role) in [("ada", "owner"), ("grace", "reader"), ("ada", "owner")] {
        let mut browser = Browser::new();
        // Fixation: what somebody planted before is never what is logged in.
        browser.jar.insert((place(&server.url), "portcullis".into()), "planted".into());
        let sent = browser.get(&begin).await;
        assert_eq!(sent.status, 302, "{}", sent.body);
        assert!(sent.cookies[0].contains("HttpOnly; SameSite=Lax"), "{:?}", sent.cookies);
        let back = browser.at_provider(&sent.location.unwrap(), who, &server.url).await;
        assert!(back.contains("iss="), "{back}");
        let landed = browser.get(&back).await;
        assert_eq!(landed.status, 200, "{}", landed.body);
        assert!(landed.body.contains("content=\"0;url=/studio\""), "{}", landed.body);
        assert!(landed.cookies.iter().any(|c| c.starts_with("portcullis=") && c.contains("SameSite=Strict")));
        assert_ne!(browser.jar[&(place(&server.url), "portcullis".into())], "planted");
        let told: Value = serde_json::from_str(&browser.get(&current).await.body).unwrap();
        assert_eq!(told["role"], role, "{told}");
        names.push(told["principal"].as_str().unwrap().to_owned());
        // The same answer again opens nothing, with or without what belonged to it.
        assert_eq!(browser.get(&back).await.status, 400);
    }
    assert!(names[0] == names[2] && names[0].starts_with("ada-") && names[1] == "grace", "{names:?}");
}

#[tokio::test]
async fn answers_of_the_provider_that_do_not_belong_open_nothing() {
    let test = "answers_of_the_provider_that_do_not_belong_open_nothing";
    let Some(idp) = Idp::start() else { return skip(test, "PORTCULLIS_NODE_MODULES") };
    let folder = tempfile::tempdir().unwrap();
    let server = server(&idp, &folder);
    ready(&idp, &server).await;
    let begin = format!("{}/api/v1/sessions/oidc", server.url);
    for wrong in ["https://evil.example/", "//evil.example", "/%5Cevil.example", "x"] {
        let url = format!("{begin}?return_to={wrong}");
        assert_eq!(Browser::new().get(&url).await.status, 400, "{wrong}");
    }
    // What is changed on the way there or back, and the status of the callback.
    type Change = fn(&str) -> String;
    let same: Change = str::to_owned;
    let swap = |url: &str, name: &str, to: &str| -> String {
        let (head, query) = url.split_once('?').unwrap();
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((n, _)) if n == name => format!("{n}={to}"),
            _ => pair.to_owned(),
        });
        format!("{head}?{}", pairs.collect::<Vec<_>>().join("&"))
    };
    let cases: [(Change, Change, u16); 6] = [
        (|url| url.replace("nonce=", "nonce=x"), same, 401),
        (|url| url.replace("state=", "state=x"), same, 400),
        (same, |url| url.replace("state=", "state=x"), 400),
        (same, |url| url.replace("iss=", "iss=https%3A%2F%2Fevil.example%2F"), 401),
        (same, |url| url.replace("iss=", "other="), 401),
        (same, |url| url.replace("code=", "code=x"), 401),
    ];
    for (at, (there, back, status)) in cases.iter().enumerate() {
        let mut browser = Browser::new();
        let sent = browser.get(&begin).await.location.unwrap();
        let answer = browser.at_provider(&there(&sent), "grace", &server.url).await;
        let landed = browser.get(&back(&answer)).await;
        assert_eq!(landed.status, *status, "{at}: {}", landed.body);
        assert!(!landed.cookies.iter().any(|c| c.starts_with("portcullis=")), "{at}");
    }
    // Another browser's answer, and one without roles.
    let (mut one, mut two) = (Browser::new(), Browser::new());
    let sent = one.get(&begin).await.location.unwrap();
    let answer = one.at_provider(&sent, "grace", &server.url).await;
    two.get(&begin).await;
    assert_eq!(two.get(&answer).await.status, 400);
    assert_eq!(Browser::new().get(&swap(&answer, "state", "")).await.status, 400);
    let mut eve = Browser::new();
    let sent = eve.get(&begin).await.location.unwrap();
    let answer = eve.at_provider(&sent, "eve", &server.url).await;
    assert_eq!(eve.get(&answer).await.status, 403);
    let names = server.cli(&["principal", "list"]);
    assert_eq!(names.as_array().unwrap().len(), 0, "{names}");
}

#[tokio::test]
async fn who_leaves_a_group_loses_its_role_at_the_next_login() {
    let test = "who_leaves_a_group_loses_its_role_at_the_next_login";
    let Some(idp) = Idp::start() else { return skip(test, "PORTCULLIS_NODE_MODULES") };
    let folder = tempfile::tempdir().unwrap();
    let server = server(&idp, &folder);
    ready(&idp, &server).await;
    let begin = format!("{}/api/v1/sessions/oidc", server.url);
    for (groups, status, role) in
        [("ml-admins", 200, json!("owner")), ("staff", 200, json!("reader")), ("", 403, Value::Null)]
    {
        let url = format!("{}/test/groups?of=ada&is={groups}", idp.issuer);
        server.http().post(url).send().await.unwrap();
        let mut browser = Browser::new();
        let sent = browser.get(&begin).await.location.unwrap();
        let answer = browser.at_provider(&sent, "ada", &server.url).await;
        assert_eq!(browser.get(&answer).await.status, status, "{groups}");
        assert_eq!(server.cli(&["principal", "show", "ada"])["role"], role);
    }
    server.cli(&["principal", "revoke", "ada"]);
    let mut browser = Browser::new();
    server.http().post(format!("{}/test/groups?of=ada&is=staff", idp.issuer)).send().await.unwrap();
    let sent = browser.get(&begin).await.location.unwrap();
    let answer = browser.at_provider(&sent, "ada", &server.url).await;
    assert_eq!(browser.get(&answer).await.status, 401);
}
