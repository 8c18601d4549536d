//! The swagger rows (SW) against the running binary.

use crate::contracts::{Direct, serve_table};
use crate::support::Server;
use serde_json::{Value, json};

/// One column of each type; names in no alphabetical order.
fn table() -> String {
    let mut text = String::from("whole,part,yes.no,colour name,day,label\n");
    for row in 0..120 {
        let (part, truth) = (f64::from(row * 37 % 100) / 8.0, row % 3 == 0);
        let colour = ["red", "green", "blue"][row as usize % 3];
        let label = if row * 37 % 100 > 50 { "good" } else { "bad" };
        let day = row % 28 + 1;
        text.push_str(&format!("{},{part},{truth},{colour},2024-02-{day:02},{label}\n", row * 7 % 40));
    }
    text
}

#[tokio::test]
async fn swagger_is_what_its_clients_load() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    serve_table(&server, "kinds", "label", &table());
    let direct = Direct::of(&server, "kinds");
    versions(&direct).await;
    let document = direct.get("swagger.json").await.json();
    version_2(&document, &server);
    for (version, openapi) in [("3", "3.0.3"), ("3.1", "3.1.0")] {
        version_3(&direct.get(&format!("swagger.json?version={version}")).await.json(), openapi);
    }
    columns(&direct, &document).await;
    the_example_is_a_request(&direct, &document).await;
}

async fn versions(direct: &Direct) {
    for (query, status, member, value) in [
        ("", 200, "swagger", "2.0"),
        ("?version=2", 200, "swagger", "2.0"),
        ("?version=2.0", 200, "swagger", "2.0"),
        ("?version=3", 200, "openapi", "3.0.3"),
        ("?version=3.0", 200, "openapi", "3.0.3"),
        ("?version=3.1", 200, "openapi", "3.1.0"),
        ("?version=4", 404, "message", "Swagger version [4] is not valid. Supported versions: [2, 3, 3.1]."),
        ("?version=", 404, "message", "Swagger version [] is not valid. Supported versions: [2, 3, 3.1]."),
    ] {
        let answer = direct.get(&format!("swagger.json{query}")).await;
        assert_eq!(answer.status, status, "SW-01 {query}: {}", answer.body);
        assert_eq!(answer.json()[member], json!(value), "SW-01 {query}");
    }
}

fn version_2(document: &Value, server: &Server) {
    let host = server.url.strip_prefix("http://").unwrap();
    for (id, pointer, expected) in [
        ("SW-02", "/info/title", json!("kinds")),
        (
            "SW-02",
            "/info/description",
            json!("API specification for the Azure Machine Learning service kinds"),
        ),
        ("SW-02", "/info/version", json!("1.0")),
        // The scheme and host that really answer, so that nobody has to edit the file (SW-07).
        ("SW-07", "/schemes", json!(["http"])),
        ("SW-07", "/host", json!(host)),
        ("SW-07", "/basePath", json!("/endpoints/kinds")),
        ("SW-02", "/consumes", json!(["application/json"])),
        ("SW-02", "/produces", json!(["application/json"])),
        ("SW-02", "/securityDefinitions/Bearer/type", json!("apiKey")),
        ("SW-02", "/securityDefinitions/Bearer/name", json!("Authorization")),
        ("SW-02", "/securityDefinitions/Bearer/in", json!("header")),
        ("SW-02", "/securityDefinitions/Bearer/description", json!("For example: Bearer abc123")),
        ("SW-02", "/paths/~1/get/operationId", json!("ServiceHealthCheck")),
        ("SW-02", "/paths/~1score/post/operationId", json!("RunMLService")),
        ("SW-02", "/paths/~1score/post/security", json!([{ "Bearer": [] }])),
        ("SW-02", "/paths/~1score/post/parameters/0/name", json!("serviceInputPayload")),
        ("SW-02", "/paths/~1score/post/parameters/0/in", json!("body")),
        ("SW-02", "/paths/~1score/post/parameters/0/schema", json!({ "$ref": "#/definitions/ServiceInput" })),
        ("SW-02", "/paths/~1swagger.json/get/operationId", json!("GetSwaggerSpec")),
        ("SW-03", "/definitions/ErrorResponse/properties/message/type", json!("string")),
        ("SW-05", "/definitions/ServiceInput/type", json!("object")),
    ] {
        assert_eq!(document.pointer(pointer), Some(&expected), "{id} {pointer}");
    }
    for name in ["ServiceInput", "ServiceOutput", "ErrorResponse"] {
        assert!(document["definitions"][name].is_object(), "SW-02 {name}");
    }
}

