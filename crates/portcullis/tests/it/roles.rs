//! Who may do what: every route against every role, and what roles on single things mean.

use crate::support::{Road, Server};
use http::Method;
use serde_json::{Value, json};

/// Every route with the roles it takes: `ROLE on KIND`, where `anything` shows each caller its own part, and `scope` is what the path
/// names. One table: the description of the control plane must say the same, and the server do it.
pub const NEEDS: &[(&str, &str, &str)] = &[
    ("GET", "/api/v1/server", "reader on anything"),
    ("GET", "/metrics", "reader on workspace"),
    ("GET", "/api/v1/data", "reader on workspace"),
    ("GET", "/api/v1/data/{name}/versions", "reader on workspace"),
    ("POST", "/api/v1/data/{name}/versions", "contributor on workspace"),
    ("GET", "/api/v1/data/{name}/versions/{version}", "reader on workspace"),
    ("GET", "/api/v1/data/{name}/versions/{version}/preview", "reader on workspace"),
    ("POST", "/api/v1/trees", "contributor on workspace"),
    ("GET", "/api/v1/environments", "reader on workspace"),
    ("GET", "/api/v1/environments/{name}/versions", "reader on workspace"),
    ("POST", "/api/v1/environments/{name}/versions", "contributor on workspace"),
    ("GET", "/api/v1/environments/{name}/versions/{version}", "reader on workspace"),
    ("POST", "/api/v1/environments/{name}/versions/{version}/prepare", "contributor on workspace"),
    ("GET", "/api/v1/jobs", "reader on workspace"),
    ("POST", "/api/v1/jobs", "contributor on workspace"),
    ("GET", "/api/v1/jobs/{id}", "reader on workspace"),
    ("POST", "/api/v1/jobs/command", "contributor on workspace"),
    ("POST", "/api/v1/jobs/sweep", "contributor on workspace"),
    ("GET", "/api/v1/jobs/{id}/sweep", "reader on workspace"),
    ("GET", "/api/v1/jobs/{id}/log", "reader on workspace"),
    ("GET", "/api/v1/jobs/{id}/outputs", "reader on workspace"),
    ("GET", "/api/v1/jobs/{id}/outputs/{path}", "reader on workspace"),
    ("GET", "/api/v1/jobs/{id}/trials", "reader on workspace"),
    ("GET", "/api/v1/jobs/{id}/events", "reader on workspace"),
    ("POST", "/api/v1/jobs/{id}/cancel", "contributor on workspace"),
    ("GET", "/api/v1/jobs/{id}/files/{file}", "reader on workspace"),
    ("GET", "/api/v1/models", "reader on anything"),
    ("GET", "/api/v1/models/{name}/versions", "reader on model"),
    ("POST", "/api/v1/models/{name}/versions", "contributor on model"),
    ("GET", "/api/v1/models/{name}/versions/{version}", "reader on model"),
    ("GET", "/api/v1/models/{name}/versions/{version}/lineage", "reader on model"),
    ("GET", "/api/v1/models/{name}/versions/{version}/file", "reader on model"),
    ("PUT", "/api/v1/models/{name}/aliases/{alias}", "contributor on model"),
    ("POST", "/api/v1/models/{name}/folders", "contributor on model, reader on workspace"),
    ("DELETE", "/api/v1/models/{name}", "contributor on model"),
    ("DELETE", "/api/v1/models/{name}/versions/{version}", "contributor on model"),
    ("GET", "/api/v1/models/{name}/versions/{version}/files", "reader on model"),
    ("GET", "/api/v1/models/{name}/versions/{version}/files/{*path}", "reader on model"),
    ("GET", "/api/v1/endpoints", "reader on anything"),
    ("POST", "/api/v1/endpoints", "contributor on workspace"),
    ("GET", "/api/v1/endpoints/{name}", "reader on endpoint"),
    ("DELETE", "/api/v1/endpoints/{name}", "contributor on endpoint"),
    ("GET", "/api/v1/endpoints/{name}/keys", "owner on endpoint"),
    ("POST", "/api/v1/endpoints/{name}/keys/{slot}/regenerate", "owner on endpoint"),
    ("PUT", "/api/v1/endpoints/{name}/traffic", "contributor on endpoint"),
    ("GET", "/api/v1/endpoints/{name}/mirror", "contributor on endpoint"),
    ("GET", "/api/v1/endpoints/{name}/deployments", "reader on endpoint"),
    ("POST", "/api/v1/endpoints/{name}/deployments", "contributor on endpoint, reader on model"),
    ("PATCH", "/api/v1/endpoints/{name}/deployments/{deployment}", "contributor on endpoint"),
    ("GET", "/api/v1/endpoints/{name}/deployments/{deployment}/logs", "reader on endpoint"),
    ("DELETE", "/api/v1/endpoints/{name}/deployments/{deployment}", "contributor on endpoint"),
    ("GET", "/api/v1/endpoints/{name}/access", "reader on endpoint"),
    ("GET", "/api/v1/apis", "reader on anything"),
    ("PUT", "/api/v1/apis", "contributor on endpoint"),
    ("DELETE", "/api/v1/apis/{*path}", "contributor on endpoint"),
    ("GET", "/api/v1/principals", "reader on workspace"),
    ("POST", "/api/v1/principals", "owner on workspace"),
    ("POST", "/api/v1/principals/{name}/revoke", "owner on workspace"),
    ("GET", "/api/v1/roles", "reader on anything"),
    ("PUT", "/api/v1/roles/{principal}/{scope}", "owner on scope"),
    ("DELETE", "/api/v1/roles/{principal}/{scope}", "owner on scope"),
    ("GET", "/api/v1/logs", "reader on anything"),
    ("POST", "/api/v1/logs/query", "reader on workspace"),
    ("GET", "/api/v1/ledger", "reader on workspace"),
    ("GET", "/api/v1/ledger/verify", "reader on workspace"),
    ("GET", "/api/v1/ledger/head", "reader on workspace"),
    ("POST", "/api/v1/backup", "owner on workspace"),
    ("PATCH", "/api/v1/endpoints/{name}", "contributor on endpoint"),
    ("GET", "/api/v1/secrets", "reader on workspace"),
    ("GET", "/api/v1/secrets/{name}", "reader on workspace"),
    ("PUT", "/api/v1/secrets/{name}", "owner on workspace"),
    ("DELETE", "/api/v1/secrets/{name}", "owner on workspace"),
    ("GET", "/api/v1/issuers", "reader on workspace"),
    ("PUT", "/api/v1/issuers", "owner on workspace"),
    ("GET", "/api/v1/issuers/{issuer}", "reader on workspace"),
    ("DELETE", "/api/v1/issuers/{issuer}", "owner on workspace"),
    ("POST", "/api/v1/issuers/{issuer}/refresh", "owner on workspace"),
    ("GET", "/api/v1/subscriptions", "reader on workspace"),
    ("POST", "/api/v1/subscriptions", "owner on workspace"),
    ("GET", "/api/v1/subscriptions/{name}/keys", "owner on workspace"),
    ("POST", "/api/v1/subscriptions/{name}/keys/{slot}/regenerate", "owner on workspace"),
    ("POST", "/api/v1/subscriptions/{name}/revoke", "owner on workspace"),
    ("GET", "/api/v1/principals/{name}", "reader on workspace"),
    ("POST", "/api/v1/principals/{name}/rotate-secret", "owner on workspace"),
    ("POST", "/api/v1/principals/{name}/revoke-former-secret", "owner on workspace"),
    ("POST", "/api/v1/principals/{name}/reset-password", "owner on workspace"),
    ("GET", "/api/v1/principals/{name}/sessions", "owner on workspace"),
    ("DELETE", "/api/v1/principals/{name}/sessions", "owner on workspace"),
    ("GET", "/api/v1/signing-keys", "reader on workspace"),
    ("POST", "/api/v1/signing-keys/rotate", "owner on workspace"),
    // A session is its person's own; three of these bring credentials instead of having them.
    ("GET", "/api/v1/sessions", ""),
    ("POST", "/api/v1/sessions", ""),
    ("GET", "/api/v1/sessions/current", ""),
    ("DELETE", "/api/v1/sessions/current", ""),
    ("DELETE", "/api/v1/sessions/{id}", ""),
    ("POST", "/api/v1/sessions/current/password", ""),
    ("GET", "/api/v1/sessions/oidc", ""),
    ("GET", "/api/v1/sessions/oidc/callback", ""),
];

