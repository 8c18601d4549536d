//! Policies of published APIs, subscriptions and endpoints behind the gateway, as their users meet them.

use crate::support::{Road, Server};
use serde_json::{Value, json};

const FRONT: &str = "/team/small/score";
const DIRECT: &str = "/endpoints/small/score";

async fn publish(server: &Server, mut policy: Value) {
    policy["audiences"] = json!(["api://small"]);
    let body = json!({ "path": "team/small", "endpoint": "small", "policy": policy });
    let (status, answer) = server.api(http::Method::PUT, "/api/v1/apis", Some(body)).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn a_policy_is_published_whole_and_kept_at_every_call() {
    let road = Road::walk();
    let server = &road.server;
    let body = json!({ "data": [Road::row()] });
    let token = server.token_for(&road.principal).await;
    publish(
        server,
        json!({
            "rate_limits": [{ "calls": 2, "per": "60s", "by": "caller" }],
            "cors": { "origins": ["https://page.example"] },
            "response_headers": [{ "name": "x-served-by", "action": "override", "values": ["gate"] }],
        }),
    )
    .await;
    let mut last = None;
    for status in [200, 200, 429] {
        let call = server.http().post(format!("{}{FRONT}", server.url)).bearer_auth(&token).json(&body);
        let answer = call.header("origin", "https://page.example").send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://page.example");
        assert_eq!(answer.headers()["ratelimit-policy"], "\"caller\";q=2;w=60");
        assert_eq!(answer.headers().contains_key("x-served-by"), status == 200);
        last = Some(answer);
    }
    assert!(last.unwrap().headers().contains_key("retry-after"));
    let metrics = server.http().get(format!("{}/metrics", server.url)).bearer_auth(&server.token);
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("rate_limited"), "{metrics}");
    for (policy, part) in [
        (json!({ "quotas": [{ "calls": 1, "per": "1s", "by": "api" }] }), "300s"),
        (json!({ "addresses": { "forbid": ["everywhere"] } }), "everywhere"),
        (json!({ "response_headers": [{ "name": "connection", "action": "delete" }] }), "connection"),
    ] {
        let mut whole = policy;
        whole["audiences"] = json!(["api://small"]);
        let ask = json!({ "path": "team/small", "endpoint": "small", "policy": whole });
        let (status, answer) = server.api(http::Method::PUT, "/api/v1/apis", Some(ask)).await;
        assert!(status == 400 && answer["detail"].as_str().unwrap().contains(part), "{answer}");
    }
    publish(server, json!({ "addresses": { "forbid": ["127.0.0.1"] } })).await;
    assert_eq!(server.post(FRONT, Some(&token), &body).await.0, 403);
}

#[tokio::test]
async fn subscriptions_are_made_rotated_and_revoked_by_commands() {
    let road = Road::walk();
    let server = &road.server;
    let body = json!({ "data": [Road::row()] });
    let token = server.token_for(&road.principal).await;
    publish(server, json!({ "subscription_required": true })).await;
    let made = server.cli(&["subscription", "create", "partner", "--api", "/team/small"]);
    assert_eq!(server.cli(&["subscription", "keys", "partner"]), made);
    let key = |shown: &Value, member: &str| shown[member].as_str().unwrap().to_owned();
    let (primary, secondary) = (key(&made, "primaryKey"), key(&made, "secondaryKey"));
    let call = async |key: Option<&str>| {
        let mut call = server.http().post(format!("{}{FRONT}", server.url)).bearer_auth(&token).json(&body);
        if let Some(key) = key {
            call = call.header("Ocp-Apim-Subscription-Key", key);
        }
        call.send().await.unwrap().status().as_u16()
    };
    assert_eq!((call(None).await, call(Some(&primary)).await), (401, 200));
    let new = server.cli(&["subscription", "regenerate-key", "partner", "--key", "primary"]);
    assert_eq!((call(Some(&primary)).await, call(Some(&secondary)).await), (401, 200));
    assert_eq!(call(Some(&key(&new, "primaryKey"))).await, 200);
    server.cli(&["subscription", "revoke", "partner"]);
    assert_eq!(call(Some(&secondary)).await, 401);
    let listed = server.cli(&["subscription", "list"]);
    assert!(listed[0]["revoked"].is_string() && !listed.to_string().contains(&secondary), "{listed}");
    assert!(!server.try_cli(&["subscription", "keys", "partner"]).status.success());
    let ledger = server.cli(&["ledger", "show"]).to_string();
    for action in ["create subscription", "regenerate subscription key", "revoke subscription"] {
        assert!(ledger.contains(action), "{action}");
    }
    assert!(!ledger.contains(&primary) && !ledger.contains(&secondary));
}

#[tokio::test]
async fn an_endpoint_behind_the_gateway_has_no_direct_door() {
    let road = Road::walk();
    let server = &road.server;
    let body = json!({ "data": [Road::row()] });
    let token = server.token_for(&road.principal).await;
    assert_eq!(server.post(DIRECT, Some(road.key()), &body).await.0, 200);
    let changed = server.cli(&["endpoint", "update", "small", "--public-network-access", "disabled"]);
    assert_eq!(changed["public_network_access"], json!("disabled"));
    let hidden = server.post(DIRECT, Some(road.key()), &body).await;
    let absent = server.post("/endpoints/never-made/score", Some(road.key()), &body).await;
    assert_eq!((hidden.0, absent.0), (404, 404));
    assert_eq!(server.post(FRONT, Some(&token), &body).await.0, 200);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("row.json");
    std::fs::write(&file, body.to_string()).unwrap();
    let invoke = ["endpoint", "invoke", "small", "--request-file", file.to_str().unwrap()];
    let said = server.try_cli(&invoke);
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!said.status.success() && text.contains("public_network_access: disabled"), "{text}");
    server.cli(&["endpoint", "update", "small", "--public-network-access", "enabled"]);
    assert!(server.try_cli(&invoke).status.success());
    let created = server.cli(&["endpoint", "create", "hidden", "--public-network-access", "disabled"]);
    assert_eq!(created["public_network_access"], json!("disabled"));
}

#[tokio::test]
async fn a_quota_goes_on_after_a_restart() {
    let road = Road::walk();
    let body = json!({ "data": [Road::row()] });
    publish(&road.server, json!({ "quotas": [{ "calls": 3, "per": "365d", "by": "caller" }] })).await;
    let token = road.server.token_for(&road.principal).await;
    for _ in 0..2 {
        assert_eq!(road.server.post(FRONT, Some(&token), &body).await.0, 200);
    }
    // Counts are written every few seconds, and when the server is told to stop.
    let Road { server, principal, .. } = road;
    let dir = server.dir.clone();
    server.stop();
    let server = Server::start(&dir);
    let mut principal = principal;
    let tenant = principal["tenant"].as_str().unwrap().to_owned();
    principal["token_url"] = json!(format!("{}/{tenant}/oauth2/token", server.url));
    let token = server.token_for(&principal).await;
    assert_eq!(server.post(FRONT, Some(&token), &body).await.0, 200);
    assert_eq!(server.post(FRONT, Some(&token), &body).await.0, 403);
}
