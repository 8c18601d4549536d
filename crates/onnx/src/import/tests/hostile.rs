//! Small files that mean much: each is refused before it takes the time or the memory.

use super::*;

/// An array file of these numbers.
fn numbers(shape: &str, values: &[f64]) -> Vec<u8> {
    let head = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    crate::import::npy::tests::file(&head, &bytes)
}

/// An object without the name of its member.
fn unnamed(member: &str) -> String {
    member.split_once(':').unwrap().1.to_owned()
}

fn list(name: &str, elements: &[String]) -> String {
    format!(
        r#""{name}":{{"__class__":"list","__module__":"builtins","__loader__":"ListNode","content":[{}]}}"#,
        elements.join(",")
    )
}

/// A file of an object and arrays.
fn skops(class: &str, members: &[String], arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let schema = object(class, &members.join(","));
    let mut all = vec![("schema.json", schema.as_bytes())];
    all.extend(arrays.iter().map(|(name, bytes)| (*name, bytes.as_slice())));
    archive(&all)
}

#[test]
fn references_to_one_network_do_not_multiply_it() {
    const HIDDEN: usize = 50_000;
    let of = |file: &str| unnamed(&array("a", file));
    let network = [
        plain("n_features_in_", "2"),
        plain("out_activation_", "\"logistic\""),
        list("coefs_", &[of("w0.npy"), of("w1.npy")]),
        list("intercepts_", &[of("b0.npy"), of("b1.npy")]),
        array("classes_", "c.npy"),
    ];
    let class = "sklearn.neural_network._multilayer_perceptron.MLPClassifier";
    let network = object(class, &network.join(",")).replacen('{', r#"{"__id__":7,"#, 1);
    let cached = r#"{"__class__":"MLPClassifier","__module__":"sklearn.neural_network","__loader__":"CachedNode","__id__":7}"#;
    let file = |count: usize| {
        let mut members = vec![network.clone()];
        members.resize(count, cached.to_owned());
        let members = list("estimators_", &members);
        let members = [plain("voting", "\"soft\""), array("classes_", "c.npy"), members];
        skops(
            "sklearn.ensemble._voting.VotingClassifier",
            &members,
            &[
                ("w0.npy", numbers(&format!("(2, {HIDDEN})"), &vec![0.0; 2 * HIDDEN])),
                ("w1.npy", numbers(&format!("({HIDDEN}, 1)"), &vec![0.0; HIDDEN])),
                ("b0.npy", numbers(&format!("({HIDDEN},)"), &vec![0.0; HIDDEN])),
                ("b1.npy", numbers("(1,)", &[0.0])),
                ("c.npy", numbers("(2,)", &[0.0, 1.0])),
            ],
        )
    };
    assert!(convert("m.skops", &file(3), &[]).is_ok());
    let told = told("m.skops", &file(1000));
    assert!(told.contains("its references mean more than a file of this size can"), "{told}");
}

/// A machine of one vector a class, of which each class has so many.
fn machine(classes: usize, sizes: &[f64]) -> Vec<u8> {
    let (pairs, others) = (classes * (classes - 1) / 2, classes - 1);
    let labels: Vec<f64> = (0..classes).map(|class| class as f64).collect();
    let members = [
        plain("n_features_in_", "1"),
        plain("kernel", "\"linear\""),
        plain("_gamma", "1"),
        array("support_vectors_", "v.npy"),
        array("_dual_coef_", "d.npy"),
        array("_intercept_", "i.npy"),
        array("_n_support", "n.npy"),
        array("classes_", "c.npy"),
    ];
    let arrays = [
        ("v.npy", numbers(&format!("({classes}, 1)"), &vec![1.0; classes])),
        ("d.npy", numbers(&format!("({others}, {classes})"), &vec![1.0; others * classes])),
        ("i.npy", numbers(&format!("({pairs},)"), &vec![0.0; pairs])),
        ("n.npy", numbers(&format!("({classes},)"), sizes)),
        ("c.npy", numbers(&format!("({classes},)"), &labels)),
    ];
    skops("sklearn.svm._classes.SVC", &members, &arrays)
}

#[test]
fn pairs_of_many_classes_are_not_written_out() {
    assert!(convert("m.skops", &machine(3, &[1.0; 3]), &[]).is_ok());
    let told_of_many = told("m.skops", &machine(300, &[1.0; 300]));
    assert!(told_of_many.contains("the graph written (bytes)"), "{told_of_many}");
    for sizes in [[1e300, -1e300, 3.0], [1.5, 0.5, 1.0], [-1.0, 3.0, 1.0]] {
        let told = told("m.skops", &machine(3, &sizes));
        assert!(told.contains("do not fit 3 classes"), "{sizes:?}: {told}");
    }
}

#[test]
fn columns_of_many_categories_do_not_multiply() {
    let encoder = [plain("n_features_in_", "1"), list("categories_", &[unnamed(&array("a", "k.npy"))])];
    let encoder = object("sklearn.preprocessing._encoders.OneHotEncoder", &encoder.join(","));
    let model = object("sklearn.linear_model._base.LinearRegression", &plain("intercept_", "0"));
    let step = |object: String| unnamed(&list("step", &[unnamed(&plain("a", "\"a\"")), object]));
    let pipeline = [list("steps", &[step(encoder), step(model)])];
    let file = |count: usize| {
        let categories: Vec<f64> = (0..count).map(|at| at as f64).collect();
        let categories = ("k.npy", numbers(&format!("({count},)"), &categories));
        skops("sklearn.pipeline.Pipeline", &pipeline, &[categories])
    };
    // The columns of an encoder are no longer together than its categories.
    for count in [10, 20_000] {
        let told = told("m.skops", &file(count));
        assert!(told.contains("LinearRegression has no member 'coef_'"), "{count}: {told}");
    }
    let many = told("m.skops", &file(200_000));
    assert!(many.contains("makes more than 100000 columns"), "{many}");
}

#[test]
fn lists_of_categories_lie_within_the_file() {
    let none = r#""categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[]"#;
    for (nodes, starts, sizes, reason) in [
        ("0,0", "0,0", "2,-2", "node 0: its categories are out of range"),
        ("0,0", "0,0", "2,2", "its lists of categories overlap"),
        ("0", "0", "1.5", "node 0: its categories are out of range"),
        ("0", "-1", "1", "node 0: its categories are out of range"),
        ("0", "1e300", "1", "node 0: its categories are out of range"),
        ("0", "1", "1e300", "node 0: its categories are out of range"),
        ("-1", "0", "1", "node -1: its categories are out of range"),
    ] {
        let some = format!(
            r#""categories":[1,3],"categories_nodes":[{nodes}],"categories_segments":[{starts}],"categories_sizes":[{sizes}]"#
        );
        let told = told("m.json", xgboost((none, &some)).as_bytes());
        assert!(told.contains(reason), "{nodes} {starts} {sizes}: {told}");
    }
}

#[test]
fn a_set_is_read_once_however_many_branches_test_it() {
    const BRANCHES: usize = 4000;
    const WORDS: usize = 200_000;
    let list = |f: &dyn Fn(usize) -> String, n: usize| (0..n).map(f).collect::<Vec<_>>().join(" ");
    let zeros = list(&|_| "0".to_owned(), BRANCHES);
    let next = |i: usize| if i + 1 < BRANCHES { (i + 1).to_string() } else { format!("-{}", BRANCHES + 1) };
    let text = format!(
        "{HEADER}Tree=0\nnum_leaves={}\nnum_cat=1\nsplit_feature={zeros}\nthreshold={zeros}\ndecision_type={}\n\
         left_child={}\nright_child={}\nleaf_value={}\ncat_boundaries=0 {WORDS}\ncat_threshold={}5\n\n\nend of trees\n",
        BRANCHES + 1,
        list(&|_| "1".to_owned(), BRANCHES),
        list(&next, BRANCHES),
        list(&|i| format!("-{}", i + 1), BRANCHES),
        list(&|i| i.to_string(), BRANCHES + 1),
        "0 ".repeat(WORDS - 1),
    );
    // In the set of the first branch, as in all others, are the codes of the last word's bits 0 and 2.
    let first = (WORDS - 1) as f32 * 32.0;
    let model = read(&text);
    let last = BRANCHES as f32;
    assert_eq!(score(&model, &[first, first + 2.0, first + 1.0, 0.0]), [last, last, 0.0, 0.0]);
}

#[test]
fn headings_without_trees_are_refused() {
    let text = format!("{HEADER}{}end of trees\n", "Tree=\n".repeat(1000));
    assert!(told("m", text.as_bytes()).contains("more trees than a file of this size can hold"));
}
