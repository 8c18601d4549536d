//! People: passwords, sessions, and what a browser brings along.

use super::support::{Server, name};
use crate::ChangePassword;
use crate::people::{ClientAddress, LogIn, Opened};
use domain::{Actor, PrincipalKind, Role, Span};
use http::HeaderMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const HERE: ClientAddress = ClientAddress(IpAddr::V4(Ipv4Addr::LOCALHOST));
const PASSWORD: &str = "correct horse battery";

fn ask(name: &str, password: &str, new: Option<&str>) -> LogIn {
    LogIn { name: name.into(), password: password.into(), new_password: new.map(str::to_owned) }
}

async fn log_in(server: &Server, ask: LogIn) -> Result<Opened, u16> {
    use axum::response::IntoResponse;
    let done = server.gateway.log_in(ask, &HeaderMap::new(), HERE.0).await;
    done.map_err(|refused| refused.into_response().status().as_u16())
}

/// A person that has logged in once.
async fn person(server: &Server, text: &str, role: Role) -> Opened {
    let made = server.gateway.create_person(name(text), Some(role), &Actor::admin()).await.unwrap();
    log_in(server, ask(text, &made.first_secret, Some(PASSWORD))).await.unwrap()
}

fn cookie(opened: &Opened) -> String {
    opened.cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
}

async fn get(server: &Server, cookie: &str) -> u16 {
    server.call("GET", "/api/v1/who", &[("Cookie", cookie)], "").await.status
}

async fn post(server: &Server, headers: &[(&str, &str)]) -> u16 {
    let headers = [&[("Content-Type", "application/json")], headers].concat();
    server.call("POST", "/api/v1/own", &headers, "{}").await.status
}

#[tokio::test]
async fn the_first_secret_sets_a_password_and_opens_nothing_else() {
    let server = Server::start().await;
    let made = server.gateway.create_person(name("ada"), Some(Role::Reader), &Actor::admin()).await.unwrap();
    let first = made.first_secret.as_str();
    assert_eq!(log_in(&server, ask("ada", first, None)).await.unwrap_err(), 403);
    for bad in ["short", first, "ada"] {
        assert_eq!(log_in(&server, ask("ada", first, Some(bad))).await.unwrap_err(), 400, "{bad}");
    }
    let opened = log_in(&server, ask("ada", first, Some(PASSWORD))).await.unwrap();
    let set = opened.cookie.to_str().unwrap();
    assert!(set.starts_with("portcullis=") && set.contains("; HttpOnly; SameSite=Strict"), "{set}");
    assert_eq!(get(&server, &cookie(&opened)).await, 200);
    assert_eq!(log_in(&server, ask("ada", first, Some("another password"))).await.unwrap_err(), 401);
    for (who, password) in [("ada", "wrong password"), ("nobody", PASSWORD), ("", ""), ("../x", PASSWORD)] {
        assert_eq!(log_in(&server, ask(who, password, None)).await.unwrap_err(), 401, "{who}");
    }
    assert!(log_in(&server, ask("ada", PASSWORD, None)).await.is_ok());
    let kept = serde_json::to_string(&server.store.ledger(0, 100).await.unwrap()).unwrap();
    assert!(!kept.contains(first) && !kept.contains(PASSWORD) && !kept.contains("argon2"), "{kept}");
}

