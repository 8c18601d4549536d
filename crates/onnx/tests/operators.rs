//! Operators one at a time: what they give, that both ways of running agree, and what they refuse.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stop at what is not as expected")]

use portcullis_onnx::{Attr, Data, Domain, ElementType, Error, GraphBuilder, Model, Tensor};

const NAN: f32 = f32::NAN;

fn floats(dims: &[usize], values: &[f32]) -> Tensor {
    Tensor::new(dims.to_vec(), Data::Float(values.to_vec())).unwrap()
}

fn ints(dims: &[usize], values: &[i64]) -> Tensor {
    Tensor::new(dims.to_vec(), Data::Int64(values.to_vec())).unwrap()
}

fn texts(dims: &[usize], values: &[&str]) -> Tensor {
    Tensor::new(dims.to_vec(), Data::Text(values.iter().map(|&v| v.to_owned()).collect())).unwrap()
}

fn kind(tensor: &Tensor) -> ElementType {
    match tensor.data {
        Data::Int64(_) => ElementType::Int64,
        Data::Bool(_) => ElementType::Bool,
        Data::Text(_) => ElementType::String,
        _ => ElementType::Float,
    }
}

/// One node to try.
struct Try<'a> {
    domain: Domain,
    op: &'a str,
    inputs: Vec<Tensor>,
    attributes: Vec<(&'a str, Attr)>,
}

impl Try<'_> {
    /// Runs the node; its second and later inputs are constants of the graph.
    fn run(self) -> Result<Tensor, Error> {
        let mut graph = GraphBuilder::new("one");
        let x = self.inputs[0].clone();
        graph.input("x", kind(&x), x.dims[1] as i64);
        graph.output("y", ElementType::Float, &[-1, -1]);
        let mut names = vec!["x".to_owned()];
        for tensor in &self.inputs[1..] {
            let dims: Vec<i64> = tensor.dims.iter().map(|&d| d as i64).collect();
            names.push(match &tensor.data {
                Data::Float(v) => graph.floats("c", &dims, v.clone()),
                Data::Int64(v) => graph.ints("c", &dims, v.clone()),
                Data::Text(v) => graph.strings("c", &dims, v.clone()),
                other => panic!("{}", other.type_name()),
            });
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        graph.node(self.domain, self.op, &names, &["y"], self.attributes);
        let model = Model::from_bytes(&graph.finish()?)?;
        model.run_tensors(vec![("x".to_owned(), x)]).map(|mut out| out.remove(0).1)
    }
}

fn plain(op: &str, inputs: &[Tensor], attributes: Vec<(&str, Attr)>) -> Result<Tensor, Error> {
    Try { domain: Domain::Onnx, op, inputs: inputs.to_vec(), attributes }.run()
}

fn ml(op: &str, x: &Tensor, attributes: Vec<(&str, Attr)>) -> Result<Tensor, Error> {
    Try { domain: Domain::Ml, op, inputs: vec![x.clone()], attributes }.run()
}

