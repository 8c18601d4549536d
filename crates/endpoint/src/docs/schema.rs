//! Schemas and examples from a signature.

use super::tree::{Node, Object};
use domain::{ColumnType, Feature, Label, Signature, Task};
use serde_json::{Value, json};

/// The most categories a description lists.
const CATEGORIES_LISTED: usize = 30;

/// The dialects of a schema that differ here: how a value may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Swagger 2.0, which has no word for it.
    V2,
    /// OpenAPI 3.0: `nullable`.
    V30,
    /// OpenAPI 3.1: `null` among the types.
    V31,
}

/// The schema of one row as an object.
pub fn row(signature: &Signature, dialect: Dialect) -> Object {
    let column = |f: &Feature| (f.name.clone(), column(f, dialect).into());
    let properties: Object = signature.inputs.iter().map(column).collect();
    let required: Vec<&str> =
        signature.inputs.iter().filter(|f| f.required).map(|f| f.name.as_str()).collect();
    let required = (!required.is_empty()).then_some(required);
    Object::new().with("type", "object").with("properties", properties).with_some("required", required)
}

/// The schema of a list of rows.
pub fn rows(signature: &Signature, dialect: Dialect) -> Object {
    Object::new()
        .with("type", "array")
        .with("items", row(signature, dialect))
        .with("format", "pandas.DataFrame:records")
}

fn column(feature: &Feature, dialect: Dialect) -> Object {
    let (kind, format) = kind(feature.kind);
    let typed = match dialect {
        Dialect::V31 => Object::new().with("type", vec![kind, "null"]),
        Dialect::V2 | Dialect::V30 => Object::new().with("type", kind),
    };
    let typed = typed.with_some("format", format);
    let typed = match dialect {
        Dialect::V2 => typed.with("x-nullable", true),
        Dialect::V30 => typed.with("nullable", true),
        Dialect::V31 => typed,
    };
    typed.with_some("description", description(feature)).with("example", example(feature))
}

/// Type and format of a column's values.
const fn kind(kind: ColumnType) -> (&'static str, Option<&'static str>) {
    match kind {
        ColumnType::Boolean => ("boolean", None),
        ColumnType::Integer => ("integer", Some("int64")),
        ColumnType::Float => ("number", Some("double")),
        ColumnType::Category | ColumnType::Text => ("string", None),
        ColumnType::Timestamp => ("string", Some("date-time")),
    }
}

/// The categories; a description and no `enum`, since others are scored too.
fn description(feature: &Feature) -> Option<String> {
    if feature.categories.is_empty() {
        return None;
    }
    let listed: Vec<&str> = feature.categories.iter().take(CATEGORIES_LISTED).map(String::as_str).collect();
    let more = match feature.categories.len() - listed.len() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(format!("Seen in training: {}{more}. Others are scored as unknown.", listed.join(", ")))
}

/// A value that scores.
fn example(feature: &Feature) -> Value {
    if !feature.example.is_null() {
        return feature.example.clone();
    }
    match feature.kind {
        ColumnType::Boolean => json!(false),
        ColumnType::Integer => json!(0),
        ColumnType::Float => json!(0.0),
        ColumnType::Timestamp => json!("2024-01-01T00:00:00Z"),
        ColumnType::Category | ColumnType::Text => {
            json!(feature.categories.first().map_or("example_value", String::as_str))
        }
    }
}

/// A row that scores, as an object.
pub fn example_row(signature: &Signature) -> Object {
    signature.inputs.iter().map(|f| (f.name.clone(), example(f).into())).collect()
}

/// The same row as a list in signature order.
pub fn example_list(signature: &Signature) -> Vec<Value> {
    signature.inputs.iter().map(example).collect()
}

/// The schema of one prediction.
pub fn prediction(signature: &Signature) -> Object {
    match signature.output.classes.first() {
        None => Object::new().with("type", "number").with("format", "double"),
        Some(Label::Boolean(_)) => Object::new().with("type", "boolean"),
        Some(Label::Integer(_)) => Object::new().with("type", "integer").with("format", "int64"),
        Some(Label::Text(_)) => Object::new().with("type", "string"),
    }
}

/// A prediction as it may come back.
pub fn example_prediction(signature: &Signature) -> Value {
    match signature.output.classes.first() {
        None => json!(0.5),
        Some(Label::Boolean(truth)) => json!(truth),
        Some(Label::Integer(number)) => json!(number),
        Some(Label::Text(text)) => json!(text),
    }
}

/// Whether the model answers classes.
pub fn classifies(signature: &Signature) -> bool {
    signature.output.task != Task::Regression
}

/// A list with one element.
pub fn one(node: impl Into<Node>) -> Node {
    Node::List(vec![node.into()])
}
