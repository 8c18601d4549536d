//! Open Inference and `/invocations` at every door: the same checks as `/score`, whatever the path's spelling, and bodies that
//! lie about themselves.

use super::wire::{get, post, request};
use super::world::{CONTROL_AUDIENCE, World};
use super::{Expect, Group};
use crate::support::Road;
use serde_json::json;

/// Paths that score, at the root, the direct door and the published API; the bearer that opens each is another.
const ROOT: &str = "/v2/models/small/infer";
const DIRECT: &str = "/endpoints/small/v2/models/small/infer";
const FRONT: &str = "/team/small/v2/models/small/infer";

/// Id, reason, path, bearer, body, and the answer it must get.
type Lock<'a> = (&'a str, &'static str, &'a str, Option<&'a str>, &'a str, Expect);

fn tensors() -> String {
    json!({ "inputs": [
        { "name": "x.one", "shape": [1], "datatype": "FP32", "data": [70.5] },
        { "name": "colour name", "shape": [1], "datatype": "BYTES", "data": ["red"] },
        { "name": "flag", "shape": [1], "datatype": "BOOL", "data": [true] },
    ] })
    .to_string()
}

#[test]
fn the_doors_of_other_protocols_have_the_same_locks() {
    use Expect::{Accepted, InsufficientScope, InvalidToken, NoCredentials, Status};
    let world = World::get();
    let mut group = Group::new("locks of other protocols", world.url());
    let body = tensors();
    let rows = json!({ "dataframe_records": [Road::row()] }).to_string();
    let key = world.road.key();
    let other_key = world.other_keys["primaryKey"].as_str().unwrap();
    let good = world.good();
    let reader = world.token(&world.reader, CONTROL_AUDIENCE);
    let revoked = world.road.server.cli(&["principal", "create", "leaver", "--role", "scorer"]);
    let left = world.token(&revoked, CONTROL_AUDIENCE);
    world.road.server.cli(&["principal", "revoke", "leaver"]);
    let cases: Vec<Lock<'_>> = vec![
        ("root-key", "the control", ROOT, Some(key), &body, Accepted),
        ("direct-key", "the control", DIRECT, Some(key), &body, Accepted),
        ("front-token", "the control", FRONT, Some(&good), &body, Accepted),
        ("invocations-key", "the control", "/endpoints/small/invocations", Some(key), &rows, Accepted),
        ("invocations-token", "the control", "/team/small/invocations", Some(&good), &rows, Accepted),
        ("root-none", "closed by default", ROOT, None, &body, NoCredentials),
        ("direct-none", "closed by default", DIRECT, None, &body, NoCredentials),
        ("front-none", "closed by default", FRONT, None, &body, NoCredentials),
        ("invocations-none", "closed by default", "/endpoints/small/invocations", None, &rows, NoCredentials),
        ("published-none", "closed by default", "/team/small/invocations", None, &rows, NoCredentials),
        ("v1-none", "closed by default", "/v1/models/small:predict", None, &body, NoCredentials),
        ("root-other-key", "a key opens its own endpoint", ROOT, Some(other_key), &body, InvalidToken),
        ("direct-other-key", "a key opens its own endpoint", DIRECT, Some(other_key), &body, InvalidToken),
        ("front-key", "a key is no token", FRONT, Some(key), &body, InvalidToken),
        ("root-api-token", "a token for an API is for no other door", ROOT, Some(&good), &body, InvalidToken),
        ("direct-token", "the direct door takes its key", DIRECT, Some(&reader), &body, InvalidToken),
        ("root-reader", "a reader may not score", ROOT, Some(&reader), &body, InsufficientScope),
        ("root-revoked", "a revoked client is out", ROOT, Some(&left), &body, InvalidToken),
        (
            "root-admin",
            "the admin token scores nothing",
            ROOT,
            Some(&world.server().token),
            &body,
            InvalidToken,
        ),
        (
            "across",
            "the model is the endpoint of the path",
            "/endpoints/small/v2/models/other/infer",
            Some(key),
            &body,
            Status(404),
        ),
        (
            "across-front",
            "the model is the API's endpoint",
            "/team/small/v2/models/other/infer",
            Some(&good),
            &body,
            Status(404),
        ),
        ("unknown", "no such model", "/v2/models/nothing/infer", Some(key), &body, Status(404)),
    ];
    for (id, why, path, bearer, body, expect) in cases {
        let bytes = match bearer {
            Some(bearer) => post(path, bearer, body),
            None => request("POST", path, &["Content-Type: application/json"], body.as_bytes()),
        };
        group.add(id, why, bytes, expect);
    }
    for (id, path) in [
        ("server", "/v2"),
        ("model", "/v2/models/small"),
        ("stats", "/v2/models/small/stats"),
        ("v1-model", "/v1/models/small"),
    ] {
        group.add(
            format!("{id}-none"),
            "what is served is not public",
            request("GET", path, &[], b""),
            NoCredentials,
        );
        group.add(format!("{id}-wrong"), "nor for any key", get(path, "wrong"), InvalidToken);
    }
    let index = request("POST", "/v2/repository/index", &[], b"{}");
    group.add("index-none", "the list of models is not public", index, NoCredentials);
    for (id, path) in
        [("live", "/v2/health/live"), ("ready", "/v2/health/ready"), ("ping", "/endpoints/small/ping")]
    {
        group.add(id, "health is open", request("GET", path, &[], b""), Accepted);
        group.add(format!("{id}-post"), "by GET only", request("POST", path, &[], b""), Status(405));
    }
    group.run();
}

