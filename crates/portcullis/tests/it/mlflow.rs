//! The MLflow protocol from outside: who gets in, how refusals look, and that every route asks for a role.

use crate::roles::{CALLERS, call, holder, may};
use crate::support::Server;
use serde_json::{Value, json};

/// A running server in a temporary folder.
fn start() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    (folder, server)
}

/// Reads that are sent as POST, since their parameters are long.
const READS_BY_POST: [&str; 5] =
    ["/search", "/search-datasets", "/get-latest-versions", "/get-history-bulk", "/server-info"];

#[test]
fn every_route_asks_for_what_its_method_suggests() {
    for route in api::mlflow::routes().list() {
        let reads = route.method == "GET" || READS_BY_POST.iter().any(|end| route.path.ends_with(end));
        let role = route.needs.first().map(|need| need.role.as_str());
        let expected = if reads { "reader" } else { "contributor" };
        assert_eq!(role, Some(expected), "{} {}", route.method, route.path);
    }
}

/// A path with something in place of its parameters that is not there.
fn filled(path: &str) -> String {
    let mut out = String::new();
    for segment in path.split_inclusive('/') {
        let (name, slash) = segment.strip_suffix('/').map_or((segment, ""), |name| (name, "/"));
        out.push_str(if name.starts_with('{') { "absent" } else { name });
        out.push_str(slash);
    }
    out
}

#[tokio::test]
async fn every_route_against_every_role() {
    let (_folder, server) = start();
    for (number, caller) in CALLERS.iter().enumerate().filter(|(_, caller)| caller.1 == "workspace") {
        let token = holder(&server, &format!("caller{number}"), caller.0, caller.1).await;
        for route in api::mlflow::routes().list() {
            let needs: Vec<String> =
                route.needs.iter().map(|n| format!("{} on {}", n.role.as_str(), n.on)).collect();
            let body = (route.method != "GET").then(|| json!({}));
            let path = filled(&route.path);
            let (status, answer) = call(&server, &token, route.method, &path, body.as_ref()).await;
            let told = format!("{}: {} {path}: {status} {answer}", caller.0, route.method);
            if may(*caller, &needs.join(", ")) {
                assert!(status != 401 && status != 403 && status < 500, "{told}");
            } else {
                let error: Value = serde_json::from_str(&answer).unwrap();
                assert_eq!((status, &error["error_code"]), (403, &json!("PERMISSION_DENIED")), "{told}");
            }
        }
    }
}

/// A call with a header of credentials; status, challenge and body.
async fn with(server: &Server, credentials: Option<&str>, path: &str) -> (u16, Option<String>, Value) {
    let mut request = server.http().get(format!("{}{path}", server.url));
    if let Some(value) = credentials {
        request = request.header("authorization", value);
    }
    let answer = request.send().await.unwrap();
    let challenge = answer.headers().get("www-authenticate").map(|v| v.to_str().unwrap().to_owned());
    (answer.status().as_u16(), challenge, answer.json().await.unwrap_or_default())
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {pair}")
}

const INFO: &str = "/api/3.0/mlflow/server-info";

#[tokio::test]
async fn refusals_are_in_the_form_of_the_protocol() {
    let (_folder, server) = start();
    let (status, challenge, body) = with(&server, None, INFO).await;
    assert_eq!((status, &body["error_code"]), (401, &json!("UNAUTHENTICATED")));
    assert_eq!(challenge.as_deref(), Some("Bearer realm=\"portcullis\""));
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    let (status, challenge, _) = with(&server, Some("Bearer nonsense"), INFO).await;
    assert!(status == 401 && challenge.unwrap().contains("invalid_token"));
    let admin = format!("Bearer {}", server.token);
    let (status, _, body) = with(&server, Some(&admin), "/api/2.0/mlflow/no-such-path").await;
    assert_eq!((status, &body["error_code"]), (404, &json!("ENDPOINT_NOT_FOUND")));
    let (status, _, body) = with(&server, Some(&admin), INFO).await;
    assert_eq!((status, &body["workspaces_enabled"]), (200, &json!(false)));
    let health = server.http().get(format!("{}/health", server.url)).send().await.unwrap();
    assert_eq!(health.text().await.unwrap(), "OK");
}

#[tokio::test]
async fn clients_come_in_by_basic_until_their_secret_ends() {
    let (_folder, server) = start();
    let made = server.cli(&["principal", "create", "tracker", "--role", "contributor"]);
    let text = |value: &Value, member: &str| value[member].as_str().unwrap().to_owned();
    let (id, first) = (text(&made, "client_id"), text(&made, "client_secret"));
    let ask = async |secret: &str| with(&server, Some(&basic(&id, secret)), INFO).await.0;
    for _ in 0..3 {
        assert_eq!(ask(&first).await, 200);
    }
    assert_eq!(ask("wrong").await, 401);
    assert_eq!(with(&server, Some(&basic("nobody", "wrong")), INFO).await.0, 401);
    // Only here: the control plane of our own takes tokens.
    assert_eq!(with(&server, Some(&basic(&id, &first)), "/api/v1/server").await.0, 401);
    // The secret before the newest lives on until it is ended.
    let second = text(&server.cli(&["principal", "rotate-secret", "tracker"]), "client_secret");
    assert_eq!((ask(&first).await, ask(&second).await), (200, 200));
    assert!(server.try_cli(&["principal", "revoke-secret", "tracker", "--former"]).status.success());
    until(async || ask(&first).await == 401).await;
    assert_eq!(ask(&second).await, 200);
    server.cli(&["principal", "revoke", "tracker"]);
    assert_eq!(ask(&second).await, 401);
}

/// Waits until something holds, for a while.
async fn until(holds: impl AsyncFn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !holds().await {
        assert!(std::time::Instant::now() < deadline, "it never came true");
    }
}

#[tokio::test]
async fn guessing_a_secret_is_slowed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(&folder.path().join("data"), &[("LIMITS__LOGIN_FAILURES", "3")]);
    let made = server.cli(&["principal", "create", "tracker", "--role", "reader"]);
    let (id, secret) = (made["client_id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
    let mut seen = Vec::new();
    for number in 0..4 {
        let (status, _, body) = with(&server, Some(&basic(id, &number.to_string())), INFO).await;
        seen.push((status, body["error_code"].clone()));
    }
    assert_eq!(seen[2], (401, json!("UNAUTHENTICATED")));
    assert_eq!(seen[3], (429, json!("REQUEST_LIMIT_EXCEEDED")));
    // Also with the right one, at this address.
    assert_eq!(with(&server, Some(&basic(id, secret)), INFO).await.0, 429);
}