fn version_3(document: &Value, version: &str) {
    for (pointer, expected) in [
        ("/openapi", json!(version)),
        ("/info/title", json!("kinds")),
        ("/paths/~1/get/operationId", json!("ServiceHealthCheck")),
        ("/paths/~1score/post/operationId", json!("RunMLService")),
        ("/paths/~1swagger.json/get/operationId", json!("GetSwaggerSpec")),
        ("/components/securitySchemes/Bearer/type", json!("http")),
        ("/security", json!([{ "Bearer": [] }])),
    ] {
        assert_eq!(document.pointer(pointer), Some(&expected), "SW-04 {version} {pointer}");
    }
    for name in ["ServiceInput", "ServiceOutput", "ErrorResponse"] {
        assert!(document["components"]["schemas"][name].is_object(), "SW-04 {version} {name}");
    }
}

async fn columns(direct: &Direct, document: &Value) {
    let input = &document["definitions"]["ServiceInput"];
    let data = &input["properties"]["data"];
    assert_eq!(
        (&data["type"], &data["format"]),
        (&json!("array"), &json!("pandas.DataFrame:records")),
        "SW-05"
    );
    let items = &data["items"];
    assert_eq!(items["type"], json!("object"), "SW-05");
    let names = ["whole", "part", "yes.no", "colour name", "day"];
    for (name, kind, format) in [
        ("whole", "integer", json!("int64")),
        ("part", "number", json!("double")),
        ("yes.no", "boolean", Value::Null),
        ("colour name", "string", Value::Null),
        // A timestamp column takes a moment; a date alone is one too.
        ("day", "string", json!("date-time")),
    ] {
        let column = &items["properties"][name];
        assert_eq!((&column["type"], &column["format"]), (&json!(kind), &format), "SW-05 {name}: {column}");
    }
    assert_eq!(items["required"], json!(names), "SW-05: all keys are required");
    assert!(input["example"]["data"].is_array(), "SW-05: example");
    let text = direct.get("swagger.json").await.body;
    let places: Vec<usize> = names.iter().map(|n| text.find(&format!("\"{n}\":{{")).unwrap()).collect();
    assert!(places.is_sorted(), "SW-06: the order of the training data: {places:?}");
    let dated = json!({ "data": [{ "whole": 1, "part": 0.5, "yes.no": true, "colour name": "red", "day": "2024-02-03" }] });
    assert_eq!(direct.post("score", &dated).await.status, 200, "SW-05: a date is a timestamp");
}

/// The published schemas and the real answer agree, which those of the sample do not.
async fn the_example_is_a_request(direct: &Direct, document: &Value) {
    let answer = direct.post("score", &document["definitions"]["ServiceInput"]["example"]).await;
    assert_eq!(answer.status, 200, "SW-08: {}", answer.body);
    let output = &document["definitions"]["ServiceOutput"];
    assert_eq!(output["type"], json!("string"), "SW-08");
    let members = |text: &Value| serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap();
    for text in [&answer.json(), &output["example"]] {
        let labels = members(text)["result"].as_array().cloned().unwrap_or_default();
        assert_eq!(labels.len(), 1, "SW-08: {text}");
        assert!(["good", "bad"].contains(&labels[0].as_str().unwrap()), "SW-08: {text}");
    }
}
