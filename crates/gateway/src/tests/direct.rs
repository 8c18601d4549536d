//! The direct door.

use super::support::{Server, deploy, name};
use domain::{Actor, KeySlot};

const DOOR: &str = "/endpoints/double/score";

#[tokio::test]
async fn it_is_closed_without_the_key_and_open_with_either() {
    let server = Server::start().await;
    let keys = server.keys().await;
    let none = server.score(DOOR, None).await;
    assert_eq!((none.status, none.header("www-authenticate")), (401, Some("Bearer realm=\"portcullis\"")));
    let wrong = server.score(DOOR, Some("x")).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    assert_eq!(wrong.json()["message"], "key_auth_access_denied");
    assert_eq!(wrong.header("content-type"), Some("application/problem+json"));
    for key in [&keys.primary, &keys.secondary] {
        let good = server.score(DOOR, Some(key)).await;
        assert_eq!((good.status, good.body.as_str()), (200, r#""{\"result\": [6.0]}""#));
        assert_eq!(good.header("x-ms-run-function-failed"), Some("False"));
        assert!(good.header("x-request-id").is_some() && good.header("content-length").is_some());
        assert_eq!(good.header("x-content-type-options"), Some("nosniff"));
    }
    // Nowhere but in the header.
    let query = server.score(&format!("{DOOR}?access_token={}", keys.primary), None).await;
    assert_eq!(query.status, 401);
}

#[tokio::test]
async fn credentials_have_one_reading() {
    let server = Server::start().await;
    let key = server.keys().await.primary;
    let bearer = format!("Bearer {key}");
    let lower = format!("bearer {key}");
    let body = r#"{"data":[{"x":1}]}"#;
    let json = ("Content-Type", "application/json");
    assert_eq!(server.call("POST", DOOR, &[json, ("Authorization", &lower)], body).await.status, 200);
    let twice = [json, ("Authorization", bearer.as_str()), ("Authorization", bearer.as_str())];
    let twice = server.call("POST", DOOR, &twice, body).await;
    assert_eq!((twice.status, &twice.json()["message"]), (400, &"key_auth_bad_header_forbidden".into()));
    assert!(twice.header("www-authenticate").unwrap().contains("invalid_request"));
    let basic = server.call("POST", DOOR, &[json, ("Authorization", "Basic YTpi")], body).await;
    assert_eq!(basic.status, 401);
}

#[tokio::test]
async fn one_key_is_regenerated_while_the_other_lives() {
    let server = Server::start().await;
    let old = server.keys().await;
    let endpoints = endpoint::Endpoints::open(server.store.clone()).unwrap();
    endpoints.regenerate(&name("double"), KeySlot::Primary, &Actor::admin()).await.unwrap();
    server.gateway.refresh().await.unwrap();
    let new = server.keys().await;
    assert_eq!(server.score(DOOR, Some(&old.primary)).await.status, 401);
    assert_eq!(server.score(DOOR, Some(&old.secondary)).await.status, 200);
    assert_eq!(server.score(DOOR, Some(&new.primary)).await.status, 200);
    assert_ne!(old.primary, new.primary);
}

#[tokio::test]
async fn a_change_of_the_store_is_followed_without_a_call() {
    let server = Server::start().await;
    let key = server.keys().await.primary;
    deploy(&server.store, 10.0, &Actor::admin()).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let body = server.score(DOOR, Some(&key)).await.body;
        if body.contains("30.0") {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{body}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn health_and_pages_are_open_documents_are_not() {
    let server = Server::start().await;
    let key = server.keys().await.primary;
    let bearer = format!("Bearer {key}");
    for (path, status, text) in [
        ("/health", 200, "OK"),
        ("/endpoints/double/", 200, "Healthy"),
        ("/endpoints/double", 200, "Healthy"),
        ("/endpoints/double/docs/", 200, "swagger-ui"),
        ("/endpoints/double/docs/swagger-initializer.js", 200, "../openapi.json"),
        ("/endpoints/double/docs", 308, ""),
        ("/endpoints/double/docs/../x", 404, ""),
        ("/endpoints/double/swagger.json", 401, ""),
        ("/endpoints/double/openapi.json", 401, ""),
        ("/endpoints/double/score", 401, ""),
        ("/endpoints/double/nothing", 401, ""),
        ("/endpoints/other/", 404, ""),
        ("/endpoints/doubl%65/", 404, ""),
        ("/endpoints//double/", 404, ""),
    ] {
        let answer = server.call("GET", path, &[], "").await;
        assert_eq!(answer.status, status, "{path} {}", answer.body);
        assert!(answer.body.contains(text), "{path} {}", answer.body);
    }
    let swagger =
        server.call("GET", "/endpoints/double/swagger.json", &[("Authorization", &bearer)], "").await;
    assert_eq!((swagger.status, &swagger.json()["swagger"]), (200, &"2.0".into()));
    assert!(swagger.body.contains("/endpoints/double"), "{}", swagger.body);
    let nothing = server.call("GET", "/endpoints/double/nothing", &[("Authorization", &bearer)], "").await;
    assert_eq!(nothing.status, 404);
}

#[tokio::test]
async fn methods_and_sizes_have_their_statuses() {
    let server = Server::start().await;
    let bearer = format!("Bearer {}", server.keys().await.primary);
    let auth = ("Authorization", bearer.as_str());
    let json = ("Content-Type", "application/json");
    let put = server.call("PUT", DOOR, &[auth, json], "{}").await;
    assert_eq!((put.status, put.header("allow").is_some()), (405, true));
    let large = "x".repeat((1 << 20) + 1);
    assert_eq!(server.call("POST", DOOR, &[auth, json], &large).await.status, 413);
    for (coding, status) in [("br", 415), ("gzip, gzip", 415), ("gzip", 400)] {
        let coded = server.call("POST", DOOR, &[auth, json, ("Content-Encoding", coding)], "{}").await;
        assert_eq!((coded.status, coded.header("accept-encoding").is_some()), (status, status == 415));
    }
    let long = "i".repeat(101);
    let id = server.call("POST", DOOR, &[auth, json, ("x-request-id", &long)], "{}").await;
    assert_eq!(id.status, 431);
    let many: Vec<String> = (0..10_000).map(|n| format!("{{\"x\":{n}}}")).collect();
    let body = format!("{{\"data\":[{}]}}", many.join(","));
    let answer = server.call("POST", DOOR, &[auth, json], &body).await;
    assert!(answer.status == 200 && answer.body.contains("19998.0]"), "{}", answer.status);
    let unknown = server.call("POST", DOOR, &[auth, json, ("azureml-model-deployment", "green")], "{}").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_client_of_http_1_0_is_served_with_a_length() {
    let server = Server::start().await;
    let key = server.keys().await.primary;
    let body = r#"{"data":[{"x":3}]}"#;
    let request = format!(
        "POST {DOOR} HTTP/1.0\r\nContent-length: {}\r\nContent-type: application/json\r\nAuthorization: Bearer {key}\r\n\
         Connection: Keep-Alive\r\nHost: x\r\nUser-Agent: ApacheBench/2.3\r\nAccept: */*\r\n\r\n{body}",
        body.len()
    );
    let both = server.raw(&format!("{request}{}", request.replace("Keep-Alive", "close"))).await;
    let all = format!("{}\r\n\r\n{}", both.head, both.body);
    assert_eq!(all.matches(" 200 OK").count(), 2, "{all}");
    assert_eq!(all.matches("content-length: 21").count(), 2, "{all}");
    assert!(!all.contains("chunked"));
}

#[tokio::test]
async fn smuggling_is_refused_before_any_credentials_are_read() {
    let server = Server::start().await;
    let key = server.keys().await.primary;
    let pairs = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ];
    for pair in pairs {
        let head = format!(
            "POST {DOOR} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n{pair}\r\n\r\n0\r\n\r\n"
        );
        let answer = server.raw(&format!("{head}GET /health HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(answer.status, 400, "{}", answer.head);
        assert!(!answer.body.contains("HTTP/1.1 200"), "{}", answer.body);
    }
}

#[tokio::test]
async fn every_call_leaves_a_row() {
    let server = Server::start().await;
    let key = server.keys().await.primary;
    server.score(DOOR, None).await;
    server.score(DOOR, Some(&key)).await;
    let rows = server.rows().await;
    let json = serde_json::to_value(&rows).unwrap();
    assert_eq!(rows.len(), 2, "{json}");
    assert_eq!(
        (&json[0]["ResponseCode"], &json[0]["ResponseCodeReason"]),
        (&401.into(), &"no_credentials".into()),
        "{json}"
    );
    assert_eq!((&json[1]["ResponseCode"], &json[1]["Rows"]), (&200.into(), &1.into()), "{json}");
    for (member, value) in [
        ("EndpointName", "double"),
        ("DeploymentName", "blue"),
        ("ModelName", "double"),
        ("AuthType", "Key"),
        ("OperationName", "score"),
    ] {
        assert_eq!(json[1][member], value, "{json}");
    }
    assert!(json[0]["XRequestId"].is_string());
    assert!(!json.to_string().contains(&key));
}
