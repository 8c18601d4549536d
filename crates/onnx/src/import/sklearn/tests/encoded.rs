//! Columns of encoders and indicators: what becomes of them, how often they are kept, and who may not read them.

use super::*;
use crate::import::tests::{stump, xgboost};

impl File {
    /// A member that is a list of one array of numbers.
    fn categories(&mut self, values: &[f64]) -> String {
        let shape = format!("({},)", values.len());
        let array = self.array("", &shape, values);
        list("categories_", &[value(&array).to_owned()])
    }

    /// One of XGBoost's classes, with the file of its booster.
    fn extreme(&mut self, class: &str, booster: &str) -> String {
        let file = format!("{}.bin", self.0.len());
        self.0.push((file.clone(), booster.as_bytes().to_vec()));
        let node = r#"{"__class__":"bytearray","__module__":"builtins","__loader__":"BytearrayNode","file""#;
        let handle = format!(r#""handle":{node}:"{file}"}}"#);
        let booster = format!(r#""_Booster":{}"#, object("Booster", &[handle]));
        object(class, &[booster]).replacen("sklearn.x", "xgboost.sklearn", 1)
    }
}

/// A value without the name of its member.
fn item(content: &str) -> String {
    value(&plain("", content)).to_owned()
}

/// A list without the name of its member.
fn items(items: &[String]) -> String {
    value(&list("", items)).to_owned()
}

/// `OneHotEncoder` of one column of numbers.
fn encoder(file: &mut File, categories: &[f64], sparse: Option<&str>) -> String {
    let mut members = vec![plain("n_features_in_", "1"), file.categories(categories)];
    members.extend(sparse.map(|sparse| plain("sparse_output", sparse)));
    object("OneHotEncoder", &members)
}

/// `ColumnTransformer` of which every part reads the first column.
fn by_column(parts: &[(&str, String)], sparse: &str) -> String {
    let step = |(name, part): &(&str, String)| items(&[item(&format!("{name:?}")), part.clone()]);
    let steps: Vec<String> = parts.iter().map(step).collect();
    let places: Vec<String> = parts.iter().map(|(name, _)| list(name, &[item("0")])).collect();
    let node = r#"{"__class__":"dict","__module__":"builtins","__loader__":"DictNode","content""#;
    let places = format!(r#""_transformer_to_input_indices":{node}:{{{}}}}}"#, places.join(","));
    let counts = [plain("n_features_in_", "1"), plain("sparse_output_", sparse)];
    object("ColumnTransformer", &[counts.join(","), list("transformers_", &steps), places])
}

/// Scores texts; an empty one is missing.
fn score_texts(model: &Model, texts: &[&str]) -> Vec<Vec<f32>> {
    let mut batch = model.batch();
    for (row, text) in texts.iter().enumerate() {
        batch.push_row();
        if !text.is_empty() {
            batch.set_text(model, 0, 0, text);
        }
        assert_eq!(batch.rows(), row + 1);
    }
    model.predict(&mut batch).unwrap();
    (0..texts.len()).map(|row| vec![batch.value(row)]).collect()
}

/// A pipeline of an encoder, perhaps within a `ColumnTransformer`, and XGBoost's trees, perhaps within a vote.
fn extreme(sparse: Option<&str>, outer: Option<&str>, voted: bool) -> Result<Model, String> {
    let mut file = File::default();
    let mut first = encoder(&mut file, &[0.0, 1.0], sparse);
    if let Some(outer) = outer {
        first = by_column(&[("k", first)], outer);
    }
    let mut last = file.extreme("XGBRegressor", &xgboost(("5E-1", "5E-1")));
    if voted {
        last = object("VotingRegressor", &[list("estimators_", &[last])]);
    }
    file.read(&pipeline(&[first, last]))
}

#[test]
fn xgboost_is_refused_behind_sparse_columns_alone() {
    for (sparse, outer, voted) in
        [(Some("false"), None, false), (Some("false"), None, true), (Some("true"), Some("false"), false)]
    {
        let model = extreme(sparse, outer, voted).unwrap();
        near(&score(&model, &[&[0.0], &[1.0], &[7.0], &[f32::NAN]]), &[2.5, 1.5, 1.5, 1.5]);
    }
    for (sparse, outer, voted) in [
        (None, None, false),
        (Some("true"), None, false),
        (Some("true"), None, true),
        (Some("true"), Some("true"), false),
        (Some("false"), Some("true"), true),
    ] {
        let told = extreme(sparse, outer, voted).unwrap_err();
        let place = told.contains("XGBRegressor: XGBoost behind sparse columns");
        assert!(place && told.contains("sparse_output=False"), "{sparse:?} {outer:?}: {told}");
    }
}

#[test]
fn what_keeps_a_matrix_sparse_keeps_its_columns_so() {
    let extreme = |middle: &dyn Fn(&mut File) -> String| {
        let mut file = File::default();
        let first = encoder(&mut file, &[0.0, 1.0], None);
        let middle = middle(&mut file);
        let last = file.extreme("XGBRegressor", &xgboost(("5E-1", "5E-1")));
        file.read(&pipeline(&[first, middle, last])).map(|_| ())
    };
    let selected = |file: &mut File| {
        let kept = file.array("support_", "(2,)", &[1.0, 1.0]);
        object("RFE", &[kept])
    };
    let scaled = |file: &mut File| {
        let scales = file.array("scale_", "(2,)", &[1.0, 1.0]);
        object("MaxAbsScaler", &[scales])
    };
    let coded = |file: &mut File| {
        let arrays = [file.array("", "(2,)", &[0.0, 1.0]), file.array("", "(2,)", &[0.0, 1.0])];
        let lists = arrays.map(|array| value(&array).to_owned());
        let unknown = [plain("handle_unknown", "\"use_encoded_value\""), plain("unknown_value", "-1")];
        object("OrdinalEncoder", &[list("categories_", &lists), unknown.join(",")])
    };
    assert!(extreme(&selected).unwrap_err().contains("sparse columns"));
    assert!(extreme(&scaled).unwrap_err().contains("sparse columns"));
    assert_eq!(extreme(&coded), Ok(()));
}

#[test]
fn an_indicator_may_stand_before_an_encoder_of_the_same_column() {
    let mut file = File::default();
    let indicator = object("MissingIndicator", &[file.array("features_", "(1,)", &[0.0])]);
    let filled = [
        plain("n_features_in_", "1"),
        plain("add_indicator", "true"),
        file.array("statistics_", "(1,)", &[2.0]),
        format!(r#""indicator_":{indicator}"#),
    ];
    let parts = [("n", object("SimpleImputer", &filled)), ("k", encoder(&mut file, &[1.0, 2.0], None))];
    let weights = [1.0, 10.0, 100.0, 1000.0];
    let steps = [by_column(&parts, "false"), linear(&mut file, "LinearRegression", &weights, 0.0)];
    let model = file.read(&pipeline(&steps)).unwrap();
    near(&score(&model, &[&[1.0], &[2.0], &[5.0], &[f32::NAN]]), &[101.0, 1002.0, 5.0, 12.0]);
}

#[test]
fn encoders_of_one_column_may_know_other_categories() {
    let mut file = File::default();
    let parts = [("a", encoder(&mut file, &[1.0, 2.0], None)), ("b", encoder(&mut file, &[2.0, 3.0], None))];
    let weights = [1.0, 10.0, 100.0, 1000.0];
    let steps = [by_column(&parts, "false"), linear(&mut file, "LinearRegression", &weights, 0.0)];
    let model = file.read(&pipeline(&steps)).unwrap();
    near(&score(&model, &[&[1.0], &[2.0], &[3.0], &[4.0]]), &[1.0, 110.0, 1000.0, 0.0]);
}

#[test]
fn rare_categories_share_a_column_with_unknown_ones() {
    let mut file = File::default();
    let codes = file.array("", "(3,)", &[1.0, 0.0, 1.0]);
    let members = [
        plain("n_features_in_", "1"),
        plain("handle_unknown", "\"infrequent_if_exist\""),
        file.categories(&[1.0, 2.0, 3.0]),
        list("_default_to_infrequent_mappings", &[value(&codes).to_owned()]),
    ];
    let steps = [object("OneHotEncoder", &members), linear(&mut file, "LinearRegression", &[1.0, 10.0], 0.0)];
    let model = file.read(&pipeline(&steps)).unwrap();
    near(&score(&model, &[&[1.0], &[2.0], &[3.0], &[9.0]]), &[10.0, 1.0, 10.0, 10.0]);
}

/// A pipeline that fills texts with "u", and encodes them and where they were missing.
fn filled_texts(file: &mut File, last: String) -> String {
    let indicator = object("MissingIndicator", &[file.array("features_", "(1,)", &[0.0])]);
    let filled = [
        plain("n_features_in_", "1"),
        plain("add_indicator", "true"),
        list("statistics_", &[item("\"u\"")]),
        format!(r#""indicator_":{indicator}"#),
    ];
    let lists = [items(&[item("\"u\""), item("\"v\"")]), items(&[item("false"), item("true")])];
    let encoder = [list("categories_", &lists), plain("sparse_output", "false")];
    pipeline(&[object("SimpleImputer", &filled), object("OneHotEncoder", &encoder), last])
}

#[test]
fn an_indicator_of_texts_reads_texts() {
    let texts = ["u", "v", "", "z"];
    let mut file = File::default();
    let last = linear(&mut file, "LinearRegression", &[1.0, 10.0, 100.0, 1000.0], 0.0);
    let root = filled_texts(&mut file, last);
    near(&score_texts(&file.read(&root).unwrap(), &texts), &[101.0, 110.0, 1001.0, 100.0]);
    // The only branch is on the column that is 1 where the text is missing.
    let mut file = File::default();
    let booster = xgboost((r#""num_feature":"2""#, r#""num_feature":"4""#));
    let booster = booster.replace(r#""split_indices":[0,"#, r#""split_indices":[3,"#);
    let last = file.extreme("XGBRegressor", &booster);
    let root = filled_texts(&mut file, last);
    near(&score_texts(&file.read(&root).unwrap(), &texts), &[1.5, 1.5, 2.5, 1.5]);
}

#[test]
fn long_categories_are_kept_once() {
    const COUNT: u32 = 2000;
    const LETTERS: usize = 1500;
    let letters = (0..COUNT).flat_map(|at| format!("{at:0>LETTERS$}").into_bytes());
    let data: Vec<u8> = letters.flat_map(|letter| u32::from(letter).to_le_bytes()).collect();
    let header = format!("{{'descr': '<U{LETTERS}', 'fortran_order': False, 'shape': ({COUNT},), }}");
    let mut file = File(vec![("k.npy".to_owned(), npy::tests::file(&header, &data))]);
    let node = r#"{"__class__":"ndarray","__module__":"numpy","__loader__":"NdArrayNode","type":"numpy""#;
    let categories = list("categories_", &[format!(r#"{node},"file":"k.npy"}}"#)]);
    let encoder = object("OneHotEncoder", &[plain("n_features_in_", "1"), categories]);
    let last = linear(&mut file, "LinearRegression", &vec![0.5; COUNT as usize], 0.0);
    let made = file.made(&pipeline(&[encoder, last])).unwrap();
    assert!(made.bytes.len() < 2 * COUNT as usize * LETTERS, "{}", made.bytes.len());
}

#[test]
fn steps_that_are_no_objects_pass_columns_on() {
    for word in ["\"passthrough\"", "null"] {
        let mut file = File::default();
        let steps = [item(word), linear(&mut file, "Ridge", &[2.0], 1.0)];
        near(&score(&file.read(&pipeline(&steps)).unwrap(), &[&[3.0]]), &[7.0]);
    }
    let told = File::default().read(&pipeline(&[item("\"passthrough\"")])).unwrap_err();
    assert!(told.contains("Pipeline: it has no steps"), "{told}");
}

#[test]
fn classifiers_without_classes_are_refused() {
    for objective in ["binary:hinge", "binary:logitraw"] {
        let mut file = File::default();
        let root = file.extreme("XGBClassifier", &xgboost(("reg:squarederror", objective)));
        let told = file.read(&root).unwrap_err();
        assert!(told.contains("XGBClassifier: its objective gives no classes"), "{told}");
    }
    let light = |objective: &str| {
        let mut file = File::default();
        let objective = format!("objective={objective}\n");
        let text = stump(0, "0.5", 8, "").replace("objective=regression\n", &objective);
        let text = serde_json::to_string(&text).unwrap();
        let booster = object("Booster", &[plain("_handle", &text)]);
        let labels = object("LabelEncoder", &[file.array("classes_", "(2,)", &[0.0, 1.0])]);
        let members = [format!(r#""_Booster":{booster}"#), format!(r#""_le":{labels}"#)];
        file.read(&object("LGBMClassifier", &members).replacen("sklearn.x", "lightgbm.sklearn", 1))
    };
    // Shares that are fitted like those of two classes are answered like those.
    let shares = [1.0_f64, 2.0].map(|sum| 1.0 / (1.0 + (-sum).exp()));
    near(&score(&light("cross_entropy").unwrap(), &[&[0.0, 0.0], &[1.0, 0.0]]), &shares);
    let told = light("poisson").unwrap_err();
    assert!(told.contains("LGBMClassifier: the objective 'poisson' gives no classes"), "{told}");
}
