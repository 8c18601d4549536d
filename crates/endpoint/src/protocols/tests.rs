//! The protocols over real models.

use super::{About, Facts, Operation, Place, Route, Running, Totals, describe, evaluate};
use crate::outcome::Outcome;
use crate::score::Call;
use crate::testing::{self, Bench, ROW, text};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

const PLACE: Place<'static> = Place { model: "credit", version: 3 };

fn call(bench: &mut Bench, tail: &str, headers: &[(&'static str, &str)], body: &[u8]) -> Outcome {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let call = Call { method: &Method::POST, tail, query: None, headers: &map, body };
    evaluate(&bench.servable, &bench.limits, (&call, &PLACE), &mut bench.scratch)
}

fn infer(bench: &mut Bench, body: &Value) -> (u16, Value) {
    let outcome = call(bench, "v2/models/credit/infer", &[], body.to_string().as_bytes());
    (outcome.status.as_u16(), serde_json::from_slice(&outcome.body).unwrap())
}

fn invoke(bench: &mut Bench, kind: &str, body: &str) -> (u16, String) {
    let outcome = call(bench, "invocations", &[("content-type", kind)], body.as_bytes());
    (outcome.status.as_u16(), text(&outcome).to_owned())
}

/// The row of the seed, a tensor a column, `rows` times.
fn tensors(rows: usize) -> Vec<Value> {
    let row: Value = serde_json::from_str(ROW).unwrap();
    let tensor = |(name, value): (&String, &Value)| {
        let datatype = if value.is_string() { "BYTES" } else { "INT64" };
        json!({ "name": name, "shape": [rows, 1], "datatype": datatype, "data": vec![value; rows] })
    };
    row.as_object().unwrap().iter().map(tensor).collect()
}

#[test]
fn tensors_are_scored_and_only_what_is_asked_for_is_answered() {
    let mut bench = Bench::new(testing::credit());
    let body = json!({ "id": "a\"1", "parameters": { "content_type": "pd" }, "inputs": tensors(2) });
    let (status, answer) = infer(&mut bench, &body);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["model_name"], "credit");
    assert_eq!(answer["model_version"], "3");
    assert_eq!(answer["id"], "a\"1");
    assert_eq!(answer["parameters"]["content_type"], "pd");
    assert_eq!(
        answer["outputs"],
        json!([
            { "name": "label", "shape": [2], "datatype": "BYTES", "parameters": { "content_type": "str" }, "data": ["bad", "bad"] },
            { "name": "probabilities", "shape": [2, 2], "datatype": "FP32", "data": [0.875, 0.125, 0.875, 0.125] },
        ])
    );
    let body = json!({ "inputs": tensors(1), "outputs": [{ "name": "probabilities" }, { "name": "probabilities" }] });
    let (_, answer) = infer(&mut bench, &body);
    assert_eq!(answer["outputs"].as_array().unwrap().len(), 1);
    assert_eq!(answer["outputs"][0]["data"], json!([0.875, 0.125]));
    assert!(answer.get("id").is_none());
}

#[test]
fn a_request_that_does_not_fit_is_400_with_error_and_place() {
    let mut bench = Bench::new(testing::credit());
    let with = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut inputs = tensors(2);
        change(&mut inputs);
        json!({ "inputs": inputs })
    };
    let cases: Vec<(Value, &str)> = vec![
        (json!([]), "no inference request"),
        (json!({}), "missing field `inputs`"),
        (json!({ "inputs": [] }), "required and not there"),
        (with(&|all| drop(all.pop())), "required and not there"),
        (with(&|all| all.push(all[0].clone())), "stands there twice"),
        (with(&|all| all[0]["name"] = json!("other")), "unexpected inference input 'other'"),
        (with(&|all| all[0]["shape"] = json!([3, 1])), "needs 3 elements"),
        (with(&|all| all[0]["shape"] = json!([-1])), "invalid value"),
        (with(&|all| all[0]["shape"] = json!([2, 1, 1])), "[rows] or [rows, columns]"),
        (
            json!({ "inputs": [{ "name": "Age", "shape": [1, 2], "datatype": "FP32", "data": [1, 2] }] }),
            "one column",
        ),
        (with(&|all| all[0]["shape"] = json!([u64::MAX, u64::MAX])), "too many"),
        (with(&|all| all[0]["datatype"] = json!("STRING")), "'STRING' is no datatype"),
        (with(&|all| all[1]["datatype"] = json!("FP32")), "is no FP32"),
        (with(&|all| all[0]["data"] = json!([[1, 2], 3])), "list of elements"),
        (with(&|all| all[0]["data"] = json!({})), "list of elements"),
        (with(&|all| all[0]["parameters"] = json!({ "binary_data_size": 4 })), "not both"),
        (json!({ "inputs": tensors(2), "outputs": [{ "name": "none" }] }), "no output 'none'"),
        (json!({ "inputs": tensors(2), "parameters": { "a": {} } }), "no inference request"),
    ];
    for (body, part) in cases {
        let (status, answer) = infer(&mut bench, &body);
        assert_eq!(status, 400, "{body}: {answer}");
        let said = answer["error"].as_str().unwrap();
        assert!(said.contains(part), "{part} in {said}");
        assert_eq!(answer.as_object().unwrap().len(), 1);
    }
    let (status, answer) = infer(&mut bench, &json!({ "inputs": tensors(101) }));
    assert_eq!(status, 413, "{answer}");
    let deep = format!("{{\"x\":{}1{},\"inputs\":[]}}", "[".repeat(80), "]".repeat(80));
    let outcome = call(&mut bench, "v2/models/credit/infer", &[], deep.as_bytes());
    assert!(text(&outcome).contains("64 levels"), "{}", text(&outcome));
}

