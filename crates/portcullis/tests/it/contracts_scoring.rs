//! The scoring shapes of the bank marketing clients (S1) and of the bank note form (S2) against the running binary.

use crate::contracts::{Direct, call, old_request, serve_table};
use crate::support::{Road, Server};
use http::Method;
use serde_json::{Value, json};

/// A row that is a yes and one that is a no, members in alphabetical order as the clients send them.
fn two() -> Value {
    json!([
        { "colour name": "red", "flag": true, "x.one": 70.5 },
        { "colour name": "red", "flag": false, "x.one": 0 },
    ])
}

#[tokio::test]
async fn the_automl_clients_get_their_shapes() {
    let road = Road::walk();
    let direct = Direct::of(&road.server, "small");
    let answer = direct.post("score", &json!({ "data": two() })).await;
    assert_eq!(answer.status, 200, "S1-05: {}", answer.body);
    assert_eq!(answer.body, r#""{\"result\": [\"yes\", \"no\"]}""#, "S1-05: doubly encoded, in row order");
    assert_eq!((answer.body.len(), answer.header("content-length")), (33, Some("33")), "S1-05: 33 bytes");
    let text = answer.json();
    assert!(text.is_string(), "S1-05: resp.json() gives a string");
    same_length(&road.server, &direct);
    by_name(&direct).await;
    methods(&direct).await;
    newer_shape(&direct).await;
    other_shapes(&direct).await;
}

/// What `ab` sends gets answers of one length.
fn same_length(server: &Server, direct: &Direct) {
    let body = json!({ "data": two() }).to_string();
    for call in 0..10 {
        let (head, answer) = old_request(server, "POST /endpoints/small/score", Some(&direct.bearer), &body);
        assert!(head.lines().next().unwrap().contains(" 200"), "S1-06 call {call}: {head}");
        assert_eq!(answer.len(), 33, "S1-06 call {call}");
    }
}

async fn by_name(direct: &Direct) {
    for (row, what) in [
        (json!({ "flag": true, "x.one": 70.5, "colour name": "red" }), "another order"),
        (json!({ "colour name": "red", "flag": true, "x.one": "70.5" }), "numeric text"),
        (json!({ "colour name": "red", "flag": true, "x.one": 71 }), "an integer"),
        (json!({ "colour name": "red", "flag": "true", "x.one": 7.05e1 }), "text for a boolean, an exponent"),
        (
            json!({ "colour name": "red", "flag": true, "x.one": 70.5, "id": 5, "more": null }),
            "further members",
        ),
        (json!({ "colour name": "red", "flag": true, "x.one": " 70.5 " }), "spaces around a number"),
    ] {
        let answer = direct.post("score", &json!({ "data": [row] })).await;
        assert_eq!(answer.body, r#""{\"result\": [\"yes\"]}""#, "S1-07 {what}");
    }
}

async fn methods(direct: &Direct) {
    let plain = direct.post("score", &json!({ "data": two(), "method": "predict" })).await;
    assert_eq!(plain.body, r#""{\"result\": [\"yes\", \"no\"]}""#, "S1-09 predict");
    let answer = direct.post("score", &json!({ "method": "predict_proba", "data": two() })).await;
    let shares: Value = serde_json::from_str(answer.json().as_str().unwrap()).unwrap();
    for (row, likely) in [(0, 1), (1, 0)] {
        // The classes stand in the order of their labels: no, yes.
        let row = shares["result"][row].as_array().unwrap();
        let share = |at: usize| row[at].as_f64().unwrap();
        assert!((share(0) + share(1) - 1.0).abs() < 1e-6 && share(likely) > 0.5, "S1-09: {shares}");
    }
    let wrong = direct.post("score", &json!({ "data": two(), "method": "guess" })).await;
    assert!(wrong.body.contains("Invalid predict method argument received (guess)"), "S1-09: {}", wrong.body);
    for (body, what) in [
        (json!({ "data": two(), "method": "guess" }), "an unknown method"),
        (json!({ "data": [{ "flag": true }] }), "missing columns"),
        (json!({ "data": "text" }), "rows that are none"),
    ] {
        let answer = direct.post("score", &body).await;
        // The error-as-200 of the old script is never imitated.
        assert!((400..500).contains(&answer.status), "S1-08 {what}: {} {}", answer.status, answer.body);
        assert!(answer.json()["message"].is_string(), "S1-08 {what}: {}", answer.body);
    }
}

async fn newer_shape(direct: &Direct) {
    for (parameters, expected) in [
        (None, r#"{"Results": ["yes", "no"]}"#),
        (Some(json!({ "method": "predict" })), r#"{"Results": ["yes", "no"]}"#),
        (Some(json!({})), r#"{"Results": ["yes", "no"]}"#),
        (Some(json!(1.0)), r#"{"Results": ["yes", "no"]}"#),
    ] {
        let mut body = json!({ "Inputs": { "data": two() } });
        if let Some(parameters) = &parameters {
            body["GlobalParameters"] = parameters.clone();
        }
        let answer = direct.post("score", &body).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, expected), "S1-10 {parameters:?}");
    }
    let proba = json!({ "Inputs": { "data": two() }, "GlobalParameters": { "method": "predict_proba" } });
    let answer = direct.post("score", &proba).await.json();
    assert_eq!(answer["Results"][1].as_array().map(Vec::len), Some(2), "S1-10 predict_proba: {answer}");
    let wrong = json!({ "Inputs": { "data": two() }, "GlobalParameters": { "method": "guess" } });
    let answer = direct.post("score", &wrong).await;
    assert!((400..600).contains(&answer.status), "S1-10 bad method: {} {}", answer.status, answer.body);
}

/// The shapes that architecture.md adds.
async fn other_shapes(direct: &Direct) {
    let split = json!({ "columns": ["x.one", "colour name", "flag"], "index": [0, 1],
        "data": [[70.5, "red", true], [0, "red", false]] });
    for (body, what) in
        [(json!({ "input_data": split }), "split"), (json!({ "input_data": two() }), "records")]
    {
        let answer = direct.post("score", &body).await;
        assert_eq!(answer.body, r#"["yes","no"]"#, "input_data {what}");
    }
}

/// Four numbers and the two answers of the bank note form.
fn notes() -> String {
    let mut text = String::from("variance,skewness,curtosis,entropy,class\n");
    for row in 0..160_i32 {
        let at = |by: i32, over: i32| f64::from(row * by % over) / 10.0 - 5.0;
        let (variance, skewness) = (at(37, 101), at(53, 97));
        let class = if variance + skewness > 0.0 { "Goed bankbiljet" } else { "Vals bankbiljet" };
        text.push_str(&format!("{variance},{skewness},{},{},{class}\n", at(29, 89), at(71, 103)));
    }
    text
}

#[tokio::test]
async fn the_bank_note_form_gets_its_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    serve_table(&server, "bankbiljet", "class", &notes());
    let direct = Direct::of(&server, "bankbiljet");
    for (variance, skewness, expected) in [
        (json!(4.5), json!(4.25), "Goed bankbiljet"),
        (json!(-4), json!(-4), "Vals bankbiljet"),
        (json!("4.5"), json!("4"), "Goed bankbiljet"),
    ] {
        let note = json!({ "variance": variance, "skewness": skewness, "curtosis": 0, "entropy": 0.5 });
        let answer = direct.post("predict", &note).await;
        assert_eq!(answer.status, 200, "S2-02 {note}: {}", answer.body);
        assert_eq!(answer.json()["prediction"], json!(expected), "S2-02 {note}");
    }
    let whole = json!({ "variance": 1.0, "skewness": 1.0, "curtosis": 1.0, "entropy": 1.0 });
    for (member, value, msg, kind) in [
        ("variance", None, "field required", "value_error.missing"),
        ("entropy", None, "field required", "value_error.missing"),
        ("skewness", Some(json!("much")), "value is not a valid float", "type_error.float"),
        ("curtosis", Some(json!([1])), "value is not a valid float", "type_error.float"),
    ] {
        let mut note = whole.clone();
        match value {
            Some(value) => note[member] = value,
            None => drop(note.as_object_mut().unwrap().remove(member)),
        }
        let answer = direct.post("predict", &note).await;
        assert_eq!(answer.status, 422, "S2-03 {note}: {}", answer.body);
        let expected = json!([{ "loc": ["body", member], "msg": msg, "type": kind }]);
        assert_eq!(answer.json()["detail"], expected, "S2-03 {note}");
    }
    let both = direct.post("predict", &json!({ "skewness": "x", "curtosis": 1, "entropy": 1 })).await.json();
    assert_eq!(both["detail"].as_array().map(Vec::len), Some(2), "S2-03: every fault at once: {both}");
    pages(&direct).await;
}

async fn pages(direct: &Direct) {
    let page = call(Method::GET, &format!("{}/docs", direct.base), &[], "").await;
    assert_eq!((page.status, page.header("location")), (308, Some("/endpoints/bankbiljet/docs/")), "S2-04");
    let page = call(Method::GET, &format!("{}/docs/", direct.base), &[], "").await;
    assert!(page.status == 200 && page.body.contains("swagger-ui"), "S2-04: {}", page.body);
    let document = call(Method::GET, &format!("{}/openapi.json", direct.base), &[], "").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.0."), "S2-04: {}", document["openapi"]);
    let predict = &document["paths"]["/predict"]["post"];
    assert_eq!(predict["summary"], json!("Predict bankbiljet"), "S2-04");
    let reference = &predict["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    let schema = document.pointer(&reference.as_str().unwrap()[1..]).unwrap();
    let names = ["variance", "skewness", "curtosis", "entropy"];
    assert_eq!(schema["required"], json!(names), "S2-04: four required members");
    for name in names {
        assert_eq!(schema["properties"][name]["type"], json!("number"), "S2-04 {name}");
    }
}