#[test]
fn paths_of_other_protocols_have_one_spelling() {
    let world = World::get();
    let mut group = Group::new("paths of other protocols", world.url());
    let (body, key) = (tensors(), world.road.key());
    let nowhere = Expect::OneOf(&[400, 401, 404, 405]);
    for (at, path) in [
        "/V2/models/small/infer",
        "/v2//models/small/infer",
        "/v2/models//infer",
        "/v2/models/small/infer/",
        "/v2/models/small/infer/x",
        "/v2/models/small%2finfer",
        "/v2/models/%73mall/infer",
        "/v2/models/../models/small/infer",
        "/v2/health/../models/small/infer",
        "/v2/health/live/../../models/small",
        "/v2/models/small/versions//infer",
        "/v2/models/small/versions/../infer",
        "/v2/models/small/versions/1/../../infer",
        "/v2/models/small/load",
        "/v2/repository/models/small/load",
        "/v2/repository/models/small/unload",
        "/v1/models/small:explain",
        "/v1/models/small%3apredict",
        "/invocations",
        "/endpoints/small/Invocations",
        "/endpoints/small/invocations/",
        "/endpoints/small/ping/../score",
        "/team/small/ping/../score",
        "/v3/models/small/infer",
    ]
    .into_iter()
    .enumerate()
    {
        group.add(format!("spelling-{at}"), "one spelling of a path", post(path, key, &body), nowhere);
    }
    group.run();
}

#[test]
fn tensors_that_lie_are_refused() {
    use Expect::{Accepted, OneOf, Status};
    let world = World::get();
    let mut group = Group::new("tensors", world.url());
    let key = world.road.key();
    let line = format!("Authorization: Bearer {key}");
    let good = tensors();
    let bad = OneOf(&[400, 413]);
    let one = |shape: &str, data: &str| {
        format!(r#"{{"inputs":[{{"name":"x.one","shape":{shape},"datatype":"FP32","data":{data}}}]}}"#)
    };
    let many = format!("[{}1]", "1,".repeat(100_001));
    let all = ["x.one", "colour name", "flag"]
        .map(|name| format!(r#"{{"name":"{name}","shape":[100002],"datatype":"INT8","data":{many}}}"#));
    let all = format!(r#"{{"inputs":[{}]}}"#, all.join(","));
    for (id, why, body, expect) in [
        ("good", "the control", good.clone(), Accepted),
        ("empty", "nothing", String::new(), bad),
        ("negative", "a shape is what came", one("[-1]", "[1]"), bad),
        ("huge", "no room is made for what did not come", one("[9223372036854775807]", "[1]"), bad),
        ("overflow", "a product that wraps", one("[4294967296,4294967296]", "[]"), bad),
        ("rank", "rows and columns", one("[1,1,1,1]", "[1]"), bad),
        (
            "deep-data",
            "depth is bounded",
            one("[1]", &format!("{}1{}", "[".repeat(5000), "]".repeat(5000))),
            bad,
        ),
        (
            "deep-else",
            "depth is bounded",
            format!("{{\"x\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000)),
            bad,
        ),
        ("rows", "rows are bounded", all, Status(413)),
        ("twice", "one tensor of a name", good.replace("colour name", "x.one"), bad),
        ("twice-member", "one member of a name", good.replacen('{', "{\"inputs\":[],", 1), bad),
        ("not-finite", "NaN is not JSON", good.replace("70.5", "NaN"), bad),
        ("parameters", "parameters are plain", good.replacen('{', "{\"parameters\":{\"a\":[]},", 1), bad),
        (
            "size",
            "a size without its bytes",
            good.replace("\"data\":[70.5]", "\"parameters\":{\"binary_data_size\":4}"),
            bad,
        ),
    ] {
        group.add(id, why, post(ROOT, key, &body), expect);
    }
    for (id, length, expect) in [
        ("length-all", good.len().to_string(), Accepted),
        ("length-beyond", (good.len() + 1).to_string(), bad),
        ("length-negative", "-1".to_owned(), bad),
        ("length-huge", "99999999999999999999999".to_owned(), bad),
        ("length-plus", format!("+{}", good.len()), bad),
        ("length-short", "3".to_owned(), bad),
    ] {
        let header = format!("Inference-Header-Content-Length: {length}");
        let bytes = request("POST", ROOT, &[&line, &header], good.as_bytes());
        group.add(id, "the JSON part is as long as the header says", bytes, expect);
    }
    group.run();
}
