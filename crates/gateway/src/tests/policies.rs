//! What a policy demands and does, over a real listener.

use super::support::{AUDIENCE, Answer, Server, name};
use crate::{CreateSubscription, PublishApi, SetNamedValue};
use domain::{Actor, ErrorCode, KeySlot, Role};
use serde_json::{Value, json};

const PATH: &str = "/credit/score";
const BODY: &str = r#"{"data":[{"x":3}]}"#;

/// A server with an API under a policy, and a token for it.
async fn published(policy: Value) -> (Server, String) {
    let server = Server::start().await;
    server.publish_with("credit", policy).await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let token = server.token(&client).await;
    (server, token)
}

async fn call(server: &Server, token: &str, headers: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut all = vec![("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    all.extend_from_slice(headers);
    server.call("POST", PATH, &all, BODY).await
}

async fn reasons(server: &Server) -> Vec<String> {
    let rows = serde_json::to_value(server.rows().await).unwrap();
    let reason = |row: &Value| row["ResponseCodeReason"].as_str().unwrap_or_default().to_owned();
    rows.as_array().unwrap().iter().map(reason).collect()
}

#[tokio::test]
async fn a_rate_is_told_and_kept_over_a_change_of_the_policy() {
    let rate = |calls: u64| json!({"rate_limits": [{"calls": calls, "per": "60s", "by": "caller"}]});
    let (server, token) = published(rate(3)).await;
    for left in [2, 1, 0] {
        let good = call(&server, &token, &[]).await;
        assert_eq!(good.status, 200, "{}", good.body);
        assert_eq!(good.header("ratelimit-policy"), Some("\"caller\";q=3;w=60"));
        let state = good.header("ratelimit").unwrap();
        assert!(state.starts_with(&format!("\"caller\";r={left};t=")), "{state}");
    }
    let full = call(&server, &token, &[]).await;
    assert_eq!(full.status, 429);
    let wait: u64 = full.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(full.header("ratelimit").unwrap(), format!("\"caller\";r=0;t={wait}"));
    assert_eq!((&full.json()["statusCode"], full.header("www-authenticate")), (&json!(429), None));
    let message = format!("Rate limit is exceeded. Try again in {wait} seconds.");
    assert_eq!(full.json()["message"], message);
    // Another caller has calls of its own; refused tokens use up nobody's.
    let other = server.principal("d", Role::Scorer, Some(AUDIENCE)).await;
    let other = server.token(&other).await;
    assert_eq!(call(&server, "a.b.c", &[]).await.status, 401);
    assert_eq!(call(&server, &other, &[]).await.status, 200);
    // A higher limit lets more through, what was counted stays.
    server.publish_with("credit", rate(4)).await;
    assert_eq!(call(&server, &token, &[]).await.status, 200);
    assert_eq!(call(&server, &token, &[]).await.status, 429);
    assert_eq!(reasons(&server).await.iter().filter(|r| *r == "rate_limited").count(), 2);
}

#[tokio::test]
async fn a_rate_by_address_turns_a_flood_away_before_the_token() {
    let (server, token) =
        published(json!({"rate_limits": [{"calls": 2, "per": "60s", "by": "address"}]})).await;
    assert_eq!(call(&server, "a.b.c", &[]).await.status, 401);
    assert_eq!(call(&server, "a.b.c", &[]).await.status, 401);
    assert_eq!(call(&server, "a.b.c", &[]).await.status, 429);
    assert_eq!(call(&server, &token, &[]).await.status, 429);
}

#[tokio::test]
async fn a_quota_outlives_a_restart() {
    let (server, token) = published(
        json!({"quotas": [{"calls": 2, "per": "1d", "by": "claim:appid"}, {"kilobytes": 1, "per": "7d", "by": "api"}]}),
    )
    .await;
    assert_eq!(call(&server, &token, &[]).await.status, 200);
    server.gateway.keep_counts().await.unwrap();
    let again = server.again().await;
    let good = call(&again, &token, &[]).await;
    assert_eq!(good.status, 200);
    let state = good.header("ratelimit").unwrap();
    assert!(
        state.contains("\"quota-claim:appid\";r=0;t=") && state.contains("\"quota-api-bytes\";r=9"),
        "{state}"
    );
    let out = call(&again, &token, &[]).await;
    assert_eq!((out.status, &out.json()["message"]), (403, &json!("Out of call volume quota.")));
    assert!(out.header("retry-after").unwrap().parse::<u64>().unwrap() <= 86_400);
}

#[tokio::test]
async fn kilobytes_count_both_directions() {
    let (server, token) = published(json!({"quotas": [{"kilobytes": 1, "per": "0s", "by": "api"}]})).await;
    let mut calls = 0;
    while call(&server, &token, &[]).await.status == 200 {
        calls += 1;
        assert!(calls < 100);
    }
    let each = BODY.len() + r#""{\"result\": [6.0]}""#.len();
    assert_eq!(calls, 1024_usize.div_ceil(each));
    assert_eq!(call(&server, &token, &[]).await.header("retry-after"), None, "for ever");
}

#[tokio::test]
async fn addresses_are_judged_before_anything_else() {
    for (policy, status) in [
        (json!({"addresses": {"forbid": ["127.0.0.0/8"]}}), 403),
        (json!({"addresses": {"allow": ["10.0.0.0/8", "192.0.2.1-192.0.2.9"]}}), 403),
        (json!({"addresses": {"allow": ["127.0.0.1"], "forbid": ["127.0.0.2"]}}), 200),
    ] {
        let (server, token) = published(policy).await;
        assert_eq!(call(&server, &token, &[]).await.status, status);
        if status == 403 {
            let nothing = server.call("POST", "/credit/nothing", &[], "").await;
            assert_eq!((nothing.status, nothing.header("www-authenticate")), (403, None));
            assert_eq!(reasons(&server).await, ["address", "address"]);
        }
    }
}

#[tokio::test]
async fn subscription_keys_pass_in_header_or_query_and_live_two_at_a_time() {
    let (server, token) = published(json!({"subscription_required": true})).await;
    let (gateway, admin) = (&server.gateway, Actor::admin());
    let ask =
        |text: &str, api: Option<&str>| CreateSubscription { name: name(text), api: api.map(str::to_owned) };
    let made = gateway.create_subscription(ask("partner", Some("/credit")), &admin).await.unwrap();
    server.publish_with("other", json!({})).await;
    let other = gateway.create_subscription(ask("other", Some("other")), &admin).await.unwrap();
    let header = "Ocp-Apim-Subscription-Key";
    let none = call(&server, &token, &[]).await;
    assert_eq!(none.status, 401);
    assert_eq!(none.json()["statusCode"], 401);
    let missing = "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API.";
    assert_eq!(none.json()["message"], missing);
    assert_eq!(none.header("www-authenticate"), Some("Bearer realm=\"portcullis\""));
    let invalid = "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription.";
    for wrong in ["x", &other.keys.primary] {
        let refused = call(&server, &token, &[(header, wrong)]).await;
        assert_eq!((refused.status, &refused.json()["message"]), (401, &json!(invalid)));
    }
    for key in [&made.keys.primary, &made.keys.secondary] {
        assert_eq!(call(&server, &token, &[(header, key)]).await.status, 200);
    }
    let bearer = format!("Bearer {token}");
    let query = format!("{PATH}?subscription-key={}", made.keys.primary);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    assert_eq!(server.call("POST", &query, &headers, BODY).await.status, 200);
    // The key alone is not enough.
    assert_eq!(server.call("POST", &query, &headers[1..], BODY).await.status, 401);
    let changed =
        gateway.regenerate_subscription_key(&name("partner"), KeySlot::Primary, &admin).await.unwrap();
    assert_eq!(changed.keys.secondary, made.keys.secondary);
    for (key, status) in
        [(&made.keys.primary, 401), (&made.keys.secondary, 200), (&changed.keys.primary, 200)]
    {
        assert_eq!(call(&server, &token, &[(header, key)]).await.status, status);
    }
    gateway.revoke_subscription(&name("partner"), &admin).await.unwrap();
    assert_eq!(call(&server, &token, &[(header, &made.keys.secondary)]).await.status, 401);
    let log = serde_json::to_string(&server.rows().await).unwrap();
    assert!(!log.contains(&made.keys.primary) && log.contains("\"subscription\""), "{log}");
}

#[tokio::test]
async fn calls_are_counted_by_subscription() {
    let (server, token) =
        published(json!({"rate_limits": [{"calls": 1, "per": "60s", "by": "subscription"}]})).await;
    let ask = |text: &str| CreateSubscription { name: name(text), api: None };
    let mut keys = Vec::new();
    for text in ["a", "b"] {
        keys.push(server.gateway.create_subscription(ask(text), &Actor::admin()).await.unwrap().keys);
    }
    let header = "Ocp-Apim-Subscription-Key";
    for (key, status) in
        [(&keys[0].primary, 200), (&keys[0].secondary, 429), (&keys[1].primary, 200), (&keys[1].primary, 429)]
    {
        assert_eq!(call(&server, &token, &[(header, key)]).await.status, status);
    }
}

#[tokio::test]
async fn browsers_may_call_from_named_origins() {
    let (server, token) = published(json!({"cors": {"origins": ["https://a.example"], "max_age": 60}})).await;
    let ask = |origin: &'static str| {
        [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization"),
        ]
    };
    let yes = server.call("OPTIONS", PATH, &ask("https://a.example"), "").await;
    assert_eq!((yes.status, yes.header("access-control-allow-origin")), (204, Some("https://a.example")));
    assert_eq!(yes.header("access-control-max-age"), Some("60"));
    assert!(yes.head.to_ascii_lowercase().contains("vary: origin"), "{}", yes.head);
    let no = server.call("OPTIONS", PATH, &ask("https://b.example"), "").await;
    assert_eq!((no.status, no.header("access-control-allow-origin")), (403, None));
    assert_eq!(server.call("OPTIONS", PATH, &[], "").await.status, 404, "no preflight");
    let good = call(&server, &token, &[("Origin", "https://a.example")]).await;
    assert_eq!((good.status, good.header("access-control-allow-origin")), (200, Some("https://a.example")));
    // A page's script may also read why it was refused.
    let refused = call(&server, "x", &[("Origin", "https://a.example")]).await;
    assert_eq!(
        (refused.status, refused.header("access-control-allow-origin")),
        (401, Some("https://a.example"))
    );
    let other = call(&server, &token, &[("Origin", "https://b.example")]).await;
    assert_eq!((other.status, other.header("access-control-allow-origin")), (200, None));
}

#[tokio::test]
async fn sizes_rows_and_time_have_the_policys_bounds() {
    let (server, token) = published(json!({"body_bytes": 30, "rows": 2})).await;
    assert_eq!(call(&server, &token, &[]).await.status, 200);
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let long = server.call("POST", PATH, &headers, &format!("{BODY}{}", " ".repeat(20))).await;
    assert_eq!(long.status, 413);
    server.publish_with("credit", json!({"rows": 2})).await;
    let rows = r#"{"data":[{"x":1},{"x":2},{"x":3}]}"#;
    let many = server.call("POST", PATH, &headers, rows).await;
    assert!(many.status == 413 || many.status == 422, "{} {}", many.status, many.body);
    server.publish_with("credit", json!({"timeout": "100ms"})).await;
    assert_eq!(call(&server, &token, &[]).await.status, 200);
    // The body never comes.
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: {bearer}\r\nContent-Length: 10\r\n\r\n"
    );
    let late = server.raw(&head).await;
    assert_eq!((late.status, late.header("content-type")), (504, Some("application/problem+json")));
}

