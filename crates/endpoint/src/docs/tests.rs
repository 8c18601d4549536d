//! The documents: their members, their order, and that their examples score.

use super::*;
use crate::testing::{self, Bench, text};
use serde_json::Value;

fn info(signature: &Signature) -> DocInfo<'_> {
    DocInfo {
        name: "german-credit",
        base_url: "https://host:8443",
        prefix: "/endpoints/german-credit",
        signature,
        engine: "portcullis",
    }
}

fn value(document: &Document) -> Value {
    serde_json::to_value(document).unwrap()
}

#[test]
fn version_2_is_what_clients_load() {
    let (_, signature) = testing::credit();
    let document = value(&swagger(&info(&signature), "2").unwrap());
    assert_eq!(document["swagger"], "2.0");
    assert_eq!(document["info"]["title"], "german-credit");
    assert_eq!(document["host"], "host:8443");
    assert_eq!(document["basePath"], "/endpoints/german-credit");
    assert_eq!(document["schemes"][0], "https");
    assert_eq!(document["paths"]["/"]["get"]["operationId"], "ServiceHealthCheck");
    let run = &document["paths"]["/score"]["post"];
    assert_eq!(run["operationId"], "RunMLService");
    assert_eq!(run["parameters"][0]["name"], "serviceInputPayload");
    assert_eq!(run["parameters"][0]["schema"]["$ref"], "#/definitions/ServiceInput");
    assert_eq!(document["securityDefinitions"]["Bearer"]["type"], "apiKey");
    let items = &document["definitions"]["ServiceInput"]["properties"]["data"]["items"];
    assert_eq!(items["properties"]["Age"]["format"], "int64");
    assert_eq!(items["properties"]["Saving accounts"]["type"], "string");
    assert_eq!(items["required"].as_array().unwrap().len(), 9);
    assert_eq!(document["definitions"]["ServiceOutput"]["example"], r#"{"result": ["bad"]}"#);
    assert!(document["definitions"]["ErrorResponse"]["properties"]["message"].is_object());
}

#[test]
fn version_3_says_which_3() {
    let (_, signature) = testing::sum();
    for (asked, version) in [("3", "3.0.3"), ("3.0", "3.0.3"), ("3.1", "3.1.0")] {
        let document = value(&swagger(&info(&signature), asked).unwrap());
        assert_eq!(document["openapi"], version);
        assert_eq!(document["servers"][0]["url"], "https://host:8443/endpoints/german-credit");
        assert!(document["components"]["securitySchemes"]["Bearer"].is_object());
        let flag = &document["components"]["schemas"]["ServiceInput"]["properties"]["data"]["items"]["properties"]
            ["flag"];
        if version == "3.1.0" {
            assert_eq!(flag["type"], serde_json::json!(["boolean", "null"]));
        } else {
            assert_eq!((&flag["type"], &flag["nullable"]), (&"boolean".into(), &true.into()));
        }
    }
}

#[test]
fn columns_keep_the_order_of_the_table() {
    let (_, signature) = testing::credit();
    let document = serde_json::to_string(&swagger(&info(&signature), "2").unwrap()).unwrap();
    let places: Vec<usize> =
        signature.inputs.iter().map(|f| document.find(&format!("\"{}\":{{", f.name)).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn an_unknown_version_is_not_found() {
    let (_, signature) = testing::credit();
    let answered = |query| answer(&info(&signature), "swagger.json", query).unwrap();
    for known in [None, Some(""), Some("version=2.0"), Some("x=1&version=3.1")] {
        assert_eq!(answered(known).status, StatusCode::OK);
    }
    let unknown = answered(Some("version=4"));
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let problem: Value = serde_json::from_slice(&unknown.body).unwrap();
    assert_eq!(problem["message"], "Swagger version [4] is not valid. Supported versions: [2, 3, 3.1].");
    assert_eq!(answer(&info(&signature), "score", None), None);
    assert_eq!(answer(&info(&signature), "openapi.json", None).unwrap().status, StatusCode::OK);
}

#[test]
fn the_examples_really_score() {
    for model in [testing::credit(), testing::sum(), testing::credit_truths()] {
        let signature = model.1.clone();
        let mut bench = Bench::new(model);
        let document = value(&swagger(&info(&signature), "2").unwrap());
        let example = document["definitions"]["ServiceInput"]["example"].to_string();
        let outcome = bench.post("score", &example);
        assert_eq!(outcome.status, StatusCode::OK, "{example}: {}", text(&outcome));
        let document = value(&openapi(&info(&signature)));
        let media = &document["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"];
        assert_eq!(media["schema"]["oneOf"].as_array().unwrap().len(), 3);
        for (name, example) in media["examples"].as_object().unwrap() {
            let outcome = bench.post("score", example["value"].to_string());
            assert_eq!((outcome.status, outcome.rows), (StatusCode::OK, 1), "{name}: {}", text(&outcome));
        }
        let row = document["components"]["schemas"]["Row"]["example"].to_string();
        assert_eq!(bench.post("predict", row).status, StatusCode::OK);
    }
}

/// Every `$ref` beneath a node.
fn references<'a>(node: &'a Value, found: &mut Vec<&'a str>) {
    match node {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    for (_, signature) in [testing::credit(), testing::sum()] {
        let info = info(&signature);
        let mut documents = vec![value(&openapi(&info))];
        documents.extend(["2", "3", "3.1"].map(|version| value(&swagger(&info, version).unwrap())));
        for document in &documents {
            let mut found = Vec::new();
            references(document, &mut found);
            assert!(!found.is_empty());
            for reference in found {
                assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
            }
        }
    }
}

#[test]
fn predict_has_its_required_members() {
    let (_, signature) = testing::sum();
    let document = value(&openapi(&info(&signature)));
    let names: Vec<&str> = signature.inputs.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(document["components"]["schemas"]["Row"]["required"], serde_json::json!(names));
    assert_eq!(document["info"]["title"], "german-credit");
    assert_eq!(document["paths"]["/"]["get"]["security"], serde_json::json!([]));
}

#[test]
fn an_example_is_made_up_when_there_is_none() {
    let (bytes, mut signature) = testing::sum();
    for feature in &mut signature.inputs {
        feature.example = Value::Null;
    }
    let document = value(&openapi(&info(&signature)));
    let row = document["components"]["schemas"]["Row"]["example"].to_string();
    assert_eq!(Bench::new((bytes, signature)).post("predict", row).status, StatusCode::OK);
}