#[test]
fn binary_tensors_go_in_and_out() {
    let mut bench = Bench::new(testing::credit());
    let row: Value = serde_json::from_str(ROW).unwrap();
    let (mut inputs, mut tail) = (Vec::new(), Vec::new());
    for (name, value) in row.as_object().unwrap() {
        let begun = tail.len();
        let datatype = if let Some(word) = value.as_str() {
            tail.extend(u32::try_from(word.len()).unwrap().to_le_bytes());
            tail.extend(word.as_bytes());
            "BYTES"
        } else {
            tail.extend((value.as_i64().unwrap() as f32).to_le_bytes());
            "FP32"
        };
        let size = tail.len() - begun;
        inputs.push(json!({ "name": name, "shape": [1], "datatype": datatype, "parameters": { "binary_data_size": size } }));
    }
    let head = json!({ "inputs": inputs, "parameters": { "binary_data_output": true } }).to_string();
    let body = [head.as_bytes(), &tail].concat();
    let length = head.len().to_string();
    let outcome =
        call(&mut bench, "v2/models/credit/infer", &[("inference-header-content-length", &length)], &body);
    assert_eq!(outcome.status, 200, "{}", String::from_utf8_lossy(&outcome.body));
    let at = usize::try_from(outcome.extra.json_bytes.unwrap()).unwrap();
    let answer: Value = serde_json::from_slice(&outcome.body[..at]).unwrap();
    assert_eq!(answer["outputs"][0]["parameters"]["binary_data_size"], 7);
    let mut expected = vec![3, 0, 0, 0];
    expected.extend(b"bad");
    expected.extend([0.875_f32, 0.125].iter().flat_map(|n| n.to_le_bytes()));
    assert_eq!(&outcome.body[at..], expected);
    for (length, body, part) in [
        ("x".to_owned(), body.clone(), "no length"),
        ((body.len() + 1).to_string(), body.clone(), "no length"),
        (length.clone(), [&body[..], b"1"].concat(), "1 bytes stand behind"),
        (length.clone(), body[..body.len() - 1].to_vec(), "the body ends before"),
    ] {
        let outcome = call(
            &mut bench,
            "v2/models/credit/infer",
            &[("inference-header-content-length", &length)],
            &body,
        );
        assert_eq!(outcome.status, 400);
        assert!(text(&outcome).contains(part), "{part}: {}", text(&outcome));
    }
}

