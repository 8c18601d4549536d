//! Models as AutoML writes them, with rows that try their edges: missing numbers, empty and unknown texts.

use portcullis_onnx::{Attr, Data, Domain, ElementType, GraphBuilder, Tensor};

/// A model and tensors for its inputs.
pub struct Case {
    pub name: &'static str,
    pub model: Vec<u8>,
    pub inputs: Vec<(String, Tensor)>,
}

/// Rows of every case.
pub const ROWS: usize = 150;
const NUMBERS: [&str; 3] = ["age", "emp.var.rate", "credit amount"];
const TEXTS: [&str; 2] = ["job", "sex"];
const JOBS: [&str; 6] = ["admin", "blue-collar", "student", "unknown", "retired", "services"];

/// All of them.
pub fn all() -> Vec<Case> {
    vec![boosted(), boosted_multi(), forest_values(), linear(), blend(), words()]
}

/// Small deterministic generator.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n as u64) as usize
    }

    fn unit(&mut self) -> f32 {
        self.below(1 << 20) as f32 / (1 << 20) as f32
    }
}

fn columns(graph: &mut GraphBuilder) {
    NUMBERS.iter().for_each(|n| graph.input(n, ElementType::Float, 1));
    TEXTS.iter().for_each(|n| graph.input(n, ElementType::String, 1));
}

fn rows() -> Vec<(String, Tensor)> {
    let mut random = Random(11);
    let mut out = Vec::new();
    for name in NUMBERS {
        let cell =
            |random: &mut Random| if random.below(8) == 0 { f32::NAN } else { random.unit() * 2.0 - 0.5 };
        let values = (0..ROWS).map(|_| cell(&mut random)).collect();
        out.push((name.to_owned(), Tensor::new(vec![ROWS, 1], Data::Float(values)).unwrap()));
    }
    for (name, levels) in TEXTS.iter().zip([&JOBS[..], &["male", "female"]]) {
        let cell = |random: &mut Random| match random.below(10) {
            0 => String::new(),
            1 => "never seen".to_owned(),
            _ => levels[random.below(levels.len())].to_owned(),
        };
        let values = (0..ROWS).map(|_| cell(&mut random)).collect();
        out.push(((*name).to_owned(), Tensor::new(vec![ROWS, 1], Data::Text(values)).unwrap()));
    }
    out
}

/// Codes the texts and puts all columns side by side.
fn features(graph: &mut GraphBuilder) -> String {
    let mut parts: Vec<String> = NUMBERS.map(str::to_owned).to_vec();
    for (name, levels) in TEXTS.iter().zip([&JOBS[..], &["male", "female"]]) {
        let code = graph.fresh(&format!("{name}_code"));
        let attributes = vec![
            ("keys_strings", Attr::Texts(levels.iter().map(|&l| l.to_owned()).collect())),
            ("values_floats", Attr::Floats((0..levels.len()).map(|i| i as f32).collect())),
            ("default_float", Attr::Float(f32::NAN)),
        ];
        graph.node(Domain::Ml, "LabelEncoder", &[name], &[&code], attributes);
        parts.push(code);
    }
    let all = graph.fresh("features");
    let inputs: Vec<&str> = parts.iter().map(String::as_str).collect();
    graph.node(Domain::Onnx, "Concat", &inputs, &[&all], vec![("axis", Attr::Int(1))]);
    all
}

/// Columns of a tree ensemble in the making; features 3 and 4 are codes.
#[derive(Default)]
struct Trees {
    ids: Vec<(i64, i64)>,
    features: Vec<i64>,
    values: Vec<f32>,
    modes: Vec<&'static str>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing: Vec<i64>,
    leaves: Vec<(i64, i64, i64, f32)>,
}

impl Trees {
    fn node(&mut self, tree: i64) -> i64 {
        let id = self.ids.iter().filter(|n| n.0 == tree).count() as i64;
        self.ids.push((tree, id));
        self.features.push(0);
        self.values.push(0.0);
        self.modes.push("LEAF");
        self.yes.push(0);
        self.no.push(0);
        self.missing.push(0);
        id
    }