#[track_caller]
fn gives(got: Result<Tensor, Error>, expected: &Tensor) {
    let got = got.unwrap();
    assert_eq!(got.dims, expected.dims);
    match (&got.data, &expected.data) {
        (Data::Float(a), Data::Float(b)) => {
            let close = |a: f32, b: f32| (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() < 1e-6;
            assert!(a.iter().zip(b).all(|(&a, &b)| close(a, b)), "{a:?}, expected {b:?}");
        }
        (a, b) => assert_eq!(a, b),
    }
}

#[track_caller]
fn refuses(got: Result<Tensor, Error>, expected: &str) {
    let message = got.unwrap_err().to_string();
    assert!(message.contains(expected), "{message:?} does not say {expected:?}");
}

#[test]
fn arithmetic_broadcasts() {
    let x = floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    gives(
        plain("Add", &[x.clone(), floats(&[2], &[10.0, 20.0])], vec![]),
        &floats(&[2, 2], &[11.0, 22.0, 13.0, 24.0]),
    );
    gives(
        plain("Div", &[x.clone(), floats(&[2, 1], &[1.0, 2.0])], vec![]),
        &floats(&[2, 2], &[1.0, 2.0, 1.5, 2.0]),
    );
    gives(plain("Mean", &[x.clone(), floats(&[], &[3.0])], vec![]), &floats(&[2, 2], &[2.0, 2.5, 3.0, 3.5]));
    refuses(plain("Sub", &[x.clone(), floats(&[3], &[0.0; 3])], vec![]), "can't be brought together");
    refuses(plain("Mul", &[x, ints(&[1], &[2])], vec![]), "float with int64");
    let whole = ints(&[1, 2], &[7, -7]);
    gives(plain("Div", &[whole.clone(), ints(&[], &[2])], vec![]), &ints(&[1, 2], &[3, -3]));
    refuses(plain("Div", &[whole, ints(&[], &[0])], vec![]), "divides by zero");
}

#[test]
fn comparisons_and_missing_values() {
    let x = floats(&[1, 3], &[1.0, NAN, 3.0]);
    let bools = |v: &[bool]| Tensor::new(vec![1, 3], Data::Bool(v.to_vec())).unwrap();
    gives(plain("IsNaN", std::slice::from_ref(&x), vec![]), &bools(&[false, true, false]));
    gives(plain("Less", &[x.clone(), floats(&[], &[2.0])], vec![]), &bools(&[true, false, false]));
    let words = texts(&[1, 3], &["a", "", "b"]);
    gives(plain("Equal", &[words.clone(), texts(&[1], &["b"])], vec![]), &bools(&[false, false, true]));
    refuses(plain("Less", &[words, texts(&[1], &["b"])], vec![]), "does not compare string with string");
    gives(
        plain("Clip", &[x, floats(&[], &[1.5]), floats(&[], &[2.0])], vec![]),
        &floats(&[1, 3], &[1.5, NAN, 2.0]),
    );
}

#[test]
fn curves_keep_what_is_missing() {
    let x = floats(&[1, 2], &[NAN, 0.0]);
    let curves = [
        "Celu",
        "Elu",
        "Selu",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Softplus",
        "Softsign",
        "Relu",
        "Erf",
    ];
    for op in curves {
        let Data::Float(made) = plain(op, std::slice::from_ref(&x), vec![]).unwrap().data else {
            panic!("{op}: no floats")
        };
        assert!(made[0].is_nan() && made[1].is_finite(), "{op}: {made:?}");
    }
    gives(plain("Celu", &[floats(&[1, 2], &[-1.0, 2.0])], vec![]), &floats(&[1, 2], &[-0.632_120_6, 2.0]));
}

#[test]
fn reductions_and_best_columns() {
    let x = floats(&[2, 3], &[1.0, 5.0, 5.0, 4.0, 2.0, 3.0]);
    let row = || ints(&[1], &[1]);
    gives(plain("ReduceSum", &[x.clone(), row()], vec![]), &floats(&[2, 1], &[11.0, 9.0]));
    let flat = vec![("axes", Attr::Ints(vec![-1])), ("keepdims", Attr::Int(0))];
    gives(plain("ReduceMax", std::slice::from_ref(&x), flat), &floats(&[2], &[5.0, 4.0]));
    let axis = |last: i64| {
        vec![("axis", Attr::Int(1)), ("keepdims", Attr::Int(0)), ("select_last_index", Attr::Int(last))]
    };
    gives(plain("ArgMax", std::slice::from_ref(&x), axis(0)), &ints(&[2], &[1, 0]));
    gives(plain("ArgMax", std::slice::from_ref(&x), axis(1)), &ints(&[2], &[2, 0]));
    gives(plain("ArgMin", std::slice::from_ref(&x), axis(0)), &ints(&[2], &[0, 1]));
    gives(plain("Softmax", &[floats(&[1, 2], &[1000.0, 1000.0])], vec![]), &floats(&[1, 2], &[0.5, 0.5]));
    refuses(plain("ArgMax", &[x], vec![("axis", Attr::Int(5))]), "axis 5 is out of range");
}

#[test]
fn matrices() {
    let x = floats(&[1, 2], &[1.0, 2.0]);
    let w = floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    gives(plain("MatMul", &[x.clone(), w.clone()], vec![]), &floats(&[1, 2], &[7.0, 10.0]));
    let turned = vec![("transB", Attr::Int(1)), ("alpha", Attr::Float(2.0)), ("beta", Attr::Float(0.5))];
    gives(plain("Gemm", &[x.clone(), w, floats(&[1], &[4.0])], turned), &floats(&[1, 2], &[12.0, 24.0]));
    refuses(plain("MatMul", &[x, floats(&[3, 1], &[0.0; 3])], vec![]), "do not fit");
    let whole = [ints(&[1, 2], &[3, i64::MAX]), ints(&[2, 1], &[5, 2])];
    gives(plain("MatMul", &whole, vec![]), &ints(&[1, 1], &[13]));
}

#[test]
fn columns_are_picked_and_cast() {
    let x = floats(&[2, 3], &[1.5, 2.5, 3.5, -4.5, 5.0, 6.0]);
    let axis = vec![("axis", Attr::Int(1))];
    gives(
        plain("Gather", &[x.clone(), ints(&[2], &[-1, 0])], axis.clone()),
        &floats(&[2, 2], &[3.5, 1.5, 6.0, -4.5]),
    );
    refuses(plain("Gather", &[x.clone(), ints(&[1], &[3])], axis), "index 3 is out of range");
    let whole = vec![("to", Attr::Int(7))];
    gives(plain("Cast", &[x], whole.clone()), &ints(&[2, 3], &[1, 2, 3, -4, 5, 6]));
    let to_text = vec![("to", Attr::Int(8))];
    gives(plain("Cast", &[ints(&[1, 2], &[-3, 4])], to_text), &texts(&[1, 2], &["-3", "4"]));
    gives(plain("Cast", &[texts(&[1, 1], &[" 12 "])], whole.clone()), &ints(&[1, 1], &[12]));
    refuses(plain("Cast", &[texts(&[1, 1], &["twelve"])], whole), "\"twelve\" is no number");
}

#[test]
fn encoders() {
    let words = texts(&[2, 1], &["b", "?"]);
    let keys = || ("keys_strings", Attr::Texts(vec!["a".to_owned(), "b".to_owned()]));
    let values = ("values_floats", Attr::Floats(vec![1.0, 2.0]));
    gives(
        ml("LabelEncoder", &words, vec![keys(), values.clone(), ("default_float", Attr::Float(NAN))]),
        &floats(&[2, 1], &[2.0, NAN]),
    );
    gives(
        ml("LabelEncoder", &words, vec![keys(), ("values_int64s", Attr::Ints(vec![5, 6]))]),
        &ints(&[2, 1], &[6, -1]),
    );
    refuses(
        ml("LabelEncoder", &words, vec![keys(), ("values_int64s", Attr::Ints(vec![5]))]),
        "2 keys and 1 values",
    );
    refuses(ml("LabelEncoder", &words, vec![keys()]), "needs keys and values");
    let cats = ("cats_strings", Attr::Texts(vec!["a".to_owned(), "b".to_owned()]));
    gives(ml("OneHotEncoder", &words, vec![cats.clone()]), &floats(&[2, 1, 2], &[0.0, 1.0, 0.0, 0.0]));
    refuses(ml("OneHotEncoder", &words, vec![cats, ("zeros", Attr::Int(0))]), "no category");
}

#[test]
fn numeric_features() {
    let x = floats(&[2, 2], &[1.0, NAN, -3.0, 4.0]);
    let imputed = vec![
        ("imputed_value_floats", Attr::Floats(vec![7.0, 8.0])),
        ("replaced_value_float", Attr::Float(NAN)),
    ];
    gives(ml("Imputer", &x, imputed), &floats(&[2, 2], &[1.0, 8.0, -3.0, 4.0]));
    let scaling = vec![("offset", Attr::Floats(vec![1.0])), ("scale", Attr::Floats(vec![2.0, 10.0]))];
    gives(ml("Scaler", &x, scaling), &floats(&[2, 2], &[0.0, NAN, -8.0, 30.0]));
    gives(
        ml("Binarizer", &x, vec![("threshold", Attr::Float(1.0))]),
        &floats(&[2, 2], &[0.0, 0.0, 0.0, 1.0]),
    );
    let y = floats(&[2, 2], &[3.0, -4.0, 0.0, 0.0]);
    gives(
        ml("Normalizer", &y, vec![("norm", Attr::Text("L2".to_owned()))]),
        &floats(&[2, 2], &[0.6, -0.8, 0.0, 0.0]),
    );
    refuses(ml("Scaler", &x, vec![("scale", Attr::Floats(vec![1.0; 3]))]), "takes 3 columns, got 2");
    let slope = vec![("coefficients", Attr::Floats(vec![2.0, 1.0])), ("intercepts", Attr::Floats(vec![0.5]))];
    gives(ml("LinearRegressor", &y, slope), &floats(&[2, 1], &[2.5, 0.5]));
}

#[test]
fn doubles_are_computed_as_doubles() {
    let run = |square: bool, (domain, op): (Domain, &str), attributes: Vec<(&str, Attr)>, x: &[f32]| {
        let mut graph = GraphBuilder::new("doubles");
        graph.input("x", ElementType::Float, 2);
        graph.output("y", ElementType::Float, &[-1, 2]);
        graph.node(Domain::Onnx, "Cast", &["x"], &["wide"], vec![("to", Attr::Int(11))]);
        graph.node(Domain::Onnx, "Mul", &["wide", "wide"], &["squared"], vec![]);
        graph.node(domain, op, &[if square { "squared" } else { "wide" }], &["y"], attributes);
        let model = Model::from_bytes(&graph.finish().unwrap()).unwrap();
        model.run_tensors(vec![("x".to_owned(), floats(&[1, 2], x))]).unwrap().remove(0).1.data
    };
    for (op, expected) in
        [("Softmax", 0.268_941_421_369_995), ("LogSoftmax", -1.313_261_687_518_223), ("Hardmax", 0.0)]
    {
        let Data::Double(made) = run(false, (Domain::Onnx, op), vec![], &[0.0, 1.0]) else {
            panic!("{op}: no doubles")
        };
        assert!((made[0] - expected).abs() < 1e-14, "{op}: {made:?}");
    }
    // 40001² is 1600080001, which f32 does not hold.
    let scaling = vec![("offset", Attr::Floats(vec![1.6e9])), ("scale", Attr::Floats(vec![1.0]))];
    let scaled = run(true, (Domain::Ml, "Scaler"), scaling, &[40_001.0, 40_000.0]);
    assert_eq!(scaled, Data::Float(vec![80_001.0, 0.0]));
}

type RowNode = (&'static str, Domain, Vec<Tensor>, Vec<(&'static str, Attr)>);

