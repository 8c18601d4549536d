//! The control plane: every route for every role, foreign hosts and origins, what every answer carries.

use super::wire::{request, talk, unclean};
use super::world::{CONTROL, CONTROL_AUDIENCE, World};
use super::{Expect, Group};
use crate::support::repository;
use serde_json::Value;

/// What a route needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Need {
    Reader,
    Contributor,
    Owner,
}

/// What a route needs, by the description; none for what brings its own credentials or is a session's own.
///
/// That the description is true is shown by `roles.rs`.
fn need(operation: &Value) -> Option<Need> {
    let roles = operation["x-portcullis-needs"].as_array().unwrap().iter().map(|need| need["role"].as_str());
    let read = |role: Option<&str>| match role {
        Some("reader") => Need::Reader,
        Some("contributor") => Need::Contributor,
        _ => Need::Owner,
    };
    roles.map(read).max()
}

/// Every route of the description that needs a role: method, path as described, path with names of things that are not there.
fn routes() -> Vec<(String, String, String, Need)> {
    let text = std::fs::read_to_string(repository("openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(need) = need(operation) else { continue };
            let mut target = path
                .replace("{*path}", "nothing")
                .replace("{slot}", "primary")
                .replace("{version}", "9")
                .replace("{scope}", "endpoint:nothing");
            while let (Some(from), Some(to)) = (target.find('{'), target.find('}')) {
                target.replace_range(from..=to, "nothing");
            }
            all.push((method.clone(), path.clone(), target, need));
        }
    }
    all
}

#[test]
fn every_route_asks_for_its_role() {
    let world = World::get();
    let server = world.server();
    let mut group = Group::new("routes and roles", world.url());
    let make = |role: &str| {
        let name = format!("walker-{role}");
        let client =
            server.cli(&["principal", "create", &name, "--role", role, "--audience", CONTROL_AUDIENCE]);
        world.token(&client, CONTROL_AUDIENCE)
    };
    let (scorer, reader, contributor) = (make("scorer"), make("reader"), make("contributor"));
    let routes = routes();
    assert!(routes.len() >= 70, "only {} routes seen", routes.len());
    for (method, path, target, need) in &routes {
        let upper = method.to_uppercase();
        let mut add = |who: &str, why: &'static str, bearer: Option<&str>, expect: Expect| {
            let line = bearer.map(|bearer| format!("Authorization: Bearer {bearer}"));
            // Nothing that a route takes: who may enter is told before the body is looked at.
            let lines: Vec<&str> =
                line.as_deref().into_iter().chain(["Content-Type: application/x-none"]).collect();
            group.add(format!("{who}-{method}-{path}"), why, request(&upper, target, &lines, b""), expect);
        };
        add("nobody", "closed by default", None, Expect::NoCredentials);
        add("garbage", "no token", Some("garbage"), Expect::InvalidToken);
        add("key", "a key is for its endpoint", Some(world.road.key()), Expect::InvalidToken);
        add("scoring-token", "another audience", Some(&world.good()), Expect::InvalidToken);
        add("scorer", "a scorer has nothing to do here", Some(&scorer), Expect::InsufficientScope);
        for (who, role, bearer) in
            [("reader", Need::Reader, &reader), ("contributor", Need::Contributor, &contributor)]
        {
            let inside = Expect::OneOf(&[200, 201, 202, 204, 400, 404, 405, 409, 415, 422]);
            let expect = if role >= *need { inside } else { Expect::InsufficientScope };
            add(who, "what the route needs", Some(bearer), expect);
        }
    }
    group.run();
}

#[test]
fn pages_of_other_sites_get_nothing() {
    let world = World::get();
    let mut group = Group::new("hosts and origins", world.url());
    let bearer = format!("Authorization: Bearer {}", world.token(&world.reader, CONTROL_AUDIENCE));
    let port = world.url().rsplit(':').next().unwrap().to_owned();
    let asked = |host: &str, lines: &[&str]| {
        let lines = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
        format!("GET {CONTROL} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n")
    };
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "[::1]",
        &format!("127.0.0.1:{port}"),
        &format!("localhost:{port}"),
    ] {
        group.add(
            format!("host-good-{host}"),
            "names of loopback",
            asked(host, &[&bearer]),
            Expect::Accepted,
        );
    }
    for host in [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example.localhost",
        "127.0.0.2",
        "0.0.0.0",
        "0",
        "2130706433",
        "0x7f000001",
        "127.1",
        "[::]",
        "[::ffff:127.0.0.1]",
        "localhost.",
        "localhost%00.evil.example",
        "169.254.169.254",
        "metadata.google.internal",
        "*",
        "",
    ] {
        let why = "the name of another server (DNS rebinding)";
        group.add(format!("host-{host}"), why, asked(host, &[&bearer]), Expect::Status(421));
        group.add(format!("host-nobody-{host}"), "nor a challenge", asked(host, &[]), Expect::Status(421));
    }
    for origin in ["http://127.0.0.1", "http://localhost", &format!("http://127.0.0.1:{port}")] {
        let line = format!("Origin: {origin}");
        group.add(
            format!("origin-good-{origin}"),
            "our own pages",
            asked("127.0.0.1", &[&bearer, &line]),
            Expect::Accepted,
        );
    }
    for origin in [
        "null",
        "http://evil.example",
        "https://evil.example",
        "http://127.0.0.1.evil.example",
        "http://evil.example#127.0.0.1",
        "http://evil.example/127.0.0.1",
        "http://localhost@evil.example",
        "http://127.0.0.1@evil.example",
        "evil.example",
        "127.0.0.1",
        "file://",
        "chrome-extension://abcdef",
        "data:",
        "",
        "*",
    ] {
        let line = format!("Origin: {origin}");
        let bytes = asked("127.0.0.1", &[&bearer, &line]);
        group.add(format!("origin-{origin}"), "a page of another site", bytes, Expect::Status(403));
    }
    for (id, line) in [
        ("forwarded-host", "X-Forwarded-Host: evil.example"),
        ("forwarded", "Forwarded: host=evil.example"),
        ("x-host", "X-Host: evil.example"),
    ] {
        group.add(id, "only the Host counts", asked("127.0.0.1", &[&bearer, line]), Expect::Accepted);
        group.add(
            format!("{id}-hides"),
            "and cannot be replaced",
            asked("evil.example", &[&bearer, &line.replace("evil.example", "127.0.0.1")]),
            Expect::Status(421),
        );
    }
    group.run();
}

