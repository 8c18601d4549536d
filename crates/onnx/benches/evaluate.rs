//! Nanoseconds a row for a boosted ensemble of 300 trees with 31 leaves over 20 columns: once as one input of
//! numbers, once as AutoML writes it, with an input for each column and a third of them texts. Rows are cycled, so that the branch
//! predictor can't learn one of them by heart. Run with `cargo bench -p portcullis-onnx`.
#![expect(clippy::print_stdout, clippy::expect_used, reason = "a bench prints, and stops when it can't run")]

use std::hint::black_box;
use std::time::Instant;

use portcullis_onnx::{Attr, Batch, Domain, ElementType, GraphBuilder, Model};

const TREES: usize = 300;
const LEAVES: usize = 31;
const COLUMNS: usize = 20;
const ROWS: usize = 4096;
/// Categories of a categorical column.
const LEVELS: usize = 12;
/// Passes over the rows.
const REPEATS: usize = 40;

/// Small deterministic generator (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }
}

fn is_category(column: usize, categories: bool) -> bool {
    categories && column.is_multiple_of(3)
}

/// Columns of a tree ensemble in the making.
#[derive(Default)]
struct Ensemble {
    tree: Vec<i64>,
    id: Vec<i64>,
    feature: Vec<i64>,
    value: Vec<f32>,
    mode: Vec<String>,
    yes: Vec<i64>,
    no: Vec<i64>,
    leaf_tree: Vec<i64>,
    leaf_id: Vec<i64>,
    leaf_weight: Vec<f32>,
}

impl Ensemble {
    fn node(&mut self, tree: i64, id: i64) -> usize {
        self.tree.push(tree);
        self.id.push(id);
        self.feature.push(0);
        self.value.push(0.0);
        self.mode.push("LEAF".to_owned());
        self.yes.push(0);
        self.no.push(0);
        self.id.len() - 1
    }

    /// Grows leaf by leaf; like boosting libraries do, mostly where it grew last, which makes deep, lopsided trees.
    fn grow(&mut self, tree: i64, random: &mut Random, categories: bool) {
        let mut next = 1;
        let mut leaves = vec![self.node(tree, 0)];
        while leaves.len() < LEAVES {
            let at = if random.unit() < 0.4 { leaves.len() - 1 } else { random.below(leaves.len()) };
            let mut node = leaves.swap_remove(at);
            let column = random.below(COLUMNS);
            let yes = next;
            let yes_node = self.node(tree, yes);
            next += 1;
            let links = if is_category(column, categories) { 1 + random.below(4) } else { 1 };
            for link in 0..links {
                self.feature[node] = column as i64;
                self.yes[node] = yes;
                self.no[node] = next;
                if is_category(column, categories) {
                    self.mode[node] = "BRANCH_EQ".to_owned();
                    self.value[node] = random.below(LEVELS) as f32;
                } else {
                    self.mode[node] = "BRANCH_LT".to_owned();
                    self.value[node] = random.unit();
                }
                let no_node = self.node(tree, next);
                next += 1;
                if link + 1 < links {
                    node = no_node;
                } else {
                    leaves.extend([yes_node, no_node]);
                }
            }
        }
        for leaf in leaves {
            self.leaf_tree.push(tree);
            self.leaf_id.push(self.id[leaf]);
            self.leaf_weight.push(random.unit() * 0.1 - 0.05);
        }
    }

    fn model(self, categories: bool) -> Vec<u8> {
        let count = self.leaf_id.len();
        let mut graph = GraphBuilder::new("bench");
        if categories {
            columns(&mut graph);
        } else {
            graph.input("x", ElementType::Float, COLUMNS as i64);
        }
        graph.output("label", ElementType::Int64, &[-1]);
        graph.output("probabilities", ElementType::Float, &[-1, 2]);
        let missing = vec![1; self.id.len()];
        let attributes = vec![
            ("nodes_treeids", Attr::Ints(self.tree)),
            ("nodes_nodeids", Attr::Ints(self.id)),
            ("nodes_featureids", Attr::Ints(self.feature)),
            ("nodes_values", Attr::Floats(self.value)),
            ("nodes_modes", Attr::Texts(self.mode)),
            ("nodes_truenodeids", Attr::Ints(self.yes)),
            ("nodes_falsenodeids", Attr::Ints(self.no)),
            ("nodes_missing_value_tracks_true", Attr::Ints(missing)),
            ("class_treeids", Attr::Ints(self.leaf_tree)),
            ("class_nodeids", Attr::Ints(self.leaf_id)),
            ("class_ids", Attr::Ints(vec![0; count])),
            ("class_weights", Attr::Floats(self.leaf_weight)),
            ("classlabels_int64s", Attr::Ints(vec![0, 1])),
            ("post_transform", Attr::Text("LOGISTIC".to_owned())),
        ];
        graph.node(Domain::Ml, "TreeEnsembleClassifier", &["x"], &["label", "probabilities"], attributes);
        graph.finish().expect("the bench model is well formed")
    }
}

