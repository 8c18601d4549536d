//! Pipelines drawn at random (imputers, scalers, one-hot and label encoders side by side, then trees or weighted
//! sums) and what they give, computed plainly, column by column.

use super::engine::{Attr, Domain, ElementType, GraphBuilder};

/// Choices out of bytes, and when they have ended, or there are none, out of a small deterministic generator.
pub struct Random<'a> {
    bytes: &'a [u8],
    state: u64,
}

impl<'b> Random<'b> {
    pub fn new(bytes: &'b [u8], seed: u64) -> Self {
        Self { bytes, state: seed }
    }

    pub fn below(&mut self, n: usize) -> usize {
        let (drawn, rest) = match self.bytes {
            [first, rest @ ..] if n <= 256 => (u64::from(*first), rest),
            [first, second, rest @ ..] => (u64::from(u16::from_le_bytes([*first, *second])), rest),
            _ => (self.next(), &[][..]),
        };
        self.bytes = rest;
        (drawn % n as u64) as usize
    }

    fn next(&mut self) -> u64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.state >> 33
    }

    fn pick<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    fn number(&mut self) -> f32 {
        (self.below(1 << 12) as f32 - 2048.0) / 256.0
    }
}

const EDGES: [f32; 9] =
    [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::MAX, f32::MIN, 1e-45, -1e-38];
/// What texts are drawn from; the last are never levels.
const TEXTS: [&str; 8] =
    ["a", "red", "green", "university.degree", "university-degree", "ünïcode", "", "other"];
const LEVELS: usize = 7;

/// A function of a column, as its operator computes it.
#[derive(Clone, Copy)]
enum Map {
    Scale(f32, f32),
    Fill(f32, f32),
}

impl Map {
    fn draw(random: &mut Random<'_>) -> Self {
        match random.below(4) {
            0 => Self::Fill(f32::NAN, random.number()),
            1 => Self::Fill(0.0, random.number()),
            _ => Self::Scale(random.number(), random.pick(&[1.0, 0.1, 3.25, 1e-3, -0.5, 0.0, 1e38])),
        }
    }

    fn apply(self, x: f32) -> f32 {
        match self {
            Self::Scale(offset, scale) => (x - offset) * scale,
            Self::Fill(replaced, value) if x == replaced || (replaced.is_nan() && x.is_nan()) => value,
            Self::Fill(..) => x,
        }
    }
}