#[tokio::test]
async fn calls_at_the_same_time_are_bounded() {
    let (server, token) = published(json!({"concurrency": 1, "timeout": "2s"})).await;
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Length: 10\r\n\r\n"
    );
    let (slow, others) = tokio::join!(server.raw(&head), async {
        let mut seen = Vec::new();
        while !seen.contains(&429) && seen.len() < 1000 {
            seen.push(call(&server, &token, &[]).await.status);
        }
        seen
    });
    assert_eq!(slow.status, 504);
    assert_eq!(others.last(), Some(&429), "{others:?}");
    assert_eq!(call(&server, &token, &[]).await.status, 200, "the permit came back");
}

#[tokio::test]
async fn headers_are_set_and_removed_on_both_sides() {
    let (server, token) = published(json!({
        "request_headers": [{"name": "azureml-model-deployment", "action": "override", "values": ["blue"]}],
        "response_headers": [
            {"name": "x-ms-run-fn-exec-ms", "action": "delete"},
            {"name": "X-Served-By", "action": "override", "values": ["portcullis"]},
            {"name": "x-list", "action": "append", "values": ["a", "b"]},
        ],
    }))
    .await;
    // The policy's deployment takes the place of the one the caller names.
    let good = call(&server, &token, &[("azureml-model-deployment", "green")]).await;
    assert_eq!((good.status, good.header("x-served-by")), (200, Some("portcullis")), "{}", good.body);
    assert_eq!((good.header("x-ms-run-fn-exec-ms"), good.head.matches("x-list: ").count()), (None, 2));
    assert_eq!(good.header("x-content-type-options"), Some("nosniff"));
    for bad in [
        json!({"response_headers": [{"name": "X-Content-Type-Options", "action": "delete"}]}),
        json!({"response_headers": [{"name": "Content-Length", "action": "override", "values": ["1"]}]}),
        json!({"request_headers": [{"name": "Transfer-Encoding", "action": "override", "values": ["chunked"]}]}),
        json!({"rate_limits": [{"calls": 1, "per": "1h", "by": "api"}]}),
        json!({"addresses": {"allow": ["all"]}}),
    ] {
        let mut policy: domain::Policy = serde_json::from_value(bad.clone()).unwrap();
        policy.audiences = vec![AUDIENCE.into()];
        let ask = PublishApi { path: "bad".into(), endpoint: name("double"), policy };
        let fault = server.gateway.publish(ask, &Actor::admin()).await.unwrap_err();
        assert_eq!(fault.code, ErrorCode::InvalidInput, "{bad}");
    }
}

