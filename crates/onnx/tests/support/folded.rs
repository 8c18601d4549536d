//! Holds what the engine makes of drawn pipelines against a plain evaluation, whatever the cells and however many rows come
//! together.

#[path = "pipelines.rs"]
mod pipelines;

use super::engine;
use engine::{Batch, GraphBuilder, Model};
pub use pipelines::Random;
use pipelines::{Cell, Front, Linear, Trees};

/// Rows scored; those drawn come again in turn. Blocks of rows are of 64.
const ROWS: usize = 65;

/// A pipeline and rows with their columns.
struct Drawn<'n> {
    name: &'n str,
    front: Front,
    rows: Vec<Vec<Cell>>,
    columns: Vec<Vec<f32>>,
}

/// Draws encoders and scalers before trees, and holds every way of scoring rows against a plain evaluation: the sums are
/// equal. Gives the steps that the model was compiled to.
pub fn check_trees(name: &str, random: &mut Random<'_>, distinct: usize) -> usize {
    let drawn = Drawn::new(name, random, distinct);
    let trees = Trees::draw(random, &drawn.columns);
    let model = drawn.model(|graph| trees.build(graph));
    drawn.score(&model, random, |row, batch, at| {
        let expected = trees.sum(&drawn.columns[row]);
        assert_eq!(batch.value(at), expected, "row {row} of {name}: {:?}", drawn.columns[row]);
    });
    model.steps()
}

/// The same before weighted sums, which are equal but for rounding.
pub fn check_sums(name: &str, random: &mut Random<'_>, distinct: usize) -> usize {
    let drawn = Drawn::new(name, random, distinct);
    let linear = Linear::draw(random, drawn.columns[0].len());
    let model = drawn.model(|graph| linear.build(graph));
    drawn.score(&model, random, |row, batch, at| {
        let value = [batch.value(at)];
        let got = if batch.probabilities(at).is_empty() { &value } else { batch.probabilities(at) };
        let expected = linear.scores(&drawn.columns[row]);
        assert_eq!(got.len(), expected.len());
        for (&got, &(score, slack)) in got.iter().zip(&expected) {
            let same = got.is_nan() == score.is_nan()
                && (got.is_nan() || got == score as f32 || (f64::from(got) - score).abs() <= slack);
            assert!(same, "row {row} of {name}: {got}, expected {score} ± {slack}");
        }
    });
    model.steps()
}

impl<'n> Drawn<'n> {
    fn new(name: &'n str, random: &mut Random<'_>, distinct: usize) -> Self {
        let front = Front::draw(random);
        let different: Vec<Vec<Cell>> = (0..distinct.clamp(1, ROWS)).map(|_| front.row(random)).collect();
        let rows: Vec<Vec<Cell>> = different.into_iter().cycle().take(ROWS).collect();
        let columns = rows.iter().map(|row| front.columns(row)).collect();
        Self { name, front, rows, columns }
    }

    fn model(&self, build: impl FnOnce(&mut GraphBuilder)) -> Model {
        let mut graph = GraphBuilder::new("drawn");
        self.front.build(&mut graph);
        build(&mut graph);
        let model = graph.finish().and_then(|file| Model::from_bytes(&file));
        match model.and_then(|model| model.predictable().map(|()| model)) {
            Ok(model) => model,
            Err(error) => panic!("{} is well formed: {error}", self.name),
        }
    }

    /// Scores the rows in batches of several sizes in turn; `seen` gets each row's number and the batch.
    fn score(&self, model: &Model, random: &mut Random<'_>, mut seen: impl FnMut(usize, &Batch, usize)) {
        let mut batch = model.batch();
        for size in [1, 2 + random.below(62), 64, ROWS] {
            for (part, rows) in self.rows.chunks(size).enumerate() {
                if rows.len() % 2 == 0 {
                    fill_columns(model, &mut batch, rows);
                } else {
                    fill(model, &mut batch, rows);
                }
                assert!(model.predict(&mut batch).is_ok(), "{} predicts", self.name);
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
