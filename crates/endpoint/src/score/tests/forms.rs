//! The request forms and their answers, byte for byte.

use crate::testing::{self, Bench, GOOD, ROW, text};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::path::Path;

fn both() -> String {
    format!("[{ROW},{GOOD}]")
}

/// The answer to a body, which must be 200.
fn answered(bench: &mut Bench, tail: &str, body: &str) -> String {
    let outcome = bench.post(tail, body);
    assert_eq!(outcome.status, StatusCode::OK, "{body}: {}", text(&outcome));
    assert_eq!(outcome.content_type, "application/json");
    text(&outcome).to_owned()
}

#[test]
fn data_answers_a_json_string() {
    let mut bench = Bench::new(testing::credit());
    let body = format!(r#"{{"data": {}}}"#, both());
    assert_eq!(answered(&mut bench, "score", &body), r#""{\"result\": [\"bad\", \"good\"]}""#);
    let body = format!(r#"{{"method": "predict_proba", "data": {}}}"#, both());
    assert_eq!(answered(&mut bench, "score", &body), r#""{\"result\": [[0.875, 0.125], [0.25, 0.75]]}""#);
    let body = format!(r#"{{"data": {}, "method": "predict", "more": [{{"x": [1]}}]}}"#, both());
    assert_eq!(answered(&mut bench, "score", &body), r#""{\"result\": [\"bad\", \"good\"]}""#);
}

#[test]
fn inputs_answers_results() {
    let mut bench = Bench::new(testing::credit());
    let ask = |rest: &str| format!(r#"{{"Inputs": {{"data": {}}}{rest}}}"#, both());
    let plain = r#"{"Results": ["bad", "good"]}"#;
    for rest in [
        "",
        r#", "GlobalParameters": {"method": "predict"}"#,
        r#", "GlobalParameters": 1.0"#,
        r#", "GlobalParameters": null"#,
    ] {
        assert_eq!(answered(&mut bench, "score", &ask(rest)), plain);
    }
    let shares = ask(r#", "GlobalParameters": {"method": "predict_proba"}"#);
    assert_eq!(answered(&mut bench, "score", &shares), r#"{"Results": [[0.875, 0.125], [0.25, 0.75]]}"#);
}

#[test]
fn input_data_answers_bare_predictions() {
    let mut bench = Bench::new(testing::credit());
    let list = r#"[20,"male",0,"own","little","little",100,48,"radio/TV"]"#;
    for rows in [both(), format!("[{list},{GOOD}]")] {
        let body = format!(r#"{{"input_data": {rows}}}"#);
        assert_eq!(answered(&mut bench, "score", &body), r#"["bad","good"]"#);
    }
    let names = r#"["Duration","Age","Sex","extra","Job","Housing","Saving accounts","Checking account","Credit amount","Purpose"]"#;
    let values = r#"[[48,20,"male",{"x":1},0,"own","little","little",100,"car"],[6,20,"male",null,0,"own","little","little",100,"car"]]"#;
    for body in [
        format!(r#"{{"input_data": {{"columns": {names}, "index": [0, 1], "data": {values}}}}}"#),
        format!(r#"{{"input_data": {{"data": {values}, "columns": {names}}}, "params": {{}}}}"#),
        format!(r#"{{"input_data": {{"data": [{list}, {GOOD}]}}}}"#),
    ] {
        assert_eq!(answered(&mut bench, "score", &body), r#"["bad","good"]"#, "{body}");
    }
}

#[test]
fn rows_may_be_lists_in_signature_order() {
    let mut bench = Bench::new(testing::credit());
    let body = r#"{"data": [["20","male",0,"own","little","little",100,48,"radio/TV"],[20,"male",0,"own",null,"little",100,6,"x"]]}"#;
    assert_eq!(answered(&mut bench, "score", body), r#""{\"result\": [\"bad\", \"good\"]}""#);
    assert_eq!(bench.post("score", body).unknown, 1);
}

#[test]
fn an_empty_list_answers_an_empty_result() {
    let mut bench = Bench::new(testing::credit());
    assert_eq!(answered(&mut bench, "score", r#"{"data": []}"#), r#""{\"result\": []}""#);
    assert_eq!(answered(&mut bench, "score", r#"{"Inputs": {"data": []}}"#), r#"{"Results": []}"#);
    assert_eq!(answered(&mut bench, "score", r#"{"input_data": []}"#), "[]");
    assert_eq!(
        answered(
            &mut bench,
            "score",
            r#"{"input_data": {"columns": ["Age","Sex","Job","Housing","Saving accounts","Checking account","Credit amount","Duration","Purpose"], "data": []}}"#
        ),
        "[]"
    );
}

#[test]
fn predict_takes_a_flat_object() {
    let mut bench = Bench::new(testing::credit());
    let expected = r#"{"prediction":"bad","probabilities":{"bad":0.875,"good":0.125}}"#;
    assert_eq!(answered(&mut bench, "predict", ROW), expected);
    let mut sum = Bench::new(testing::sum());
    let row = r#"{"float.x":0.25,"whole":1,"flag":true,"when":86400,"word":"a"}"#;
    assert_eq!(answered(&mut sum, "predict", row), r#"{"prediction":1111.25}"#);
}

#[test]
fn labels_come_back_in_their_type() {
    let body = format!(r#"{{"data": {}}}"#, both());
    let mut numbers = Bench::new(testing::credit_numbers());
    assert_eq!(answered(&mut numbers, "score", &body), r#""{\"result\": [0, 1]}""#);
    assert_eq!(
        answered(&mut numbers, "predict", ROW),
        r#"{"prediction":0,"probabilities":{"0":0.875,"1":0.125}}"#
    );
    let mut truths = Bench::new(testing::credit_truths());
    assert_eq!(answered(&mut truths, "score", &body), r#""{\"result\": [false, true]}""#);
    assert_eq!(
        answered(&mut truths, "predict", GOOD),
        r#"{"prediction":true,"probabilities":{"false":0.25,"true":0.75}}"#
    );
    let mut sum = Bench::new(testing::sum());
    let body = r#"{"data": [{"float.x":0.1,"whole":0,"flag":0,"when":0,"word":"?"}]}"#;
    assert_eq!(answered(&mut sum, "score", body), r#""{\"result\": [0.1]}""#);
}

#[test]
fn a_query_is_scored_too() {
    let mut bench = Bench::new(testing::credit());
    let rest = "Age=20&Sex=male&Job=0&Housing=own&Saving+accounts=little&Checking%20account=little&Credit+amount=100&Purpose=radio/TV";
    let mut got = |target: &str| {
        let outcome = bench.get(target);
        assert_eq!(outcome.status, StatusCode::OK, "{}", text(&outcome));
        text(&outcome).to_owned()
    };
    assert_eq!(got(&format!("score?{rest}&Duration=48")), r#""{\"result\": [\"bad\"]}""#);
    assert_eq!(
        got(&format!("score?{rest}&Duration=48&Duration=6")),
        r#""{\"result\": [\"bad\", \"good\"]}""#
    );
    assert_eq!(got(&format!("score?{rest}&Duration=[6,null]&x=1")), r#""{\"result\": [\"good\", \"bad\"]}""#);
    assert_eq!(
        got(&format!("score?{rest}&Duration=48&method=predict_proba")),
        r#""{\"result\": [[0.875, 0.125]]}""#
    );
    let row: String = form_urlencoded::byte_serialize(format!("[{ROW}]").as_bytes()).collect();
    assert_eq!(got(&format!("score?data={row}")), r#""{\"result\": [\"bad\"]}""#);
    assert_eq!(got(&format!("score?input_data={row}")), r#"["bad"]"#);
}

#[test]
fn health_and_methods() {
    let mut bench = Bench::new(testing::credit());
    let healthy = bench.get("");
    assert_eq!((text(&healthy), healthy.content_type), ("Healthy", "text/html; charset=utf-8"));
    assert_eq!(healthy.extra.failed, None);
    for (tail, allow) in
        [("", "GET, HEAD, OPTIONS"), ("score", "GET, POST, OPTIONS"), ("predict", "POST, OPTIONS")]
    {
        let refused = bench.call(&Method::DELETE, tail, &HeaderMap::new(), b"");
        assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refused.extra.allow, Some(allow));
        let options = bench.call(&Method::OPTIONS, tail, &HeaderMap::new(), b"");
        assert_eq!((options.status, options.body.len()), (StatusCode::OK, 0));
    }
    assert_eq!(bench.get("predict").status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(bench.get("elsewhere").status, StatusCode::NOT_FOUND);
}

#[test]
fn headers_of_an_answer() {
    let mut bench = Bench::new(testing::credit());
    let mut headers = HeaderMap::new();
    bench.post("score", format!(r#"{{"data": {}}}"#, both())).extra.apply(&mut headers);
    assert_eq!(headers["x-ms-run-function-failed"], "False");
    let ms = headers["x-ms-run-fn-exec-ms"].to_str().unwrap();
    assert_eq!(ms.split_once('.').unwrap().1.len(), 3, "{ms}");
    assert!(!headers.contains_key("access-control-allow-origin"));
}

#[test]
fn cors_answers_only_configured_origins() {
    let mut bench = Bench::new(testing::credit());
    bench.limits.origins = vec![HeaderValue::from_static("https://a.example")];
    let mut origin = HeaderMap::new();
    origin.insert(header::ORIGIN, HeaderValue::from_static("https://a.example"));
    let outcome = bench.call(&Method::OPTIONS, "score", &origin, b"");
    let mut headers = HeaderMap::new();
    outcome.extra.apply(&mut headers);
    assert_eq!(headers["access-control-allow-origin"], "https://a.example");
    assert_eq!(headers["access-control-allow-methods"], "GET, POST");
    assert_eq!(headers["vary"], "origin");
}

#[test]
fn rows_are_counted_and_timed() {
    let mut bench = Bench::new(testing::credit());
    let outcome = bench.post("score", format!(r#"{{"data": {}}}"#, both()));
    assert_eq!((outcome.rows, outcome.unknown, outcome.reason.as_ref()), (2, 0, "ok"));
    assert_eq!(outcome.extra.exec_us, Some(outcome.model_us));
}

#[test]
fn the_bank_request_answers_thirty_three_bytes() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/bank_marketing_score_request.json");
    let Ok(body) = std::fs::read(file) else {
        println!("skipped: the_bank_request_answers_thirty_three_bytes needs shared/data");
        return;
    };
    let parsed: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let row = parsed["data"][0].as_object().unwrap();
    let mut bench = Bench::new(testing::shaped_like(row, ["yes", "no"]));
    let outcome = bench.post("score", &body);
    // The second of the two is 87 years old.
    assert_eq!(text(&outcome), r#""{\"result\": [\"no\", \"yes\"]}""#);
    assert_eq!(outcome.body.len(), 33);
}
