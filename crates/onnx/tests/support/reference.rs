//! Tree ensembles, linear models and support vector machines computed slowly and plainly, straight from the text of
//! the operators' specification, and models drawn from bytes to hold the compiled engine against them.
//!
//! What the specification leaves open (a class that no leaf mentions, ties) is not drawn.

use super::engine::{Attr, Batch, Data, Domain, ElementType, GraphBuilder, Model, Tensor};

/// Columns of every model.
const WIDTH: usize = 3;
/// Rows scored.
const ROWS: usize = 9;
const EDGES: [f32; 6] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1.0];
const MODES: [&str; 6] = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
const POSTS: [&str; 3] = ["NONE", "LOGISTIC", "SOFTMAX"];
const AGGREGATES: [&str; 4] = ["SUM", "AVERAGE", "MIN", "MAX"];
const KERNELS: [&str; 4] = ["LINEAR", "POLY", "RBF", "SIGMOID"];

type Attributes = Vec<(&'static str, Attr)>;

/// Choices out of bytes; zeros when they have ended.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        first
    }

    fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// A sixteenth between -8 and 8.
    fn number(&mut self) -> f32 {
        f32::from(self.byte() as i8) / 16.0
    }

    fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.number()).collect()
    }

    /// A small whole number, so that rows meet thresholds, or an edge.
    fn cell(&mut self) -> f32 {
        let byte = self.byte();
        if byte % 8 == 7 { EDGES[usize::from(byte / 8) % EDGES.len()] } else { f32::from(byte as i8 % 4) }
    }
}

struct Node {
    tree: i64,
    id: i64,
    feature: usize,
    value: f32,
    mode: &'static str,
    yes: i64,
    no: i64,
    missing: bool,
    weights: Vec<f32>,
}

/// A model in the terms of the specification.
enum Plan {
    Trees {
        nodes: Vec<Node>,
        trees: i64,
        targets: usize,
        classifier: bool,
        aggregate: &'static str,
        post: &'static str,
        base: Vec<f32>,
    },
    Linear {
        classifier: bool,
        coefficients: Vec<f32>,
        intercepts: Vec<f32>,
        post: &'static str,
    },
    Machine {
        kernel: &'static str,
        parameters: Vec<f32>,
        counts: Vec<usize>,
        vectors: Vec<f32>,
        coefficients: Vec<f32>,
        rho: Vec<f32>,
    },
    Regressor {
        kernel: &'static str,
        parameters: Vec<f32>,
        vectors: Vec<f32>,
        coefficients: Vec<f32>,
        rho: f32,
        one_class: bool,
    },
}

/// What a row should give: its class, when that is beyond doubt, and its scores.
struct Answer {
    class: Option<usize>,
    scores: Vec<f64>,
}

/// Draws a model and rows from bytes, and holds every way of running the engine against the reference.
pub fn check(bytes: &[u8]) {
    let mut source = Source(bytes);
    let plan = Plan::draw(&mut source);
    let Ok(file) = plan.build() else { panic!("a drawn model is well formed: {:?}", plan.build().err()) };
    let model = match Model::from_bytes(&file) {
        Ok(model) => model,
        Err(e) => panic!("a drawn model loads: {e}"),
    };
    let edges = matches!(plan, Plan::Trees { .. });
    let rows: Vec<f32> =
        (0..ROWS * WIDTH).map(|_| if edges { source.cell() } else { source.number() }).collect();
    let answers: Vec<Answer> = rows.chunks(WIDTH).map(|row| plan.answer(row)).collect();
    tensors(&model, &rows, &answers);
    if model.predictable().is_ok() {
        let mut batch = model.batch();
        predicted(&model, &mut batch, &rows, &answers);
        // Other kernels serve single rows and blocks.
        for (row, answer) in rows.chunks(WIDTH).zip(answers.chunks(1)) {
            predicted(&model, &mut batch, row, answer);
        }
        let (many, again) = (rows.repeat(9), (0..9).flat_map(|_| answers.iter()));
        predicted(&model, &mut batch, &many, &again.map(Answer::copy).collect::<Vec<_>>());
    }
}