/// Nodes from `[N, 3]` to something per row, with their constants.
fn row_nodes() -> Vec<RowNode> {
    let one = Domain::Onnx;
    let row = || ints(&[1], &[1]);
    let unary = [
        "Abs", "Neg", "Sign", "Exp", "Sigmoid", "Tanh", "Floor", "Ceil", "Round", "Relu", "Softplus",
        "Identity", "Softmax",
    ];
    let mut nodes: Vec<_> = unary.map(|op| (op, one, vec![], vec![])).to_vec();
    for op in ["Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "Sum", "Mean"] {
        nodes.push((op, one, vec![floats(&[3], &[1.5, 2.0, 3.0])], vec![]));
    }
    nodes.push(("ReduceSum", one, vec![row()], vec![]));
    nodes.push(("ReduceMean", one, vec![], vec![("axes", Attr::Ints(vec![1])), ("keepdims", Attr::Int(1))]));
    nodes.extend([
        ("Gather", one, vec![ints(&[2], &[2, 0])], vec![("axis", Attr::Int(1))]),
        ("Gather", one, vec![ints(&[2], &[1, 2])], vec![("axis", Attr::Int(1))]),
        ("Reshape", one, vec![ints(&[3], &[0, 3, 1])], vec![]),
        ("Flatten", one, vec![], vec![]),
        ("Unsqueeze", one, vec![ints(&[1], &[2])], vec![]),
        ("Clip", one, vec![floats(&[], &[-0.5]), floats(&[], &[0.5])], vec![]),
        ("MatMul", one, vec![floats(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])], vec![]),
        ("Gemm", one, vec![floats(&[3, 1], &[1.0, 2.0, 3.0]), floats(&[1], &[0.1])], vec![]),
        ("ReduceLogSumExp", one, vec![], vec![("axes", Attr::Ints(vec![1]))]),
        ("ArrayFeatureExtractor", Domain::Ml, vec![ints(&[2], &[2, 1])], vec![]),
        ("Normalizer", Domain::Ml, vec![], vec![("norm", Attr::Text("L1".to_owned()))]),
        ("Scaler", Domain::Ml, vec![], vec![("offset", Attr::Floats(vec![1.0, 2.0, 3.0]))]),
        ("FeatureVectorizer", Domain::Ml, vec![], vec![("inputdimensions", Attr::Ints(vec![2]))]),
    ]);
    nodes
}

