//! Which refusals are left to another engine.

use crate::Model;
use crate::builder::{Attr, GraphBuilder};
use crate::check::hostile::doubling;
use crate::element::{Domain, ElementType};
use crate::error::Error;
use crate::proto::generated::tensor_shape_proto::{Dimension, dimension};
use crate::proto::generated::{ModelProto, ValueInfoProto, tensor_proto::DataType, type_proto};
use prost::Message as _;

fn tensor_type(value: &mut ValueInfoProto) -> &mut type_proto::Tensor {
    match value.r#type.as_mut().and_then(|kind| kind.value.as_mut()) {
        Some(type_proto::Value::TensorType(tensor)) => tensor,
        other => panic!("{other:?} is no tensor"),
    }
}

/// A model whose input `x` has these lengths behind the rows.
fn images(inner: &[i64]) -> ModelProto {
    let mut graph = GraphBuilder::new("images");
    graph.input("x", ElementType::Float, 4);
    graph.output("y", ElementType::Float, &[-1, 4]);
    graph.node(Domain::Onnx, "Flatten", &["x"], &["flat"], vec![]);
    graph.node(Domain::Onnx, "Softmax", &["flat"], &["y"], vec![]);
    let mut model = graph.unchecked();
    let input = &mut model.graph.as_mut().unwrap().input[0];
    let dims = &mut tensor_type(input).shape.as_mut().unwrap().dim;
    dims.truncate(1);
    let dim = |&size: &i64| {
        let value = Some(dimension::Value::DimValue(size));
        Dimension { value, ..Dimension::default() }
    };
    dims.extend(inner.iter().map(dim));
    model
}

fn refusal(model: &ModelProto) -> Error {
    Model::from_bytes(&model.encode_to_vec()).and_then(|model| model.predictable()).unwrap_err()
}

#[test]
fn rows_of_several_axes_are_left_to_another_engine() {
    let why = refusal(&images(&[2, 2]));
    assert!(why.is_uncovered() && why.to_string().contains("input x: its rows have shape [2, 2]"), "{why}");
    // No engine makes columns of these.
    for inner in [&[2, 0][..], &[0], &[-1, 2]] {
        let why = refusal(&images(inner));
        assert!(!why.is_uncovered() && why.to_string().contains("no shape [N, width]"), "{why}");
    }
    assert!(Model::from_bytes(&images(&[4]).encode_to_vec()).unwrap().predictable().is_ok());
}

#[test]
fn what_grows_is_for_no_engine() {
    for constant in [true, false] {
        let why = refusal(&doubling(constant).unchecked());
        assert!(matches!(&why, Error::TooMuch { op, .. } if op == "Concat"), "{why:?}");
        assert!(!why.is_uncovered() && why.to_string().contains("(Concat) can't be run"), "{why}");
    }
    // What goes across rows is a matter of coverage.
    let mut graph = GraphBuilder::new("across");
    graph.input("x", ElementType::Float, 2);
    graph.output("y", ElementType::Float, &[-1, 2]);
    graph.node(Domain::Onnx, "ReduceSum", &["x"], &["y"], vec![]);
    let why = refusal(&graph.unchecked());
    assert!(why.is_uncovered(), "{why}");
}

/// A model of one node over integers `x` and these constants, of 64 bits or of 32.
fn integers(op: &str, constants: &[&[i64]], narrow: bool) -> ModelProto {
    let mut graph = GraphBuilder::new("integers");
    graph.input("x", ElementType::Int64, 1);
    graph.output("y", ElementType::Float, &[-1, 1]);
    let mut inputs = vec!["x".to_owned()];
    for values in constants {
        let dims: Vec<i64> = if values.len() == 1 { Vec::new() } else { vec![values.len() as i64] };
        inputs.push(graph.ints("c", &dims, values.to_vec()));
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    graph.node(Domain::Onnx, op, &inputs, &["z"], vec![]);
    graph.node(Domain::Onnx, "Cast", &["z"], &["y"], vec![("to", Attr::Int(1))]);
    let mut model = graph.unchecked();
    if narrow {
        let graph = model.graph.as_mut().unwrap();
        tensor_type(&mut graph.input[0]).elem_type = Some(DataType::Int32 as i32);
        for (constant, values) in graph.initializer.iter_mut().zip(constants) {
            constant.data_type = Some(DataType::Int32 as i32);
            constant.raw_data = Some(values.iter().flat_map(|&v| (v as i32).to_le_bytes()).collect());
        }
    }
    model
}

#[test]
fn constants_beside_integers_of_a_row() {
    let far: [(&str, &[&[i64]]); 3] =
        [("Equal", &[&[20_240_115]]), ("Clip", &[&[0], &[1 << 24]]), ("OneHot", &[&[1], &[0, 1 << 24]])];
    let near: [(&str, &[&[i64]]); 3] =
        [("Equal", &[&[20_115]]), ("Clip", &[&[0], &[16_777_215]]), ("OneHot", &[&[1], &[0, 5]])];
    for narrow in [false, true] {
        for (op, constants) in far {
            let why = refusal(&integers(op, constants, narrow));
            let told = why.to_string();
            assert!(why.is_uncovered() && told.contains("too large to be compiled"), "{op}: {told}");
        }
        for (op, constants) in near {
            let model = Model::from_bytes(&integers(op, constants, narrow).encode_to_vec()).unwrap();
            model.predictable().unwrap_or_else(|why| panic!("{op}: {why}"));
        }
    }
}
