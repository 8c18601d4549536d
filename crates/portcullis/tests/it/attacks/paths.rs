//! Paths: one canonical reading, so that no spelling of a path reaches what another spelling may not (traversal, double
//! encoding, case, prefixes).

use super::wire::{get, post, request};
use super::world::{CONTROL, CONTROL_AUDIENCE, FRONT, World};
use super::{Expect, Group};

/// Statuses of a path that leads nowhere.
const NOWHERE: Expect = Expect::OneOf(&[400, 401, 404, 405]);

/// Ways to write a path that a careless server takes for `a/b` or for a step upwards.
const STEPS: [(&str, &str); 22] = [
    ("dots", "/../"),
    ("dots-twice", "/../../"),
    ("dot", "/./"),
    ("encoded-dots", "/%2e%2e/"),
    ("half-encoded", "/.%2e/"),
    ("upper-encoded", "/%2E%2E/"),
    ("encoded-slash", "/..%2f"),
    ("encoded-all", "/%2e%2e%2f"),
    ("double-encoded", "/%252e%252e/"),
    ("double-encoded-slash", "/..%252f"),
    ("backslash", "/..%5c"),
    ("bare-backslash", "/..\\"),
    ("double-slash", "//"),
    ("triple-slash", "///"),
    ("semicolon", "/;/"),
    ("dots-semicolon", "/..;/"),
    ("parameter", "/;x=y/../"),
    ("nul", "/%00/"),
    ("overlong-slash", "/..%c0%af"),
    ("overlong-dot", "/%c0%ae%c0%ae/"),
    ("utf16", "/..%u2215"),
    ("fullwidth", "/%ef%bc%8e%ef%bc%8e/"),
];

#[test]
fn open_paths_lead_nowhere_else() {
    let world = World::get();
    let mut group = Group::new("paths from open ones", world.url());
    let opened =
        ["/health", "/endpoints/small", "/endpoints/small/docs", "/team/small", "/team/small/docs", ""];
    for (at, open) in opened.into_iter().enumerate() {
        for (id, step) in STEPS {
            for target in ["api/v1/server", "metrics"] {
                let bytes = request("GET", &format!("{open}{step}{target}"), &[], b"");
                group.add(format!("{at}-{id}-{target}"), "no way round the door", bytes, NOWHERE);
            }
        }
    }
    let tenant = format!("/{}", world.tenant);
    for (id, step) in STEPS {
        let bytes = request("GET", &format!("{tenant}/discovery{step}api/v1/server"), &[], b"");
        group.add(format!("tenant-{id}"), "no way round the door", bytes, NOWHERE);
        let bytes = request("GET", &format!("/endpoints/small/docs{step}etc/passwd"), &[], b"");
        group.add(format!("docs-file-{id}"), "pages are a fixed list", bytes, NOWHERE);
    }
    for (at, path) in [
        "/HEALTH",
        "/Health",
        "/health/",
        "/health/x",
        "/health;x",
        "/health%20",
        "/%68ealth",
        "/health%00",
        "/health.json",
        "/healthz/../api/v1/server",
        "/api/v1/server?/health",
        "/api/v1/server?x=/health",
        "/api/v1/server/health",
        "/api/v1/health",
        "/endpoints",
        "/endpoints/",
        "/endpoints/nothing",
        "/endpoints//small/",
        "/endpoints/SMALL/",
        "/Endpoints/small/",
        "/endpoints/small%2f",
        "/endpoints/small;/",
        "/endpoints/small./",
        "/endpoints/%73mall/",
    ]
    .into_iter()
    .enumerate()
    {
        group.add(format!("open-{at}"), "open paths are exact", request("GET", path, &[], b""), NOWHERE);
    }
    group.run();
}