/// The callers: a role on something, or none at all.
pub const CALLERS: &[(&str, &str)] = &[
    ("none", "workspace"),
    ("scorer", "workspace"),
    ("reader", "workspace"),
    ("contributor", "workspace"),
    ("owner", "workspace"),
    ("scorer", "endpoint:small"),
    ("reader", "endpoint:small"),
    ("contributor", "endpoint:small"),
    ("owner", "endpoint:small"),
    ("owner", "endpoint:other"),
    ("reader", "model:small"),
    ("contributor", "model:small"),
    ("owner", "model:small"),
];

fn rank(role: &str) -> usize {
    ["none", "scorer", "reader", "contributor", "owner"].iter().position(|r| *r == role).unwrap()
}

/// Whether a caller has all that a route needs when it is about the endpoint `small` and the model `small`.
pub fn may(caller: (&str, &str), needs: &str) -> bool {
    let (held, on) = caller;
    needs.split(", ").filter(|need| !need.is_empty()).all(|need| {
        let (role, kind) = need.split_once(" on ").unwrap();
        let place = match kind {
            "endpoint" | "scope" => on == "workspace" || on == "endpoint:small",
            "model" => on == "workspace" || on == "model:small",
            "anything" => true,
            _ => on == "workspace",
        };
        place && rank(held) >= rank(role)
    })
}

