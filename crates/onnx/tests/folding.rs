//! Encoders and scalers folded into what follows them: pipelines drawn at random give what a plain evaluation gives,
//! whatever the cells and however many rows come together. Trees take the same branches to the bit.
#![expect(clippy::panic, reason = "a difference ends the test with its words")]

#[path = "support/folded.rs"]
mod folded;

use folded::Random;
use portcullis_onnx as engine;
use portcullis_onnx::{Attr, Domain, ElementType, GraphBuilder, Model};

const PIPELINES: u64 = 400;
/// Rows drawn for each.
const ROWS: usize = 65;

#[test]
fn trees_behind_encoders_and_scalers_take_the_same_branches() {
    let steps = |seed| folded::check_trees(&format!("pipeline {seed}"), &mut Random::new(&[], seed), ROWS);
    let single = (0..PIPELINES).filter(|&seed| steps(seed) == 1).count();
    assert!(single > PIPELINES as usize / 4, "only {single} became a step");
}

#[test]
fn weighted_sums_behind_encoders_and_scalers() {
    let steps = |seed| folded::check_sums(&format!("pipeline {seed}"), &mut Random::new(&[], seed), ROWS);
    let single = (0..PIPELINES).filter(|&seed| steps(seed) == 1).count();
    // Columns that are all numbers as they come stay a row.
    assert!(single > PIPELINES as usize / 2, "only {single} became a step");
}

/// A pipeline as skl2onnx writes it: numbers through a scaler, texts through one-hot encoders.
fn usual(graph: &mut GraphBuilder) {
    graph.input("n", ElementType::Float, 3);
    graph.input("t", ElementType::String, 1);
    graph.input("u", ElementType::String, 1);
    let scaler =
        vec![("offset", Attr::Floats(vec![1.0, 2.0, 3.0])), ("scale", Attr::Floats(vec![0.5, 2.0, 1.0]))];
    graph.node(Domain::Ml, "Scaler", &["n"], &["scaled"], scaler);
    for (name, hot) in [("t", "hot_t"), ("u", "hot_u")] {
        let levels = Attr::Texts(["a", "b", "c"].map(str::to_owned).to_vec());
        graph.node(Domain::Ml, "OneHotEncoder", &[name], &[hot], vec![("cats_strings", levels)]);
    }
    graph.node(Domain::Onnx, "Concat", &["hot_t", "hot_u"], &["hot"], vec![("axis", Attr::Int(-1))]);
    let shape = graph.ints("shape", &[2], vec![-1, 6]);
    graph.node(Domain::Onnx, "Reshape", &["hot", &shape], &["flat"], vec![]);
    graph.node(Domain::Onnx, "Concat", &["scaled", "flat"], &["x"], vec![("axis", Attr::Int(1))]);
}

#[test]
fn the_usual_pipeline_is_one_step_and_allocates_nothing() {
    let mut graph = GraphBuilder::new("usual");
    usual(&mut graph);
    graph.output("label", ElementType::Int64, &[-1]);
    graph.output("scores", ElementType::Float, &[-1, 2]);
    let weights: Vec<f32> = (0..9).map(|i| i as f32 / 4.0 - 1.0).collect();
    let attributes = vec![
        ("coefficients", Attr::Floats(weights.iter().map(|w| -w).chain(weights.iter().copied()).collect())),
        ("intercepts", Attr::Floats(vec![-0.25, 0.25])),
        ("classlabels_ints", Attr::Ints(vec![0, 1])),
        ("post_transform", Attr::Text("LOGISTIC".to_owned())),
    ];
    graph.node(Domain::Ml, "LinearClassifier", &["x"], &["label", "scores"], attributes);
    let model = Model::from_bytes(&graph.finish().unwrap()).unwrap();
    assert_eq!(model.steps(), 1);
    let mut batch = model.batch();
    let mut score = || {
        batch.clear();
        for row in 0..130 {
            batch.push_row();
            (0..3).for_each(|column| batch.set_number(0, column, (row + column) as f32));
            batch.set_text(&model, 1, 0, ["a", "b", "", "never seen, and long"][row % 4]);
            batch.set_text(&model, 2, 0, "c");
        }
        model.predict(&mut batch).unwrap();
    };
    score();
    assert_eq!(allocation_counter::measure(score).count_total, 0);
}

#[test]
fn what_others_read_of_an_encoder_stays() {
    let mut graph = GraphBuilder::new("shared");
    usual(&mut graph);
    // The largest of the columns next to their weighted sum: the columns are needed as they are, too.
    graph.output("y", ElementType::Float, &[-1, 1]);
    let weights = graph.floats("w", &[9, 1], vec![1.0; 9]);
    graph.node(Domain::Onnx, "MatMul", &["x", &weights], &["sum"], vec![]);
    graph.node(Domain::Onnx, "ReduceMax", &["x"], &["most"], vec![("axes", Attr::Ints(vec![1]))]);
    graph.node(Domain::Onnx, "Add", &["sum", "most"], &["y"], vec![]);
    let model = Model::from_bytes(&graph.finish().unwrap()).unwrap();
    let mut batch = model.batch();
    for (cells, text, expected) in
        [([1.0, 2.0, 3.0], "a", 2.0 + 1.0), ([1.0, 4.0, 3.0], "?", 4.0 + 1.0 + 4.0)]
    {
        batch.clear();
        batch.push_row();
        cells.iter().enumerate().for_each(|(at, &x)| batch.set_number(0, at, x));
        batch.set_text(&model, 1, 0, text);
        batch.set_text(&model, 2, 0, "b");
        model.predict(&mut batch).unwrap();
        assert_eq!(batch.value(0), expected);
    }
}
