//! What is compiled of texts, and what is refused.

use crate::builder::{Attr, GraphBuilder};
use crate::element::{Domain, ElementType};
use crate::{Data, Model, Tensor};

/// A graph from `x` (`[N, 1]` of texts) to `y`.
fn graph(nodes: impl FnOnce(&mut GraphBuilder)) -> Model {
    let mut graph = GraphBuilder::new("g");
    graph.input("x", ElementType::String, 1);
    graph.output("y", ElementType::Float, &[-1, 1]);
    nodes(&mut graph);
    Model::from_bytes(&graph.finish().unwrap()).unwrap()
}

fn flat(graph: &mut GraphBuilder) {
    let shape = graph.ints("flat", &[1], vec![-1]);
    graph.node(Domain::Onnx, "Reshape", &["x", &shape], &["f"], vec![]);
}

fn code(graph: &mut GraphBuilder, input: &str, keys: Vec<&str>) {
    let attributes = vec![
        ("values_floats", Attr::Floats((1..=keys.len()).map(|v| v as f32).collect())),
        ("keys_strings", Attr::Texts(keys.into_iter().map(str::to_owned).collect())),
        ("default_float", Attr::Float(-1.0)),
    ];
    graph.node(Domain::Ml, "LabelEncoder", &[input], &["y"], attributes);
}

fn lower(locale: Option<&str>) -> Vec<(&'static str, Attr)> {
    let mut attributes = vec![("case_change_action", Attr::Text("LOWER".into()))];
    attributes.extend(locale.map(|l| ("locale", Attr::Text(l.into()))));
    attributes
}

fn answers(model: &Model, texts: &[&str]) -> Vec<f32> {
    let mut batch = model.batch();
    for text in texts {
        batch.push_row();
        batch.set_text(model, 0, 0, text);
    }
    model.predict(&mut batch).unwrap();
    (0..texts.len()).map(|row| batch.value(row)).collect()
}

#[test]
fn normalized_texts_are_looked_up() {
    for (locale, seen) in [(Some("C"), -1.0), (None, 1.0), (Some("de_DE"), 1.0)] {
        let model = graph(|g| {
            flat(g);
            g.node(Domain::Onnx, "StringNormalizer", &["f"], &["s"], lower(locale));
            code(g, "s", vec!["ärger", "fox", ""]);
        });
        assert_eq!(answers(&model, &["FOX", "ÄRGER", "Ärger", "", "cat"]), [2.0, seen, seen, 3.0, -1.0]);
    }
}

#[test]
fn a_batch_forgets_its_texts() {
    let model = graph(|g| {
        flat(g);
        g.node(Domain::Onnx, "StringSplit", &["f"], &["w", "n"], vec![]);
        g.node(Domain::Onnx, "Cast", &["n"], &["y"], vec![("to", Attr::Int(1))]);
    });
    let mut batch = model.batch();
    for texts in [vec!["a b c", "", "a"], vec!["a  b "], vec![]] {
        batch.clear();
        for text in &texts {
            batch.push_row();
            batch.set_text(&model, 0, 0, "replaced by the next");
            batch.set_text(&model, 0, 0, text);
        }
        model.predict(&mut batch).unwrap();
        let got: Vec<f32> = (0..texts.len()).map(|row| batch.value(row)).collect();
        let expected: Vec<f32> = texts.iter().map(|t| t.split_whitespace().count() as f32).collect();
        assert_eq!(got, expected);
    }
}

#[test]
fn what_no_row_can_do_is_refused() {
    type Nodes = fn(&mut GraphBuilder);
    let cases: [(&str, Nodes); 4] = [
        ("takes [N], got [N, 1]", |g| {
            g.node(Domain::Onnx, "StringNormalizer", &["x"], &["s"], vec![]);
            code(g, "s", vec!["a"]);
        }),
        ("leaves texts out", |g| {
            flat(g);
            let stop = vec![("stopwords", Attr::Texts(vec!["a".into()]))];
            g.node(Domain::Onnx, "StringNormalizer", &["f"], &["s"], stop);
            code(g, "s", vec!["a"]);
        }),
        ("rows have different numbers", |g| {
            flat(g);
            g.node(Domain::Onnx, "StringSplit", &["f"], &["w", "n"], vec![]);
            code(g, "w", vec!["a"]);
        }),
        ("second time", |g| {
            flat(g);
            g.node(Domain::Onnx, "StringNormalizer", &["f"], &["s"], lower(Some("C")));
            g.node(Domain::Onnx, "StringNormalizer", &["s"], &["t"], lower(Some("C")));
            code(g, "t", vec!["a"]);
        }),
    ];
    for (expected, nodes) in cases {
        let told = graph(nodes).predictable().unwrap_err().to_string();
        assert!(told.contains(expected), "{told:?} does not say {expected:?}");
    }
}

#[test]
fn tensors_of_no_text_have_no_words() {
    let model = graph(|g| {
        flat(g);
        g.node(Domain::Onnx, "StringNormalizer", &["f"], &["s"], lower(Some("C")));
        g.node(Domain::Onnx, "StringSplit", &["s"], &["w", "n"], vec![]);
        g.node(Domain::Onnx, "Cast", &["n"], &["y"], vec![("to", Attr::Int(1))]);
    });
    let none = Tensor::new(vec![0, 1], Data::Text(vec![])).unwrap();
    let ran = model.run_tensors(vec![("x".to_owned(), none)]).unwrap();
    assert_eq!(ran[0].1, Tensor::new(vec![0], Data::Float(vec![])).unwrap());
}