/// The routes of the checked description: method, path, what it says of needs.
fn described() -> Vec<(String, String, String)> {
    let document: Value = serde_json::to_value(api::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let needs = operation["x-portcullis-needs"].as_array();
            let needs = needs.unwrap_or_else(|| panic!("{method} {path} says nothing of its needs"));
            let needs: Vec<String> = needs
                .iter()
                .map(|n| format!("{} on {}", n["role"].as_str().unwrap(), n["on"].as_str().unwrap()))
                .collect();
            found.push((method.to_uppercase(), path.clone(), needs.join(", ")));
        }
    }
    found
}

#[test]
fn every_route_stands_in_the_table_with_what_its_handler_asks_for() {
    let mut told = described();
    let mut table: Vec<(String, String, String)> =
        NEEDS.iter().map(|(m, p, n)| ((*m).to_owned(), (*p).to_owned(), (*n).to_owned())).collect();
    told.sort();
    table.sort();
    for route in &told {
        assert!(table.contains(route), "{route:?} is not in the table of needs");
    }
    assert_eq!(told.len(), table.len(), "the table names routes that are not there");
}

/// A request that a permitted caller gets an answer to which changes nothing that later requests need.
fn harmless(method: &str, path: &str, job: &str) -> (String, Option<Value>) {
    let body = match (method, path) {
        ("PUT", "/api/v1/endpoints/{name}/traffic") => Some(json!({ "absent": 100 })),
        ("POST", "/api/v1/endpoints/{name}/deployments") => Some(json!({ "name": "x", "model": "small:99" })),
        ("PUT", "/api/v1/models/{name}/aliases/{alias}") => Some(json!({ "version": 99 })),
        ("PUT", "/api/v1/apis") => Some(
            json!({ "path": "api", "endpoint": "small", "policy": { "audiences": ["a"], "issuers": ["built_in"] } }),
        ),
        ("POST", "/api/v1/logs/query") => Some(json!({ "sql": "SELECT COUNT(*) FROM requests" })),
        ("POST", "/api/v1/signing-keys/rotate") => Some(json!({ "lead": "no span" })),
        ("PUT" | "POST" | "PATCH", _) => Some(json!({})),
        _ => None,
    };
    let path = match path {
        "/api/v1/principals/{name}/revoke" => "/api/v1/principals/absent/revoke".to_owned(),
        path if path.starts_with("/api/v1/principals/{name}/")
            || path.starts_with("/api/v1/subscriptions/{name}/")
            || path.starts_with("/api/v1/secrets/") =>
        {
            path.replace("{name}", "absent")
        }
        "/api/v1/data/{name}/versions" if method == "POST" => {
            "/api/v1/data/small/versions?options=x".to_owned()
        }
        "/api/v1/models/{name}/versions/{version}/files/{*path}" => path.replace("{*path}", "MLmodel"),
        path => path.to_owned(),
    };
    let path = path.replace("{name}", "small").replace("{*path}", "team/small").replace("{id}", job);
    let path = path
        .replace("{scope}", "endpoint:small")
        .replace("{principal}", "absent")
        .replace("{version}", "1")
        .replace("{alias}", "champion")
        .replace("{slot}", "secondary")
        .replace("{deployment}", "absent")
        .replace("{issuer}", "https:%2F%2Fabsent.example")
        .replace("{file}", "leaderboard.json");
    (path, body)
}

