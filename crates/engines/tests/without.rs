//! No library is named, or one that is none.
#![expect(clippy::unwrap_used, reason = "a test stops at what is not as expected")]

use onnx::{Attr, Domain, ElementType, GraphBuilder};
use portcullis_engines::{Engine, Error, use_library};

/// A graph of one operator.
fn graph(op: &str) -> Vec<u8> {
    let mut graph = GraphBuilder::new("one");
    graph.input("x", ElementType::Float, 1);
    graph.output("y", ElementType::Float, &[-1, 1]);
    graph.node(Domain::Onnx, op, &["x"], &["y"], vec![]);
    graph.finish().unwrap()
}

/// Bytes of a second input behind a model: `z`, of shape `[N, 2, 2]`. Messages are joined by joining their bytes.
const IMAGES: &[u8] = b"\x3a\x1a\x5a\x18\x0a\x01z\x12\x13\x0a\x11\x08\x01\
                        \x12\x0d\x0a\x03\x12\x01N\x0a\x02\x08\x02\x0a\x02\x08\x02";

/// Operators that our own engine covers, over rows that it does not read.
#[test]
fn rows_of_several_axes_are_for_the_other_engine() {
    let engine = Engine::load(&[&graph("Abs")[..], IMAGES].concat()).unwrap();
    let told = engine.predictable().unwrap_err();
    assert!(matches!(told, Error::NoLibrary(_) | Error::Library { .. }), "{told:?}");
    let told = told.to_string();
    assert!(told.contains("input z: its rows have shape [2, 2]"), "{told}");
    assert!(told.contains("endpoint.onnxruntime_library"), "{told}");
}

/// Our own engine holds integers as f32. Where it compares two of a row, or divides them, those that f32 may round are refused.
#[test]
fn integers_that_are_not_told_apart_are_not_taken() {
    for op in ["Equal", "Mod"] {
        let mut graph = GraphBuilder::new("two");
        for name in ["a", "b", "c"] {
            graph.input(name, ElementType::Int64, 1);
        }
        graph.output("y", ElementType::Float, &[-1, 1]);
        graph.node(Domain::Onnx, op, &["a", "b"], &["found"], vec![]);
        let float = || vec![("to", Attr::Int(1))];
        graph.node(Domain::Onnx, "Cast", &["found"], &["first"], float());
        graph.node(Domain::Onnx, "Cast", &["c"], &["second"], float());
        graph.node(Domain::Onnx, "Add", &["first", "second"], &["y"], vec![]);
        let engine = Engine::load(&graph.finish().unwrap()).unwrap();
        engine.predictable().unwrap();
        let mut batch = engine.batch();
        batch.push_row();
        assert!(batch.set_number(0, 0, 16_777_215.0) && batch.set_number(1, 0, -16_777_215.0), "{op}");
        assert!(!batch.set_number(0, 0, 20_240_116.0) && !batch.set_number(1, 0, -3e9), "{op}");
        // What becomes a number of 32 bits in any engine is taken.
        assert!(batch.set_number(2, 0, 20_240_116.0), "{op}");
    }
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