fn level(code: usize) -> String {
    format!("level {code}")
}

/// An input for each column; the texts become codes, and all stand side by side in `x`.
fn columns(graph: &mut GraphBuilder) {
    let mut parts = Vec::new();
    for column in 0..COLUMNS {
        let name = format!("c{column}");
        if !is_category(column, true) {
            graph.input(&name, ElementType::Float, 1);
            parts.push(name);
            continue;
        }
        graph.input(&name, ElementType::String, 1);
        let code = graph.fresh("code");
        let attributes = vec![
            ("keys_strings", Attr::Texts((0..LEVELS).map(level).collect())),
            ("values_floats", Attr::Floats((0..LEVELS).map(|l| l as f32).collect())),
        ];
        graph.node(Domain::Ml, "LabelEncoder", &[&name], &[&code], attributes);
        parts.push(code);
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    graph.node(Domain::Onnx, "Concat", &parts, &["x"], vec![("axis", Attr::Int(1))]);
}

/// Adds a row: to one wide slot, or to a slot for each column.
fn fill(model: &Model, batch: &mut Batch, row: &[f32], levels: &[String]) {
    batch.push_row();
    for (column, &value) in row.iter().enumerate() {
        if levels.is_empty() {
            batch.set_number(0, column, value);
        } else if is_category(column, true) {
            batch.set_text(model, column, 0, &levels[value as usize]);
        } else {
            batch.set_number(column, 0, value);
        }
    }
}

/// Nanoseconds a row in the fastest of many short runs, each over the next rows: other work on the machine
/// then spoils some of them, not all.
fn fastest(rows: &[Vec<f32>], run_rows: usize, mut run: impl FnMut(&[Vec<f32>])) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        for part in rows.chunks_exact(run_rows) {
            let start = Instant::now();
            run(part);
            best = best.min(start.elapsed().as_nanos() as f64 / run_rows as f64);
        }
    }
    best
}

fn measure(title: &str, categories: bool) {
    let mut random = Random(7);
    let mut ensemble = Ensemble::default();
    for tree in 0..TREES {
        ensemble.grow(tree as i64, &mut random, categories);
    }
    let nodes = ensemble.id.len();
    let bytes = ensemble.model(categories);
    let start = Instant::now();
    let model = Model::from_bytes(&bytes).expect("the bench model loads");
    let load = start.elapsed();
    let mut cell = |column| {
        if is_category(column, categories) { random.below(LEVELS) as f32 } else { random.unit() }
    };
    let rows: Vec<Vec<f32>> = (0..ROWS).map(|_| (0..COLUMNS).map(&mut cell).collect()).collect();
    let levels: Vec<String> = if categories { (0..LEVELS).map(level).collect() } else { Vec::new() };
    let mut batch = model.batch();
    let single = fastest(&rows, 256, |rows| {
        for row in rows {
            batch.clear();
            fill(&model, &mut batch, row, &levels);
            model.predict(&mut batch).expect("predicts");
            black_box(batch.probabilities(0));
        }
    });
    let many = fastest(&rows, 1000, |rows| {
        batch.clear();
        rows.iter().for_each(|row| fill(&model, &mut batch, row, &levels));
        model.predict(&mut batch).expect("predicts");
        black_box(batch.probabilities(999));
    });
    println!(
        "{title}: {nodes} nodes, {} kB, loads in {:.1} ms; batch 1 (cycling): {single:.0} ns/row; batch 1000: {many:.0} ns/row",
        bytes.len() / 1000,
        load.as_secs_f64() * 1000.0
    );
}

fn main() {
    measure("numeric", false);
    measure("columns, some of them texts", true);
}