fn close(got: f32, expected: f64) -> bool {
    let got = f64::from(got);
    (got.is_nan() && expected.is_nan())
        || got == expected
        || (got - expected).abs() <= 2e-5 * expected.abs().max(1.0)
}

fn tensors(model: &Model, rows: &[f32], answers: &[Answer]) {
    let x = Tensor { dims: vec![answers.len(), WIDTH], data: Data::Float(rows.to_vec()) };
    let outputs = match model.run_tensors(vec![("x".to_owned(), x)]) {
        Ok(outputs) => outputs,
        Err(e) => panic!("a drawn model runs: {e}"),
    };
    for (name, tensor) in outputs {
        for (row, answer) in answers.iter().enumerate() {
            match (&tensor.data, answer.class) {
                (Data::Float(v), _) => {
                    let got = &v[row * answer.scores.len()..][..answer.scores.len()];
                    let same = got.iter().zip(&answer.scores).all(|(&a, &b)| close(a, b));
                    assert!(same, "{name} of row {row}: {got:?}, expected {:?}", answer.scores);
                }
                (Data::Int64(v), Some(class)) => assert_eq!(v[row], class as i64, "{name} of row {row}"),
                _ => {}
            }
        }
    }
}

fn predicted(model: &Model, batch: &mut Batch, rows: &[f32], answers: &[Answer]) {
    batch.clear();
    for row in rows.chunks(WIDTH) {
        batch.push_row();
        row.iter().enumerate().for_each(|(i, &x)| batch.set_number(0, i, x));
    }
    assert!(model.predict(batch).is_ok(), "what is predictable predicts");
    // In doubt there is nothing to compare.
    for (row, answer) in answers.iter().enumerate().filter(|a| !a.1.scores.is_empty()) {
        let got = match batch.probabilities(row) {
            [] => vec![batch.value(row)],
            scores => scores.to_vec(),
        };
        let same =
            got.len() == answer.scores.len() && got.iter().zip(&answer.scores).all(|(&a, &b)| close(a, b));
        assert!(same, "row {row} of {}: {got:?}, expected {:?}", answers.len(), answer.scores);
        assert!(answer.class.is_none_or(|c| c == batch.class(row)), "class of row {row}");
    }
}

impl Answer {
    fn value(scores: Vec<f64>) -> Self {
        Self { class: None, scores }
    }

    fn copy(&self) -> Self {
        Self { class: self.class, scores: self.scores.clone() }
    }

    /// The class of the largest score, unless another is about as large.
    fn best(raw: &[f64], post: &str) -> Self {
        let best = (0..raw.len()).fold(0, |best, at| if raw[at] > raw[best] { at } else { best });
        let doubt = (0..raw.len()).any(|at| at != best && (raw[at] - raw[best]).abs() < 1e-4);
        Self { class: (!doubt && !raw.iter().any(|x| x.is_nan())).then_some(best), scores: posted(raw, post) }
    }
}

fn posted(raw: &[f64], post: &str) -> Vec<f64> {
    let logistic = |x: &f64| 1.0 / (1.0 + (-x).exp());
    match post {
        "LOGISTIC" => raw.iter().map(logistic).collect(),
        "SOFTMAX" => {
            let top = raw.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = raw.iter().map(|x| (x - top).exp()).sum();
            raw.iter().map(|x| (x - top).exp() / sum).collect()
        }
        _ => raw.to_vec(),
    }
}