#[tokio::test]
async fn a_call_that_changes_something_needs_the_token_of_its_session() {
    let server = Server::start().await;
    let (ada, eve) = (person(&server, "ada", Role::Owner).await, person(&server, "eve", Role::Owner).await);
    let mine = cookie(&ada);
    let (token, other) = (ada.logged_in.csrf_token.as_str(), eve.logged_in.csrf_token.as_str());
    let with = |more: &[(&'static str, &'static str)]| more.to_vec();
    for (headers, status) in [
        (vec![("Cookie", mine.as_str()), ("X-CSRF-Token", token)], 200),
        (vec![("Cookie", mine.as_str())], 403),
        (vec![("Cookie", mine.as_str()), ("X-CSRF-Token", "")], 403),
        (vec![("Cookie", mine.as_str()), ("X-CSRF-Token", other)], 403),
        (vec![("Cookie", mine.as_str()), ("X-CSRF-Token", token), ("X-CSRF-Token", token)], 403),
        (vec![("Cookie", mine.as_str()), ("X-CSRF-Token", token), ("Sec-Fetch-Site", "same-origin")], 200),
        (vec![("Cookie", mine.as_str()), ("X-CSRF-Token", token), ("Sec-Fetch-Site", "cross-site")], 403),
        (vec![("Cookie", mine.as_str()), ("X-CSRF-Token", token), ("Sec-Fetch-Site", "same-site")], 403),
        (vec![("Cookie", mine.as_str()), ("X-CSRF-Token", token), ("Origin", "https://evil.example")], 403),
        (vec![("Cookie", mine.as_str()), ("Cookie", mine.as_str()), ("X-CSRF-Token", token)], 401),
        (vec![("X-CSRF-Token", token)], 401),
        (with(&[("Cookie", "portcullis=x"), ("X-CSRF-Token", "x")]), 401),
    ] {
        assert_eq!(post(&server, &headers).await, status, "{headers:?}");
    }
    // A token beside the cookie is what counts, also when it is wrong.
    let both = [("Cookie", mine.as_str()), ("Authorization", "Bearer x")];
    assert_eq!(server.call("GET", "/api/v1/who", &both, "").await.status, 401);
    // A session opens neither door.
    server.publish("credit", &[]).await;
    for path in ["/credit/score", "/endpoints/double/score"] {
        let headers =
            [("Content-Type", "application/json"), ("Cookie", mine.as_str()), ("X-CSRF-Token", token)];
        assert_eq!(server.call("POST", path, &headers, r#"{"data":[{"x":3}]}"#).await.status, 401);
    }
}

#[tokio::test]
async fn sessions_end_in_every_way() {
    let server = Server::start().await;
    let first = person(&server, "ada", Role::Reader).await;
    let mut all = vec![first];
    for _ in 0..3 {
        all.push(log_in(&server, ask("ada", PASSWORD, None)).await.unwrap());
    }
    // Three at most: the oldest has ended.
    assert_eq!(get(&server, &cookie(&all[0])).await, 401);
    assert_eq!(server.gateway.sessions(&name("ada")).len(), 3);
    let id = all[1].logged_in.session.id.clone();
    server.gateway.end_session(&name("ada"), &id, &Actor::admin()).await.unwrap();
    assert!(server.gateway.end_session(&name("ada"), &id, &Actor::admin()).await.is_err());
    assert_eq!((get(&server, &cookie(&all[1])).await, get(&server, &cookie(&all[2])).await), (401, 200));
    // After a change of the role the session has the new one.
    let both = [("Cookie", cookie(&all[2])), ("X-CSRF-Token", all[2].logged_in.csrf_token.clone())];
    let both: Vec<(&str, &str)> = both.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(post(&server, &both).await, 403);
    server.store.set_person_role(&name("ada"), Some(Role::Owner), &Actor::admin()).await.unwrap();
    server.gateway.refresh().await.unwrap();
    assert_eq!(post(&server, &both).await, 200);
    let made = server.gateway.reset_password(&name("ada"), &Actor::admin()).await.unwrap();
    assert_eq!((get(&server, &cookie(&all[2])).await, get(&server, &cookie(&all[3])).await), (401, 401));
    assert_eq!(log_in(&server, ask("ada", PASSWORD, None)).await.unwrap_err(), 401);
    let last = log_in(&server, ask("ada", &made.first_secret, Some("a fresh password"))).await.unwrap();
    server.gateway.revoke_principal(&name("ada"), &Actor::admin()).await.unwrap();
    assert_eq!(get(&server, &cookie(&last)).await, 401);
    assert_eq!(log_in(&server, ask("ada", "a fresh password", None)).await.unwrap_err(), 401);
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_and_renews_ones_own() {
    let server = Server::start().await;
    let (one, two) = (
        person(&server, "ada", Role::Reader).await,
        log_in(&server, ask("ada", PASSWORD, None)).await.unwrap(),
    );
    let mut headers = HeaderMap::new();
    headers.insert("cookie", cookie(&one).parse().unwrap());
    let entered = crate::people::authenticate(&server.gateway, &headers, &http::Method::GET);
    let (_, current) = entered.unwrap().unwrap();
    let change =
        |password: &str, new: &str| ChangePassword { password: password.into(), new_password: new.into() };
    let wrong =
        server.gateway.change_password(&current, change("wrong password", "some new words"), HERE.0).await;
    assert!(wrong.is_err());
    let same = server.gateway.change_password(&current, change(PASSWORD, PASSWORD), HERE.0).await;
    assert!(same.is_err());
    let renewed =
        server.gateway.change_password(&current, change(PASSWORD, "some new words"), HERE.0).await.unwrap();
    for ended in [&one, &two] {
        assert_eq!(get(&server, &cookie(ended)).await, 401);
    }
    assert_eq!(get(&server, &cookie(&renewed)).await, 200);
    assert_ne!(renewed.logged_in.csrf_token, one.logged_in.csrf_token);
}

#[tokio::test]
async fn sessions_rest_and_last_so_long_only() {
    for change in [
        |o: &mut crate::Options| o.config.sessions.idle_timeout = Span(Duration::from_millis(1)),
        |o: &mut crate::Options| o.config.sessions.lifetime = Span(Duration::from_millis(1)),
    ] {
        let server = Server::start_with(change).await;
        let opened = person(&server, "ada", Role::Reader).await;
        assert_eq!(get(&server, &cookie(&opened)).await, 401);
    }
}

#[tokio::test]
async fn sessions_outlive_a_restart() {
    let server = Server::start().await;
    let opened = person(&server, "ada", Role::Reader).await;
    let metrics = std::sync::Arc::new(telemetry::Metrics::new(server.log.counters()));
    let options = super::support::options(server.gateway.public_url().to_owned());
    let again =
        crate::Gateway::start(server.store.clone(), server.log.clone(), metrics, options).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("cookie", cookie(&opened).parse().unwrap());
    let entered = crate::people::authenticate(&again, &headers, &http::Method::GET).unwrap().unwrap();
    assert_eq!((entered.0.actor.0.as_str(), entered.1.csrf_token), ("ada", opened.logged_in.csrf_token));
}

#[tokio::test]
async fn guessing_passwords_is_locked_out_and_told_once() {
    let server = Server::start().await;
    person(&server, "ada", Role::Reader).await;
    for _ in 0..5 {
        assert_eq!(log_in(&server, ask("ada", "wrong password", None)).await.unwrap_err(), 401);
    }
    for _ in 0..3 {
        assert_eq!(log_in(&server, ask("ada", PASSWORD, None)).await.unwrap_err(), 429);
    }
    let ledger = serde_json::to_value(server.store.ledger(0, 100).await.unwrap()).unwrap();
    let lines =
        ledger.as_array().unwrap().iter().filter(|l| l["action"] == "lock out" && l["subject"] == "ada");
    assert_eq!(lines.count(), 1, "{ledger}");
}

#[tokio::test]
async fn a_person_gets_no_tokens_and_a_client_no_session() {
    let server = Server::start().await;
    person(&server, "ada", Role::Owner).await;
    let client = server.principal("c", Role::Owner, None).await;
    assert_eq!(log_in(&server, ask("c", &client.client_secret, None)).await.unwrap_err(), 401);
    let ada = server.store.principal(&name("ada")).await.unwrap();
    assert_eq!(ada.kind, PrincipalKind::Person);
    let form = format!("grant_type=client_credentials&client_id={}&client_secret={PASSWORD}", ada.client_id);
    assert_eq!(server.token_call("oauth2/token", &form).await.status, 401);
    assert!(server.gateway.rotate_secret(&name("ada"), Default::default(), &Actor::admin()).await.is_err());
    assert!(server.gateway.reset_password(&name("c"), &Actor::admin()).await.is_err());
}

#[tokio::test]
async fn cookies_are_bound_to_https_when_clients_come_by_it() {
    let server = Server::start_with(|o| o.public_url = "https://ml.example.com".into()).await;
    let opened = person(&server, "ada", Role::Reader).await;
    let set = opened.cookie.to_str().unwrap();
    assert!(
        set.starts_with("__Host-portcullis=")
            && set.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict; Secure"),
        "{set}"
    );
    assert_eq!(get(&server, &cookie(&opened)).await, 200);
    assert_eq!(get(&server, cookie(&opened).trim_start_matches("__Host-")).await, 401);
}

#[test]
fn what_is_open_is_a_short_list() {
    let open: Vec<String> =
        crate::OPEN_CALLS.iter().map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(
        open,
        ["POST /api/v1/sessions", "GET /api/v1/sessions/oidc", "GET /api/v1/sessions/oidc/callback"]
    );
}
