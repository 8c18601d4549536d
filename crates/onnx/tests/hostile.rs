//! Small files that ask for much: each is refused at once, by the name of what asks.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what is not as expected")]

use portcullis_onnx::{Attr, Domain, ElementType, GraphBuilder, Model};

/// Why a graph cannot be scored by rows.
fn refused(build: impl FnOnce(&mut GraphBuilder)) -> String {
    let mut graph = GraphBuilder::new("hostile");
    build(&mut graph);
    let bytes = graph.finish().unwrap();
    match Model::from_bytes(&bytes) {
        Err(error) => error.to_string(),
        Ok(model) => model.predictable().err().map_or_else(String::new, |error| error.to_string()),
    }
}

fn axis(at: i64) -> Vec<(&'static str, Attr)> {
    vec![("axis", Attr::Int(at))]
}

#[test]
fn marks_of_a_boundless_depth() {
    let told = refused(|graph| {
        graph.input("x", ElementType::Float, 1);
        graph.output("y", ElementType::Float, &[-1, 1, -1]);
        let depth = graph.floats("depth", &[1], vec![1.844_674_4e19]);
        let values = graph.floats("values", &[2], vec![0.0, 1.0]);
        graph.node(Domain::Onnx, "OneHot", &["x", &depth, &values], &["y"], axis(-1));
    });
    assert!(told.contains("OneHot") && told.contains("the limit is"), "{told}");
}

#[test]
fn columns_picked_many_times_over() {
    let told = refused(|graph| {
        graph.input("x", ElementType::Float, 200_000);
        graph.output("y", ElementType::Float, &[-1, -1]);
        let one = graph.ints("one", &[1], vec![1]);
        graph.node(Domain::Onnx, "Unsqueeze", &["x", &one], &["u"], Vec::new());
        let zeros = graph.ints("zeros", &[50_000], vec![0; 50_000]);
        graph.node(Domain::Onnx, "Gather", &["u", &zeros], &["y"], axis(1));
    });
    assert!(told.contains("Gather") && told.contains("numbers a row"), "{told}");
}

#[test]
fn integers_that_f32_does_not_tell_apart() {
    for (op, keys) in [("OneHotEncoder", "cats_int64s"), ("LabelEncoder", "keys_int64s")] {
        let told = refused(|graph| {
            graph.input("day", ElementType::Int64, 1);
            graph.output("y", ElementType::Float, &[-1, -1]);
            let mut attributes = vec![(keys, Attr::Ints(vec![20_240_115, 20_240_116]))];
            if op == "LabelEncoder" {
                attributes.push(("values_floats", Attr::Floats(vec![1.0, 2.0])));
            }
            graph.node(Domain::Ml, op, &["day"], &["y"], attributes);
        });
        assert!(told.contains("too large to be compiled"), "{op}: {told}");
    }
}

#[test]
fn long_texts_many_times_over() {
    let told = refused(|graph| {
        graph.input("x", ElementType::Float, 1);
        graph.output("y", ElementType::Float, &[-1, 1]);
        let text = graph.strings("text", &[1], vec!["a".repeat(1 << 20)]);
        let shape = graph.ints("shape", &[1], vec![1 << 20]);
        graph.node(Domain::Onnx, "Expand", &[&text, &shape], &["texts"], Vec::new());
        graph.node(Domain::Onnx, "Identity", &["x"], &["y"], Vec::new());
    });
    assert!(told.contains("Expand"), "{told}");
}

#[test]
fn nothing_along_one_axis_of_many() {
    for op in ["ReduceSum", "ArgMax", "CumSum", "Softmax"] {
        let told = refused(|graph| {
            graph.input("x", ElementType::Float, 1);
            graph.output("y", ElementType::Float, &[-1, 1]);
            let nothing = graph.floats("nothing", &[0, 1 << 28], Vec::new());
            let zero = graph.ints("zero", &[1], vec![0]);
            match op {
                "ReduceSum" => graph.node(Domain::Onnx, op, &[&nothing, &zero], &["z"], Vec::new()),
                "CumSum" => graph.node(Domain::Onnx, op, &[&nothing, &zero], &["z"], Vec::new()),
                _ => graph.node(Domain::Onnx, op, &[&nothing], &["z"], axis(0)),
            }
            graph.node(Domain::Onnx, "Identity", &["x"], &["y"], Vec::new());
        });
        assert!(told.contains(op) && told.contains("elements"), "{op}: {told}");
    }
}

#[test]
fn a_long_chain_of_scalers_takes_little() {
    let told = refused(|graph| {
        graph.input("x", ElementType::Float, 1);
        graph.output("y", ElementType::Float, &[-1, 1]);
        let mut from = "x".to_owned();
        for link in 0..3_000 {
            let to = if link == 2_999 { "y".to_owned() } else { format!("x{link}") };
            let scale = vec![("scale", Attr::Floats(vec![1.5])), ("offset", Attr::Floats(vec![0.5]))];
            graph.node(Domain::Ml, "Scaler", &[&from], &[&to], scale);
            from = to;
        }
    });
    assert_eq!(told, "");
}

#[test]
fn the_largest_of_missing_values_has_a_place() {
    let mut graph = GraphBuilder::new("top");
    graph.input("x", ElementType::Float, 64);
    graph.output("y", ElementType::Float, &[-1, 1]);
    let one = graph.ints("k", &[1], vec![1]);
    graph.node(Domain::Onnx, "TopK", &["x", &one], &["y", "places"], Vec::new());
    let model = Model::from_bytes(&graph.finish().unwrap()).unwrap();
    for seed in 0..200_u32 {
        let mut batch = model.batch();
        batch.push_row();
        for column in 0..64_u32 {
            let x = (seed.wrapping_mul(31).wrapping_add(column)).wrapping_mul(2_654_435_761) >> 16;
            let value = if x % 5 == 0 { f32::NAN } else { x as f32 };
            batch.set_number(0, column as usize, value);
        }
        model.predict(&mut batch).unwrap();
    }
}
