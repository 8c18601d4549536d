//! Small ONNX models and stores for this crate's tests.

use crate::signature::METADATA_KEY;
use domain::{Actor, Digest, Lineage, ModelName, Name, Signature, Version};
use onnx::{Attr, Domain, ElementType, GraphBuilder};
use store::Store;
use tempfile::TempDir;

pub(crate) async fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).await.unwrap();
    (dir, store)
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn model(text: &str) -> ModelName {
    ModelName::new(text).unwrap()
}

pub(crate) fn admin() -> Actor {
    Actor::admin()
}

pub(crate) fn lineage() -> Lineage {
    Lineage { data: name("houses"), data_version: Version(1), data_digest: Digest([1; 32]) }
}

/// `variable = age + 2·room_0 + 3·room_1`; inputs `age` of one column and `room` of two.
pub(crate) fn regression(signature: Option<&Signature>) -> Vec<u8> {
    let mut graph = inputs("houses");
    graph.output("variable", ElementType::Float, &[-1, 1]);
    let attrs = vec![
        ("coefficients", Attr::Floats(vec![1.0, 2.0, 3.0])),
        ("intercepts", Attr::Floats(vec![0.0])),
        ("targets", Attr::Int(1)),
    ];
    graph.node(Domain::Ml, "LinearRegressor", &["all"], &["variable"], attrs);
    if let Some(signature) = signature {
        graph.metadata(METADATA_KEY, &serde_json::to_string(signature).unwrap());
    }
    graph.finish().unwrap()
}

/// Three classes over the same inputs.
pub(crate) fn classification(labels: [&str; 3]) -> Vec<u8> {
    let mut graph = inputs("flowers");
    graph.output("label", ElementType::String, &[-1]);
    graph.output("probabilities", ElementType::Float, &[-1, 3]);
    let attrs = vec![
        ("coefficients", Attr::Floats(vec![1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 0.0, 0.0, 0.0])),
        ("intercepts", Attr::Floats(vec![0.0, 0.0, 0.0])),
        ("classlabels_strings", Attr::Texts(labels.map(str::to_owned).to_vec())),
        ("multi_class", Attr::Int(1)),
        ("post_transform", Attr::Text("SOFTMAX".to_owned())),
    ];
    graph.node(Domain::Ml, "LinearClassifier", &["all"], &["label", "probabilities"], attrs);
    graph.finish().unwrap()
}

fn inputs(title: &str) -> GraphBuilder {
    let mut graph = GraphBuilder::new(title);
    graph.input("age", ElementType::Float, 1);
    graph.input("room", ElementType::Float, 2);
    graph.node(Domain::Onnx, "Concat", &["age", "room"], &["all"], vec![("axis", Attr::Int(1))]);
    graph
}
