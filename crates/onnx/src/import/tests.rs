//! Small files by hand: what is read, and what damaged and hostile ones are told.

use super::*;
use crate::model::Model;

mod hostile;

const HEADER: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\n\
                      objective=regression\nfeature_names=a b\nfeature_infos=[0:1] [0:1]\n\n";

/// A LightGBM file of one tree with one split.
pub(super) fn stump(feature: usize, threshold: &str, decision: u8, more: &str) -> String {
    format!(
        "{HEADER}Tree=0\nnum_leaves=2\nnum_cat={}\nsplit_feature={feature}\nthreshold={threshold}\n\
         decision_type={decision}\nleft_child=-1\nright_child=-2\nleaf_value=1 2\n{more}is_linear=0\n\n\nend of trees\n",
        usize::from(decision & 1 == 1)
    )
}

fn told(file: &str, bytes: &[u8]) -> String {
    convert(file, bytes, &[]).unwrap_err().to_string()
}

/// Scores the first input, the others being 0.
fn score(model: &Model, values: &[f32]) -> Vec<f32> {
    let mut batch = model.batch();
    for &value in values {
        batch.push_row();
        (0..model.slots().len()).for_each(|slot| batch.set_number(slot, 0, 0.0));
        batch.set_number(0, 0, value);
    }
    model.predict(&mut batch).unwrap();
    (0..values.len()).map(|row| batch.value(row)).collect()
}

fn read(text: &str) -> Model {
    Model::from_bytes(&convert("m", text.as_bytes(), &[]).unwrap().bytes).unwrap()
}

#[test]
fn formats_are_known_by_their_first_bytes() {
    assert_eq!(Format::of(b"tree\nversion=v4"), Some(Format::LightGbm));
    assert_eq!(Format::of(b" {\"learner\""), Some(Format::XgBoost));
    assert_eq!(Format::of(b"{L\0\0\0\0\0\0\0\x07learner"), Some(Format::XgBoost));
    assert_eq!(Format::of(b"PK\x03\x04"), Some(Format::Skops));
    for other in [&b"\x08\x08\x12"[..], b"\x80\x04", b"", b"treehouse"] {
        assert_eq!(Format::of(other), None);
    }
    assert!(told("m.pkl", b"\x80\x04").contains("m.pkl: it is neither"));
}

#[test]
fn a_threshold_between_two_f32_parts_them() {
    // 0.1 in f64 lies below the f32 of that name.
    let model = read(&stump(0, "0.10000000000000001", 8, ""));
    let below = 0.1_f32.next_down();
    assert_eq!(score(&model, &[below, 0.1, f32::NEG_INFINITY, f32::INFINITY]), [1.0, 2.0, 1.0, 2.0]);
    // Missing: by decision 8 to the right, 10 to the left, 0 and 2 as zero.
    for (decision, expected) in [(8, 2.0), (10, 1.0), (0, 1.0), (2, 1.0)] {
        let model = read(&stump(0, "0.1", decision, ""));
        assert_eq!(score(&model, &[f32::NAN]), [expected], "{decision}");
    }
}

#[test]
fn zero_counts_as_missing_where_the_file_says_so() {
    let values = [-1.0, -1e-36, -0.0, 0.0, 1e-36, f32::NAN, 1.0, 1e-34];
    for (decision, threshold, expected) in [
        (4, "0.5", [1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0]),
        (6, "0.5", [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0]),
        (4, "-0.5", [1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]),
        (6, "-0.5", [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0]),
        (4, "0", [1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]),
        (6, "0", [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0]),
    ] {
        let model = read(&stump(0, threshold, decision, ""));
        assert_eq!(score(&model, &values), expected, "{decision} {threshold}");
    }
}

#[test]
fn a_category_is_a_number_without_its_fraction() {
    // The set holds 0 and 2.
    let model = read(&stump(0, "0", 1, "cat_boundaries=0 1\ncat_threshold=5\n"));
    let values = [0.0, 1.0, 2.0, 2.9, -0.5, -1.0, 32.0, f32::NAN, f32::INFINITY];
    assert_eq!(score(&model, &values), [1.0, 2.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]);
}