    fn branch(&mut self, node: (i64, i64), test: (i64, f32), children: (i64, i64), missing: i64) {
        let at = self.ids.iter().position(|n| *n == node).unwrap();
        self.features[at] = test.0;
        self.values[at] = test.1;
        self.modes[at] = if test.0 >= 3 { "BRANCH_EQ" } else { "BRANCH_LT" };
        (self.yes[at], self.no[at], self.missing[at]) = (children.0, children.1, missing);
    }

    fn grow(
        &mut self,
        tree: i64,
        depth: u32,
        random: &mut Random,
        leaf: &mut dyn FnMut(&mut Random) -> Vec<(i64, f32)>,
    ) -> i64 {
        let id = self.node(tree);
        if depth == 0 || random.below(7) == 0 {
            let weights = leaf(random);
            self.leaves.extend(weights.into_iter().map(|(target, w)| (tree, id, target, w)));
            return id;
        }
        let (feature, missing) = (random.below(5) as i64, random.below(2) as i64);
        let yes = self.grow(tree, depth - 1, random, leaf);
        let mut link = id;
        if feature >= 3 {
            for _ in 0..random.below(3) {
                let next = self.node(tree);
                self.branch((tree, link), (feature, random.below(6) as f32), (yes, next), missing);
                link = next;
            }
        }
        let no = self.grow(tree, depth - 1, random, leaf);
        let value = if feature >= 3 { random.below(6) as f32 } else { random.unit() };
        self.branch((tree, link), (feature, value), (yes, no), missing);
        id
    }

    fn attributes(self, leaf: &'static str) -> Vec<(&'static str, Attr)> {
        let names: [&'static str; 4] = match leaf {
            "class" => ["class_treeids", "class_nodeids", "class_ids", "class_weights"],
            _ => ["target_treeids", "target_nodeids", "target_ids", "target_weights"],
        };
        vec![
            ("nodes_treeids", Attr::Ints(self.ids.iter().map(|n| n.0).collect())),
            ("nodes_nodeids", Attr::Ints(self.ids.iter().map(|n| n.1).collect())),
            ("nodes_featureids", Attr::Ints(self.features)),
            ("nodes_values", Attr::Floats(self.values)),
            ("nodes_modes", Attr::Texts(self.modes.into_iter().map(str::to_owned).collect())),
            ("nodes_truenodeids", Attr::Ints(self.yes)),
            ("nodes_falsenodeids", Attr::Ints(self.no)),
            ("nodes_missing_value_tracks_true", Attr::Ints(self.missing)),
            (names[0], Attr::Ints(self.leaves.iter().map(|l| l.0).collect())),
            (names[1], Attr::Ints(self.leaves.iter().map(|l| l.1).collect())),
            (names[2], Attr::Ints(self.leaves.iter().map(|l| l.2).collect())),
            (names[3], Attr::Floats(self.leaves.iter().map(|l| l.3).collect())),
        ]
    }
}

fn margins(random: &mut Random) -> Vec<(i64, f32)> {
    vec![(0, random.unit() * 0.4 - 0.2)]
}

fn boosted_trees(count: i64) -> Vec<(&'static str, Attr)> {
    let mut trees = Trees::default();
    let mut random = Random(3);
    for tree in 0..count {
        trees.grow(tree, 5, &mut random, &mut margins);
    }
    trees.attributes("class")
}

fn texts(values: &[&str]) -> Attr {
    Attr::Texts(values.iter().map(|&v| v.to_owned()).collect())
}

