//! `openapi.json`: all that an endpoint answers, in OpenAPI 3.0.

use super::schema::{self, Dialect, one};
use super::swagger::{bearer, bearer_scheme, component, described, json, operation, output, server};
use super::tree::{Node, Object};
use super::{DocInfo, Document};
use domain::Signature;

/// The document.
pub fn openapi(info: &DocInfo<'_>) -> Document {
    let about = Object::new()
        .with("title", info.name)
        .with("description", about(info.signature))
        .with("version", "1.0")
        .with("x-engine", info.engine);
    let components = Object::new()
        .with("schemas", schemas(info))
        .with("securitySchemes", Object::new().with("Bearer", bearer_scheme()));
    let paths = Object::new()
        .with("/score", Object::new().with("post", score(info)))
        .with("/predict", Object::new().with("post", predict(info)))
        .with("/", Object::new().with("get", health()));
    Document(
        Object::new()
            .with("openapi", "3.0.3")
            .with("info", about)
            .with("servers", one(server(info)))
            .with("security", bearer())
            .with("paths", paths)
            .with("components", components),
    )
}

fn about(signature: &Signature) -> String {
    let target = &signature.output;
    let classes: Vec<String> = target.classes.iter().take(30).map(ToString::to_string).collect();
    if classes.is_empty() {
        return format!("Predicts {} ({}).", target.name, target.task);
    }
    format!("Predicts {} ({}): {}.", target.name, target.task, classes.join(", "))
}

/// `/score` and its three forms.
fn score(info: &DocInfo<'_>) -> Object {
    let names = ["Data", "Inputs", "InputData"];
    let forms: Vec<Object> = names.iter().map(|name| component(&format!("{name}Request"))).collect();
    let answers: Vec<Object> =
        names.iter().chain(&["Explained"]).map(|name| component(&format!("{name}Answer"))).collect();
    let examples: Object = names
        .iter()
        .zip(example_bodies(info.signature))
        .map(|(name, body)| ((*name).to_owned(), Object::new().with("value", body).into()))
        .collect();
    let media = Object::new().with("schema", Object::new().with("oneOf", forms)).with("examples", examples);
    let body =
        Object::new().with("required", true).with("content", Object::new().with("application/json", media));
    let answer = described(
        "The predictions, one a row in row order, in the counterpart of the request's form",
        json(&Object::new().with("oneOf", answers)),
    );
    operation("RunMLService", "Scores rows. Columns may come in any order; unknown members are ignored.")
        .with("summary", format!("Score {}", info.name))
        .with("parameters", vec![deployment(), explain()])
        .with("requestBody", body)
        .with("responses", responses(answer, problem("The rows do not fit the model")))
}

/// One body in each form, with a row that scores.
pub(super) fn example_bodies(signature: &Signature) -> [Object; 3] {
    let row = || one(schema::example_row(signature));
    let names: Vec<&str> = signature.inputs.iter().map(|f| f.name.as_str()).collect();
    let split = Object::new()
        .with("columns", names)
        .with("index", one(serde_json::Value::from(0)))
        .with("data", one(schema::example_list(signature)));
    let parameters = Object::new().with("method", "predict");
    [
        Object::new().with("data", row()),
        Object::new().with("Inputs", Object::new().with("data", row())).with("GlobalParameters", parameters),
        Object::new().with("input_data", split),
    ]
}

fn predict(info: &DocInfo<'_>) -> Object {
    let body = Object::new().with("required", true).with("content", json(&component("Row")));
    let answer = described("The prediction", json(&component("Prediction")));
    let wrong = described("A member is missing or of the wrong type", problem_json("ValidationError"));
    operation("Predict", "Scores one row given as a flat object.")
        .with("summary", format!("Predict {}", info.name))
        .with("parameters", vec![deployment(), explain()])
        .with("requestBody", body)
        .with("responses", responses(answer, wrong))
}

fn health() -> Object {
    let text = Object::new().with("schema", Object::new().with("type", "string"));
    let healthy = described("The endpoint is there", Object::new().with("text/html", text));
    operation("ServiceHealthCheck", "Health of the endpoint; open without credentials.")
        .with("security", Node::List(Vec::new()))
        .with("responses", Object::new().with("200", healthy))
}

fn responses(answer: Object, wrong: Object) -> Object {
    Object::new()
        .with("200", answer)
        .with("400", problem("The body is not JSON"))
        .with("401", problem("No valid key or token"))
        .with("413", problem("The body is too large"))
        .with("415", problem("The body's content type is not JSON"))
        .with("422", wrong)
        .with("429", problem("Too many requests"))
}

fn problem(what: &str) -> Object {
    described(what, problem_json("Problem"))
}

fn problem_json(name: &str) -> Object {
    Object::new().with("application/problem+json", Object::new().with("schema", component(name)))
}

/// The header that picks one deployment.
fn deployment() -> Object {
    Object::new()
        .with("name", crate::DEPLOYMENT_HEADER)
        .with("in", "header")
        .with("required", false)
        .with("description", "Sends the call to this deployment whatever the traffic split")
        .with("schema", Object::new().with("type", "string"))
}

/// The parameter that asks for explanations.
fn explain() -> Object {
    Object::new()
        .with("name", "explain")
        .with("in", "query")
        .with("required", false)
        .with(
            "description",
            "Adds to each prediction its base value and what each column adds to it; the answer is then an object",
        )
        .with("schema", Object::new().with("type", "boolean").with("default", false))
}

