//! Whole models through the public interface: written, read, scored both ways, without allocations.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stop at what is not as expected")]

#[path = "support/compare.rs"]
mod compare;
#[path = "support/graphs.rs"]
mod graphs;

use compare::{predictions, push};
use portcullis_onnx::{
    Attr, Data, Domain, ElementType, GraphBuilder, Labels, Model, Output, SlotKind, Tensor,
};

#[test]
fn both_ways_of_running_agree() {
    for case in graphs::all() {
        let model = Model::from_bytes(&case.model).unwrap();
        let outputs = model.run_tensors(case.inputs.clone()).unwrap();
        predictions(case.name, &model, &case.inputs, &outputs);
    }
}

#[test]
fn scoring_a_warm_batch_allocates_nothing() {
    for case in graphs::all() {
        let model = Model::from_bytes(&case.model).unwrap();
        for rows in [1, graphs::ROWS] {
            let mut batch = model.batch();
            let mut score = || {
                batch.clear();
                (0..rows).for_each(|row| push(&model, &mut batch, &case.inputs, row));
                model.predict(&mut batch).unwrap();
            };
            score();
            let counted = allocation_counter::measure(score);
            assert_eq!(counted.count_total, 0, "{} at {rows} rows", case.name);
        }
    }
}

#[test]
fn slots_and_outputs_are_told() {
    let cases = graphs::all();
    let model = Model::from_bytes(&cases[0].model).unwrap();
    let slots: Vec<_> = model.slots().iter().map(|s| (s.name.as_str(), s.kind, s.width, s.offset)).collect();
    assert_eq!(slots[1], ("emp.var.rate", SlotKind::Float, 1, 1));
    assert_eq!(slots[4], ("sex", SlotKind::Text, 1, 4));
    assert_eq!(model.slot("credit amount"), Some(2));
    assert_eq!(*model.output(), Output::Classes(Labels::Text(vec!["bad".to_owned(), "good".to_owned()])));
    assert_eq!((model.nodes(), model.file_bytes()), (4, cases[0].model.len()));
    let model = Model::from_bytes(&cases[1].model).unwrap();
    assert_eq!(*model.output(), Output::Classes(Labels::Integer(vec![-5, 5, 15])));
    let model = Model::from_bytes(&cases[2].model).unwrap();
    assert_eq!(*model.output(), Output::Value);
}

#[test]
fn a_row_of_missing_values_scores() {
    for case in graphs::all() {
        let model = Model::from_bytes(&case.model).unwrap();
        let mut batch = model.batch();
        batch.push_row();
        model.predict(&mut batch).unwrap();
        let scores = batch.probabilities(0).iter().sum::<f32>();
        assert!((scores - 1.0).abs() < 1e-5 || batch.value(0).is_finite(), "{}", case.name);
    }
}

#[test]
fn setting_what_is_not_there_does_nothing() {
    let case = &graphs::all()[0];
    let model = Model::from_bytes(&case.model).unwrap();
    let mut batch = model.batch();
    batch.set_number(0, 0, 1.0);
    batch.push_row();
    batch.set_number(99, 0, 1.0);
    batch.set_number(0, 1, 1.0);
    batch.set_number(3, 0, 1.0);
    batch.set_text(&model, 0, 0, "1");
    model.predict(&mut batch).unwrap();
    let mut missing = model.batch();
    missing.push_row();
    model.predict(&mut missing).unwrap();
    assert_eq!(batch.probabilities(0), missing.probabilities(0));
    let other = Model::from_bytes(&case.model).unwrap();
    assert!(other.predict(&mut batch).is_err(), "a batch of another model");
}

#[test]
fn metadata_comes_back() {
    let mut graph = GraphBuilder::new("g");
    graph.input("x", ElementType::Float, 1);
    graph.output("y", ElementType::Float, &[-1, 1]);
    graph.node(Domain::Onnx, "Neg", &["x"], &["y"], vec![]);
    graph.metadata("portcullis.signature", "{}");
    graph.metadata("k", "1");
    graph.metadata("k", "2");
    let model = Model::from_bytes(&graph.finish().unwrap()).unwrap();
    let entries: Vec<_> = model.metadata().iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(entries, [("k", "2"), ("portcullis.signature", "{}")]);
}