#[test]
fn covers_of_the_file_explain_the_model() {
    let explained = |covers: &str| {
        let made = convert("m", stump(0, "0.5", 8, covers).as_bytes(), &[]).unwrap().bytes;
        let model = Model::from_bytes(&made).unwrap();
        let mut batch = model.batch();
        batch.push_row();
        (0..2).for_each(|slot| batch.set_number(slot, 0, 0.0));
        model.predict(&mut batch).unwrap();
        crate::Explainer::new(&model, &made)?.explain(&batch, 0)
    };
    let got = explained("internal_count=10\nleaf_count=3 7\n").unwrap();
    assert!((got.base - 1.7).abs() < 1e-6 && (got.contributions[0] + 0.7).abs() < 1e-6, "{got:?}");
    assert!(explained("").unwrap_err().to_string().contains("no covers"));
}

#[test]
fn a_small_file_of_many_sets_is_refused() {
    let count = 20_000;
    let list = |f: &dyn Fn(usize) -> String, n: usize| (0..n).map(f).collect::<Vec<_>>().join(" ");
    let zeros = list(&|_| "0".to_owned(), count);
    let left = list(&|i| if i + 1 < count { (i + 1).to_string() } else { format!("-{}", count + 1) }, count);
    let text = format!(
        "{HEADER}Tree=0\nnum_leaves={}\nnum_cat=1\nsplit_feature={zeros}\nthreshold={zeros}\ndecision_type={}\n\
         left_child={left}\nright_child={}\nleaf_value={}\ncat_boundaries=0 5\ncat_threshold={}\n\n\nend of trees\n",
        count + 1,
        list(&|_| "1".to_owned(), count),
        list(&|i| format!("-{}", i + 1), count),
        list(&|_| "1".to_owned(), count + 1),
        list(&|_| u32::MAX.to_string(), 5),
    );
    assert!(told("m", text.as_bytes()).contains("more nodes than a file of this size"));
}

#[test]
fn categories_that_rows_can_not_tell_apart_are_refused() {
    let text = stump(0, "0", 1, "cat_boundaries=0 1\ncat_threshold=1\n")
        .replace("feature_infos=[0:1]", "feature_infos=0:1")
        + "pandas_categorical:[[16777216, 16777217]]\n";
    assert!(told("m", text.as_bytes()).contains("single precision"));
}

#[test]
fn names_come_from_the_model_or_else_from_the_caller() {
    let text = stump(0, "0.5", 8, "");
    let made = convert("m", text.as_bytes(), &["p".to_owned(), "q".to_owned()]).unwrap();
    let names: Vec<&str> = made.inputs.iter().map(|i| i.name.as_str()).collect();
    assert_eq!((names, made.inputs[1].used), (vec!["a", "b"], false));
    let text = text.replace("=a b", "=Column_0 Column_1");
    let made = convert("m", text.as_bytes(), &["p".to_owned(), "q".to_owned()]).unwrap();
    assert_eq!(made.inputs[0].name, "p");
    assert_eq!(convert("m", text.as_bytes(), &[]).unwrap().inputs[0].name, "Column_0");
    assert!(told("m", text.replace("Column_1", "Column_0").as_bytes()).contains("two input columns"));
}

#[test]
fn a_damaged_lightgbm_file_is_refused_with_its_place() {
    let good = stump(0, "0.5", 8, "");
    let whole = good.len() - "end of trees\n".len();
    for end in 0..whole {
        assert!(convert("m.txt", &good.as_bytes()[..end], &[]).is_err(), "{end}");
    }
    for (from, to, reason) in [
        (
            "split_feature=0",
            "split_feature=7",
            "m.txt: tree 0, line 14: split_feature: there is no feature 7",
        ),
        ("split_feature=0", "split_feature=-1", "line 14: split_feature: \"-1\" is no such number"),
        ("left_child=-1", "left_child=5", "there is no child 5"),
        ("left_child=-1", "left_child=0", "cycle"),
        ("leaf_value=1 2", "leaf_value=1", "line 19: leaf_value: 1 numbers, expected 2"),
        ("leaf_value=1 2", "leaf_value=1 1e99", "out of range"),
        ("leaf_value=1 2", "leaf_value=1 nan", "out of range"),
        ("is_linear=0", "is_linear=1", "linear trees are not supported"),
        ("num_leaves=2", "num_leaves=99999999999", "num_leaves"),
        ("objective=regression", "objective=mine", "the objective 'mine' is not known"),
        ("max_feature_idx=1", "max_feature_idx=9", "2 names for 10 features"),
        ("decision_type=8", "decision_type=12", "12 is unknown"),
        ("decision_type=8", "decision_type=1", "num_cat"),
    ] {
        assert!(good.contains(from));
        let told = told("m.txt", good.replace(from, to).as_bytes());
        assert!(told.contains(reason) || reason == "num_cat", "{to}: {told}");
    }
}

