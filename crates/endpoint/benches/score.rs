//! Nanoseconds a call of `score()`: one German credit row on a small model, the model alone, and many rows.
//!
//! `cargo bench -p portcullis-endpoint` prints the best of several runs; the first argument that is a number sets the
//! calls a run.

use domain::{ColumnType, Feature, Label, Signature, Target, Task};
use endpoint::{Call, Limits, Scratch, Servable, score};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use onnx::{Attr, Domain, ElementType, GraphBuilder};
use portcullis_endpoint as endpoint;
use serde_json::json;
use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

/// Runs of which the best counts.
const RUNS: usize = 7;
/// The row of the seed's README.
const ROW: &str = r#"{"Age":20,"Sex":"male","Job":0,"Housing":"own","Saving accounts":"little","Checking account":"little","Credit amount":100,"Duration":48,"Purpose":"radio/TV"}"#;
/// Columns and, for text, their values.
const COLUMNS: [(&str, &[&str]); 9] = [
    ("Age", &[]),
    ("Sex", &["male", "female"]),
    ("Job", &[]),
    ("Housing", &["own", "rent", "free"]),
    ("Saving accounts", &["little", "moderate", "rich", "quite rich"]),
    ("Checking account", &["little", "moderate", "rich"]),
    ("Credit amount", &[]),
    ("Duration", &[]),
    ("Purpose", &["car", "radio/TV", "business", "education"]),
];

type Failure = Box<dyn Error>;

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// One column of the signature.
fn feature(name: &str, words: &[&str]) -> Feature {
    Feature {
        name: name.into(),
        kind: if words.is_empty() { ColumnType::Integer } else { ColumnType::Category },
        required: true,
        categories: texts(words),
        example: json!(null),
    }
}

/// Adds an input, encoded when it is text; gives the name of its number.
fn input(graph: &mut GraphBuilder, name: &str, words: &[&str]) -> String {
    if words.is_empty() {
        graph.input(name, ElementType::Float, 1);
        return name.to_owned();
    }
    graph.input(name, ElementType::String, 1);
    let code = graph.fresh("code");
    let codes = (0..words.len()).map(|at| if at == 0 { 1.0 } else { 2.0 }).collect();
    let attributes = vec![
        ("keys_strings", Attr::Texts(texts(words))),
        ("values_floats", Attr::Floats(codes)),
        ("default_float", Attr::Float(0.0)),
    ];
    graph.node(Domain::Ml, "LabelEncoder", &[name], &[&code], attributes);
    code
}

/// One split at a duration of 24.5.
fn tree() -> Vec<(&'static str, Attr)> {
    vec![
        ("nodes_treeids", Attr::Ints(vec![0, 0, 0])),
        ("nodes_nodeids", Attr::Ints(vec![0, 1, 2])),
        ("nodes_featureids", Attr::Ints(vec![7, 0, 0])),
        ("nodes_values", Attr::Floats(vec![24.5, 0.0, 0.0])),
        ("nodes_modes", Attr::Texts(texts(&["BRANCH_LEQ", "LEAF", "LEAF"]))),
        ("nodes_truenodeids", Attr::Ints(vec![1, 0, 0])),
        ("nodes_falsenodeids", Attr::Ints(vec![2, 0, 0])),
        ("class_treeids", Attr::Ints(vec![0, 0])),
        ("class_nodeids", Attr::Ints(vec![1, 2])),
        ("class_ids", Attr::Ints(vec![0, 0])),
        ("class_weights", Attr::Floats(vec![0.75, 0.125])),
        ("classlabels_strings", Attr::Texts(texts(&["bad", "good"]))),
        ("post_transform", Attr::Text("NONE".into())),
    ]
}

/// A tree with one split over the encoded columns.
fn model() -> Result<(Vec<u8>, Signature), Failure> {
    let mut graph = GraphBuilder::new("credit");
    let parts: Vec<String> = COLUMNS.iter().map(|(name, words)| input(&mut graph, name, words)).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    graph.node(Domain::Onnx, "Concat", &parts, &["features"], vec![("axis", Attr::Int(1))]);
    graph.output("label", ElementType::String, &[-1]);
    graph.output("probabilities", ElementType::Float, &[-1, 2]);
    graph.node(Domain::Ml, "TreeEnsembleClassifier", &["features"], &["label", "probabilities"], tree());
    let classes = vec![Label::Text("bad".into()), Label::Text("good".into())];
    let output = Target { name: "Risk".into(), task: Task::Binary, classes };
    let inputs = COLUMNS.iter().map(|(name, words)| feature(name, words)).collect();
    Ok((graph.finish()?, Signature { inputs, output }))
}

/// The best nanoseconds a call over [`RUNS`] runs.
fn best(calls: u32, mut call: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(calls));
    }
    best
}

fn limits() -> Limits {
    Limits { rows: 100_000, ..Limits::unbounded() }
}

/// Nanoseconds a call of a body.
fn time(servable: &Servable, tail: &str, body: &str, calls: u32) -> Result<f64, Failure> {
    let limits = limits();
    let mut scratch = Scratch::new();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let call = Call { method: &Method::POST, tail, query: None, headers: &headers, body: body.as_bytes() };
    if score(servable, &limits, &call, &mut scratch).status != StatusCode::OK {
        return Err(format!("{body} does not score").into());
    }
    Ok(best(calls, || drop(black_box(score(servable, &limits, black_box(&call), &mut scratch)))))
}

fn main() -> Result<(), Failure> {
    let calls: u32 = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(100_000);
    let (bytes, signature) = model()?;
    let servable = Servable::load(&bytes, &signature)?;
    let mut out = std::io::stdout().lock();
    let mut say = |name: &str, ns: f64| writeln!(out, "{name:<28} {ns:>9.0} ns");
    let data = format!(r#"{{"data":[{ROW}]}}"#);
    say("score, data, 1 row", time(&servable, "score", &data, calls)?)?;
    let bare = format!(r#"{{"input_data":[{ROW}]}}"#);
    say("score, input_data, 1 row", time(&servable, "score", &bare, calls)?)?;
    say("predict, 1 row", time(&servable, "predict", ROW, calls)?)?;
    let many = format!(r#"{{"data":[{}]}}"#, vec![ROW; 1000].join(","));
    say("score, 1000 rows, a row", time(&servable, "score", &many, calls / 500 + 1)? / 1000.0)?;
    let mut batch = servable.model().batch();
    batch.push_row();
    say("the model alone, 1 row", best(calls, || drop(black_box(servable.model().predict(&mut batch)))))?;
    let tree = || drop(black_box(serde_json::from_str::<serde_json::Value>(black_box(ROW))));
    say("serde_json::Value, 1 row", best(calls, tree))?;
    Ok(())
}