enum From {
    Number,
    OneHot(Vec<&'static str>),
    Codes { levels: Vec<&'static str>, values: Vec<f32>, default: f32, whole: bool },
}

/// An input and the columns made of it.
struct Part {
    from: From,
    maps: Vec<Map>,
}

/// A cell of a row.
#[derive(Clone)]
pub enum Cell {
    Number(f32),
    Text(&'static str),
}

fn levels(random: &mut Random<'_>) -> Vec<&'static str> {
    let first = random.below(LEVELS - 2);
    TEXTS[first..first + 2 + random.below(LEVELS - first - 1)].to_vec()
}

impl Part {
    fn draw(random: &mut Random<'_>) -> Self {
        let from = match random.below(3) {
            0 => From::Number,
            1 => From::OneHot(levels(random)),
            _ => {
                let levels = levels(random);
                let whole = random.below(2) == 0;
                let value = |r: &mut Random<'_>| if whole { r.below(5) as f32 } else { r.number() };
                let values = levels.iter().map(|_| value(random)).collect();
                let default = if whole { -1.0 } else { random.pick(&[f32::NAN, -1.0, 0.5]) };
                From::Codes { levels, values, default, whole }
            }
        };
        let maps = (0..random.below(3)).map(|_| Map::draw(random)).collect();
        Self { from, maps }
    }

    fn cell(&self, random: &mut Random<'_>) -> Cell {
        match self.from {
            From::Number if random.below(3) == 0 => Cell::Number(random.pick(&EDGES)),
            From::Number => {
                Cell::Number(if random.below(2) == 0 { random.number() } else { random.below(3) as f32 })
            }
            _ => Cell::Text(random.pick(&TEXTS)),
        }
    }

    /// The columns of a cell.
    fn columns(&self, cell: &Cell) -> Vec<f32> {
        let found = |levels: &[&str]| match cell {
            Cell::Text(text) => levels.iter().position(|l| l == text),
            Cell::Number(_) => None,
        };
        let made = match (&self.from, cell) {
            (From::OneHot(levels), _) => {
                (0..levels.len()).map(|l| if found(levels) == Some(l) { 1.0 } else { 0.0 }).collect()
            }
            (From::Codes { levels, values, default, .. }, _) => {
                vec![found(levels).map_or(*default, |at| values[at])]
            }
            (From::Number, Cell::Number(x)) => vec![*x],
            (From::Number, Cell::Text(_)) => vec![],
        };
        made.into_iter().map(|x| self.maps.iter().fold(x, |x, map| map.apply(x))).collect()
    }

    /// Adds the nodes; gives the name of the columns.
    fn nodes(&self, graph: &mut GraphBuilder, input: &str) -> String {
        let texts = |levels: &[&str]| Attr::Texts(levels.iter().map(|&l| l.to_owned()).collect());
        let mut name = input.to_owned();
        let mut add = |name: &mut String, domain, op, attributes| {
            let made = graph.fresh(input);
            graph.node(domain, op, &[name.as_str()], &[&made], attributes);
            *name = made;
        };
        match &self.from {
            From::Number => {}
            From::OneHot(levels) => {
                add(&mut name, Domain::Ml, "OneHotEncoder", vec![("cats_strings", texts(levels))]);
                add(&mut name, Domain::Onnx, "Flatten", vec![]);
            }
            From::Codes { levels, values, default, whole } => {
                let mut attributes = vec![("keys_strings", texts(levels))];
                if *whole {
                    let values = values.iter().map(|&v| v as i64).collect();
                    attributes.push(("values_int64s", Attr::Ints(values)));
                    attributes.push(("default_int64", Attr::Int(*default as i64)));
                } else {
                    attributes.push(("values_floats", Attr::Floats(values.clone())));
                    attributes.push(("default_float", Attr::Float(*default)));
                }
                add(&mut name, Domain::Ml, "LabelEncoder", attributes);
                add(&mut name, Domain::Onnx, "Cast", vec![("to", Attr::Int(1))]);
            }
        }
        for map in &self.maps {
            match *map {
                Map::Scale(offset, scale) => {
                    let floats = |x| Attr::Floats(vec![x]);
                    add(
                        &mut name,
                        Domain::Ml,
                        "Scaler",
                        vec![("offset", floats(offset)), ("scale", floats(scale))],
                    );
                }
                Map::Fill(replaced, value) => {
                    let attributes = vec![
                        ("imputed_value_floats", Attr::Floats(vec![value])),
                        ("replaced_value_float", Attr::Float(replaced)),
                    ];
                    add(&mut name, Domain::Ml, "Imputer", attributes);
                }
            }
        }
        name
    }
}

/// A pipeline up to its columns.
pub struct Front {
    parts: Vec<Part>,
}

impl Front {
    pub fn draw(random: &mut Random<'_>) -> Self {
        Self { parts: (0..1 + random.below(5)).map(|_| Part::draw(random)).collect() }
    }

    pub fn row(&self, random: &mut Random<'_>) -> Vec<Cell> {
        self.parts.iter().map(|part| part.cell(random)).collect()
    }

    pub fn columns(&self, row: &[Cell]) -> Vec<f32> {
        self.parts.iter().zip(row).flat_map(|(part, cell)| part.columns(cell)).collect()
    }

    /// Adds inputs and nodes; `x` holds the columns.
    pub fn build(&self, graph: &mut GraphBuilder) {
        let mut made = Vec::new();
        for (at, part) in self.parts.iter().enumerate() {
            let input = format!("c{at}");
            let kind =
                if matches!(part.from, From::Number) { ElementType::Float } else { ElementType::String };
            graph.input(&input, kind, 1);
            made.push(part.nodes(graph, &input));
        }
        let made: Vec<&str> = made.iter().map(String::as_str).collect();
        graph.node(Domain::Onnx, "Concat", &made, &["x"], vec![("axis", Attr::Int(1))]);
    }
}

/// A branch or a leaf of a drawn tree.
struct Node {
    tree: i64,
    id: i64,
    feature: usize,
    value: f32,
    mode: &'static str,
    children: [i64; 2],
    missing: bool,
    weight: f32,
}

const MODES: [&str; 6] = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];

/// Trees whose leaves are whole numbers: their sums are exact in any order.
pub struct Trees(Vec<Node>);

impl Trees {
    /// Thresholds are drawn from the columns of `rows`, so that rows meet them.
    pub fn draw(random: &mut Random<'_>, rows: &[Vec<f32>]) -> Self {
        let mut nodes = Vec::new();
        let (trees, depth) = random.pick(&[(1, 3), (4, 4), (30, 3), (2, 8)]);
        let modes = random.pick(&[&MODES[..1], &MODES[..2], &MODES[..4], &MODES]);
        for tree in 0..trees {
            let start = nodes.len();
            grow(random, &mut nodes, (tree, start), (rows, modes), depth);
        }
        Self(nodes)
    }

    pub fn sum(&self, row: &[f32]) -> f32 {
        let roots = self.0.iter().enumerate().filter(|(_, n)| n.id == 0);
        roots.map(|(root, _)| self.leaf(root, row)).sum()
    }

    fn leaf(&self, root: usize, row: &[f32]) -> f32 {
        let mut at = root;
        loop {
            let node = &self.0[at];
            let (x, value) = (row[node.feature], node.value);
            let hit = match node.mode {
                "LEAF" => return node.weight,
                "BRANCH_LEQ" => x <= value,
                "BRANCH_LT" => x < value,
                "BRANCH_GTE" => x >= value,
                "BRANCH_GT" => x > value,
                "BRANCH_EQ" => x == value,
                _ => x != value,
            };
            at = root + node.children[usize::from(!(hit || (x.is_nan() && node.missing)))] as usize;
        }
    }

    pub fn build(&self, graph: &mut GraphBuilder) {
        graph.output("y", ElementType::Float, &[-1, 1]);
        let ints = |f: &dyn Fn(&Node) -> i64| Attr::Ints(self.0.iter().map(f).collect());
        let leaves: Vec<&Node> = self.0.iter().filter(|n| n.mode == "LEAF").collect();
        let of_leaves = |f: &dyn Fn(&Node) -> i64| Attr::Ints(leaves.iter().map(|n| f(n)).collect());
        let attributes = vec![
            ("nodes_treeids", ints(&|n| n.tree)),
            ("nodes_nodeids", ints(&|n| n.id)),
            ("nodes_featureids", ints(&|n| n.feature as i64)),
            ("nodes_values", Attr::Floats(self.0.iter().map(|n| n.value).collect())),
            ("nodes_modes", Attr::Texts(self.0.iter().map(|n| n.mode.to_owned()).collect())),
            ("nodes_truenodeids", ints(&|n| n.children[0])),
            ("nodes_falsenodeids", ints(&|n| n.children[1])),
            ("nodes_missing_value_tracks_true", ints(&|n| i64::from(n.missing))),
            ("target_treeids", of_leaves(&|n| n.tree)),
            ("target_nodeids", of_leaves(&|n| n.id)),
            ("target_ids", of_leaves(&|_| 0)),
            ("target_weights", Attr::Floats(leaves.iter().map(|n| n.weight).collect())),
            ("n_targets", Attr::Int(1)),
        ];
        graph.node(Domain::Ml, "TreeEnsembleRegressor", &["x"], &["y"], attributes);
    }
}

/// Grows below a new node; gives its id.
fn grow(
    random: &mut Random<'_>,
    nodes: &mut Vec<Node>,
    (tree, start): (i64, usize),
    (rows, modes): (&[Vec<f32>], &[&'static str]),
    depth: usize,
) -> i64 {
    let (at, id) = (nodes.len(), (nodes.len() - start) as i64);
    let leaf = depth == 0 || random.below(8) == 0;
    let feature = random.below(rows[0].len());
    nodes.push(Node {
        tree,
        id,
        feature,
        value: if random.below(4) == 0 { 0.5 } else { random.pick(rows)[feature] },
        mode: if leaf { "LEAF" } else { random.pick(modes) },
        children: [0, 0],
        missing: random.below(2) == 0,
        weight: random.below(1 << 12) as f32,
    });
    if !leaf {
        for child in 0..2 {
            nodes[at].children[child] = grow(random, nodes, (tree, start), (rows, modes), depth - 1);
        }
    }
    id
}

/// Weighted sums, and what is made of them.
pub struct Linear {
    op: &'static str,
    weights: Vec<Vec<f32>>,
    intercepts: Vec<f32>,
    logistic: bool,
}

impl Linear {
    pub fn draw(random: &mut Random<'_>, width: usize) -> Self {
        let op = random.pick(&["LinearClassifier", "LinearRegressor", "Gemm", "MatMul"]);
        let outputs = if op == "LinearClassifier" { 1 + random.below(3) } else { 1 };
        let weight = |r: &mut Random<'_>| if r.below(6) == 0 { 0.0 } else { r.number() };
        let mut weights: Vec<Vec<f32>> =
            (0..outputs).map(|_| (0..width).map(|_| weight(random)).collect()).collect();
        let mut intercepts: Vec<f32> = (0..outputs).map(|_| random.number()).collect();
        if outputs == 2 && random.below(2) == 0 {
            // As scikit-learn's two classes are written.
            weights[0] = weights[1].iter().map(|w| -w).collect();
            intercepts[0] = -intercepts[1];
        }
        if op == "MatMul" {
            intercepts = vec![0.0];
        }
        Self { op, weights, intercepts, logistic: outputs == 1 || random.below(2) == 0 }
    }

    /// The scores, and how far rounding may move each before the logistic function.
    pub fn scores(&self, row: &[f32]) -> Vec<(f64, f64)> {
        let sums = self.weights.iter().zip(&self.intercepts).map(|(weights, &b)| {
            let terms = || weights.iter().zip(row).map(|(&w, &x)| f64::from(w) * f64::from(x));
            let size = terms().filter(|t| t.is_finite()).map(f64::abs).sum::<f64>();
            let sum = terms().sum::<f64>();
            // Beyond the largest f32 there is infinity.
            (f64::from(sum as f32) + f64::from(b), 1e-6 * (1.0 + size))
        });
        let mut scores: Vec<(f64, f64)> = sums.collect();
        if self.op == "LinearClassifier" {
            if let [(score, slack)] = scores[..] {
                scores = vec![(-score, slack), (score, slack)];
            }
            if self.logistic {
                scores.iter_mut().for_each(|s| s.0 = 1.0 / (1.0 + (-s.0).exp()));
            }
        }
        scores
    }

    pub fn build(&self, graph: &mut GraphBuilder) {
        let (width, outputs) = (self.weights[0].len(), self.weights.len());
        let flat = self.weights.concat();
        if self.op == "LinearClassifier" {
            graph.output("label", ElementType::Int64, &[-1]);
            graph.output("scores", ElementType::Float, &[-1, outputs.max(2) as i64]);
            let post = if self.logistic { "LOGISTIC" } else { "NONE" };
            let attributes = vec![
                ("coefficients", Attr::Floats(flat)),
                ("intercepts", Attr::Floats(self.intercepts.clone())),
                ("classlabels_ints", Attr::Ints((0..outputs.max(2) as i64).collect())),
                ("post_transform", Attr::Text(post.to_owned())),
            ];
            graph.node(Domain::Ml, self.op, &["x"], &["label", "scores"], attributes);
            return;
        }
        graph.output("y", ElementType::Float, &[-1, 1]);
        if self.op == "LinearRegressor" {
            let attributes = vec![
                ("coefficients", Attr::Floats(flat)),
                ("intercepts", Attr::Floats(self.intercepts.clone())),
            ];
            graph.node(Domain::Ml, self.op, &["x"], &["y"], attributes);
            return;
        }
        let weights = graph.floats("w", &[width as i64, 1], flat);
        let intercept = graph.floats("b", &[1], self.intercepts.clone());
        let inputs: &[&str] = &["x", &weights, &intercept];
        let inputs = if self.op == "Gemm" { inputs } else { &inputs[..2] };
        graph.node(Domain::Onnx, self.op, inputs, &["y"], vec![]);
    }
}