#[test]
fn a_credential_does_not_stretch() {
    let world = World::get();
    let mut group = Group::new("paths with credentials", world.url());
    let (good, reader) = (world.good(), world.token(&world.reader, CONTROL_AUDIENCE));
    let key = world.road.key();
    group.add("control", "the control", get(CONTROL, &reader), Expect::Accepted);
    group.add("front", "the control", post(FRONT, &good, &World::row()), Expect::Accepted);
    group.add(
        "front-query",
        "a query is not the path",
        post(&format!("{FRONT}?a=b"), &good, &World::row()),
        Expect::Accepted,
    );
    for (id, step) in STEPS {
        for (door, from, to, bearer) in [
            ("front", "/team/small", "other/score", good.as_str()),
            ("front-in", "/team/small", "score", &good),
            ("direct", "/endpoints/small", "other/score", key),
            ("direct-in", "/endpoints/small", "score", key),
            ("across", "/endpoints/small", "team/small/score", key),
        ] {
            let bytes = post(&format!("{from}{step}{to}"), bearer, &World::row());
            group.add(format!("{door}-{id}"), "one spelling of a path", bytes, NOWHERE);
        }
        let bytes = get(&format!("/api{step}v1/server"), &reader);
        group.add(format!("control-{id}"), "one spelling of a path", bytes, NOWHERE);
        let bytes = get(&format!("/api/v1/models{step}server"), &reader);
        group.add(format!("control-in-{id}"), "one spelling of a path", bytes, NOWHERE);
    }
    for (at, path) in [
        "/team/smallx/score",
        "/team/smal/score",
        "/team/small/score/",
        "/team/small/score/extra",
        "/team/small/scorex",
        "/team/small/SCORE",
        "/team/Small/score",
        "/TEAM/small/score",
        "/team/small/score%20",
        "/team/small/score%00",
        "/team/small/%73core",
        "/team%2fsmall/score",
        "/team/small%2fscore",
        "/team/small/score;x=y",
        "/team/small/score.json",
        "/team/small\\score",
        "/team/small/score/..",
        "/team/small/.",
        "/team/score",
        "/small/score",
        "/team/small/invocations",
        "/team/small/keys",
        "/team/small/api/v1/server",
        "/team/small/score%3fa=b",
        "/team/small/score%23",
        "/team/small/score&x",
        "/teamsmall/score",
        "/team/small/predict/x",
        "/team/small/v2",
        "/team/small//",
    ]
    .into_iter()
    .enumerate()
    {
        let bytes = post(path, &good, &World::row());
        group.add(format!("near-{at}"), "an API has its own paths only", bytes, NOWHERE);
    }
    for (at, path) in [
        "/API/v1/server",
        "/Api/V1/Server",
        "/api/v1/SERVER",
        "/api/v1/server/",
        "/api/v1//server",
        "//api/v1/server",
        "/api/v1/server;x",
        "/api/v1/server.json",
        "/api/v1/server%00",
        "/api/v1/%73erver",
        "/api%2fv1%2fserver",
        "/api/v2/server",
        "/api/server",
        "/v1/server",
        "/api/v1",
        "/api/v1/",
        "/METRICS",
        "/metrics/",
        "/metrics/../api/v1/server",
        "/api/2.0/mlflow/experiments/list",
        "/ajax-api/2.0/mlflow",
        "/get-artifact?path=../../etc/passwd",
        "/model-versions/get-artifact?path=/etc/passwd",
        "/.git/config",
        "/.env",
        "/admin",
        "/debug/pprof",
        "/actuator/env",
        "/server-status",
        "/etc/passwd",
        "/secrets/token-signing-key",
        "/admin-token",
        "/..%2fadmin-token",
    ]
    .into_iter()
    .enumerate()
    {
        group.add(format!("control-near-{at}"), "routes are exact", get(path, &reader), NOWHERE);
    }
    let absolute = get(&format!("http://127.0.0.1{CONTROL}"), &reader);
    group.add("absolute", "the absolute form of the same path", absolute, Expect::Accepted);
    let absolute = post(&format!("http://127.0.0.1{FRONT}"), &good, &World::row());
    group.add("absolute-front", "the absolute form of the same path", absolute, Expect::Accepted);
    group.run();
}

#[test]
fn no_name_is_a_path_of_this_machine() {
    let world = World::get();
    let mut group = Group::new("names of files and things", world.url());
    let admin = &world.server().token;
    let names = [
        "..%2f..%2fsecrets%2ftoken-signing-key",
        "%2e%2e%2fadmin-token",
        "..",
        ".",
        "%2e%2e",
        "..%5cadmin-token",
        "%2fetc%2fpasswd",
        "C:%5cx",
        "a%00b",
        "a%2fb",
        "..%252fadmin-token",
        "%c0%ae%c0%ae",
        "~root",
        "-rf",
        "a%20b",
        "%F0%9F%98%80",
        "CON",
        "a%0ab",
        "*",
        "file%3a%2f%2f%2fetc%2fpasswd",
        "%7b%7b7*7%7d%7d",
        "%3cscript%3ealert(1)%3c%2fscript%3e",
        "'%20OR%201=1--",
        "AAAAAAAAAA%2500",
    ];
    let nowhere = Expect::OneOf(&[400, 404, 405, 409, 422]);
    for (at, name) in names.into_iter().enumerate() {
        for (route, target) in [
            ("data", format!("/api/v1/data/{name}/versions/latest")),
            ("data-preview", format!("/api/v1/data/{name}/versions/latest/preview")),
            ("data-version", format!("/api/v1/data/small/versions/{name}")),
            ("model-file", format!("/api/v1/models/{name}/versions/1/file")),
            ("model-version", format!("/api/v1/models/small/versions/{name}/file")),
            ("job-file", format!("/api/v1/jobs/{name}/files/model.onnx")),
            ("job-artifact", format!("/api/v1/jobs/0/files/{name}")),
            ("endpoint", format!("/api/v1/endpoints/{name}/keys")),
        ] {
            group.add(format!("{route}-{at}"), "names are ids, never paths", get(&target, admin), nowhere);
        }
        let body = "a,b\n1,2\n3,4\n";
        let line = format!("Authorization: Bearer {admin}");
        let bytes = request("POST", &format!("/api/v1/data/{name}/versions"), &[&line], body.as_bytes());
        // `CON` is a plain name like any other; nothing is named after it on the disk.
        let expect = if name == "CON" { Expect::Accepted } else { nowhere };
        group.add(format!("register-{at}"), "nor when something is made", bytes, expect);
    }
    group.run();
    let outside = world.server().dir.parent().unwrap();
    let entries = std::fs::read_dir(outside).unwrap().count();
    assert_eq!(entries, 2, "only the table and the data directory stand beside each other");
}