#[tokio::test]
async fn a_refused_token_has_the_policys_status_and_words() {
    let (server, token) = published(json!({
        "refused_status": 403, "refused_message": "No.", "required_claims": {"roles": ["owner"]},
    }))
    .await;
    for bearer in ["x", &token] {
        let refused = call(&server, bearer, &[]).await;
        assert_eq!((refused.status, &refused.json()["message"]), (403, &json!("No.")));
        assert_eq!(refused.json()["statusCode"], 403);
        assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
}

#[tokio::test]
async fn any_audience_and_clocks_are_the_policys() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some("api://elsewhere")).await;
    let token = server.token(&client).await;
    let policy: domain::Policy =
        serde_json::from_value(json!({"any_audience": true, "audiences": []})).unwrap();
    let ask = PublishApi { path: "credit".into(), endpoint: name("double"), policy };
    server.gateway.publish(ask, &Actor::admin()).await.unwrap();
    assert_eq!(call(&server, &token, &[]).await.status, 200);
    server.publish_with("credit", json!({})).await;
    assert_eq!(call(&server, &token, &[]).await.status, 401);
    let now = domain::Timestamp::now().seconds();
    let expired = |ago: i64| {
        let claims = json!({
            "iss": format!("{}/{}/", server.gateway.public_url(), server.gateway.tenant()), "aud": AUDIENCE,
            "sub": client.client_id, "appid": client.client_id, "jti": "j", "iat": now - 600, "nbf": now - 600,
            "exp": now - ago,
        });
        server.gateway.signing.sign(&claims).unwrap()
    };
    for (skew, ago, status) in
        [(None, 10, 200), (None, 60, 401), (Some(0), 10, 401), (Some(90), 60, 200), (Some(90), 100, 401)]
    {
        server.publish_with("credit", json!({"clock_skew": skew})).await;
        assert_eq!(call(&server, &expired(ago), &[]).await.status, status, "{skew:?} {ago}");
    }
}

