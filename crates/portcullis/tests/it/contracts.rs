//! The scoring server's rows (IS) against the running binary, and what all the walks share: each check names its row.

use crate::support::{Road, Server, binary};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::process::{Child, Stdio};

/// An answer as it came.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// A request of a method and a URL with headers and a body.
pub async fn call(method: Method, url: &str, headers: &[(&str, &str)], body: impl Into<String>) -> Answer {
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let mut request = http.build().unwrap().request(method, url).body(body.into());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answer { status, headers, body: answer.text().await.unwrap() }
}

/// The direct door of an endpoint, with its key.
pub struct Direct {
    pub base: String,
    pub bearer: String,
}

impl Direct {
    /// The door of an endpoint of a server.
    pub fn of(server: &Server, endpoint: &str) -> Self {
        let keys = server.cli(&["endpoint", "keys", endpoint]);
        let bearer = format!("Bearer {}", keys["primaryKey"].as_str().unwrap());
        Self { base: format!("{}/endpoints/{endpoint}", server.url), bearer }
    }

    /// A call with the key and further headers.
    pub async fn call(&self, method: Method, tail: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        all.extend_from_slice(headers);
        call(method, &format!("{}/{tail}", self.base), &all, body).await
    }

    pub async fn get(&self, tail: &str) -> Answer {
        self.call(Method::GET, tail, &[], "").await
    }

    pub async fn post(&self, tail: &str, body: &Value) -> Answer {
        self.call(Method::POST, tail, &[], &body.to_string()).await
    }
}

/// A table of one registered asset, learned in two trials (the first is the constant one), served under its name with public documents.
pub fn serve_table(server: &Server, name: &str, target: &str, csv: &str) {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.csv");
    std::fs::write(&table, csv).unwrap();
    server.cli(&["data", "register", name, table.to_str().unwrap()]);
    let run =
        ["automl", "run", "--data", name, "--target", target, "--max-trials", "2", "--register-as", name];
    server.cli(&run);
    server.cli(&["endpoint", "create", name, "--docs-public"]);
    server.cli(&["deployment", "create", "--endpoint", name, "--model", &format!("{name}:1")]);
}

fn rows() -> String {
    json!({ "data": [Road::row()] }).to_string()
}

const FAILED: &str = "x-ms-run-function-failed";

#[tokio::test]
async fn the_scoring_server_answers_as_its_clients_expect() {
    let road = Road::walk();
    let direct = Direct::of(&road.server, "small");
    health_and_methods(&road.server, &direct).await;
    urls(&road, &direct).await;
    queries(&direct).await;
    answer_headers(&direct).await;
    request_ids(&direct).await;
    errors(&direct).await;
    key_authentication(&road, &direct).await;
    http_1_0(&road.server, &direct);
}

async fn health_and_methods(server: &Server, direct: &Direct) {
    let health = call(Method::GET, &format!("{}/", direct.base), &[], "").await;
    assert_eq!((health.status, health.body.as_str()), (200, "Healthy"), "IS-01");
    assert_eq!(health.header("content-type"), Some("text/html; charset=utf-8"), "IS-01");
    assert_eq!(health.header(FAILED), None, "IS-01: without the failed header");
    assert_eq!(server.cli(&["logs", "small"]), json!([]), "IS-01: not in telemetry");
    for (method, status, id) in [
        (Method::POST, 200, "IS-02"),
        (Method::OPTIONS, 200, "IS-02"),
        (Method::PUT, 405, "IS-02"),
        (Method::DELETE, 405, "IS-02"),
        (Method::PATCH, 405, "IS-02"),
    ] {
        let answer = direct.call(method.clone(), "score", &[("origin", "https://a.example")], &rows()).await;
        assert_eq!(answer.status, status, "{id} {method}: {}", answer.body);
        assert_eq!(answer.body.is_empty(), method == Method::OPTIONS, "{id} {method}: {}", answer.body);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{id} {method}: CORS is off");
    }
    let got = direct.get("score?x.one=70.5&colour+name=red&flag=true").await;
    assert_eq!(got.status, 200, "IS-02 GET: {}", got.body);
}

