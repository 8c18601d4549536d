//! Small real models for the tests: a tree over German credit columns, and a weighted sum over every column type.

use crate::config::Limits;
use crate::outcome::Outcome;
use crate::score::{Call, score};
use crate::servable::{Scratch, Servable};
use domain::{ColumnType, Feature, Label, Signature, Target, Task};
use http::{HeaderMap, HeaderValue, Method, header};
use onnx::{Attr, Domain, ElementType, GraphBuilder};
use serde_json::{Value, json};

/// The names of the German credit columns whose values are text, and those values.
const TEXTS: [(&str, &[&str]); 5] = [
    ("Sex", &["male", "female"]),
    ("Housing", &["own", "rent", "free"]),
    ("Saving accounts", &["little", "moderate", "rich", "quite rich"]),
    ("Checking account", &["little", "moderate", "rich"]),
    ("Purpose", &["car", "radio/TV", "business"]),
];

/// The columns in the order of the table.
const CREDIT: [&str; 9] = [
    "Age",
    "Sex",
    "Job",
    "Housing",
    "Saving accounts",
    "Checking account",
    "Credit amount",
    "Duration",
    "Purpose",
];

/// The request of the seed's README.
pub const ROW: &str = r#"{"Age":20,"Sex":"male","Job":0,"Housing":"own","Saving accounts":"little","Checking account":"little","Credit amount":100,"Duration":48,"Purpose":"radio/TV"}"#;
/// The same in alphabetical order, with numeric text, short enough a loan to be good.
pub const GOOD: &str = r#"{"Age":"20","Checking account":"little","Credit amount":100.0,"Duration":"6","Housing":"own","Job":0,"Purpose":"radio/TV","Saving accounts":"little","Sex":"male"}"#;

fn feature(name: &str, kind: ColumnType, categories: &[&str], example: Value) -> Feature {
    Feature {
        name: name.into(),
        kind,
        required: true,
        categories: categories.iter().map(|c| (*c).to_owned()).collect(),
        example,
    }
}

/// Adds a text input and gives the name of its number.
fn encoded(graph: &mut GraphBuilder, name: &str, words: &[&str]) -> String {
    graph.input(name, ElementType::String, 1);
    let out = graph.fresh("code");
    let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful of words")]
    let codes = (1..=words.len()).map(|at| at as f32).collect();
    let attributes = vec![
        ("keys_strings", Attr::Texts(words)),
        ("values_floats", Attr::Floats(codes)),
        ("default_float", Attr::Float(0.0)),
    ];
    graph.node(Domain::Ml, "LabelEncoder", &[name], &[&out], attributes);
    out
}

fn concat(graph: &mut GraphBuilder, parts: &[String]) {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    graph.node(Domain::Onnx, "Concat", &parts, &["features"], vec![("axis", Attr::Int(1))]);
}

