//! Small `.skops` files by hand, beside what scikit-learn's own formulas say.

use crate::import::{Imported, convert, npy, tests::archive};
use crate::model::Model;

mod encoded;

/// The objects of a file in the making, and its arrays.
#[derive(Default)]
struct File(Vec<(String, Vec<u8>)>);

impl File {
    /// A member that is an array of numbers.
    fn array(&mut self, name: &str, shape: &str, values: &[f64]) -> String {
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let file = format!("{}.npy", self.0.len());
        self.0.push((file.clone(), npy::tests::file(&header, &data)));
        let node = r#"{"__class__":"ndarray","__module__":"numpy","__loader__":"NdArrayNode","type":"numpy""#;
        format!(r#""{name}":{node},"file":"{file}"}}"#)
    }

    fn made(self, root: &str) -> Result<Imported, String> {
        let mut members: Vec<(&str, &[u8])> = vec![("schema.json", root.as_bytes())];
        members.extend(self.0.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
        convert("m.skops", &archive(&members), &[]).map_err(|e| e.to_string())
    }

    fn read(self, root: &str) -> Result<Model, String> {
        Model::from_bytes(&self.made(root)?.bytes).map_err(|e| e.to_string())
    }
}

/// The value of a member: everything behind its name.
fn value(member: &str) -> &str {
    member.split_once(':').unwrap().1
}

fn plain(name: &str, content: &str) -> String {
    let content = serde_json::to_string(content).unwrap();
    format!(
        r#""{name}":{{"__class__":"x","__module__":"builtins","__loader__":"JsonNode","content":{content}}}"#
    )
}

fn list(name: &str, items: &[String]) -> String {
    let node = r#"{"__class__":"list","__module__":"builtins","__loader__":"ListNode","content":"#;
    format!(r#""{name}":{node}[{}]}}"#, items.join(","))
}

fn object(class: &str, members: &[String]) -> String {
    let members = members.join(",");
    format!(
        r#"{{"__class__":"{class}","__module__":"sklearn.x","__loader__":"ObjectNode","content":
        {{"__class__":"dict","__module__":"builtins","__loader__":"DictNode","content":{{{members}}}}}}}"#
    )
}

/// A pipeline; its first step says how many columns there are.
fn pipeline(steps: &[String]) -> String {
    let pair = |step: &String| {
        let pair = list("", &[value(&plain("", "\"s\"")).to_owned(), step.clone()]);
        value(&pair).to_owned()
    };
    let steps: Vec<String> = steps.iter().map(pair).collect();
    object("Pipeline", &[list("steps", &steps)])
}

/// A linear model of one output.
fn linear(file: &mut File, class: &str, weights: &[f64], shift: f64) -> String {
    let shape = format!("({}, )", weights.len());
    let weights_ = file.array("coef_", &shape, weights);
    let mut members = vec![weights_, plain("intercept_", &shift.to_string())];
    members.push(plain("n_features_in_", &weights.len().to_string()));
    if class == "Perceptron" {
        members.push(file.array("classes_", "(2,)", &[0.0, 1.0]));
    }
    object(class, &members)
}

/// Scores rows.
fn score(model: &Model, rows: &[&[f32]]) -> Vec<Vec<f32>> {
    let mut batch = model.batch();
    for row in rows {
        batch.push_row();
        row.iter().enumerate().for_each(|(slot, &v)| batch.set_number(slot, 0, v));
    }
    model.predict(&mut batch).unwrap();
    let classes = matches!(model.output(), crate::model::Output::Classes(_));
    let value = |row: usize| vec![batch.value(row)];
    (0..rows.len()).map(|row| if classes { batch.probabilities(row).to_vec() } else { value(row) }).collect()
}

fn near(got: &[Vec<f32>], expected: &[f64]) {
    let got: Vec<f64> = got.iter().filter_map(|row| row.last()).map(|&v| f64::from(v)).collect();
    assert_eq!(got.len(), expected.len());
    let same = got.iter().zip(expected).all(|(a, b)| (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-6);
    assert!(same, "{got:?}, expected {expected:?}");
}

/// `KBinsDiscretizer` over one column, with the inner edges 0.1 and 2.
fn bins(file: &mut File, encode: &str) -> String {
    let edges = file.array("", "(4,)", &[-1.0, 0.1, 2.0, 3.0]);
    let edges = list("bin_edges_", &[value(&edges).to_owned()]);
    let encode = plain("encode", &format!("{encode:?}"));
    object("KBinsDiscretizer", &[plain("n_features_in_", "1"), encode, edges])
}

#[test]
fn bins_part_single_precision_where_doubles_do() {
    // 0.1 in f64 lies below the f32 of that name, which therefore belongs to the second bin.
    let rows: [&[f32]; 6] = [&[0.1_f32.next_down()], &[0.1], &[2.0], &[-9.0], &[9.0], &[f32::NAN]];
    for (encode, weights) in [("ordinal", &[10.0][..]), ("onehot", &[0.0, 10.0, 20.0][..])] {
        let mut file = File::default();
        let steps = [bins(&mut file, encode), linear(&mut file, "LinearRegression", weights, 1.0)];
        let model = file.read(&pipeline(&steps)).unwrap();
        near(&score(&model, &rows), &[1.0, 11.0, 21.0, 1.0, 21.0, f64::NAN]);
    }
}

#[test]
fn components_are_taken_about_the_mean() {
    let mut file = File::default();
    let members = [
        file.array("components_", "(1, 2)", &[0.6, 0.8]),
        file.array("mean_", "(2,)", &[1000.0, -2000.0]),
        file.array("explained_variance_", "(1,)", &[4.0]),
        plain("whiten", "true"),
        plain("n_features_in_", "2"),
    ];
    let steps = [object("PCA", &members), linear(&mut file, "Ridge", &[3.0], 0.5)];
    let model = file.read(&pipeline(&steps)).unwrap();
    near(&score(&model, &[&[1000.5, -2000.25], &[1000.0, -2000.0]]), &[0.5 + 1.5 * (0.3 - 0.2), 0.5]);
}

#[test]
fn polynomials_have_a_constant_and_all_products() {
    let mut file = File::default();
    let members = [
        plain("_min_degree", "0"),
        plain("_max_degree", "2"),
        plain("interaction_only", "false"),
        plain("include_bias", "true"),
        plain("n_features_in_", "2"),
    ];
    let weights = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let steps = [object("PolynomialFeatures", &members), linear(&mut file, "Ridge", &weights, 0.0)];
    let model = file.read(&pipeline(&steps)).unwrap();
    let (a, b) = (0.5, -2.0);
    let expected = 1.0 + 2.0 * a + 3.0 * b + 4.0 * a * a + 5.0 * a * b + 6.0 * b * b;
    near(&score(&model, &[&[0.5, -2.0]]), &[expected]);
}

#[test]
fn gaussian_shares_follow_from_means_and_variances() {
    let mut file = File::default();
    let members = [
        plain("n_features_in_", "2"),
        file.array("classes_", "(2,)", &[0.0, 1.0]),
        file.array("theta_", "(2, 2)", &[0.0, 5.0, 1.0, 4.0]),
        file.array("var_", "(2, 2)", &[1.0, 4.0, 0.25, 9.0]),
        file.array("class_prior_", "(2,)", &[0.25, 0.75]),
    ];
    let model = file.read(&object("GaussianNB", &members)).unwrap();
    let log = |prior: f64, parts: [(f64, f64, f64); 2]| {
        prior.ln() - parts.map(|(x, m, v)| 0.5 * v.ln() + (x - m) * (x - m) / (2.0 * v)).iter().sum::<f64>()
    };
    let share = |x: f64, y: f64| {
        let first = log(0.25, [(x, 0.0, 1.0), (y, 5.0, 4.0)]);
        1.0 / (1.0 + (first - log(0.75, [(x, 1.0, 0.25), (y, 4.0, 9.0)])).exp())
    };
    near(&score(&model, &[&[0.0, 5.0], &[1.5, -1.0]]), &[share(0.0, 5.0), share(1.5, -1.0)]);
}

#[test]
fn the_most_votes_win() {
    let mut file = File::default();
    let sides = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]];
    let members: Vec<String> = sides.iter().map(|w| linear(&mut file, "Perceptron", w, 0.0)).collect();
    let classes = file.array("classes_", "(2,)", &[7.0, 9.0]);
    let voting = [plain("voting", "\"hard\""), list("estimators_", &members), classes];
    let model = file.read(&object("VotingClassifier", &voting)).unwrap();
    let mut batch = model.batch();
    for row in [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]] {
        batch.push_row();
        row.iter().enumerate().for_each(|(slot, &v)| batch.set_number(slot, 0, v));
    }
    model.predict(&mut batch).unwrap();
    assert_eq!([0, 1, 2].map(|row| batch.class(row)), [1, 0, 1]);
}

