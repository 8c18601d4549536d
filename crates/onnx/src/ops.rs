//! The operators. Each reads its attributes once, when the model is loaded; runs on whole tensors; and, where
//! its work is the same for every row, lowers itself to a step of the compiled program.

mod arithmetic;
mod broadcast;
mod cast;
mod classify;
mod compare;
mod encode;
mod features;
mod matmul;
mod pick;
mod reduce;
mod shape;
mod tree;
mod unary;

use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Lower, Value};
use crate::tensor::{Data, Tensor};
pub(crate) use broadcast::{places as broadcast_places, shape as broadcast_shape};

/// Inputs of a node; an omitted one is none.
pub(crate) type Inputs<'a> = [Option<&'a Tensor>];

/// A node ready to run.
pub(crate) trait Operator: std::fmt::Debug + Send + Sync {
    /// Runs on tensors.
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String>;

    /// Adds this node to a compiled program; fails when its work is not row by row.
    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String>;

    /// The texts this node compares its first input with, when it ends the way of texts through the graph.
    fn levels(&self) -> Option<Vec<String>> {
        None
    }
}

/// An operator.
pub(crate) type Op = Box<dyn Operator>;

/// Prepares a node.
pub(crate) fn build(node: &Node<'_>) -> Result<Op> {
    let op = if node.is_ml() { build_ml(node)? } else { build_onnx(node)? };
    op.ok_or_else(|| node.unsupported("this operator is not supported"))
}

fn build_ml(node: &Node<'_>) -> Result<Option<Op>> {
    Ok(Some(match node.op() {
        "ArrayFeatureExtractor" => pick::array_feature_extractor(),
        "Binarizer" => features::binarizer(node)?,
        "FeatureVectorizer" => features::vectorizer(node)?,
        "Imputer" => features::imputer(node)?,
        "LabelEncoder" => encode::label_encoder(node)?,
        "LinearClassifier" => classify::linear_classifier(node)?,
        "LinearRegressor" => classify::linear_regressor(node)?,
        "Normalizer" => features::normalizer(node)?,
        "OneHotEncoder" => encode::one_hot(node)?,
        "Scaler" => features::scaler(node)?,
        "TreeEnsembleClassifier" => tree::classifier(node)?,
        "TreeEnsembleRegressor" => tree::regressor(node)?,
        "ZipMap" => shape::zip_map(),
        _ => return Ok(None),
    }))
}

fn build_onnx(node: &Node<'_>) -> Result<Option<Op>> {
    if node.has("broadcast") {
        return Err(node.unsupported("the broadcasting of operator sets before 7 is not supported"));
    }
    if let Some(op) = unary::build(node.op()).or_else(|| compare::build(node.op())) {
        return Ok(Some(op));
    }
    if let Some(op) = arithmetic::build(node.op()) {
        return Ok(Some(op));
    }
    Ok(Some(match node.op() {
        "ArgMax" | "ArgMin" => reduce::arg(node)?,
        "Cast" => cast::cast(node)?,
        "Clip" => unary::clip(node)?,
        "Concat" => pick::concat(node)?,
        "Constant" => shape::constant(node)?,
        "Flatten" => shape::flatten(node)?,
        "Gather" => pick::gather(node)?,
        "Gemm" => matmul::gemm(node)?,
        "Identity" | "Dropout" => shape::identity(),
        "IsNaN" => unary::is_nan(),
        "MatMul" => matmul::matmul(),
        "Reshape" => shape::reshape(node)?,
        "Shape" => shape::shape_of(node)?,
        "Softmax" | "LogSoftmax" => reduce::softmax(node)?,
        "Squeeze" => shape::squeeze(node)?,
        "Transpose" => shape::transpose(node)?,
        "Unsqueeze" => shape::unsqueeze(node)?,
        name if name.starts_with("Reduce") => return reduce::reduce(node),
        _ => return Ok(None),
    }))
}

/// The input at `index`, which must be there.
pub(crate) fn need<'a>(inputs: &Inputs<'a>, index: usize) -> Result<&'a Tensor, String> {
    inputs.get(index).copied().flatten().ok_or_else(|| format!("input {index} is missing"))
}

/// The value at `index`, which must be there.
pub(crate) fn need_value(inputs: &[Option<Value>], index: usize) -> Result<&Value, String> {
    inputs.get(index).and_then(Option::as_ref).ok_or_else(|| format!("input {index} is missing"))
}

/// The numbers of a tensor as f32.
pub(crate) fn numbers(tensor: &Tensor) -> Result<std::borrow::Cow<'_, [f32]>, String> {
    Ok(match &tensor.data {
        Data::Float(v) => v.as_slice().into(),
        Data::Double(v) => v.iter().map(|&x| x as f32).collect::<Vec<_>>().into(),
        Data::Int64(v) => v.iter().map(|&x| x as f32).collect::<Vec<_>>().into(),
        Data::Int32(v) => v.iter().map(|&x| x as f32).collect::<Vec<_>>().into(),
        Data::Uint8(v) => v.iter().map(|&x| f32::from(x)).collect::<Vec<_>>().into(),
        Data::Bool(v) => v.iter().map(|&x| f32::from(u8::from(x))).collect::<Vec<_>>().into(),
        Data::Text(_) => return Err("takes numbers, not strings".to_owned()),
    })
}

/// The integers of a tensor.
pub(crate) fn integers(tensor: &Tensor) -> Result<Vec<i64>, String> {
    match &tensor.data {
        Data::Int64(v) => Ok(v.clone()),
        Data::Int32(v) => Ok(v.iter().map(|&x| i64::from(x)).collect()),
        other => Err(format!("takes integers, not {}", other.type_name())),
    }
}

/// An axis counted from the end when negative.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let from_start = if axis < 0 { axis + rank as i64 } else { axis };
    let found = usize::try_from(from_start).ok().filter(|&a| a < rank);
    found.ok_or_else(|| format!("axis {axis} is out of range for {rank} dimensions"))
}

/// A `[rows, width]` view of a tensor: one dimension is one row.
pub(crate) fn matrix(tensor: &Tensor) -> Result<(usize, usize), String> {
    match *tensor.dims.as_slice() {
        [width] => Ok((1, width)),
        [rows, width] => Ok((rows, width)),
        _ => Err(format!("takes one or two dimensions, got {:?}", tensor.dims)),
    }
}

/// A float tensor.
pub(crate) fn float(dims: Vec<usize>, values: Vec<f32>) -> Tensor {
    Tensor { dims, data: Data::Float(values) }
}
