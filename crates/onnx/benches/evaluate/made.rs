//! An ensemble of 300 trees with 31 leaves over 20 columns as AutoML writes it: an input for each column, a third of
//! them texts.

use portcullis_onnx::{Attr, Data, Domain, ElementType, GraphBuilder, Tensor};

use crate::{Case, Fallible, rows::Rows};

const TREES: usize = 300;
const LEAVES: usize = 31;
const COLUMNS: usize = 20;
const ROWS: usize = 4096;
/// Categories of a categorical column.
const LEVELS: usize = 12;
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

fn is_category(column: usize) -> bool {
    column.is_multiple_of(3)
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
    fn grow(&mut self, tree: i64, random: &mut Random) {
        let mut next = 1;
        let mut leaves = vec![self.node(tree, 0)];
        while leaves.len() < LEAVES {
            let at = if random.unit() < 0.4 { leaves.len() - 1 } else { random.below(leaves.len()) };
            let mut node = leaves.swap_remove(at);
            let column = random.below(COLUMNS);
            let yes = next;
            let yes_node = self.node(tree, yes);
            next += 1;
            let links = if is_category(column) { 1 + random.below(4) } else { 1 };
            for link in 0..links {
                self.feature[node] = column as i64;
                self.yes[node] = yes;
                self.no[node] = next;
                if is_category(column) {
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

    fn model(self) -> Fallible<Vec<u8>> {
        let count = self.leaf_id.len();
        let mut graph = GraphBuilder::new("bench");
        columns(&mut graph);
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
        Ok(graph.finish()?)
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
        if !is_category(column) {
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

/// The ensemble with rows.
pub fn case() -> Fallible<Case> {
    let mut random = Random(7);
    let mut ensemble = Ensemble::default();
    for tree in 0..TREES {
        ensemble.grow(tree as i64, &mut random);
    }
    let mut inputs = Vec::new();
    for column in 0..COLUMNS {
        let data = if is_category(column) {
            Data::Text((0..ROWS).map(|_| level(random.below(LEVELS))).collect())
        } else {
            Data::Float((0..ROWS).map(|_| random.unit()).collect())
        };
        inputs.push((format!("c{column}"), Tensor::new(vec![ROWS, 1], data)?));
    }
    let rows = Rows { inputs, count: ROWS };
    Ok(Case { name: "made 300 x 31".to_owned(), model: ensemble.model()?, rows })
}
