//! Encoders and scalers folded into what follows them: pipelines drawn at random give what a plain evaluation gives,
//! whatever the cells and however many rows come together. Trees take the same branches to the bit.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what is not as expected")]

#[path = "support/pipelines.rs"]
mod pipelines;

use pipelines::{Cell, Front, Linear, Random, Trees};
use portcullis_onnx::{Attr, Batch, Domain, ElementType, GraphBuilder, Model};

const PIPELINES: u64 = 400;
const ROWS: usize = 65;

/// A pipeline and rows with their columns.
struct Drawn {
    front: Front,
    rows: Vec<Vec<Cell>>,
    columns: Vec<Vec<f32>>,
}

impl Drawn {
    fn new(random: &mut Random) -> Self {
        let front = Front::draw(random);
        let rows: Vec<Vec<Cell>> = (0..ROWS).map(|_| front.row(random)).collect();
        let columns = rows.iter().map(|row| front.columns(row)).collect();
        Self { front, rows, columns }
    }

    fn model(&self, build: impl FnOnce(&mut GraphBuilder)) -> Model {
        let mut graph = GraphBuilder::new("drawn");
        self.front.build(&mut graph);
        build(&mut graph);
        let model = Model::from_bytes(&graph.finish().unwrap()).unwrap();
        model.predictable().unwrap();
        model
    }

    /// Scores the rows in batches of these sizes in turn; `seen` gets each row's number and the batch.
    fn score(&self, model: &Model, sizes: &[usize], mut seen: impl FnMut(usize, &Batch, usize)) {
        let mut batch = model.batch();
        for &size in sizes {
            for (part, rows) in self.rows.chunks(size).enumerate() {
                if rows.len() % 2 == 0 {
                    fill_columns(model, &mut batch, rows);
                } else {
                    fill(model, &mut batch, rows);
                }
                model.predict(&mut batch).unwrap();
                (0..rows.len()).for_each(|row| seen(part * size + row, &batch, row));
            }
        }
    }
}

fn fill(model: &Model, batch: &mut Batch, rows: &[Vec<Cell>]) {
    batch.clear();
    for row in rows {
        batch.push_row();
        for (slot, cell) in row.iter().enumerate() {
            match cell {
                Cell::Number(x) => batch.set_number(slot, 0, *x),
                Cell::Text(text) => batch.set_text(model, slot, 0, text),
            }
        }
    }
}

/// The same a column at a time.
fn fill_columns(model: &Model, batch: &mut Batch, rows: &[Vec<Cell>]) {
    batch.clear();
    batch.push_rows(rows.len());
    for slot in 0..rows[0].len() {
        let mut numbers = Vec::new();
        let mut texts = Vec::new();
        for row in rows {
            match row[slot] {
                Cell::Number(x) => numbers.push(x),
                Cell::Text(text) => texts.push(text),
            }
        }
        // What is not of the slot's type changes nothing.
        batch.set_numbers(slot, if numbers.is_empty() { &[1.0] } else { &numbers });
        batch.set_texts(model, slot, if texts.is_empty() { &["a"] } else { &texts });
    }
    // Nor do values for more rows than there are, or for slots there are not.
    batch.set_numbers(0, &vec![1.0; rows.len() + 1]);
    batch.set_texts(model, 0, &vec!["a"; rows.len() + 1]);
    batch.set_numbers(99, &[1.0]);
}

#[test]
fn trees_behind_encoders_and_scalers_take_the_same_branches() {
    let mut single = 0;
    for seed in 0..PIPELINES {
        let mut random = Random(seed);
        let drawn = Drawn::new(&mut random);
        let trees = Trees::draw(&mut random, &drawn.columns);
        let model = drawn.model(|graph| trees.build(graph));
        single += usize::from(model.steps() == 1);
        let sizes = [1, 2 + random.below(62), 64, 65];
        drawn.score(&model, &sizes, |row, batch, at| {
            let expected = trees.sum(&drawn.columns[row]);
            assert_eq!(batch.value(at), expected, "row {row} of pipeline {seed}: {:?}", drawn.columns[row]);
        });
    }
    assert!(single > PIPELINES as usize / 4, "only {single} became a step");
}

#[test]
fn weighted_sums_behind_encoders_and_scalers() {
    let mut single = 0;
    for seed in 0..PIPELINES {
        let mut random = Random(seed);
        let drawn = Drawn::new(&mut random);
        let linear = Linear::draw(&mut random, drawn.columns[0].len());
        let model = drawn.model(|graph| linear.build(graph));
        single += usize::from(model.steps() == 1);
        let sizes = [1, 2 + random.below(62), 64, 65];
        drawn.score(&model, &sizes, |row, batch, at| {
            let value = [batch.value(at)];
            let got = if batch.probabilities(at).is_empty() { &value } else { batch.probabilities(at) };
            let expected = linear.scores(&drawn.columns[row]);
            assert_eq!(got.len(), expected.len());
            for (&got, &(score, slack)) in got.iter().zip(&expected) {
                let same = got.is_nan() == score.is_nan()
                    && (got.is_nan() || got == score as f32 || (f64::from(got) - score).abs() <= slack);
                assert!(same, "row {row} of pipeline {seed}: {got}, expected {score} ± {slack}");
            }
        });
    }
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