/// An XGBoost file of one tree with one split.
pub(super) fn xgboost(change: (&str, &str)) -> String {
    let text = r#"{"learner":{"feature_names":["a","b"],"feature_types":["float","float"],
        "gradient_booster":{"name":"gbtree","model":{"tree_info":[0],"iteration_indptr":[0,1],"trees":[{
        "left_children":[1,-1,-1],"right_children":[2,-1,-1],"split_indices":[0,0,0],"split_conditions":[0.1,1,2],
        "default_left":[1,0,0],"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[],
        "tree_param":{"size_leaf_vector":"1"}}]}},
        "learner_model_param":{"base_score":"5E-1","num_class":"0","num_feature":"2","num_target":"1"},
        "objective":{"name":"reg:squarederror"}},"version":[3,2,0]}"#;
    assert!(text.contains(change.0));
    text.replace(change.0, change.1)
}

#[test]
fn xgboost_compares_below_and_sets_go_right() {
    let model = read(&xgboost(("5E-1", "5E-1")));
    let values = [0.1_f32.next_down(), 0.1, f32::NAN];
    assert_eq!(score(&model, &values), [1.5, 2.5, 1.5]);
    let sets = (
        r#""categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[]"#,
        r#""categories":[1,3],"categories_nodes":[0],"categories_segments":[0],"categories_sizes":[2]"#,
    );
    let model = read(&xgboost(sets));
    assert_eq!(score(&model, &[1.0, 3.5, 2.0, -1.0, f32::NAN]), [2.5, 2.5, 1.5, 1.5, 1.5]);
    let vector = read(&xgboost((r#""5E-1""#, r#""[2E0]""#)));
    assert_eq!(score(&vector, &[0.0]), [3.0]);
}

#[test]
fn a_damaged_xgboost_file_is_refused_with_its_place() {
    let good = xgboost(("5E-1", "5E-1"));
    for end in 0..good.len() {
        assert!(convert("m.json", &good.as_bytes()[..end], &[]).is_err(), "{end}");
    }
    for (change, reason) in [
        ((r#""left_children":[1,"#, r#""left_children":[0,"#), "tree 0: node 0 has two parents"),
        ((r#""left_children":[1,"#, r#""left_children":[9,"#), "there is no node 9"),
        ((r#""split_indices":[0,"#, r#""split_indices":[9,"#), "there is no feature 9"),
        ((r#""right_children":[2,-1,-1]"#, r#""right_children":[2]"#), "entries, left_children 3"),
        ((r#""tree_info":[0]"#, r#""tree_info":[4]"#), "tree 0 is of group 4"),
        ((r#""num_target":"1""#, r#""num_target":"2""#), "2 outputs"),
        ((r#""num_feature":"2""#, r#""num_feature":"1e9""#), "out of range"),
        ((r#""size_leaf_vector":"1""#, r#""size_leaf_vector":"3""#), "leaves of several values"),
        (("reg:squarederror", "mine"), "the objective 'mine'"),
        ((r#""name":"gbtree""#, r#""name":"tree""#), "the booster 'tree'"),
        ((r#""learner":"#, r#""teacher":"#), "the member 'learner' is missing"),
        ((r#""categories_nodes":[]"#, r#""categories_nodes":[0]"#), "differ in length"),
    ] {
        let told = told("m.json", xgboost(change).as_bytes());
        assert!(told.starts_with("m.json: ") && told.contains(reason), "{told}");
    }
    let deep = format!("{{\"learner\":{}", "[".repeat(100_000));
    assert!(told("m.json", deep.as_bytes()).contains("recursion"));
}

/// An archive of these members.
pub(super) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        let how =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        zip.start_file(*name, how).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn object(class: &str, members: &str) -> String {
    let (module, class) = class.rsplit_once('.').unwrap();
    format!(
        r#"{{"__class__":"{class}","__module__":"{module}","__loader__":"ObjectNode","content":
        {{"__class__":"dict","__module__":"builtins","__loader__":"DictNode","content":{{{members}}}}}}}"#
    )
}

fn plain(name: &str, content: &str) -> String {
    let content = serde_json::to_string(content).unwrap();
    format!(
        r#""{name}":{{"__class__":"x","__module__":"builtins","__loader__":"JsonNode","content":{content}}}"#
    )
}

fn array(name: &str, file: &str) -> String {
    format!(
        r#""{name}":{{"__class__":"ndarray","__module__":"numpy","__loader__":"NdArrayNode","type":"numpy","file":"{file}"}}"#
    )
}

#[test]
fn a_linear_regression_of_a_skops_file_is_read() {
    let weights = super::npy::tests::file(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }",
        &[2.0_f64, -1.0].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>(),
    );
    let members =
        [plain("n_features_in_", "2"), plain("intercept_", "0.5"), array("coef_", "w.npy")].join(",");
    let schema = object("sklearn.linear_model._base.LinearRegression", &members);
    let file = archive(&[("schema.json", schema.as_bytes()), ("w.npy", &weights)]);
    let made = convert("m.skops", &file, &[]).unwrap();
    let model = Model::from_bytes(&made.bytes).unwrap();
    assert_eq!((model.slots()[0].name.as_str(), score(&model, &[3.0])), ("x0", vec![6.5]));
    for end in 0..file.len() {
        assert!(convert("m.skops", &file[..end], &[]).is_err(), "{end}");
    }
    let without = archive(&[("schema.json", schema.as_bytes())]);
    assert!(told("m.skops", &without).contains("LinearRegression: coef_: the archive has no member 'w.npy'"));
}

#[test]
fn a_logistic_regression_says_how_two_classes_share() {
    let numbers = |shape: &str, values: &[f64]| {
        let head = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
        super::npy::tests::file(&head, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
    };
    let (coef, intercept, classes) =
        (numbers("(1, 1)", &[1.0]), numbers("(1,)", &[0.0]), numbers("(2,)", &[0.0, 1.0]));
    // Up to scikit-learn 1.7 "multinomial" shares between the score and its opposite.
    for (kind, expected) in [("auto", 1.0_f32), ("ovr", 1.0), ("multinomial", 2.0)] {
        let members = [
            plain("n_features_in_", "1"),
            plain("multi_class", &format!("\"{kind}\"")),
            array("coef_", "w.npy"),
            array("intercept_", "b.npy"),
            array("classes_", "c.npy"),
        ]
        .join(",");
        let schema = object("sklearn.linear_model._logistic.LogisticRegression", &members);
        let file = archive(&[
            ("schema.json", schema.as_bytes()),
            ("w.npy", &coef),
            ("b.npy", &intercept),
            ("c.npy", &classes),
        ]);
        let made = convert("m.skops", &file, &[]).unwrap_or_else(|e| panic!("{kind}: {e}"));
        let model = Model::from_bytes(&made.bytes).unwrap();
        let mut batch = model.batch();
        batch.push_row();
        batch.set_number(0, 0, 1.0);
        model.predict(&mut batch).unwrap();
        let logistic = 1.0 / (1.0 + (-expected).exp());
        assert!((batch.probabilities(0)[1] - logistic).abs() < 1e-6, "{kind}: {:?}", batch.probabilities(0));
    }
}

#[test]
fn objects_that_are_not_known_are_refused_by_name() {
    let count = plain("n_features_in_", "2");
    for class in ["sklearn.neighbors._classification.KNeighborsClassifier", "builtins.eval", "os.system"] {
        let file = archive(&[("schema.json", object(class, &count).as_bytes())]);
        let told = told("m.skops", &file);
        assert!(told.contains(&format!("objects of the class {class} are not supported")), "{told}");
    }
    assert!(told("m.skops", &archive(&[("a", b"")])).contains("no member 'schema.json'"));
    assert!(told("m.skops", &archive(&[("schema.json", b"{")])).contains("schema.json: "));
}

#[test]
fn references_that_lead_back_end() {
    // A pipeline whose only step is the pipeline itself.
    let step =
        r#"{"__class__":"Pipeline","__module__":"sklearn.pipeline","__loader__":"CachedNode","__id__":1}"#;
    let name = r#"{"__class__":"str","__module__":"builtins","__loader__":"JsonNode","content":"\"a\""}"#;
    let pair = format!(
        r#"{{"__class__":"tuple","__module__":"builtins","__loader__":"TupleNode","content":[{name},{step}]}}"#
    );
    let steps = format!(
        r#""steps":{{"__class__":"list","__module__":"builtins","__loader__":"ListNode","content":[{pair}]}}"#
    );
    let members = [plain("n_features_in_", "2"), steps].join(",");
    let schema = object("sklearn.pipeline.Pipeline", &members).replacen('{', r#"{"__id__":1,"#, 1);
    let told = told("m.skops", &archive(&[("schema.json", schema.as_bytes())]));
    assert!(told.contains("nests deeper"), "{told}");
}