/// Two classes from one margin, texts as labels.
fn boosted() -> Case {
    let mut graph = GraphBuilder::new("boosted");
    columns(&mut graph);
    graph.output("label", ElementType::String, &[-1]);
    graph.output("probabilities", ElementType::Float, &[-1, 2]);
    let x = features(&mut graph);
    let mut attributes = boosted_trees(40);
    attributes.push(("classlabels_strings", texts(&["bad", "good"])));
    attributes.push(("base_values", Attr::Floats(vec![-0.3])));
    attributes.push(("post_transform", Attr::Text("LOGISTIC".to_owned())));
    graph.node(Domain::Ml, "TreeEnsembleClassifier", &[&x], &["label", "probabilities"], attributes);
    Case { name: "boosted", model: graph.finish().unwrap(), inputs: rows() }
}

/// Three classes, one tree a class and round, integers as labels.
fn boosted_multi() -> Case {
    let mut graph = GraphBuilder::new("multi");
    columns(&mut graph);
    graph.output("label", ElementType::Int64, &[-1]);
    graph.output("probabilities", ElementType::Float, &[-1, 3]);
    let x = features(&mut graph);
    let mut trees = Trees::default();
    let mut random = Random(5);
    for tree in 0..30 {
        trees.grow(tree, 4, &mut random, &mut |r| vec![(tree % 3, r.unit() - 0.5)]);
    }
    let mut attributes = trees.attributes("class");
    attributes.push(("classlabels_int64s", Attr::Ints(vec![-5, 5, 15])));
    attributes.push(("base_values", Attr::Floats(vec![0.1, 0.2, -0.3])));
    attributes.push(("post_transform", Attr::Text("SOFTMAX".to_owned())));
    graph.node(Domain::Ml, "TreeEnsembleClassifier", &[&x], &["label", "probabilities"], attributes);
    Case { name: "boosted_multi", model: graph.finish().unwrap(), inputs: rows() }
}

/// A regression forest.
fn forest_values() -> Case {
    let mut graph = GraphBuilder::new("values");
    columns(&mut graph);
    graph.output("variable", ElementType::Float, &[-1, 1]);
    let x = features(&mut graph);
    let mut trees = Trees::default();
    let mut random = Random(6);
    for tree in 0..25 {
        trees.grow(tree, 6, &mut random, &mut |r| vec![(0, r.unit() * 4.0)]);
    }
    let mut attributes = trees.attributes("target");
    attributes.push(("n_targets", Attr::Int(1)));
    attributes.push(("aggregate_function", Attr::Text("AVERAGE".to_owned())));
    attributes.push(("base_values", Attr::Floats(vec![10.0])));
    graph.node(Domain::Ml, "TreeEnsembleRegressor", &[&x], &["variable"], attributes);
    Case { name: "forest_values", model: graph.finish().unwrap(), inputs: rows() }
}

/// Imputed and scaled numbers, one-hot texts, softmax.
fn linear() -> Case {
    let mut graph = GraphBuilder::new("linear");
    columns(&mut graph);
    graph.output("label", ElementType::String, &[-1]);
    graph.output("probabilities", ElementType::Float, &[-1, 3]);
    let (scores, width) = linear_inputs(&mut graph);
    let mut random = Random(8);
    let attributes = vec![
        ("coefficients", Attr::Floats((0..3 * width).map(|_| random.unit() * 2.0 - 1.0).collect())),
        ("intercepts", Attr::Floats(vec![0.1, -0.2, 0.3])),
        ("classlabels_strings", texts(&["high", "low", "mid"])),
        ("multi_class", Attr::Int(1)),
        ("post_transform", Attr::Text("SOFTMAX".to_owned())),
    ];
    graph.node(Domain::Ml, "LinearClassifier", &[&scores], &["label", "probabilities"], attributes);
    Case { name: "linear", model: graph.finish().unwrap(), inputs: rows() }
}