#[tokio::test]
async fn the_policys_backend_key_must_be_one_of_the_endpoints() {
    let server = Server::start().await;
    let keys = server.keys().await;
    let header = json!({"request_headers": [{"name": "Authorization", "action": "override", "values": ["Bearer {{Key}}"]}]});
    let set = async |key: &str| {
        let ask = SetNamedValue { value: key.to_owned(), plain: false };
        server.gateway.set_named_value(&name("Key"), ask, &Actor::admin()).await.unwrap();
    };
    set(&keys.primary).await;
    server.publish_with("credit", header).await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    let token = server.token(&client).await;
    assert_eq!(call(&server, &token, &[]).await.status, 200);
    let endpoints = endpoint::Endpoints::open(server.store.clone()).unwrap();
    let changed = endpoints.regenerate(&name("double"), KeySlot::Primary, &Actor::admin()).await.unwrap();
    server.gateway.refresh().await.unwrap();
    assert_eq!(call(&server, &token, &[]).await.status, 200, "the named value took the new key");
    set(&keys.primary).await;
    let refused = call(&server, &token, &[]).await;
    assert_eq!((refused.status, &refused.json()["message"]), (401, &json!("key_auth_access_denied")));
    // Whoever may not call does not learn that.
    assert_eq!(call(&server, "x", &[]).await.json()["message"], "Invalid JWT.");
    for key in [&changed.keys.primary, &keys.secondary] {
        set(key).await;
        assert_eq!(call(&server, &token, &[]).await.status, 200);
    }
}

