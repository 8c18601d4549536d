//! No library is named, or one that is none.
#![expect(clippy::unwrap_used, reason = "a test stops at what is not as expected")]

use onnx::{Domain, ElementType, GraphBuilder};
use portcullis_engines::{Engine, Error, use_library};

/// A graph of one operator.
fn graph(op: &str) -> Vec<u8> {
    let mut graph = GraphBuilder::new("one");
    graph.input("x", ElementType::Float, 1);
    graph.output("y", ElementType::Float, &[-1, 1]);
    graph.node(Domain::Onnx, op, &["x"], &["y"], vec![]);
    graph.finish().unwrap()
}

#[test]
fn what_is_not_covered_is_refused_with_what_to_do() {
    let told = Engine::load(&graph("LpNormalization")).unwrap_err();
    assert!(matches!(told, Error::NoLibrary(_)));
    let told = told.to_string();
    assert!(told.contains("LpNormalization") && told.contains("endpoint.onnxruntime_library"), "{told}");
    // Another engine would not help these.
    assert!(matches!(Engine::load(b"no model"), Err(Error::Own(_))));
    assert_eq!(Engine::load(&graph("Abs")).unwrap().name(), "portcullis");
    use_library("/nowhere/libonnxruntime.so");
    let told = Engine::load(&graph("LpNormalization")).unwrap_err().to_string();
    assert!(told.contains("there is no file /nowhere/libonnxruntime.so"), "{told}");
    assert!(told.contains("endpoint.onnxruntime_library"), "{told}");
    assert_eq!(Engine::load(&graph("Abs")).unwrap().name(), "portcullis");
}