impl Plan {
    fn draw(source: &mut Source<'_>) -> Self {
        match source.below(6) {
            0..=2 => Self::draw_trees(source),
            3 => {
                let (classifier, lines) = (source.below(2) == 0, 1 + source.below(3));
                let lines = if classifier { lines + 1 } else { lines };
                Self::Linear {
                    classifier,
                    coefficients: source.numbers(lines * WIDTH),
                    intercepts: source.numbers(lines),
                    post: if classifier { source.pick(&POSTS) } else { "NONE" },
                }
            }
            4 => {
                let counts: Vec<usize> = (0..2 + source.below(3)).map(|_| 1 + source.below(3)).collect();
                let (classes, total) = (counts.len(), counts.iter().sum::<usize>());
                Self::Machine {
                    kernel: source.pick(&KERNELS),
                    parameters: vec![0.25, source.pick(&[0.0, 0.5]), source.pick(&[2.0, 3.0])],
                    vectors: source.numbers(total * WIDTH),
                    coefficients: source.numbers((classes - 1) * total),
                    rho: source.numbers(classes * (classes - 1) / 2),
                    counts,
                }
            }
            _ => {
                let total = 1 + source.below(5);
                Self::Regressor {
                    kernel: source.pick(&KERNELS),
                    parameters: vec![0.25, source.pick(&[0.0, 0.5]), source.pick(&[2.0, 3.0])],
                    vectors: source.numbers(total * WIDTH),
                    coefficients: source.numbers(total),
                    rho: source.number(),
                    one_class: source.below(2) == 0,
                }
            }
        }
    }

    fn draw_trees(source: &mut Source<'_>) -> Self {
        let classifier = source.below(2) == 0;
        let targets = if classifier { 3 + source.below(2) } else { 1 + source.below(3) };
        let (trees, modes) =
            (1 + source.below(30) as i64, source.pick(&[&MODES[..], &MODES[..2], &MODES[4..5]]));
        let mut nodes = Vec::new();
        for tree in 0..trees {
            grow(source, &mut nodes, (tree, targets, modes), 4);
        }
        let aggregate = if classifier { "SUM" } else { source.pick(&AGGREGATES) };
        let post = if classifier { source.pick(&POSTS) } else { "NONE" };
        Self::Trees { nodes, trees, targets, classifier, aggregate, post, base: source.numbers(targets) }
    }

    fn answer(&self, row: &[f32]) -> Answer {
        match self {
            Self::Trees { nodes, trees, targets, classifier, aggregate, post, base } => {
                let leaves: Vec<&Node> = (0..*trees).map(|tree| leaf(nodes, tree, row)).collect();
                let joined = |target: usize| {
                    let weights = leaves.iter().map(|l| f64::from(l.weights[target]));
                    let joined = match *aggregate {
                        "SUM" => weights.sum(),
                        "AVERAGE" => weights.sum::<f64>() / *trees as f64,
                        "MIN" => weights.fold(f64::INFINITY, f64::min),
                        _ => weights.fold(f64::NEG_INFINITY, f64::max),
                    };
                    joined + f64::from(base[target])
                };
                let raw: Vec<f64> = (0..*targets).map(joined).collect();
                if *classifier { Answer::best(&raw, post) } else { Answer::value(raw) }
            }
            Self::Linear { classifier, coefficients, intercepts, post } => {
                let lines = coefficients.chunks(WIDTH).zip(intercepts);
                let raw: Vec<f64> = lines.map(|(line, &b)| dot(row, line) + f64::from(b)).collect();
                if *classifier { Answer::best(&raw, post) } else { Answer::value(raw) }
            }
            Self::Machine { kernel, parameters, counts, vectors, coefficients, rho } => {
                let kernels: Vec<f64> =
                    vectors.chunks(WIDTH).map(|v| similar(kernel, parameters, row, v)).collect();
                votes(&kernels, counts, coefficients, rho)
            }
            Self::Regressor { kernel, parameters, vectors, coefficients, rho, one_class } => {
                let each = vectors.chunks(WIDTH).zip(coefficients);
                let sum: f64 = each.map(|(v, &c)| f64::from(c) * similar(kernel, parameters, row, v)).sum();
                let value = sum + f64::from(*rho);
                match one_class {
                    false => Answer::value(vec![value]),
                    // On the border the sign is a matter of rounding.
                    true if value.abs() < 1e-4 => Answer::value(vec![]),
                    true => Answer::value(vec![if value > 0.0 { 1.0 } else { -1.0 }]),
                }
            }
        }
    }

    fn build(&self) -> Result<Vec<u8>, super::engine::Error> {
        let mut graph = GraphBuilder::new("drawn");
        graph.input("x", ElementType::Float, WIDTH as i64);
        let (op, classifier, attributes) = self.node();
        if classifier {
            graph.output("label", ElementType::Int64, &[-1]);
        }
        graph.output("scores", ElementType::Float, &[-1, -1]);
        let outputs: &[&str] = if classifier { &["label", "scores"] } else { &["scores"] };
        graph.node(Domain::Ml, op, &["x"], outputs, attributes);
        graph.finish()
    }

