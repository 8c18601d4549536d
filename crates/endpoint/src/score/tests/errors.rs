//! Every way a call can be refused: status, message, form.

use crate::testing::{self, Bench, GOOD, ROW, text};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

/// Status and message of a refusal, whose form is checked.
fn refused(bench: &mut Bench, tail: &str, body: &str) -> (u16, String) {
    let outcome = bench.post(tail, body);
    assert_eq!(outcome.content_type, "application/problem+json", "{body}: {}", text(&outcome));
    let problem: Value = serde_json::from_slice(&outcome.body).unwrap();
    assert_eq!(problem["status"], outcome.status.as_u16());
    for member in ["type", "title", "message"] {
        assert!(problem[member].is_string(), "{member} in {problem}");
    }
    if tail == "score" {
        assert_eq!(problem["detail"], problem["message"]);
    }
    assert_eq!(outcome.extra.failed, Some(false));
    assert_ne!(outcome.reason, "ok");
    (outcome.status.as_u16(), problem["message"].as_str().unwrap().to_owned())
}

/// Bodies that are no request, and what is said.
const NO_REQUESTS: &[(&str, u16, &str)] = &[
    ("", 400, "POST body is empty. Expecting a JSON dictionary."),
    (" \n", 400, "POST body is empty. Expecting a JSON dictionary."),
    ("{", 400, "POST body could not be decoded as JSON: EOF while parsing an object at line 1 column 1"),
    ("not json", 400, "POST body could not be decoded as JSON: expected ident at line 1 column 2"),
    ("{} {}", 400, "POST body could not be decoded as JSON: trailing characters at line 1 column 4"),
    ("[1]", 400, "POST body should be a JSON dictionary. Found a list"),
    ("\"x\"", 400, "POST body should be a JSON dictionary. Found the text \"x\""),
    (
        "{}",
        422,
        "A value is not provided for the 'data' parameter. Send the rows as 'data', 'Inputs' or 'input_data'",
    ),
    (
        ROW,
        422,
        "A value is not provided for the 'data' parameter. Send the rows as 'data', 'Inputs' or 'input_data'",
    ),
    (r#"{"data":5}"#, 422, "'data' must be a list, found the number 5"),
    (r#"{"data":{}}"#, 422, "'data' must be a list, found an object"),
    (r#"{"data":[5]}"#, 422, "row 0: a row must be an object or a list, found the number 5"),
    (r#"{"Inputs":{}}"#, 422, "'Inputs.data' is missing; it brings the rows"),
    (r#"{"Inputs":[]}"#, 422, "'Inputs.data' is missing; it brings the rows"),
    (
        r#"{"input_data":{"columns":[]}}"#,
        422,
        "field 'Age': required and not there; send null for a missing value",
    ),
    (r#"{"input_data":{"index":[]}}"#, 422, "'input_data.data' is missing; it brings the rows"),
    (r#"{"input_data":{"columns":[7]}}"#, 422, "expected a column name, found the number 7"),
    (r#"{"input_data":{"columns":["Age","Age"]}}"#, 400, "the member 'Age' stands there twice"),
    (r#"{"input_data":"x"}"#, 422, "'input_data' must be a list, found the text \"x\""),
    (r#"{"data":[],"x":1,"x":2}"#, 400, "the member 'x' stands there twice"),
    (
        r#"{"data":[],"method":"explain"}"#,
        400,
        "Invalid predict method argument received (explain); use 'predict' or 'predict_proba'",
    ),
    (r#"{"data":[],"method":"predict","method":"predict"}"#, 400, "the member 'method' stands there twice"),
    (r#"{"data":[],"data":[]}"#, 400, "the member 'data' stands there twice"),
    (r#"{"data":[],"input_data":[]}"#, 400, "send one of 'data', 'Inputs' and 'input_data', not several"),
];

#[test]
fn bodies_that_are_no_request() {
    let mut bench = Bench::new(testing::credit());
    for (body, status, message) in NO_REQUESTS {
        let expected = (*status, (*message).to_owned());
        assert_eq!(refused(&mut bench, "score", body), expected, "{body}");
    }
}

/// The rows of a body, and what is said about them.
fn wrong_rows() -> Vec<(String, u16, &'static str)> {
    let duration = |value: &str| ROW.replace("48", value);
    let more = |members: &str| ROW.replace(r#""Job":0,"#, members);
    let missing = "row 1, field 'Job': required and not there; send null for a missing value";
    let not_finite = "row 0, field 'Duration': NaN and Infinity are not JSON; send null for a missing value";
    let range = "row 0, field 'Duration': POST body could not be decoded as JSON: number out of range";
    let value = "row 0, field 'Duration': POST body could not be decoded as JSON: expected value";
    let list = |rest: &str| format!(r#"[1,"male",0,"own","a","b",1,2{rest}]"#);
    let job_twice = r#""Job":0,"Job":0,"#;
    vec![
        (format!("{ROW},{}", more("")), 422, missing),
        (format!("{GOOD},{}", more(job_twice)), 400, "row 1: the member 'Job' stands there twice"),
        (more(r#""Job":0,"x":0,"x":1,"#), 400, "row 0: the member 'x' stands there twice"),
        (format!("{ROW},[1,\"male\"]"), 422, "row 1: expected 9 values, found 2"),
        (list(""), 422, "row 0: expected 9 values, found 8"),
        (list(r#","c",[4],5"#), 422, "row 0: expected 9 values, found 11"),
        (duration("NaN"), 400, not_finite),
        (duration("-Infinity"), 400, not_finite),
        (duration("1e999"), 400, range),
        (duration("'6'"), 400, value),
        (ROW.replace("male", "\\ud800"), 400, "row 0, field 'Sex': POST body could not be decoded as JSON: "),
    ]
}

#[test]
fn rows_that_do_not_fit_are_named() {
    let mut bench = Bench::new(testing::credit());
    for (rows, status, message) in wrong_rows() {
        let (found, text) = refused(&mut bench, "score", &format!(r#"{{"data":[{rows}]}}"#));
        assert_eq!(found, status, "{rows}");
        assert!(text.starts_with(message), "{text}");
    }
    let outcome = bench.post("score", b"{\"data\":[{\"Sex\":\"\xff\"}]}");
    assert_eq!(outcome.status, StatusCode::BAD_REQUEST);
}

#[test]
fn the_log_gets_no_values() {
    let mut bench = Bench::new(testing::credit());
    let outcome = bench.post("score", format!(r#"{{"data":[{}]}}"#, ROW.replace("48", "\"secret\"")));
    assert!(text(&outcome).contains("secret"));
    assert_eq!(outcome.reason, "row 0, field 'Duration': wrong type");
}

#[test]
fn limits_hold() {
    let mut bench = Bench::new(testing::credit());
    let rows = |count: usize| format!(r#"{{"data":[{}]}}"#, vec![ROW; count].join(","));
    assert_eq!(bench.post("score", rows(100)).status, StatusCode::OK);
    let (status, message) = refused(&mut bench, "score", &rows(101));
    assert_eq!((status, message.as_str()), (413, "more than 100 rows; send them in several calls"));
    let nested = |depth: usize| format!(r#"{{"x":{}{},"data":[]}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(bench.post("score", nested(63)).status, StatusCode::OK);
    let deep = (400, "nested more than 64 levels deep".to_owned());
    assert_eq!(refused(&mut bench, "score", &nested(64)), deep);
    assert_eq!(refused(&mut bench, "score", &nested(100_000)), deep);
    let inside = |depth: usize| {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"data":[{}]}}"#, ROW.replace(r#""Job":0,"#, &format!(r#""Job":0,"x":{deep},"#)))
    };
    assert_eq!(bench.post("score", inside(61)).status, StatusCode::OK);
    assert_eq!(refused(&mut bench, "score", &inside(62)).0, 400);
    let split = format!(r#"{{"input_data":{{"data":[[{}{}]]}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(refused(&mut bench, "score", &split).0, 422);
}

#[test]
fn a_regression_has_no_probabilities() {
    let mut bench = Bench::new(testing::sum());
    let body = r#"{"data":[],"method":"predict_proba"}"#;
    let message = "'predict_proba' needs a model that predicts classes; use 'predict'".to_owned();
    assert_eq!(refused(&mut bench, "score", body), (422, message));
}

#[test]
fn queries_are_refused_the_same_way() {
    let mut bench = Bench::new(testing::credit());
    let mut got = |target: &str| {
        let outcome = bench.get(target);
        let problem: Value = serde_json::from_slice(&outcome.body).unwrap();
        (outcome.status.as_u16(), problem["message"].as_str().unwrap().to_owned())
    };
    let (status, message) = got("score");
    assert_eq!((status, &message[..32]), (422, "row 0, field 'Age': required and"));
    let (status, message) = got("score?Age=x");
    assert_eq!(
        (status, message.as_str()),
        (422, "row 0, field 'Age': expected a whole number, found the text \"x\"")
    );
    assert_eq!(got("score?Age=[1,2]&Sex=[3]").0, 400);
    assert_eq!(got("score?data=5").0, 422);
}

/// Status and body of a call of `/predict`.
fn predicted(bench: &mut Bench, body: &str) -> Value {
    let outcome = bench.post("predict", body);
    assert_eq!(outcome.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", text(&outcome));
    serde_json::from_slice(&outcome.body).unwrap()
}

#[test]
fn predict_lists_every_fault_in_its_clients_form() {
    let mut bench = Bench::new(testing::sum());
    let problem = predicted(&mut bench, r#"{"float.x":"abc","flag":"maybe","when":[1],"word":{"a":1}}"#);
    assert_eq!(
        problem["detail"],
        json!([
            {"loc": ["body", "float.x"], "msg": "value is not a valid float", "type": "type_error.float"},
            {"loc": ["body", "flag"], "msg": "value could not be parsed to a boolean", "type": "type_error.bool"},
            {"loc": ["body", "when"], "msg": "invalid datetime format", "type": "value_error.datetime"},
            {"loc": ["body", "word"], "msg": "str type expected", "type": "type_error.str"},
            {"loc": ["body", "whole"], "msg": "field required", "type": "value_error.missing"},
        ])
    );
    let message = problem["message"].as_str().unwrap();
    assert!(
        message.starts_with("field 'float.x': expected a number, found the text \"abc\"; field 'flag'"),
        "{message}"
    );
    let problem = predicted(&mut bench, r#"{"float.x":1,"whole":"x","flag":1,"when":0,"word":"a"}"#);
    assert_eq!(
        problem["detail"],
        json!([{"loc": ["body", "whole"], "msg": "value is not a valid integer", "type": "type_error.integer"}])
    );
}

#[test]
fn predict_wants_one_object() {
    let mut bench = Bench::new(testing::sum());
    let required = json!([{"loc": ["body"], "msg": "field required", "type": "value_error.missing"}]);
    assert_eq!(predicted(&mut bench, "")["detail"], required);
    let dictionary =
        json!([{"loc": ["body"], "msg": "value is not a valid dict", "type": "type_error.dict"}]);
    assert_eq!(predicted(&mut bench, "[1]")["detail"], dictionary);
    assert_eq!(predicted(&mut bench, "{")["detail"][0]["type"], "value_error.jsondecode");
    assert_eq!(predicted(&mut bench, r#"{"float.x":NaN}"#)["detail"][0]["loc"], json!(["body", "float.x"]));
}

#[test]
fn content_types() {
    let mut bench = Bench::new(testing::credit());
    let good = format!(r#"{{"data":[{ROW}]}}"#);
    let mut status = |kind: &'static str, body: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        bench.call(&Method::POST, "score", &headers, body.as_bytes()).status.as_u16()
    };
    for kind in ["application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded"] {
        assert_eq!(status(kind, &good), 200, "{kind}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        assert_eq!(status(kind, "a=1&b=2"), 415, "{kind}");
        assert_eq!(status(kind, "{}"), 422, "{kind}");
    }
    for kind in ["text/csv", "application/octet-stream", "application/json; charset=utf-16"] {
        assert_eq!(status(kind, &good), 415, "{kind}");
    }
    assert_eq!(status("application/json", "a=1"), 400);
    let none = bench.call(&Method::POST, "score", &HeaderMap::new(), good.as_bytes());
    assert_eq!(none.status, StatusCode::OK);
    let marked = format!("\u{feff}{good}");
    assert_eq!(bench.post("score", marked).status, StatusCode::OK);
}