/// The explanation of one row.
fn explanation(signature: &Signature) -> Object {
    let number = || Object::new().with("type", "number");
    let properties = Object::new()
        .with("space", text().with("enum", vec!["probability", "value"]))
        .with("class", schema::prediction(signature))
        .with("base_value", number())
        .with("value", number().with("description", "The base value with all contributions"))
        .with(
            "exact",
            Object::new().with("type", "boolean").with(
                "description",
                "Whether the contributions are Shapley values; else they were carried through curves",
            ),
        )
        .with("contributions", Object::new().with("type", "object").with("additionalProperties", number()));
    Object::new().with("type", "object").with("properties", properties)
}

/// The answer of `/score` when explanations are asked: predictions under the name of the request's form.
fn explained(signature: &Signature) -> Object {
    let list = |items: Object| Object::new().with("type", "array").with("items", items);
    let properties = Object::new()
        .with("result", list(result(signature)))
        .with("Results", list(result(signature)))
        .with("predictions", list(result(signature)))
        .with("explanations", list(component("Explanation")));
    Object::new().with("type", "object").with("properties", properties).with("required", one("explanations"))
}

fn schemas(info: &DocInfo<'_>) -> Object {
    let signature = info.signature;
    let list = |items: Object| Object::new().with("type", "array").with("items", items);
    let results = Object::new().with("Results", list(result(signature)));
    Object::new()
        .with("Row", schema::row(signature, Dialect::V30).with("example", schema::example_row(signature)))
        .with(
            "Values",
            list(Object::new().with("nullable", true)).with("description", "Values in signature order"),
        )
        .with("DataRequest", data_request(signature))
        .with("InputsRequest", inputs_request(signature))
        .with("InputDataRequest", input_data_request())
        .with("DataAnswer", output(info))
        .with("InputsAnswer", Object::new().with("type", "object").with("properties", results))
        .with("InputDataAnswer", list(result(signature)))
        .with("ExplainedAnswer", explained(signature))
        .with("Explanation", explanation(signature))
        .with("Prediction", prediction(signature))
        .with("Problem", problem_schema(text()))
        .with("ValidationError", problem_schema(list(validation_detail())))
}

fn text() -> Object {
    Object::new().with("type", "string")
}

/// One element of an answer: a prediction, or the probabilities when those are asked.
fn result(signature: &Signature) -> Object {
    if !schema::classifies(signature) {
        return schema::prediction(signature);
    }
    let share = Object::new().with("type", "number").with("format", "float");
    let shares = Object::new().with("type", "array").with("items", share);
    Object::new().with("oneOf", vec![schema::prediction(signature), shares])
}

/// Rows as objects or as lists of values.
fn rows() -> Object {
    let row = Object::new().with("oneOf", vec![component("Row"), component("Values")]);
    Object::new().with("type", "array").with("items", row)
}

fn method(signature: &Signature) -> Object {
    let known =
        if schema::classifies(signature) { vec!["predict", "predict_proba"] } else { vec!["predict"] };
    text().with("enum", known).with("default", "predict")
}

fn data_request(signature: &Signature) -> Object {
    let properties = Object::new().with("data", rows()).with("method", method(signature));
    Object::new().with("type", "object").with("properties", properties).with("required", one("data"))
}

fn inputs_request(signature: &Signature) -> Object {
    let inputs = Object::new()
        .with("type", "object")
        .with("properties", Object::new().with("data", rows()))
        .with("required", one("data"));
    let parameters = Object::new()
        .with("type", "object")
        .with("properties", Object::new().with("method", method(signature)));
    let properties = Object::new().with("Inputs", inputs).with("GlobalParameters", parameters);
    Object::new().with("type", "object").with("properties", properties).with("required", one("Inputs"))
}

fn input_data_request() -> Object {
    let names = Object::new().with("type", "array").with("items", text());
    let index = Object::new().with("type", "array").with("items", Object::new());
    let values = Object::new().with("type", "array").with("items", component("Values"));
    let members = Object::new().with("columns", names).with("index", index).with("data", values);
    let split =
        Object::new().with("type", "object").with("properties", members).with("required", one("data"));
    let input = Object::new().with("oneOf", vec![split, rows()]);
    let properties = Object::new().with("input_data", input);
    Object::new().with("type", "object").with("properties", properties).with("required", one("input_data"))
}

fn prediction(signature: &Signature) -> Object {
    let properties = Object::new()
        .with("prediction", schema::prediction(signature))
        .with("explanation", component("Explanation"));
    let schema = Object::new().with("type", "object");
    if !schema::classifies(signature) {
        return schema.with("properties", properties).with("required", one("prediction"));
    }
    let share = Object::new().with("type", "number").with("format", "float");
    let shares = Object::new().with("type", "object").with("additionalProperties", share);
    schema
        .with("properties", properties.with("probabilities", shares))
        .with("required", vec!["prediction", "probabilities"])
}

/// A problem (RFC 9457) with our `message`; `detail` is text, or a list on `/predict`.
fn problem_schema(detail: Object) -> Object {
    let properties = Object::new()
        .with("type", text())
        .with("title", text())
        .with("status", Object::new().with("type", "integer"))
        .with("detail", detail)
        .with("message", text());
    Object::new().with("type", "object").with("properties", properties)
}

fn validation_detail() -> Object {
    let loc = Object::new().with("type", "array").with("items", text());
    let properties = Object::new().with("loc", loc).with("msg", text()).with("type", text());
    Object::new()
        .with("type", "object")
        .with("properties", properties)
        .with("required", vec!["loc", "msg", "type"])
}