pub async fn call(
    server: &Server,
    token: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> (u16, String) {
    let method: Method = method.parse().unwrap();
    let mut request = server.http().request(method, format!("{}{path}", server.url)).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap_or_default())
}

fn publish(server: &Server) {
    server.cli(&[
        "api",
        "publish",
        "--endpoint",
        "small",
        "--path",
        "team/small",
        "--audience",
        "api://small",
    ]);
}

/// A principal with a role on something, and its token for the control plane.
pub async fn holder(server: &Server, name: &str, role: &str, on: &str) -> String {
    let made = server.cli(&["principal", "create", name, "--role", role, "--on", on]);
    server.token_for(&made).await
}

#[tokio::test]
async fn every_route_against_every_role() {
    let road = Road::walk();
    let server = &road.server;
    server.cli(&["endpoint", "create", "other"]);
    let job = server.cli(&["job", "list"])[0]["id"].as_str().unwrap().to_owned();
    let mut asked = 0;
    for (number, caller) in CALLERS.iter().enumerate() {
        let token = holder(server, &format!("caller{number}"), caller.0, caller.1).await;
        for (method, route, needs) in NEEDS {
            let (path, body) = harmless(method, route, &job);
            let (status, answer) = call(server, &token, method, &path, body.as_ref()).await;
            let told = format!("{} on {}: {method} {path}: {status} {answer}", caller.0, caller.1);
            if may(*caller, needs) {
                assert!(status != 401 && status != 403 && status < 500, "{told}");
            } else {
                assert_eq!(status, 403, "{told}");
            }
            if (*method, *route) == ("DELETE", "/api/v1/apis/{*path}") && status == 204 {
                publish(server);
            }
            asked += 1;
        }
    }
    assert_eq!(asked, NEEDS.len() * CALLERS.len());
    assert_eq!(server.cli(&["ledger", "verify"])["wrong"], Value::Null);
}

#[tokio::test]
async fn a_role_on_one_endpoint_shows_that_endpoint_and_nothing_else() {
    let road = Road::walk();
    let server = &road.server;
    server.cli(&["endpoint", "create", "other"]);
    server.cli(&["deployment", "create", "--endpoint", "other", "--model", "small:1"]);
    server.cli(&[
        "api",
        "publish",
        "--endpoint",
        "other",
        "--path",
        "team/other",
        "--audience",
        "api://other",
    ]);
    let body = json!({ "data": [Road::row()] });
    let keys = server.cli(&["endpoint", "keys", "other"]);
    server.post("/endpoints/other/score", keys["primaryKey"].as_str(), &body).await;
    server.post("/endpoints/small/score", Some(road.key()), &body).await;
    let token = holder(server, "watcher", "reader", "endpoint:small").await;
    let get = async |path: &str| {
        let (status, text) = call(server, &token, "GET", path, None).await;
        (status, serde_json::from_str::<Value>(&text).unwrap_or_default())
    };
    let names = |list: &Value, member: &str| -> Vec<String> {
        list.as_array().unwrap().iter().map(|x| x[member].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&get("/api/v1/endpoints").await.1, "name"), ["small"]);
    assert_eq!(names(&get("/api/v1/apis").await.1, "path"), ["team/small"]);
    assert_eq!(get("/api/v1/models").await, (200, json!([])));
    let rows = get("/api/v1/logs").await.1;
    assert_eq!(names(&rows, "EndpointName"), ["small"]);
    assert_eq!(get("/api/v1/logs?endpoint=other").await.0, 403);
    assert_eq!(get("/api/v1/endpoints/other").await.0, 403);
    assert_eq!(
        get("/api/v1/endpoints/absent").await.0,
        403,
        "what is not there looks like what is not shown"
    );
    let roles = get("/api/v1/roles").await.1;
    assert_eq!(names(&roles, "principal"), ["watcher"], "its own, and those on what it reads");
}