#[test]
fn rows_and_tensors_give_the_same() {
    let x = floats(&[4, 3], &[1.0, -2.0, 0.5, 0.25, 3.5, -1.5, 0.0, 2.5, 1.5, -0.75, 0.1, 9.0]);
    for (op, domain, constants, attributes) in row_nodes() {
        let mut graph = GraphBuilder::new(op);
        graph.input("x", ElementType::Float, 3);
        graph.output("y", ElementType::Float, &[-1]);
        let mut names = vec!["x".to_owned()];
        for tensor in &constants {
            let dims: Vec<i64> = tensor.dims.iter().map(|&d| d as i64).collect();
            names.push(match &tensor.data {
                Data::Float(v) => graph.floats("c", &dims, v.clone()),
                Data::Int64(v) => graph.ints("c", &dims, v.clone()),
                other => panic!("{}", other.type_name()),
            });
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        graph.node(domain, op, &names, &["middle"], attributes);
        // One number a row.
        graph.node(Domain::Onnx, "Flatten", &["middle"], &["flat"], vec![]);
        graph.node(
            Domain::Onnx,
            "ReduceSumSquare",
            &["flat"],
            &["y"],
            vec![("axes", Attr::Ints(vec![1])), ("keepdims", Attr::Int(0))],
        );
        let model = Model::from_bytes(&graph.finish().unwrap()).unwrap();
        let out = model.run_tensors(vec![("x".to_owned(), x.clone())]).unwrap().remove(0).1;
        let Data::Float(expected) = out.data else { panic!("{op}: no floats") };
        let Data::Float(values) = &x.data else { panic!("no floats") };
        let mut batch = model.batch();
        for row in values.chunks(3) {
            batch.push_row();
            (0..3).for_each(|i| batch.set_number(0, i, row[i]));
        }
        model.predict(&mut batch).unwrap_or_else(|e| panic!("{op}: {e}"));
        for (row, &expected) in expected.iter().enumerate() {
            let got = batch.value(row);
            assert!(
                got == expected || (got.is_nan() && expected.is_nan()),
                "{op}: {got}, expected {expected}"
            );
        }
    }
}

/// A text that stands in a node is told apart like one among the initializers; one that other nodes make is not known when
/// rows are compiled.
#[test]
fn texts_are_compared_with_those_of_nodes() {
    let compared = |computed: bool| {
        let mut graph = GraphBuilder::new("equal");
        graph.input("x", ElementType::String, 1);
        graph.output("y", ElementType::Float, &[-1, 1]);
        let wanted = vec![("value_strings", Attr::Texts(vec!["a".to_owned()]))];
        graph.node(Domain::Onnx, "Constant", &[], &["a"], wanted);
        if computed {
            let other = |name, text: &str| (name, Attr::Texts(vec![text.to_owned()]));
            let keys = vec![other("keys_strings", "a"), other("values_strings", "aa")];
            graph.node(Domain::Ml, "LabelEncoder", &["a"], &["wanted"], keys);
        } else {
            graph.node(Domain::Onnx, "Identity", &["a"], &["wanted"], vec![]);
        }
        graph.node(Domain::Onnx, "Equal", &["x", "wanted"], &["same"], vec![]);
        graph.node(Domain::Onnx, "Cast", &["same"], &["y"], vec![("to", Attr::Int(1))]);
        Model::from_bytes(&graph.finish().unwrap()).unwrap()
    };
    let model = compared(false);
    let mut batch = model.batch();
    for text in ["a", "b", "aa"] {
        batch.push_row();
        batch.set_text(&model, 0, 0, text);
    }
    model.predict(&mut batch).unwrap();
    assert_eq!([batch.value(0), batch.value(1), batch.value(2)], [1.0, 0.0, 0.0]);
    assert!(compared(true).predictable().is_err());
}

/// A row is not refused for an index beyond a constant, as other runtimes do: it is a missing number, and where there is
/// none, as among labels, the graph is not compiled.
#[test]
fn indices_beyond_a_constant() {
    let table = |labels: bool| {
        let mut graph = GraphBuilder::new("table");
        graph.input("i", ElementType::Int64, 1);
        graph.output("y", ElementType::Float, &[-1, 1]);
        let table = match labels {
            true => graph.strings("t", &[3], ["a", "b", "c"].map(str::to_owned).to_vec()),
            false => graph.floats("t", &[3], vec![5.0, 6.0, 7.0]),
        };
        graph.node(Domain::Onnx, "Gather", &[&table, "i"], &["y"], vec![]);
        Model::from_bytes(&graph.finish().unwrap()).unwrap()
    };
    let model = table(false);
    let mut batch = model.batch();
    for index in [2.0, -3.0, 3.0, -4.0, NAN] {
        batch.push_row();
        batch.set_number(0, 0, index);
    }
    model.predict(&mut batch).unwrap();
    let got: Vec<f32> = (0..5).map(|row| batch.value(row)).collect();
    assert_eq!(got[..2], [7.0, 5.0]);
    assert!(got[2..].iter().all(|x| x.is_nan()), "{got:?}");
    let why = table(true).predictable().unwrap_err();
    assert!(why.is_uncovered() && why.to_string().contains("may lie beyond"), "{why}");
}

#[test]
fn numbers_that_an_integer_does_not_hold() {
    let cast =
        |to| plain("Cast", &[floats(&[1, 3], &[NAN, 1e30, -2.7])], vec![("to", Attr::Int(to))]).unwrap();
    assert_eq!(cast(7).data, Data::Int64(vec![i64::MIN, i64::MIN, -2]));
    assert_eq!(cast(6).data, Data::Int32(vec![i32::MIN, i32::MIN, -2]));
}