fn linear_inputs(graph: &mut GraphBuilder) -> (String, usize) {
    let numbers = graph.fresh("numbers");
    graph.node(Domain::Onnx, "Concat", &NUMBERS, &[&numbers], vec![("axis", Attr::Int(1))]);
    let (filled, scaled) = (graph.fresh("filled"), graph.fresh("scaled"));
    let missing = vec![
        ("imputed_value_floats", Attr::Floats(vec![0.4, 0.5, 0.6])),
        ("replaced_value_float", Attr::Float(f32::NAN)),
    ];
    graph.node(Domain::Ml, "Imputer", &[&numbers], &[&filled], missing);
    let scaling =
        vec![("offset", Attr::Floats(vec![0.4, 0.5, 0.6])), ("scale", Attr::Floats(vec![1.5, 2.0, 0.7]))];
    graph.node(Domain::Ml, "Scaler", &[&filled], &[&scaled], scaling);
    let mut parts = vec![scaled];
    let shape = graph.ints("shape", &[2], vec![0, -1]);
    for (name, levels) in TEXTS.iter().zip([&JOBS[..], &["male", "female"]]) {
        let (hot, flat) = (graph.fresh("hot"), graph.fresh("flat"));
        graph.node(Domain::Ml, "OneHotEncoder", &[name], &[&hot], vec![("cats_strings", texts(levels))]);
        graph.node(Domain::Onnx, "Reshape", &[&hot, &shape], &[&flat], vec![]);
        parts.push(flat);
    }
    let all = graph.fresh("inputs");
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    graph.node(Domain::Onnx, "Concat", &parts, &[&all], vec![("axis", Attr::Int(1))]);
    (all, NUMBERS.len() + JOBS.len() + 2)
}

/// A weighted blend of boosted trees and a linear model made of plain operators.
fn blend() -> Case {
    let mut graph = GraphBuilder::new("blend");
    columns(&mut graph);
    graph.output("label", ElementType::String, &[-1]);
    graph.output("probabilities", ElementType::Float, &[-1, 2]);
    let x = features(&mut graph);
    let mut attributes = boosted_trees(20);
    attributes.push(("classlabels_int64s", Attr::Ints(vec![0, 1])));
    attributes.push(("post_transform", Attr::Text("LOGISTIC".to_owned())));
    let names = ["tree_label", "tree_scores"].map(|n| graph.fresh(n));
    graph.node(Domain::Ml, "TreeEnsembleClassifier", &[&x], &[&names[0], &names[1]], attributes);
    let (inputs, width) = linear_inputs(&mut graph);
    let mut random = Random(9);
    let values = (0..width).map(|_| random.unit() - 0.5).collect();
    let coefficients = graph.floats("coefficients", &[width as i64, 1], values);
    let [intercept, one, part, rest] = [("intercept", -0.1), ("one", 1.0), ("part", 0.7), ("rest", 0.3)]
        .map(|(name, value)| graph.floats(name, &[1], vec![value]));
    let [raw, shifted, positive, negative, pair, a, b, best, picked] =
        ["raw", "shifted", "positive", "negative", "pair", "a", "b", "best", "picked"]
            .map(|n| graph.fresh(n));
    let classes = graph.strings("classes", &[2], ["no", "yes"].map(str::to_owned).to_vec());
    let flat = graph.ints("flat", &[1], vec![-1]);
    let mut plain = |op: &str, inputs: &[&str], output: &str, attributes: Vec<(&str, Attr)>| {
        graph.node(Domain::Onnx, op, inputs, &[output], attributes);
    };
    plain("MatMul", &[&inputs, &coefficients], &raw, vec![]);
    plain("Add", &[&raw, &intercept], &shifted, vec![]);
    plain("Sigmoid", &[&shifted], &positive, vec![]);
    plain("Sub", &[&one, &positive], &negative, vec![]);
    plain("Concat", &[&negative, &positive], &pair, vec![("axis", Attr::Int(1))]);
    plain("Mul", &[&names[1], &part], &a, vec![]);
    plain("Mul", &[&pair, &rest], &b, vec![]);
    plain("Sum", &[&a, &b], "probabilities", vec![]);
    plain("ArgMax", &["probabilities"], &best, vec![("axis", Attr::Int(1)), ("keepdims", Attr::Int(0))]);
    graph.node(Domain::Ml, "ArrayFeatureExtractor", &[&classes, &best], &[&picked], vec![]);
    graph.node(Domain::Onnx, "Reshape", &[&picked, &flat], &["label"], vec![]);
    Case { name: "blend", model: graph.finish().unwrap(), inputs: rows() }
}