#[tokio::test]
async fn an_owner_shares_what_it_owns_and_no_more() {
    let road = Road::walk();
    let server = &road.server;
    server.cli(&["endpoint", "create", "other"]);
    let token = holder(server, "keeper", "owner", "endpoint:small").await;
    server.cli(&["principal", "create", "friend", "--role", "none"]);
    let put = async |path: &str, role: &str| {
        call(server, &token, "PUT", path, Some(&json!({ "role": role }))).await.0
    };
    assert_eq!(put("/api/v1/roles/friend/endpoint:small", "contributor").await, 200);
    for place in ["endpoint:other", "workspace", "model:small"] {
        assert_eq!(put(&format!("/api/v1/roles/friend/{place}"), "reader").await, 403, "{place}");
    }
    assert_eq!(put("/api/v1/roles/keeper/workspace", "owner").await, 403);
    let policy = json!({ "audiences": ["a"], "issuers": ["built_in"] });
    let over = json!({ "path": "team/other", "endpoint": "other", "policy": policy });
    assert_eq!(call(server, &token, "PUT", "/api/v1/apis", Some(&over)).await.0, 403);
    server.cli(&[
        "api",
        "publish",
        "--endpoint",
        "other",
        "--path",
        "team/other",
        "--audience",
        "api://other",
    ]);
    let taken = json!({ "path": "team/other", "endpoint": "small", "policy": policy });
    assert_eq!(
        call(server, &token, "PUT", "/api/v1/apis", Some(&taken)).await.0,
        403,
        "another's path stays"
    );
    assert_eq!(call(server, &token, "DELETE", "/api/v1/apis/team/other", None).await.0, 403);
    assert_eq!(call(server, &token, "DELETE", "/api/v1/roles/friend/endpoint:small", None).await.0, 204);
    assert_eq!(server.cli(&["role", "list", "--principal", "friend"]), json!([]));
}

#[tokio::test]
async fn roles_count_at_once_for_tokens_that_exist() {
    let road = Road::walk();
    let server = &road.server;
    let token = holder(server, "colleague", "none", "workspace").await;
    let backup = async || call(server, &token, "POST", "/api/v1/backup", None).await.0;
    assert_eq!(backup().await, 403);
    // Sharing the workspace as owner is one command.
    let made = server.cli(&["role", "assign", "colleague", "owner"]);
    assert_eq!((&made["role"], &made["scope"]), (&json!("owner"), &json!("workspace")));
    assert_eq!(backup().await, 200);
    server.cli(&["role", "assign", "colleague", "reader"]);
    assert_eq!(backup().await, 403);
    server.cli(&["role", "remove", "colleague"]);
    assert_eq!(call(server, &token, "GET", "/api/v1/server", None).await.0, 403);
    let absent = server.try_cli(&["role", "assign", "colleague", "owner", "--on", "endpoint:absent"]);
    assert!(String::from_utf8_lossy(&absent.stderr).contains("no endpoint named 'absent'"));
    let nonsense = server.try_cli(&["role", "assign", "colleague", "scorer", "--on", "model:small"]);
    assert!(String::from_utf8_lossy(&nonsense.stderr).contains("through an endpoint"));
    for name in ["admin", "system"] {
        let taken = server.try_cli(&["principal", "create", name]);
        assert!(String::from_utf8_lossy(&taken.stderr).contains("name of the ledger"));
    }
}