/// One split at `Duration` 24.5: [0.25, 0.75] below, [0.875, 0.125] above and for a missing value. One
/// weight a leaf: with two classes that is the form whose sum is the second label's probability.
fn tree(feature: i64, labels: (&'static str, Attr)) -> Vec<(&'static str, Attr)> {
    let texts = |all: &[&str]| Attr::Texts(all.iter().map(|t| (*t).to_owned()).collect());
    vec![
        ("nodes_treeids", Attr::Ints(vec![0, 0, 0])),
        ("nodes_nodeids", Attr::Ints(vec![0, 1, 2])),
        ("nodes_featureids", Attr::Ints(vec![feature, 0, 0])),
        ("nodes_values", Attr::Floats(vec![24.5, 0.0, 0.0])),
        ("nodes_modes", texts(&["BRANCH_LEQ", "LEAF", "LEAF"])),
        ("nodes_truenodeids", Attr::Ints(vec![1, 0, 0])),
        ("nodes_falsenodeids", Attr::Ints(vec![2, 0, 0])),
        ("nodes_missing_value_tracks_true", Attr::Ints(vec![0, 0, 0])),
        ("class_treeids", Attr::Ints(vec![0, 0])),
        ("class_nodeids", Attr::Ints(vec![1, 2])),
        ("class_ids", Attr::Ints(vec![0, 0])),
        ("class_weights", Attr::Floats(vec![0.75, 0.125])),
        labels,
        ("post_transform", Attr::Text("NONE".into())),
    ]
}

/// A tree over the German credit columns with classes of any type.
fn credit_with(classes: Vec<Label>) -> (Vec<u8>, Signature) {
    let mut graph = GraphBuilder::new("credit");
    let mut parts = Vec::new();
    let mut inputs = Vec::new();
    for name in CREDIT {
        if let Some((_, words)) = TEXTS.iter().find(|(text, _)| *text == name) {
            parts.push(encoded(&mut graph, name, words));
            inputs.push(feature(name, ColumnType::Category, words, json!(words[0])));
        } else {
            graph.input(name, ElementType::Float, 1);
            parts.push(name.to_owned());
            inputs.push(feature(name, ColumnType::Integer, &[], json!(6)));
        }
    }
    concat(&mut graph, &parts);
    let numbers: Option<Vec<i64>> =
        classes.iter().map(|c| if let Label::Integer(n) = c { Some(*n) } else { None }).collect();
    let texts = || Attr::Texts(classes.iter().map(ToString::to_string).collect());
    let (labels, kind) = match numbers {
        Some(numbers) => (("classlabels_int64s", Attr::Ints(numbers)), ElementType::Int64),
        None => (("classlabels_strings", texts()), ElementType::String),
    };
    let outputs = ["label", "probabilities"];
    graph.output("label", kind, &[-1]);
    graph.output("probabilities", ElementType::Float, &[-1, 2]);
    graph.node(Domain::Ml, "TreeEnsembleClassifier", &["features"], &outputs, tree(7, labels));
    let output = Target { name: "Risk".into(), task: Task::Binary, classes };
    (graph.finish().unwrap(), Signature { inputs, output })
}

/// The tree with the classes `bad` and `good`.
pub fn credit() -> (Vec<u8>, Signature) {
    credit_with(vec![Label::Text("bad".into()), Label::Text("good".into())])
}

/// The tree with the classes 0 and 1.
pub fn credit_numbers() -> (Vec<u8>, Signature) {
    credit_with(vec![Label::Integer(0), Label::Integer(1)])
}

/// The tree with the classes `false` and `true`.
pub fn credit_truths() -> (Vec<u8>, Signature) {
    credit_with(vec![Label::Boolean(false), Label::Boolean(true)])
}

/// float.x + 10·whole + 100·flag + when/86400 + 1000·the number of the word (`a` 1, `3` 2, `true` 3, `2.5` 4, unknown 0).
pub fn sum() -> (Vec<u8>, Signature) {
    let words = ["a", "3", "true", "2.5"];
    let mut graph = GraphBuilder::new("sum");
    let inputs = vec![
        feature("float.x", ColumnType::Float, &[], json!(0.5)),
        feature("whole", ColumnType::Integer, &[], json!(2)),
        feature("flag", ColumnType::Boolean, &[], json!(true)),
        feature("when", ColumnType::Timestamp, &[], json!("1970-01-02")),
        feature("word", ColumnType::Category, &words, json!("a")),
    ];
    let mut parts: Vec<String> = inputs[..4].iter().map(|f| f.name.clone()).collect();
    for name in &parts {
        graph.input(name, ElementType::Float, 1);
    }
    parts.push(encoded(&mut graph, "word", &words));
    concat(&mut graph, &parts);
    let attributes = vec![
        ("coefficients", Attr::Floats(vec![1.0, 10.0, 100.0, 1.0 / 86_400.0, 1000.0])),
        ("intercepts", Attr::Floats(vec![0.0])),
    ];
    graph.output("variable", ElementType::Float, &[-1, 1]);
    graph.node(Domain::Ml, "LinearRegressor", &["features"], &["variable"], attributes);
    let output = Target { name: "total".into(), task: Task::Regression, classes: Vec::new() };
    (graph.finish().unwrap(), Signature { inputs, output })
}

/// A classifier whose columns and values are those of a request row; the first number decides.
pub fn shaped_like(row: &serde_json::Map<String, Value>, labels: [&str; 2]) -> (Vec<u8>, Signature) {
    let mut graph = GraphBuilder::new("shaped");
    let (mut parts, mut inputs) = (Vec::new(), Vec::new());
    for (name, value) in row.iter().rev() {
        if let Value::String(word) = value {
            parts.push(encoded(&mut graph, name, &[word]));
            inputs.push(feature(name, ColumnType::Category, &[word], value.clone()));
        } else {
            graph.input(name, ElementType::Float, 1);
            parts.push(name.clone());
            inputs.push(feature(name, ColumnType::Float, &[], value.clone()));
        }
    }
    concat(&mut graph, &parts);
    let at = inputs.iter().position(|f| f.name == "age").unwrap_or(0);
    let classes: Vec<Label> = labels.iter().map(|l| Label::Text((*l).into())).collect();
    let texts = Attr::Texts(labels.iter().map(|l| (*l).to_owned()).collect());
    graph.output("label", ElementType::String, &[-1]);
    graph.output("probabilities", ElementType::Float, &[-1, 2]);
    let attributes = tree(i64::try_from(at).unwrap(), ("classlabels_strings", texts));
    graph.node(Domain::Ml, "TreeEnsembleClassifier", &["features"], &["label", "probabilities"], attributes);
    let output = Target { name: "y".into(), task: Task::Binary, classes };
    (graph.finish().unwrap(), Signature { inputs, output })
}

/// Limits small enough to be reached.
pub fn limits() -> Limits {
    Limits { rows: 100, depth: 64, healthy: "Healthy".into(), origins: Vec::new() }
}

/// A servable with its scratch and limits.
pub struct Bench {
    pub servable: Servable,
    pub limits: Limits,
    pub scratch: Scratch,
}

impl Bench {
    pub fn new((bytes, signature): (Vec<u8>, Signature)) -> Self {
        let servable = Servable::load(&bytes, &signature).unwrap();
        Self { servable, limits: limits(), scratch: Scratch::new() }
    }

    /// Any call.
    pub fn call(&mut self, method: &Method, target: &str, headers: &HeaderMap, body: &[u8]) -> Outcome {
        let (tail, query) = target.split_once('?').map_or((target, None), |(t, q)| (t, Some(q)));
        let call = Call { method, tail, query, headers, body };
        score(&self.servable, &self.limits, &call, &mut self.scratch)
    }

    /// A POST of JSON.
    pub fn post(&mut self, tail: &str, body: impl AsRef<[u8]>) -> Outcome {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.call(&Method::POST, tail, &headers, body.as_ref())
    }

    pub fn get(&mut self, target: &str) -> Outcome {
        self.call(&Method::GET, target, &HeaderMap::new(), b"")
    }
}

/// The body as text.
pub fn text(outcome: &Outcome) -> &str {
    std::str::from_utf8(&outcome.body).unwrap()
}
