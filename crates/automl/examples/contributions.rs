//! Measures contributions of 300 trees of depth 6 over 63 columns, one thread, beside hessboost's own, and compares them.
//!
//! `cargo run --release -p portcullis-automl --example contributions`

#![expect(clippy::print_stdout, reason = "a measuring tool talks to its user")]

use hessboost::model::BoostedModel;
use hessboost::prelude::{DMatrix, Trainer, TrainingParams};
use onnx::{Attr, Batch, Domain, ElementType, Explainer, GraphBuilder, Model};
use serde_json::json;
use std::error::Error;
use std::time::Instant;

const COLUMNS: usize = 63;
const TRAINED: usize = 20_000;
const EXPLAINED: usize = 2_000;

/// Numbers in no order.
fn values(count: usize) -> Vec<f32> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u32 << 24) as f32
    };
    (0..count).map(|_| next()).collect()
}

fn train(rows: &[f32]) -> Result<BoostedModel, Box<dyn Error>> {
    let label =
        |row: &[f32]| row[0] * row[1] + (row[2] * 6.0).sin() + row[3] * row[4] * row[5] + 0.3 * row[6];
    let labels: Vec<f32> = rows.chunks_exact(COLUMNS).map(label).collect();
    let data = DMatrix::from_dense_vec(rows.to_vec(), TRAINED, COLUMNS)?.with_labels(&labels)?;
    let params = [("max_depth", json!(6)), ("eta", json!(0.1)), ("nthread", json!(1))];
    Ok(Trainer::new(&TrainingParams::from_xgboost(params)?, &data, 300).train()?.model)
}

/// The trees with their covers, as our own export writes them.
fn export(model: &BoostedModel) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut ints: [Vec<i64>; 9] = Default::default();
    let (mut modes, mut thresholds, mut covers, mut weights) = (vec![], vec![], vec![], vec![]);
    for (number, tree) in model.trees().iter().enumerate() {
        for (id, node) in tree.nodes().iter().enumerate() {
            let leaf = node.is_leaf();
            let branch = [
                i64::from(node.split_feature),
                i64::from(node.left),
                i64::from(node.right),
                i64::from(node.default_left),
            ];
            let cells = if leaf { [0; 4] } else { branch };
            [number as i64, id as i64]
                .into_iter()
                .chain(cells)
                .zip(&mut ints)
                .for_each(|(x, list)| list.push(x));
            modes.push(if leaf { "LEAF" } else { "BRANCH_LT" }.to_owned());
            thresholds.push(if leaf { 0.0 } else { node.split_cond });
            covers.push(node.sum_hess);
            if leaf {
                ints[6].push(number as i64);
                ints[7].push(id as i64);
                ints[8].push(0);
                weights.push(node.leaf_value);
            }
        }
    }
    let [trees, ids, columns, yes, no, missing, leaf_trees, leaf_ids, targets] = ints;
    let mut graph = GraphBuilder::new("trees");
    graph.input("x", ElementType::Float, COLUMNS as i64);
    graph.output("y", ElementType::Float, &[-1, 1]);
    let attrs = vec![
        ("base_values", Attr::Floats(model.base_scores().to_vec())),
        ("n_targets", Attr::Int(1)),
        ("nodes_falsenodeids", Attr::Ints(no)),
        ("nodes_featureids", Attr::Ints(columns)),
        ("nodes_hitrates", Attr::Floats(covers)),
        ("nodes_missing_value_tracks_true", Attr::Ints(missing)),
        ("nodes_modes", Attr::Texts(modes)),
        ("nodes_nodeids", Attr::Ints(ids)),
        ("nodes_treeids", Attr::Ints(trees)),
        ("nodes_truenodeids", Attr::Ints(yes)),
        ("nodes_values", Attr::Floats(thresholds)),
        ("target_ids", Attr::Ints(targets)),
        ("target_nodeids", Attr::Ints(leaf_ids)),
        ("target_treeids", Attr::Ints(leaf_trees)),
        ("target_weights", Attr::Floats(weights)),
    ];
    graph.node(Domain::Ml, "TreeEnsembleRegressor", &["x"], &["y"], attrs);
    Ok(graph.finish()?)
}

fn batch(model: &Model, rows: &[f32]) -> Result<Batch, Box<dyn Error>> {
    let mut batch = model.batch();
    for row in rows.chunks_exact(COLUMNS) {
        batch.push_row();
        row.iter().enumerate().for_each(|(at, &x)| batch.set_number(0, at, x));
    }
    model.predict(&mut batch)?;
    Ok(batch)
}

fn main() -> Result<(), Box<dyn Error>> {
    let rows = values(TRAINED * COLUMNS);
    let booster = train(&rows)?;
    let bytes = export(&booster)?;
    let model = Model::from_bytes(&bytes)?;
    let start = Instant::now();
    let explainer = Explainer::new(&model, &bytes)?;
    println!("{} nodes a row; made ready in {:.1} ms", explainer.work(), start.elapsed().as_secs_f64() * 1e3);
    let some = &rows[..EXPLAINED * COLUMNS];
    let batch = batch(&model, some)?;
    let data = DMatrix::from_dense_vec(some.to_vec(), EXPLAINED, COLUMNS)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let micros = |start: Instant| start.elapsed().as_secs_f64() * 1e6 / EXPLAINED as f64;
    let (mut ours, mut theirs, mut furthest) = (f64::MAX, f64::MAX, 0.0_f64);
    for _ in 0..5 {
        let start = Instant::now();
        let made: Vec<_> =
            (0..EXPLAINED).map(|row| explainer.explain(&batch, row)).collect::<Result<_, _>>()?;
        ours = ours.min(micros(start));
        let start = Instant::now();
        let own = pool.install(|| booster.predict_contribs(&data, ..))?;
        theirs = theirs.min(micros(start));
        for (row, got) in made.iter().enumerate() {
            let own = own.get(row, 0).ok_or("no such row")?;
            let far = got.contributions.iter().zip(own).map(|(a, b)| (a - f64::from(*b)).abs());
            furthest = far.fold(furthest, f64::max);
        }
    }
    println!("ours {ours:.1} µs a row, hessboost {theirs:.1} µs; largest difference {furthest:.1e}");
    Ok(())
}