#[test]
fn boosted_regressors_answer_their_weighted_median() {
    let mut file = File::default();
    let members: Vec<String> =
        [1.0, -1.0, 3.0].iter().map(|&w| linear(&mut file, "LinearRegression", &[w], 0.0)).collect();
    let weights = file.array("estimator_weights_", "(4,)", &[0.2, 0.5, 0.4, 0.0]);
    let boosted = [plain("n_features_in_", "1"), list("estimators_", &members), weights];
    let model = file.read(&object("AdaBoostRegressor", &boosted)).unwrap();
    // Of -2, 2, 6 the first has 0.5 of 1.1, of -6, -2, 2 the first two have 0.6.
    near(&score(&model, &[&[2.0], &[-2.0], &[f32::NAN]]), &[2.0, -2.0, f64::NAN]);
}

#[test]
fn what_is_not_covered_is_refused_by_name() {
    let mut file = File::default();
    let steps = [bins(&mut file, "onehot-sparse"), linear(&mut file, "Ridge", &[1.0], 0.0)];
    let told = file.read(&pipeline(&steps)).unwrap_err();
    assert!(told.contains("KBinsDiscretizer: encode: 'onehot-sparse' is not supported"), "{told}");
    let mut file = File::default();
    let norm = object("Normalizer", &[plain("norm", "\"l3\""), plain("n_features_in_", "1")]);
    let steps = [norm, linear(&mut file, "Ridge", &[1.0], 0.0)];
    let told = file.read(&pipeline(&steps)).unwrap_err();
    assert!(told.contains("Normalizer: norm: 'l3' is not supported"), "{told}");
}