#[tokio::test]
async fn only_owners_let_a_script_out() {
    let road = Road::walk();
    let server = &road.server;
    let token = holder(server, "maker", "contributor", "workspace").await;
    let route = "/api/v1/endpoints/small/deployments";
    let ask = json!({ "name": "out", "model": "small:99", "spec": { "network": true } });
    let (status, answer) = call(server, &token, "POST", route, Some(&ask)).await;
    assert_eq!(status, 403, "{answer}");
    assert!(answer.contains("workers.network_by_owners"), "{answer}");
    server.cli(&["role", "assign", "maker", "owner"]);
    assert_eq!(call(server, &token, "POST", route, Some(&ask)).await.0, 404);
}

#[tokio::test]
async fn scoring_takes_a_role_that_scores_on_the_endpoint() {
    let road = Road::walk();
    let server = &road.server;
    let body = json!({ "data": [Road::row()] });
    for (number, (role, on, status)) in [
        ("scorer", "endpoint:small", 200),
        ("contributor", "endpoint:small", 200),
        ("owner", "workspace", 200),
        ("reader", "workspace", 403),
        ("reader", "endpoint:small", 403),
        ("owner", "model:small", 403),
        ("none", "workspace", 403),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("scoring{number}");
        let made = server.cli(&[
            "principal",
            "create",
            &name,
            "--role",
            role,
            "--on",
            on,
            "--audience",
            "api://small",
        ]);
        let token = server.token_for(&made).await;
        let (seen, answer) = server.post("/team/small/score", Some(&token), &body).await;
        assert_eq!(seen, status, "{role} on {on}: {answer}");
        if number == 0 {
            server.cli(&["role", "remove", &name, "--on", "endpoint:small"]);
            assert_eq!(server.post("/team/small/score", Some(&token), &body).await.0, 403);
        }
    }
}

#[tokio::test]
async fn refusals_stand_in_the_ledger_once() {
    let road = Road::walk();
    let server = &road.server;
    let token = holder(server, "curious", "reader", "endpoint:small").await;
    for _ in 0..50 {
        let answer = call(server, &token, "GET", "/api/v1/endpoints/small/keys", None).await;
        assert_eq!(answer.0, 403);
        assert!(answer.1.contains("role assign curious owner --on endpoint:small"), "{}", answer.1);
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let lines = loop {
        let ledger = server.cli(&["ledger", "show"]);
        let refused = |e: &&Value| e["action"] == "refuse request";
        let lines: Vec<Value> = ledger.as_array().unwrap().iter().filter(refused).cloned().collect();
        if !lines.is_empty() || std::time::Instant::now() > deadline {
            break lines;
        }
    };
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["actor"], &lines[0]["subject"]), (&json!("curious"), &json!("endpoint:small")));
    let detail = json!({"needed": "owner", "request": "GET /api/v1/endpoints/{name}/keys", "times": 1});
    assert_eq!(lines[0]["detail"], detail);
}

#[tokio::test]
async fn two_publishers_of_one_path_do_not_take_each_others_endpoint() {
    let road = Road::walk();
    let server = &road.server;
    server.cli(&["endpoint", "create", "other"]);
    let first = holder(server, "first", "contributor", "endpoint:small").await;
    let second = holder(server, "second", "contributor", "endpoint:other").await;
    let ask = |endpoint: &str| json!({"path": "team/x", "endpoint": endpoint, "policy": {"audiences": ["api://x"]}});
    let (small, other) = (ask("small"), ask("other"));
    for round in 0..20 {
        let (a, b) = tokio::join!(
            call(server, &first, "PUT", "/api/v1/apis", Some(&small)),
            call(server, &second, "PUT", "/api/v1/apis", Some(&other)),
        );
        let (won, lost, endpoint) = if a.0 == 200 { (a, b, "small") } else { (b, a, "other") };
        assert_eq!(won.0, 200, "{round}: {won:?} {lost:?}");
        // Whoever came later has no rights on what stands there: told so, or told that it changed under the hand.
        assert!(matches!(lost.0, 403 | 409), "{round}: {lost:?}");
        let listed = server.cli(&["api", "list"]);
        let there = listed.as_array().unwrap().iter().find(|api| api["path"] == "team/x").unwrap();
        assert_eq!(there["endpoint"], endpoint, "{round}");
        server.cli(&["api", "unpublish", "team/x"]);
    }
}