#[test]
fn no_answer_lets_other_sites_read_it() {
    let world = World::get();
    let reader = format!("Authorization: Bearer {}", world.token(&world.reader, CONTROL_AUDIENCE));
    let scorer = format!("Authorization: Bearer {}", world.good());
    let mut breaches = Vec::new();
    let mut count = 0;
    let tenant = &world.tenant;
    let targets = [
        "/health".to_owned(),
        "/endpoints/small/".into(),
        "/endpoints/small/score".into(),
        "/endpoints/small/docs".into(),
        "/endpoints/small/docs/".into(),
        "/endpoints/small/docs/swagger-initializer.js".into(),
        "/endpoints/small/openapi.json".into(),
        "/endpoints/nothing".into(),
        "/team/small/score".into(),
        "/team/small/nothing".into(),
        "/team/small/docs/".into(),
        "/api/v1/server".into(),
        "/api/v1/nothing".into(),
        "/api/v1/data".into(),
        "/metrics".into(),
        format!("/{tenant}/.well-known/openid-configuration"),
        format!("/{tenant}/discovery/keys"),
        format!("/{tenant}/oauth2/token"),
        format!("/{tenant}/nothing"),
        "/".into(),
    ];
    for target in &targets {
        for (method, bearer) in
            [("GET", ""), ("GET", &reader), ("GET", &scorer), ("OPTIONS", ""), ("POST", "")]
        {
            for origin in ["http://evil.example", "null"] {
                count += 1;
                let origin = format!("Origin: {origin}");
                let asks = [
                    "Access-Control-Request-Method: DELETE",
                    "Access-Control-Request-Headers: authorization",
                ];
                let mut lines = vec![origin.as_str(), asks[0], asks[1]];
                lines.extend((!bearer.is_empty()).then_some(bearer));
                let answers = talk(world.url(), &request(method, target, &lines, b""));
                let Some(answer) = answers.first() else {
                    breaches.push(format!("{method} {target}: no answer"));
                    continue;
                };
                let opened = answer.headers.iter().find(|(name, _)| name.starts_with("access-control-"));
                let cookie = answer.header("set-cookie").map(|_| "a cookie".to_owned());
                let told = ["server", "x-powered-by"].iter().find_map(|name| answer.header(name));
                let breach =
                    opened.map(|(name, _)| name.clone()).or(cookie).or(told).or_else(|| unclean(answer));
                breaches.extend(breach.map(|what| format!("{method} {target} {}: {what}", answer.status)));
                let text = answer.text();
                let secret = [&world.server().token, world.road.key()].into_iter().any(|s| text.contains(s));
                breaches.extend(secret.then(|| format!("{method} {target}: a secret")));
            }
        }
    }
    eprintln!("cross-origin answers: {count} cases, {} breaches", breaches.len());
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn secrets_are_told_to_nobody_who_only_reads() {
    let world = World::get();
    let reader = world.token(&world.reader, CONTROL_AUDIENCE);
    let secrets = [
        world.server().token.clone(),
        world.road.key().to_owned(),
        world.scorer["client_secret"].as_str().unwrap().to_owned(),
        world.reader["client_secret"].as_str().unwrap().to_owned(),
    ];
    for target in [
        "server",
        "data",
        "models",
        "endpoints",
        "endpoints/small",
        "apis",
        "principals",
        "ledger",
        "logs",
        "jobs",
    ] {
        let answer = talk(world.url(), &super::wire::get(&format!("/api/v1/{target}"), &reader)).remove(0);
        assert_eq!(answer.status, 200, "{target}");
        let text = answer.text();
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{target} tells a secret");
    }
    let metrics = talk(world.url(), &super::wire::get("/metrics", &reader)).remove(0).text();
    let log = std::fs::read_to_string(world.server().dir.join("logs/server.log")).unwrap_or_default();
    assert!(!secrets.iter().any(|secret| metrics.contains(secret) || log.contains(secret)));
}