/// Terms of a text, its number of words, and a text that is looked up whole and taken apart, in a sum.
fn words() -> Case {
    let mut graph = GraphBuilder::new("words");
    for name in ["comment", "job"] {
        graph.input(name, ElementType::String, 1);
    }
    graph.output("variable", ElementType::Float, &[-1, 1]);
    let mut parts = Vec::new();
    for (column, delimiter) in [("comment", " "), ("job", "-")] {
        let flat = graph.ints("flat", &[1], vec![-1]);
        let tall = graph.ints("tall", &[2], vec![-1, 1]);
        let [texts, small, words, count, number, terms, length] =
            ["texts", "small", "words", "count", "number", "terms", "length"].map(|n| graph.fresh(n));
        let mut plain = |op: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<(&str, Attr)>| {
            graph.node(Domain::Onnx, op, inputs, outputs, attributes);
        };
        plain("Reshape", &[column, &flat], &[&texts], vec![]);
        let lower = Attr::Text("LOWER".to_owned());
        let attributes = vec![("case_change_action", lower), ("locale", Attr::Text("C".to_owned()))];
        plain("StringNormalizer", &[&texts], &[&small], attributes);
        let delimiter = Attr::Text(delimiter.to_owned());
        plain("StringSplit", &[&small], &[&words, &count], vec![("delimiter", delimiter)]);
        plain("TfIdfVectorizer", &[&words], &[&terms], terms_looked_for());
        plain("Cast", &[&count], &[&number], vec![("to", Attr::Int(1))]);
        plain("Reshape", &[&number, &tall], &[&length], vec![]);
        parts.extend([terms, length]);
    }
    let code = graph.fresh("code");
    let attributes = vec![
        ("keys_strings", texts(&JOBS)),
        ("values_floats", Attr::Floats((0..JOBS.len()).map(|i| i as f32 * 0.25).collect())),
        ("default_float", Attr::Float(-1.0)),
    ];
    graph.node(Domain::Ml, "LabelEncoder", &["job"], &[&code], attributes);
    parts.push(code);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let all = graph.fresh("all");
    graph.node(Domain::Onnx, "Concat", &parts, &[&all], vec![("axis", Attr::Int(1))]);
    let weights = graph.floats("weights", &[13, 1], (0..13).map(|i| 0.125 * (i + 1) as f32).collect());
    graph.node(Domain::Onnx, "MatMul", &[&all, &weights], &["variable"], vec![]);
    let job = rows().into_iter().find(|(name, _)| name == "job").unwrap();
    Case { name: "words", model: graph.finish().unwrap(), inputs: vec![comments(), job] }
}

fn terms_looked_for() -> Vec<(&'static str, Attr)> {
    vec![
        ("mode", Attr::Text("TF".to_owned())),
        ("min_gram_length", Attr::Int(1)),
        ("max_gram_length", Attr::Int(2)),
        ("max_skip_count", Attr::Int(1)),
        ("ngram_counts", Attr::Ints(vec![0, 4])),
        ("ngram_indexes", Attr::Ints(vec![4, 1, 2, 1, 0, 3])),
        ("pool_strings", texts(&["good", "bad", "collar", "straße", "not", "good", "blue", "collar"])),
    ]
}

fn comments() -> (String, Tensor) {
    const WORDS: [&str; 10] =
        ["good", "GOOD", "not", "bad", "", "Straße", "ÄRGER", "blue", "collar", "good!"];
    let mut random = Random(5);
    let text = |_| {
        let words: Vec<&str> = (0..random.below(9)).map(|_| WORDS[random.below(WORDS.len())]).collect();
        words.join(" ")
    };
    let texts: Vec<String> = (0..ROWS).map(text).collect();
    ("comment".to_owned(), Tensor::new(vec![ROWS, 1], Data::Text(texts)).unwrap())
}