#[test]
fn classes_of_a_member_do_not_multiply_with_those_of_all() {
    let mut file = File::default();
    let count = 200_000;
    let numbers: Vec<f64> = (0..count).map(f64::from).collect();
    let later: Vec<f64> = (0..count).map(|c| f64::from((c + 1) % count)).collect();
    let shape = format!("({count},)");
    let member = object(
        "DummyClassifier",
        &[
            file.array("classes_", &shape, &later),
            file.array("class_prior_", &shape, &vec![1.0 / f64::from(count); count as usize]),
        ],
    );
    let place = file.array("", "(1,)", &[0.0]);
    let members = [
        plain("n_features_in_", "1"),
        file.array("classes_", &shape, &numbers),
        list("estimators_", &[member]),
        list("estimators_features_", &[value(&place).to_owned()]),
    ];
    let told = file.read(&object("BaggingClassifier", &members)).unwrap_err();
    assert!(told.contains("the graph written (bytes)"), "{told}");
}

#[test]
fn a_column_that_hardly_varies_in_a_class_leaves_exact_chances() {
    let mut file = File::default();
    let members = [
        file.array("theta_", "(2, 1)", &[0.5, 0.25]),
        file.array("var_", "(2, 1)", &[1e-10, 0.25]),
        file.array("class_prior_", "(2,)", &[0.5, 0.5]),
        file.array("classes_", "(2,)", &[0.0, 1.0]),
        plain("n_features_in_", "1"),
    ];
    let model = file.read(&object("GaussianNB", &members)).unwrap();
    let second = |x: f64| {
        let chance =
            |mean: f64, variance: f64| (-(x - mean).powi(2) / (2.0 * variance)).exp() / variance.sqrt();
        let (first, second) = (chance(0.5, 1e-10), chance(0.25, 0.25));
        second / (first + second)
    };
    near(
        &score(&model, &[&[0.5], &[0.50003], &[0.3]]),
        &[second(0.5), second(f64::from(0.50003_f32)), second(0.3)],
    );
}