#[test]
fn one_wide_tensor_brings_all_columns() {
    let mut bench = Bench::new(testing::sum());
    let body = json!({ "inputs": [{ "name": "whatever", "shape": [2, 5], "datatype": "BYTES",
        "data": [["0.5", "2", "true", "1970-01-02", "a"], ["1", "0", "false", "1970-01-01", "3"]] }] });
    let (status, answer) = infer(&mut bench, &body);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["outputs"],
        json!([{ "name": "variable", "shape": [2], "datatype": "FP32", "data": [1121.5, 2001.0] }])
    );
}

#[test]
fn invocations_take_four_forms_of_json_and_csv() {
    let mut bench = Bench::new(testing::credit());
    let row: Value = serde_json::from_str(ROW).unwrap();
    let object = row.as_object().unwrap();
    let (names, values): (Vec<&String>, Vec<&Value>) = object.iter().unzip();
    let columns: Value = object.iter().map(|(name, value)| (name.clone(), json!([value, value]))).collect();
    let positional: Vec<&Value> = bench.servable.signature().inputs.iter().map(|f| &row[&f.name]).collect();
    for (body, rows) in [
        (json!({ "dataframe_split": { "columns": names, "index": [0], "data": [values] } }), 1),
        (
            json!({ "dataframe_split": { "data": [values], "columns": names } , "params": { "a": 1 }, "other": [] }),
            1,
        ),
        (json!({ "dataframe_records": [row, row] }), 2),
        (json!({ "instances": [row] }), 1),
        (json!({ "instances": [positional] }), 1),
        (json!({ "inputs": columns }), 2),
        (json!({ "inputs": [positional, positional] }), 2),
    ] {
        let (status, answer) = invoke(&mut bench, "application/json; charset=utf-8", &body.to_string());
        assert_eq!(status, 200, "{body}: {answer}");
        assert_eq!(answer, format!("{{\"predictions\": [{}]}}", vec!["\"bad\""; rows].join(", ")));
    }
    let csv = "Age,Sex,Job,Housing,Saving accounts,Checking account,Credit amount,Duration,Purpose,extra\n\
        20,male,0,own,little,little,100,48,radio/TV,x\n20,male,0,own,NaN,,100,6,\"radio/TV\",y\n";
    assert_eq!(
        invoke(&mut bench, "text/csv", csv),
        (200, "{\"predictions\": [\"bad\", \"good\"]}".to_owned())
    );
    let (status, answer) = {
        let outcome = call(
            &mut bench,
            "v1/models/credit:predict",
            &[],
            json!({ "instances": [row] }).to_string().as_bytes(),
        );
        (outcome.status.as_u16(), text(&outcome).to_owned())
    };
    assert_eq!((status, answer.as_str()), (200, "{\"predictions\": [\"bad\"]}"));
}