#[tokio::test]
async fn an_endpoint_without_a_network_is_reached_through_its_api_only() {
    let (server, token) = published(json!({})).await;
    let key = server.keys().await.primary;
    let endpoints = endpoint::Endpoints::open(server.store.clone()).unwrap();
    let update = |text: &str| {
        serde_json::from_value(json!({"public_network_access": text, "docs_public": true})).unwrap()
    };
    endpoints.update(&name("double"), &update("disabled"), &Actor::admin()).await.unwrap();
    server.gateway.refresh().await.unwrap();
    let same =
        |answer: Answer| (answer.status, answer.json()["detail"].clone(), answer.json()["message"].clone());
    for (method, tail) in
        [("POST", "score"), ("GET", ""), ("GET", "openapi.json"), ("GET", "docs/"), ("OPTIONS", "score")]
    {
        let bearer = format!("Bearer {key}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let hidden = server.call(method, &format!("/endpoints/double/{tail}"), &headers, BODY).await;
        let absent = server.call(method, &format!("/endpoints/nothing/{tail}"), &headers, BODY).await;
        assert_eq!(hidden.status, 404, "{tail}");
        assert_eq!(same(hidden), same(absent), "{tail}");
    }
    assert_eq!(call(&server, &token, &[]).await.status, 200);
    endpoints.update(&name("double"), &update("enabled"), &Actor::admin()).await.unwrap();
    server.gateway.refresh().await.unwrap();
    assert_eq!(server.score("/endpoints/double/score", Some(&key)).await.status, 200);
}

#[tokio::test]
async fn a_demanded_client_certificate_is_demanded() {
    let (server, token) = published(json!({"client_certificate": true})).await;
    let refused = call(&server, &token, &[]).await;
    assert_eq!((refused.status, reasons(&server).await), (403, vec!["client_certificate".to_owned()]));
}

#[tokio::test]
async fn too_many_refused_credentials_are_told_to_wait_and_good_ones_pass() {
    let (server, token) = published(json!({})).await;
    let refusals = server.gateway.scoring.refusals.as_ref().unwrap();
    let (here, now) = ("127.0.0.1".parse().unwrap(), std::time::Instant::now());
    while refusals.count(here, now).is_ok() {}
    for path in [PATH, "/endpoints/double/score"] {
        let waits = server.score(path, Some("x")).await;
        assert_eq!((waits.status, waits.header("www-authenticate")), (429, None));
        assert!(waits.header("retry-after").unwrap().parse::<u64>().unwrap() <= 60);
    }
    assert_eq!(call(&server, &token, &[]).await.status, 200);
}

#[tokio::test]
async fn publishing_over_and_over_is_never_without_a_policy() {
    let strict = json!({"required_claims": {"roles": ["owner"]}});
    let (server, token) = published(strict.clone()).await;
    let (statuses, ()) = tokio::join!(
        async {
            let mut statuses = Vec::new();
            for _ in 0..200 {
                statuses.push(call(&server, &token, &[]).await.status);
            }
            statuses
        },
        async {
            for turn in 0..40 {
                let mut policy = strict.clone();
                policy["rows"] = json!(turn + 1);
                server.publish_with("credit", policy).await;
            }
        }
    );
    assert!(statuses.iter().all(|s| *s == 403), "{statuses:?}");
}

#[tokio::test]
async fn callers_do_not_write_headers_that_carry_claims() {
    let policy = json!({
        "forward_claims": {"X-Caller": "sub"},
        "rate_limits": [{"calls": 1, "per": "60s", "by": "header:x-caller"}],
    });
    let (server, token) = published(policy).await;
    assert_eq!(call(&server, &token, &[("X-Caller", "alice")]).await.status, 200);
    // What the caller wrote is gone before anything looks at it, so both calls count as one caller's.
    assert_eq!(call(&server, &token, &[("X-Caller", "bob")]).await.status, 429);
    for (claims, part) in [
        (json!({"authorization": "sub"}), "begins with x-"),
        (json!({"x-request-id": "jti"}), "begins with x-"),
        (json!({"x a": "sub"}), "no header"),
        (json!({"x-caller": ""}), "x-caller"),
    ] {
        let ask = serde_json::from_value(json!({
            "path": "credit", "endpoint": "double",
            "policy": {"audiences": [AUDIENCE], "forward_claims": claims},
        }));
        let fault = server.gateway.publish(ask.unwrap(), &Actor::admin()).await.unwrap_err();
        assert!(fault.message.contains(part), "{}", fault.message);
    }
}

#[tokio::test]
async fn the_guides_policy_can_be_published() {
    let guide = include_str!("../../../../docs/guides/policies.md");
    let text = guide.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let policy: domain::Policy = web::extract::read_json(text).unwrap();
    let server = Server::start().await;
    let ask = PublishApi { path: "credit".to_owned(), endpoint: name("double"), policy };
    server.gateway.publish(ask, &Actor::admin()).await.unwrap();
    let wrong = text.replace("\"rows\": 1000", "\"rows\": \"many\"");
    let told = web::extract::read_json::<domain::Policy>(&wrong).unwrap_err().message;
    assert!(told.contains("line 9") && told.contains("rows: ") && told.contains("expected u64"), "{told}");
}