/// The forms of a scoring URL that architecture.md fixes: below the endpoint, below a published path, at a port's root.
async fn urls(road: &Road, direct: &Direct) {
    let server = &road.server;
    let token = server.token_for(&road.principal).await;
    assert_eq!(direct.call(Method::POST, "score", &[], &rows()).await.status, 200, "IS-03 direct");
    let body: Value = serde_json::from_str(&rows()).unwrap();
    assert_eq!(server.post("/team/small/score", Some(&token), &body).await.0, 200, "IS-03 published");

    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("m.onnx");
    server.cli(&["model", "export", "small:1", "--out", model.to_str().unwrap()]);
    let mut command = binary();
    command.args(["serve-model", model.to_str().unwrap(), "--open", "--json", "--listen", "127.0.0.1:0"]);
    let mut child = Ended(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = serde_json::from_str::<Value>(&line).unwrap()["url"].as_str().unwrap().to_owned();
    let json = [("content-type", "application/json")];
    let answer = call(Method::POST, &format!("{url}/score"), &json, rows()).await;
    assert_eq!(answer.status, 200, "IS-03 http://HOST:PORT/score: {}", answer.body);
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn queries(direct: &Direct) {
    for (query, status, part) in [
        ("x.one=70.5&colour+name=red&flag=true", 200, r#"[\"yes\"]"#),
        ("x.one=[70.5,0]&colour+name=red&flag=true", 200, r#"[\"yes\", \"no\"]"#),
        ("x.one=70.5&x.one=0&colour+name=%22red%22&flag=true", 200, r#"[\"yes\", \"no\"]"#),
        ("x.one=null&colour+name=red&flag=true", 200, "result"),
        ("data=[{%22x.one%22:0,%22colour+name%22:%22red%22,%22flag%22:true}]", 200, r#"[\"no\"]"#),
        ("x.one=many&colour+name=red&flag=true", 422, "x.one"),
    ] {
        let answer = direct.get(&format!("score?{query}")).await;
        assert_eq!(answer.status, status, "IS-08 {query}: {}", answer.body);
        assert!(answer.body.contains(part), "IS-08 {query}: {}", answer.body);
    }
}

async fn answer_headers(direct: &Direct) {
    let long = "x".repeat(101);
    let sent = [("x-ms-client-request-id", "mine"), ("TraceId", "t-1")];
    for (method, tail, headers, body, status) in [
        (Method::POST, "score", &sent[..], rows(), 200),
        (Method::GET, "score?x.one=1&colour+name=red&flag=true", &sent, String::new(), 200),
        (Method::OPTIONS, "score", &sent, String::new(), 200),
        (Method::GET, "swagger.json", &sent, String::new(), 200),
        (Method::PUT, "score", &sent, rows(), 405),
        (Method::POST, "nothing", &sent, rows(), 404),
        (Method::POST, "score", &sent, "{".to_owned(), 400),
        (Method::POST, "score", &[("x-request-id", long.as_str())], rows(), 431),
    ] {
        let answer = direct.call(method.clone(), tail, headers, &body).await;
        assert_eq!(answer.status, status, "IS-10 {method} {tail}: {}", answer.body);
        assert_eq!(answer.header(FAILED), Some("False"), "IS-10 {method} {tail} {status}");
        for id in ["x-request-id", "x-ms-request-id"] {
            assert!(answer.header(id).is_some_and(|v| !v.is_empty()), "IS-10 {method} {tail}: {id}");
        }
        assert_eq!(answer.header("x-ms-server-version"), None, "IS-10: only if configured");
        if status != 431 {
            assert_eq!(answer.header("x-ms-client-request-id"), Some("mine"), "IS-10 {method} {tail}");
            assert_eq!(answer.header("TraceId"), Some("t-1"), "IS-10 {method} {tail}");
        }
        let scored = status == 200 && tail.starts_with("score") && method != Method::OPTIONS;
        let time = answer.header("x-ms-run-fn-exec-ms");
        assert_eq!(time.is_some(), scored, "IS-10 {method} {tail}");
        let decimals = time.map(|t| t.parse::<f64>().map(|_| t.split_once('.').unwrap().1.len()));
        assert!(matches!(decimals, None | Some(Ok(3))), "IS-10: {time:?}");
    }
}

async fn request_ids(direct: &Direct) {
    let names = ["x-request-id", "x-ms-request-id", "x-ms-client-request-id"];
    for (sent, expected) in [
        ([Some("a"), Some("b"), Some("c")], [Some("a"), Some("b"), Some("c")]),
        ([Some("a"), None, Some("c")], [Some("a"), Some("c"), Some("c")]),
        ([Some("a"), Some("b"), None], [Some("a"), Some("b"), Some("b")]),
        ([Some("a"), None, None], [Some("a"), Some("a"), None]),
    ] {
        let headers: Vec<(&str, &str)> =
            names.iter().zip(sent).filter_map(|(name, value)| Some((*name, value?))).collect();
        let answer = direct.call(Method::POST, "score", &headers, &rows()).await;
        assert_eq!(names.map(|name| answer.header(name)), expected, "IS-11 {headers:?}");
    }
    let made = direct.call(Method::POST, "score", &[], &rows()).await;
    let id = made.header("x-request-id").unwrap();
    assert_eq!(uuid(id), Some(4), "IS-11: a new UUID");
    assert_eq!(made.header("x-ms-request-id"), Some(id), "IS-11");
    for name in names {
        for (length, status) in [(100, 200), (101, 431)] {
            let answer = direct.call(Method::POST, "score", &[(name, &"x".repeat(length))], &rows()).await;
            assert_eq!(answer.status, status, "IS-11 {name} of {length} characters");
        }
    }
}

/// The version of a UUID in its usual text form.
fn uuid(text: &str) -> Option<u32> {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|p| p.len()).collect();
    let hex = parts.iter().all(|p| p.bytes().all(|b| b.is_ascii_hexdigit()));
    (lengths == [8, 4, 4, 4, 12] && hex).then(|| parts[2][..1].parse().ok())?
}

async fn errors(direct: &Direct) {
    for (method, tail, kind, body, status) in [
        (Method::POST, "score", "application/json", "{", 400),
        (Method::POST, "score", "application/json", "", 400),
        (Method::POST, "score", "application/json", "[]", 400),
        (Method::POST, "score", "text/csv", "a,b", 415),
        (Method::POST, "score", "application/json", r#"{"data": [{"x.one": 1}]}"#, 422),
        (Method::POST, "predict", "application/json", r#"{"x.one": 1}"#, 422),
        (Method::POST, "nothing", "application/json", "{}", 404),
        (Method::PUT, "score", "application/json", "{}", 405),
        (Method::POST, "swagger.json", "application/json", "{}", 405),
        (Method::POST, "docs/", "application/json", "{}", 405),
    ] {
        let headers = [("authorization", direct.bearer.as_str()), ("content-type", kind)];
        let answer = call(method.clone(), &format!("{}/{tail}", direct.base), &headers, body).await;
        assert_eq!(answer.status, status, "IS-12 {method} {tail} {body}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "IS-12 {tail} {body}");
        let (problem, place) = (answer.json(), format!("IS-12 {method} {tail} {body}: {}", answer.body));
        assert!(problem["message"].as_str().is_some_and(|m| !m.is_empty()), "{place}");
        assert_eq!(problem["status"], json!(status), "{place}");
        assert_eq!(status == 405, answer.header("allow").is_some(), "{place}");
    }
}

async fn key_authentication(road: &Road, direct: &Direct) {
    let secondary = format!("Bearer {}", road.keys["secondaryKey"].as_str().unwrap());
    let lower = direct.bearer.replace("Bearer", "bearer");
    for (header, status, message) in [
        (Some(direct.bearer.as_str()), 200, ""),
        (Some(secondary.as_str()), 200, ""),
        (Some(lower.as_str()), 200, ""),
        (None, 401, "key_auth_access_denied"),
        (Some("Bearer wrong"), 401, "key_auth_access_denied"),
        (Some("Basic YTpi"), 401, "key_auth_access_denied"),
        (Some("Bearer two words"), 400, "key_auth_bad_header_forbidden"),
    ] {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(header.map(|h| ("authorization", h)));
        let answer = call(Method::POST, &format!("{}/score", direct.base), &headers, rows()).await;
        assert_eq!(answer.status, status, "IS-18 {header:?}: {}", answer.body);
        if status != 200 {
            assert_eq!(answer.json()["message"], json!(message), "IS-18 {header:?}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "IS-18 {header:?}");
        }
    }
}

/// A request of HTTP/1.0, as `ab` sends it without keeping the connection: the answer's head in lower case, and its body.
pub fn old_request(server: &Server, line: &str, bearer: Option<&str>, body: &str) -> (String, Vec<u8>) {
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let bearer = bearer.map(|b| format!("Authorization: {b}\r\n")).unwrap_or_default();
    let length = body.len();
    let kind = "Content-type: application/json";
    let text = format!("{line} HTTP/1.0\r\nContent-length: {length}\r\n{kind}\r\n{bearer}\r\n{body}");
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let cut = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let body = answer.split_off(cut + 4);
    (String::from_utf8(answer).unwrap().to_lowercase(), body)
}

fn http_1_0(server: &Server, direct: &Direct) {
    let key = Some(direct.bearer.as_str());
    for (line, bearer, sent, status) in [
        ("POST /endpoints/small/score", key, rows().as_str(), 200),
        ("POST /endpoints/small/score", key, "{", 400),
        ("POST /endpoints/small/score", None, &rows(), 401),
        ("GET /endpoints/small/", None, "", 200),
        ("GET /endpoints/small/swagger.json", key, "", 200),
        ("GET /endpoints/small/docs/swagger-ui-bundle.js", None, "", 200),
        ("GET /api/v1/models", None, "", 401),
        ("GET /health", None, "", 200),
    ] {
        let (head, body) = old_request(server, line, bearer, sent);
        let first = head.lines().next().unwrap();
        assert!(
            first.starts_with("http/1.") && first.contains(&format!(" {status}")),
            "IS-21 {line}: {head}"
        );
        let expected = format!("content-length: {}", body.len());
        assert!(head.lines().any(|l| l == expected), "IS-21 {line}: no '{expected}' in {head}");
        assert!(!head.contains("transfer-encoding"), "IS-21 {line}: {head}");
    }
}

#[tokio::test]
async fn cors_is_as_configured() {
    let road = Road::walk();
    let folder = tempfile::tempdir().unwrap();
    let (model, dir) = (folder.path().join("m.onnx"), folder.path().join("data"));
    road.server.cli(&["model", "export", "small:1", "--out", model.to_str().unwrap()]);
    let mut command = binary();
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&dir);
    command.env("PORTCULLIS__ENDPOINT__CORS_ORIGINS", "https://a.example,https://b.example:8443");
    let server = Server::ready(command, &dir);
    server.cli(&["model", "register", "small", model.to_str().unwrap()]);
    server.cli(&["endpoint", "create", "small"]);
    server.cli(&["deployment", "create", "--endpoint", "small", "--model", "small:1"]);
    server.cli(&["api", "publish", "--endpoint", "small", "--path", "front", "--audience", "api://small"]);
    let direct = Direct::of(&server, "small");
    for (origin, allowed) in
        [("https://a.example", true), ("https://b.example:8443", true), ("https://c.example", false)]
    {
        let front = format!("{}/front", server.url);
        for base in [&direct.base, &front] {
            preflights(base, origin, allowed).await;
        }
        calls_from(&direct, &front, origin, allowed.then_some(origin)).await;
    }
}

/// What a browser asks before it sends credentials, which it does not send then.
async fn preflights(base: &str, origin: &str, allowed: bool) {
    let asked = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    for tail in ["score", "predict", "swagger.json", "openapi.json"] {
        let answer = call(Method::OPTIONS, &format!("{base}/{tail}"), &asked, "").await;
        let place = format!("IS-14 preflight of {base}/{tail} from {origin}");
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{place}");
        assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin), "{place}");
        let methods = answer.header("access-control-allow-methods");
        assert_eq!(methods, allowed.then_some("GET, POST"), "{place}");
        let names = answer.header("access-control-allow-headers").unwrap_or_default();
        assert_eq!(names.contains("authorization") && names.contains("content-type"), allowed, "{place}");
    }
}

/// What a browser sends then: refusals too carry the header, else a page could not tell a 401 from no network.
async fn calls_from(direct: &Direct, front: &str, origin: &str, expected: Option<&str>) {
    let at = |tail: &str| format!("{}/{tail}", direct.base);
    let json = ("content-type", "application/json");
    let key = ("authorization", direct.bearer.as_str());
    for (method, url, mut headers, body, status) in [
        (Method::POST, at("score"), vec![json, key], rows(), 200),
        (Method::POST, at("score"), vec![json, key], "{".to_owned(), 400),
        (Method::POST, at("score"), vec![json], rows(), 401),
        (Method::POST, at("predict"), vec![json, key], Road::row().to_string(), 200),
        (Method::GET, at(""), vec![], String::new(), 200),
        (Method::GET, at("swagger.json"), vec![key], String::new(), 200),
        (Method::GET, at("openapi.json"), vec![], String::new(), 401),
        (Method::POST, format!("{front}/score"), vec![json], rows(), 401),
        (Method::DELETE, format!("{front}/score"), vec![json], rows(), 404),
    ] {
        headers.push(("origin", origin));
        let answer = call(method.clone(), &url, &headers, body).await;
        let place = format!("IS-14 {method} {url} {status} from {origin}");
        assert_eq!(answer.status, status, "{place}: {}", answer.body);
        assert_eq!(answer.header("access-control-allow-origin"), expected, "{place}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{place}");
        assert_eq!(answer.header("vary"), Some("origin"), "{place}");
    }
}