#[test]
fn what_a_schema_refuses_is_told_in_its_words() {
    let mut bench = Bench::new(testing::sum());
    let row = |change: &str, to: Value| {
        let mut row = json!({ "float.x": 0.5, "whole": 2, "flag": true, "when": "1970-01-02", "word": "a" });
        row[change] = to;
        json!({ "dataframe_records": [row] }).to_string()
    };
    for (body, part) in [
        ("[1]".to_owned(), "exactly one of the input fields"),
        ("{}".to_owned(), "None of them was received"),
        (r#"{"inputs":[],"instances":[]}"#.to_owned(), "Several of them"),
        ("{".to_owned(), "valid JSON formatted string"),
        (r#"{"inputs":{"float.x":[1]}}"#.to_owned(), "Model is missing inputs ['whole']"),
        (r#"{"inputs":{"float.x":1}}"#.to_owned(), "must be a list"),
        (r#"{"instances":[],"params":[1]}"#.to_owned(), "must be a dictionary"),
        (r#"{"dataframe_split":[1]}"#.to_owned(), "dataframe_split.data"),
        (row("float.x", json!("1")), "Incompatible input types for column float.x"),
        (row("whole", json!(1.5)), "Can not safely convert to long"),
        (row("whole", json!(1e300)), "double"),
        (row("flag", json!("perhaps")), "boolean"),
    ] {
        let (status, answer) = invoke(&mut bench, "application/json", &body);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, answer["error_code"].as_str()), (400, Some("BAD_REQUEST")), "{body}");
        let said = answer["message"].as_str().unwrap();
        assert!(said.contains(part), "{part} in {said}");
    }
    // An integer is a double, a whole double an integer, null is missing.
    for body in [
        row("float.x", json!(1)),
        row("whole", json!(2.0)),
        row("whole", Value::Null),
        row("extra", json!([1])),
    ] {
        assert_eq!(invoke(&mut bench, "application/json", &body).0, 200, "{body}");
    }
    let (_, answer) = invoke(&mut bench, "application/json", &row("float.x", Value::Null));
    assert_eq!(answer, "{\"predictions\": [null]}");
    for (kind, part) in [
        ("text/plain", "only supports the following content types"),
        ("application/json; charset=latin-1", "charset=latin-1"),
    ] {
        let (status, answer) = invoke(&mut bench, kind, "{}");
        assert_eq!(status, 415);
        assert!(answer.contains(part), "{answer}");
    }
    for body in [
        "",
        "float.x\n1\n",
        "float.x,whole,flag,when,word\n1,2\n",
        "float.x,whole,flag,when,word\nx,2,true,0,a\n",
    ] {
        assert_eq!(invoke(&mut bench, "text/csv", body).0, 400, "{body}");
    }
}

#[test]
fn a_model_is_described() {
    let (_, signature) = testing::credit();
    let running =
        Running { deployment: "blue", version: 3, about: Some(About::Native(&signature, "portcullis")) };
    let facts = |chosen| Facts { model: "credit", running: vec![running], chosen, totals: Totals::default() };
    let ask = |tail: &str, facts: &Facts<'_>| {
        let outcome = describe(&Route::of(tail).unwrap(), &Method::GET, facts);
        (outcome.status, serde_json::from_slice::<Value>(&outcome.body).unwrap_or_default())
    };
    let (status, model) = ask("v2/models/credit", &facts(Some(0)));
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&model["platform"], &model["versions"]), (&json!("onnx_onnxv1"), &json!(["3"])));
    assert_eq!(model["inputs"][1], json!({ "name": "Sex", "datatype": "BYTES", "shape": [-1, 1] }));
    assert_eq!(model["outputs"][1], json!({ "name": "probabilities", "datatype": "FP32", "shape": [-1, 2] }));
    assert_eq!(ask("v2/models/credit/ready", &facts(Some(0))).1, json!({ "name": "credit", "ready": true }));
    assert_eq!(ask("v2/models/credit/ready", &facts(None)).0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask("v2/models/other", &facts(Some(0))).0, StatusCode::NOT_FOUND);
    assert_eq!(ask("v2/models/credit/versions/9", &facts(None)).0, StatusCode::NOT_FOUND);
    assert_eq!(ask("v2/health/ready", &facts(Some(0))).1, json!({ "live": true, "ready": true }));
    let refused = describe(&Route::of("v2").unwrap(), &Method::POST, &facts(None));
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(text(&refused).starts_with("{\"error\":"), "{}", text(&refused));
    assert!(Operation::Live.is_open() && !Operation::Server.is_open());
}
