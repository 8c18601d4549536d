//! The control plane's door.

use super::support::{AUDIENCE, Server, name};
use axum::Json;
use axum::routing::{get, post};
use domain::{Actor, Role};
use serde_json::{Value, json};
use web::{JsonBody, Owner, Problem, Reader};

async fn who(reader: Reader) -> Json<Value> {
    Json(json!({ "actor": reader.actor() }))
}

async fn own(_: Owner, JsonBody(body): JsonBody<Value>) -> Result<Json<Value>, Problem> {
    Ok(Json(body))
}

pub(super) fn router() -> axum::Router {
    axum::Router::new().route("/api/v1/who", get(who)).route("/api/v1/own", post(own))
}

#[tokio::test]
async fn the_admin_token_opens_it_and_nothing_else_does() {
    let server = Server::start().await;
    let ok = server.admin("GET", "/api/v1/who", "").await;
    assert_eq!((ok.status, &ok.json()["actor"]), (200, &json!("admin")));
    assert_eq!(server.admin("POST", "/api/v1/own", "{\"a\":1}").await.json(), json!({"a": 1}));
    for path in
        ["/api/v1/who", "/api/v1/nothing", "/metrics", "/v2", "//health", "/health/", "/api/v1/../../health"]
    {
        let answer = server.call("GET", path, &[], "").await;
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"portcullis\""));
        assert_eq!(
            server.call("GET", path, &[("Authorization", "Bearer x")], "").await.status,
            401,
            "{path}"
        );
    }
    let key = server.keys().await.primary;
    assert_eq!(
        server.call("GET", "/api/v1/who", &[("Authorization", &format!("Bearer {key}"))], "").await.status,
        401
    );
    let missing = server.admin("GET", "/api/v1/nothing", "").await;
    assert_eq!((missing.status, missing.header("content-type")), (404, Some("application/problem+json")));
    assert!(missing.json()["request_id"].is_string());
    assert_eq!(server.admin("DELETE", "/api/v1/who", "").await.status, 405);
}

#[tokio::test]
async fn the_root_is_a_page_without_data() {
    let server = Server::start().await;
    for (accept, kind) in
        [("text/html,*/*", "text/html; charset=utf-8"), ("*/*", "text/plain; charset=utf-8")]
    {
        let page = server.call("GET", "/", &[("Accept", accept)], "").await;
        assert_eq!((page.status, page.header("content-type")), (200, Some(kind)));
        assert!(page.header("content-security-policy").is_some_and(|policy| policy.contains("'none'")));
    }
    for method in ["POST", "DELETE"] {
        assert_eq!(server.call(method, "/", &[], "").await.status, 401, "{method}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_admin_token_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start().await;
    let file = server.store.dir().join(crate::ADMIN_TOKEN_FILE);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&file).unwrap().len(), 43);
}

#[tokio::test]
async fn tokens_carry_the_role_their_principal_has() {
    let server = Server::start().await;
    for (role, read, write) in [(Role::Reader, 200, 403), (Role::Owner, 200, 200), (Role::Scorer, 403, 403)] {
        let client = server.principal(role.as_str(), role, None).await;
        let bearer = format!("Bearer {}", server.token(&client).await);
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let answer = server.call("GET", "/api/v1/who", &headers, "").await;
        assert_eq!(answer.status, read, "{role:?}");
        if read == 200 {
            assert_eq!(answer.json()["actor"], role.as_str());
        }
        assert_eq!(server.call("POST", "/api/v1/own", &headers, "{}").await.status, write, "{role:?}");
        server.gateway.revoke_principal(&name(role.as_str()), &Actor::admin()).await.unwrap();
        assert_eq!(server.call("GET", "/api/v1/who", &headers, "").await.status, 401);
    }
    let scoring = server.principal("s", Role::Owner, Some(AUDIENCE)).await;
    let bearer = format!("Bearer {}", server.token(&scoring).await);
    assert_eq!(server.call("GET", "/api/v1/who", &[("Authorization", &bearer)], "").await.status, 401);
}

#[tokio::test]
async fn other_hosts_and_origins_are_refused_before_credentials() {
    let server = Server::start().await;
    let rebound =
        server.raw("GET /api/v1/who HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await;
    assert_eq!(rebound.status, 421);
    let page = server.call("GET", "/api/v1/who", &[("Origin", "https://evil.example")], "").await;
    assert_eq!(page.status, 403);
}