/// A model of one node over `x` (`[N, 2]` float).
fn one_node(
    domain: Domain,
    op: &str,
    attributes: Vec<(&str, Attr)>,
) -> Result<Model, portcullis_onnx::Error> {
    let mut graph = GraphBuilder::new("g");
    graph.input("x", ElementType::Float, 2);
    graph.output("y", ElementType::Float, &[-1, 2]);
    graph.node(domain, op, &["x"], &["y"], attributes);
    Model::from_bytes(&graph.finish()?)
}

#[test]
fn what_can_not_be_run_is_refused_by_name() {
    let message = one_node(Domain::Onnx, "Conv", vec![]).unwrap_err().to_string();
    assert!(message.starts_with("node Conv_1 (Conv) can't be run"), "{message}");
    let message = one_node(Domain::Ml, "SVMRegressor", vec![]).unwrap_err().to_string();
    assert!(message.contains("SVMRegressor_1 (ai.onnx.ml.SVMRegressor)"), "{message}");
    let message = one_node(Domain::Onnx, "Cast", vec![("to", Attr::Int(10))]).unwrap_err().to_string();
    assert!(message.contains("FLOAT16"), "{message}");
    let message = one_node(Domain::Ml, "Normalizer", vec![("norm", Attr::Text("L9".to_owned()))]);
    assert!(message.unwrap_err().to_string().contains("L9"));
}

#[test]
fn a_graph_across_rows_runs_on_tensors_only() {
    let model = one_node(Domain::Onnx, "ReduceSum", vec![]).unwrap();
    let message = model.predictable().unwrap_err().to_string();
    assert!(message.contains("ReduceSum_1") && message.contains("rows"), "{message}");
    let x = Tensor::new(vec![2, 2], Data::Float(vec![1.0, 2.0, 3.0, 4.0])).unwrap();
    let out = model.run_tensors(vec![("x".to_owned(), x)]).unwrap();
    assert_eq!(out[0], ("y".to_owned(), Tensor::new(vec![1, 1], Data::Float(vec![10.0])).unwrap()));
    assert_eq!(model.predict(&mut model.batch()).unwrap_err(), model.predictable().unwrap_err());
}

#[test]
fn what_softmax_makes_is_a_class() {
    let model = one_node(Domain::Onnx, "Softmax", vec![]).unwrap();
    assert_eq!(*model.output(), Output::Classes(Labels::Integer(vec![0, 1])));
    let mut batch = model.batch();
    for row in [[1.0, 3.0], [3.0, 1.0], [2.0, 2.0], [f32::NAN, 1.0]] {
        batch.push_row();
        row.iter().enumerate().for_each(|(at, &x)| batch.set_number(0, at, x));
    }
    model.predict(&mut batch).unwrap();
    assert_eq!([0, 1, 2, 3].map(|row| batch.class(row)), [1, 0, 0, 0]);
    let shares = batch.probabilities(0);
    assert!((shares[1] - 0.880_797).abs() < 1e-5 && (shares[0] + shares[1] - 1.0).abs() < 1e-6, "{shares:?}");
    // Any other two numbers are no probabilities, in no engine.
    let why = one_node(Domain::Onnx, "Neg", vec![]).unwrap().predictable().unwrap_err();
    assert!(!why.is_uncovered() && why.to_string().contains("nor what a Softmax makes"), "{why}");
}