    fn node(&self) -> (&'static str, bool, Attributes) {
        let text = |t: &str| Attr::Text(t.to_owned());
        let labels = |n: usize| Attr::Ints((0..n as i64).collect());
        match self {
            Self::Trees { nodes, targets, classifier, aggregate, post, base, .. } => {
                let mut attributes = tree_attributes(nodes, *classifier);
                attributes.push(("base_values", Attr::Floats(base.clone())));
                attributes.push(("post_transform", text(post)));
                if *classifier {
                    attributes.push(("classlabels_int64s", labels(*targets)));
                    return ("TreeEnsembleClassifier", true, attributes);
                }
                attributes.push(("n_targets", Attr::Int(*targets as i64)));
                attributes.push(("aggregate_function", text(aggregate)));
                ("TreeEnsembleRegressor", false, attributes)
            }
            Self::Linear { classifier, coefficients, intercepts, post } => {
                let mut attributes = vec![
                    ("coefficients", Attr::Floats(coefficients.clone())),
                    ("intercepts", Attr::Floats(intercepts.clone())),
                    ("post_transform", text(post)),
                ];
                if *classifier {
                    attributes.push(("classlabels_ints", labels(intercepts.len())));
                    return ("LinearClassifier", true, attributes);
                }
                attributes.push(("targets", Attr::Int(intercepts.len() as i64)));
                ("LinearRegressor", false, attributes)
            }
            Self::Machine { kernel, parameters, counts, vectors, coefficients, rho } => {
                let mut attributes = machine_attributes(kernel, parameters, vectors, coefficients);
                attributes.push(("rho", Attr::Floats(rho.clone())));
                attributes
                    .push(("vectors_per_class", Attr::Ints(counts.iter().map(|&c| c as i64).collect())));
                attributes.push(("classlabels_ints", labels(counts.len())));
                ("SVMClassifier", true, attributes)
            }
            Self::Regressor { kernel, parameters, vectors, coefficients, rho, one_class } => {
                let mut attributes = machine_attributes(kernel, parameters, vectors, coefficients);
                attributes.push(("rho", Attr::Floats(vec![*rho])));
                attributes.push(("n_supports", Attr::Int(coefficients.len() as i64)));
                attributes.push(("one_class", Attr::Int(i64::from(*one_class))));
                ("SVMRegressor", false, attributes)
            }
        }
    }
}

fn machine_attributes(kernel: &str, parameters: &[f32], vectors: &[f32], coefficients: &[f32]) -> Attributes {
    vec![
        ("kernel_type", Attr::Text(kernel.to_owned())),
        ("kernel_params", Attr::Floats(parameters.to_vec())),
        ("support_vectors", Attr::Floats(vectors.to_vec())),
        ("coefficients", Attr::Floats(coefficients.to_vec())),
    ]
}

fn tree_attributes(nodes: &[Node], classifier: bool) -> Attributes {
    let ints = |f: &dyn Fn(&Node) -> i64| Attr::Ints(nodes.iter().map(f).collect());
    let names: [&'static str; 4] = match classifier {
        true => ["class_treeids", "class_nodeids", "class_ids", "class_weights"],
        false => ["target_treeids", "target_nodeids", "target_ids", "target_weights"],
    };
    let leaves: Vec<(i64, i64, i64, f32)> = nodes
        .iter()
        .flat_map(|n| n.weights.iter().enumerate().map(|(t, &w)| (n.tree, n.id, t as i64, w)))
        .collect();
    vec![
        ("nodes_treeids", ints(&|n| n.tree)),
        ("nodes_nodeids", ints(&|n| n.id)),
        ("nodes_featureids", ints(&|n| n.feature as i64)),
        ("nodes_values", Attr::Floats(nodes.iter().map(|n| n.value).collect())),
        ("nodes_modes", Attr::Texts(nodes.iter().map(|n| n.mode.to_owned()).collect())),
        ("nodes_truenodeids", ints(&|n| n.yes)),
        ("nodes_falsenodeids", ints(&|n| n.no)),
        ("nodes_missing_value_tracks_true", ints(&|n| i64::from(n.missing))),
        (names[0], Attr::Ints(leaves.iter().map(|l| l.0).collect())),
        (names[1], Attr::Ints(leaves.iter().map(|l| l.1).collect())),
        (names[2], Attr::Ints(leaves.iter().map(|l| l.2).collect())),
        (names[3], Attr::Floats(leaves.iter().map(|l| l.3).collect())),
    ]
}