/// Scores, and as label the class of the largest, cast to these types one after the other.
fn labelled(classes: Vec<i64>, to: &[i64]) -> Model {
    let mut graph = GraphBuilder::new("labels");
    let count = classes.len();
    graph.input("x", ElementType::Float, count as i64);
    graph.output("label", ElementType::Int64, &[-1]);
    graph.output("scores", ElementType::Float, &[-1, count as i64]);
    graph.node(Domain::Onnx, "Softmax", &["x"], &["scores"], vec![("axis", Attr::Int(1))]);
    let attributes = vec![("axis", Attr::Int(1)), ("keepdims", Attr::Int(0))];
    graph.node(Domain::Onnx, "ArgMax", &["scores"], &["place"], attributes);
    graph.ints("classes", &[count as i64], classes);
    graph.node(Domain::Ml, "ArrayFeatureExtractor", &["classes", "place"], &["found"], vec![]);
    graph.ints("flat", &[1], vec![-1]);
    graph.node(Domain::Onnx, "Reshape", &["found", "flat"], &["value_0"], vec![]);
    for (at, &to) in to.iter().enumerate() {
        let (from, made) = (format!("value_{at}"), format!("value_{}", at + 1));
        graph.node(Domain::Onnx, "Cast", &[&from], &[&made], vec![("to", Attr::Int(to))]);
    }
    graph.node(Domain::Onnx, "Identity", &[&format!("value_{}", to.len())], &["label"], vec![]);
    Model::from_bytes(&graph.finish().unwrap()).unwrap()
}

#[test]
fn labels_that_are_numbers_are_the_classes_themselves() {
    for classes in [vec![1, 2], vec![-1, 1], vec![10, 20, 30], vec![2, 1, 0], vec![0, 1]] {
        // As they are, and as converters write them: as floats and back.
        for to in [&[][..], &[7], &[1, 7], &[1, 6, 7]] {
            let model = labelled(classes.clone(), to);
            let mut batch = model.batch();
            for class in 0..classes.len() {
                batch.push_row();
                (0..classes.len()).for_each(|at| batch.set_number(0, at, f32::from(u8::from(at == class))));
            }
            model.predict(&mut batch).unwrap();
            assert_eq!(*model.output(), Output::Classes(Labels::Integer(classes.clone())), "{to:?}");
            let places: Vec<usize> = (0..classes.len()).collect();
            assert_eq!(places.iter().map(|&row| batch.class(row)).collect::<Vec<_>>(), places);
        }
    }
}

/// Scores of two classes beside a label, and a number that is none.
fn judged(make: impl Fn(&mut GraphBuilder)) -> Model {
    let mut graph = GraphBuilder::new("judged");
    graph.input("x", ElementType::Float, 2);
    graph.input("id", ElementType::Int64, 1);
    graph.output("same", ElementType::Int64, &[-1, 1]);
    graph.output("label", ElementType::Int64, &[-1]);
    graph.output("scores", ElementType::Float, &[-1, 2]);
    graph.node(Domain::Onnx, "Identity", &["id"], &["same"], vec![]);
    make(&mut graph);
    Model::from_bytes(&graph.finish().unwrap()).unwrap()
}

fn softmax_and_largest(graph: &mut GraphBuilder) {
    graph.node(Domain::Onnx, "Softmax", &["x"], &["scores"], vec![("axis", Attr::Int(1))]);
    let attributes = vec![("axis", Attr::Int(1)), ("keepdims", Attr::Int(0))];
    graph.node(Domain::Onnx, "ArgMax", &["scores"], &["place"], attributes);
}

#[test]
fn labels_are_found_however_they_are_made() {
    let looked_up = |classes: [i64; 2]| {
        judged(move |graph| {
            softmax_and_largest(graph);
            let attributes = vec![
                ("keys_int64s", Attr::Ints(vec![0, 1])),
                ("values_int64s", Attr::Ints(classes.to_vec())),
            ];
            graph.node(Domain::Ml, "LabelEncoder", &["place"], &["label"], attributes);
        })
    };
    let chosen = judged(|graph| {
        softmax_and_largest(graph);
        graph.ints("zero", &[1], vec![0]);
        graph.ints("one", &[1], vec![1]);
        graph.node(Domain::Onnx, "Equal", &["place", "one"], &["second"], vec![]);
        graph.node(Domain::Onnx, "Where", &["second", "one", "zero"], &["label"], vec![]);
    });
    let classified = |classes: [i64; 2]| {
        judged(move |graph| {
            let attributes = vec![
                ("classlabels_ints", Attr::Ints(classes.to_vec())),
                ("coefficients", Attr::Floats(vec![1.0, 0.0, 0.0, 1.0])),
                ("intercepts", Attr::Floats(vec![0.0, 0.0])),
            ];
            graph.node(Domain::Ml, "LinearClassifier", &["x"], &["found", "scores"], attributes);
            graph.node(Domain::Onnx, "Cast", &["found"], &["float"], vec![("to", Attr::Int(1))]);
            graph.node(Domain::Onnx, "Cast", &["float"], &["label"], vec![("to", Attr::Int(7))]);
        })
    };
    let cases = [
        (looked_up([0, 1]), [0, 1]),
        (looked_up([10, 20]), [10, 20]),
        (chosen, [0, 1]),
        (classified([1, 2]), [1, 2]),
        (classified([1, 0]), [1, 0]),
        (classified([-1, 1]), [-1, 1]),
    ];
    for (model, classes) in cases {
        assert_eq!(*model.output(), Output::Classes(Labels::Integer(classes.to_vec())));
        let mut batch = model.batch();
        for row in [[3.0, 1.0], [1.0, 3.0]] {
            batch.push_row();
            row.iter().enumerate().for_each(|(at, &x)| batch.set_number(0, at, x));
            batch.set_number(1, 0, 7.0);
        }
        model.predict(&mut batch).unwrap();
        assert_eq!([batch.class(0), batch.class(1)], [0, 1], "{classes:?}");
        assert!(batch.probabilities(0)[0] > batch.probabilities(0)[1], "{classes:?}");
    }
}

#[test]
fn a_number_beside_scores_is_no_label() {
    let mut graph = GraphBuilder::new("id");
    graph.input("x", ElementType::Float, 2);
    graph.input("id", ElementType::Int64, 1);
    graph.output("same", ElementType::Int64, &[-1, 1]);
    graph.output("scores", ElementType::Float, &[-1, 2]);
    graph.node(Domain::Onnx, "Identity", &["id"], &["same"], vec![]);
    graph.node(Domain::Onnx, "Softmax", &["x"], &["scores"], vec![("axis", Attr::Int(1))]);
    let why = Model::from_bytes(&graph.finish().unwrap()).unwrap().predictable().unwrap_err().to_string();
    assert!(why.contains("the label is a number of which nothing says"), "{why}");
}

#[test]
fn inputs_are_judged() {
    let model = one_node(Domain::Onnx, "Neg", vec![]).unwrap();
    let run = |name: &str, dims: Vec<usize>, data: Data| {
        let tensor = Tensor::new(dims, data).unwrap();
        model.run_tensors(vec![(name.to_owned(), tensor)]).unwrap_err().to_string()
    };
    assert!(model.run_tensors(vec![]).unwrap_err().to_string().contains("input x: is missing"));
    assert!(run("z", vec![1], Data::Float(vec![1.0])).contains("no such input"));
    assert!(run("x", vec![1, 2], Data::Int64(vec![1, 2])).contains("INT64, expected FLOAT"));
    assert!(run("x", vec![1, 1], Data::Float(vec![1.0])).contains("expected [?, 2]"));
}

#[test]
fn cut_and_changed_files_never_panic() {
    let case = &graphs::all()[4];
    for length in (0..case.model.len()).step_by(97) {
        assert!(Model::from_bytes(&case.model[..length]).is_err(), "cut at {length}");
    }
    for at in (0..case.model.len()).step_by(31) {
        let mut changed = case.model.clone();
        changed[at] ^= 0x15;
        if let Ok(model) = Model::from_bytes(&changed) {
            let mut batch = model.batch();
            batch.push_row();
            let _ = model.predict(&mut batch);
            let _ = model.run_tensors(case.inputs.clone());
        }
    }
}