/// Grows a tree below a new node; gives the node's id.
fn grow(
    source: &mut Source<'_>,
    nodes: &mut Vec<Node>,
    kind: (i64, usize, &[&'static str]),
    depth: usize,
) -> i64 {
    let (tree, targets, modes) = kind;
    let at = nodes.len();
    let id = nodes.iter().filter(|n| n.tree == tree).count() as i64;
    let leaf = depth == 0 || source.below(5) == 0;
    nodes.push(Node {
        tree,
        id,
        feature: source.below(WIDTH),
        value: source.cell(),
        mode: if leaf { "LEAF" } else { source.pick(modes) },
        yes: 0,
        no: 0,
        missing: source.below(2) == 0,
        weights: if leaf { source.numbers(targets) } else { Vec::new() },
    });
    if !leaf {
        nodes[at].yes = grow(source, nodes, kind, depth - 1);
        nodes[at].no = grow(source, nodes, kind, depth - 1);
    }
    id
}

/// The leaf a row comes to.
fn leaf<'a>(nodes: &'a [Node], tree: i64, row: &[f32]) -> &'a Node {
    let find = |id: i64| nodes.iter().find(|n| n.tree == tree && n.id == id);
    let mut id = 0;
    loop {
        let Some(node) = find(id) else { panic!("tree {tree} has no node {id}") };
        let (x, value) = (row[node.feature], node.value);
        let hit = match node.mode {
            "LEAF" => return node,
            "BRANCH_LEQ" => x <= value,
            "BRANCH_LT" => x < value,
            "BRANCH_GTE" => x >= value,
            "BRANCH_GT" => x > value,
            "BRANCH_EQ" => x == value,
            _ => x != value,
        };
        id = if hit || (x.is_nan() && node.missing) { node.yes } else { node.no };
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

fn similar(kernel: &str, parameters: &[f32], a: &[f32], b: &[f32]) -> f64 {
    let [gamma, shift, degree] = [0, 1, 2].map(|i| f64::from(parameters[i]));
    match kernel {
        "LINEAR" => dot(a, b),
        "POLY" => (gamma * dot(a, b) + shift).powf(degree),
        "SIGMOID" => (gamma * dot(a, b) + shift).tanh(),
        _ => {
            let far = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)).powi(2);
            (-gamma * a.iter().zip(b).map(far).sum::<f64>()).exp()
        }
    }
}

/// Each pair of classes votes by the sign of its margin (as in LIBSVM).
fn votes(kernels: &[f64], counts: &[usize], coefficients: &[f32], rho: &[f32]) -> Answer {
    let classes = counts.len();
    let of = |class: usize| counts[..class].iter().sum()..counts[..=class].iter().sum::<usize>();
    let (mut margins, mut votes) = (Vec::new(), vec![0; classes]);
    for i in 0..classes {
        for j in i + 1..classes {
            let term = |line: usize, k: usize| f64::from(coefficients[line * kernels.len() + k]) * kernels[k];
            let sum: f64 = of(i).map(|k| term(j - 1, k)).chain(of(j).map(|k| term(i, k))).sum();
            margins.push(sum + f64::from(rho[margins.len()]));
            votes[if margins[margins.len() - 1] > 0.0 { i } else { j }] += 1;
        }
    }
    let best = (0..classes).fold(0, |best, at| if votes[at] > votes[best] { at } else { best });
    let doubt = margins.iter().any(|m| m.abs() < 1e-4);
    let scores = if classes == 2 { vec![-margins[0], margins[0]] } else { margins };
    Answer { class: (!doubt).then_some(best), scores }
}
