//! The operators. Each reads its attributes once, when the model is loaded; runs on whole tensors; and, where
//! its work is the same for every row, lowers itself to a step of the compiled program.

mod arithmetic;
mod broadcast;
mod cast;
mod classify;
mod compare;
mod curves;
mod encode;
mod features;
mod made;
mod matmul;
mod moves;
mod normalize;
mod order;
mod pick;
mod probability;
mod reduce;
pub(crate) mod schema;
mod shape;
mod svm;
mod tree;
mod unary;
mod words;

use crate::attrs::Node;
use crate::error::Result;
use crate::limits;
use crate::program::{EXACT, Lower, Value};
use crate::tensor::{Data, Tensor};
pub(crate) use broadcast::{places as broadcast_places, shape as broadcast_shape};
pub(crate) use words::coded;

/// Inputs of a node, and how many elements it may make of them.
#[derive(Debug, Clone)]
pub(crate) struct Inputs<'a> {
    values: Vec<Option<&'a Tensor>>,
    /// Most elements of one result.
    pub room: usize,
}

impl<'a> Inputs<'a> {
    pub fn new(values: Vec<Option<&'a Tensor>>, room: usize) -> Self {
        Self { values, room }
    }

    /// Number of inputs, omitted ones too.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// An input; none when it is omitted.
    pub fn get(&self, index: usize) -> Option<&'a Tensor> {
        self.values.get(index).copied().flatten()
    }

    /// The number of elements of a result of these dimensions, when there is room for it.
    pub fn count(&self, dims: &[usize]) -> Result<usize, String> {
        if dims.len() > limits::RANK {
            return Err(format!("makes {} dimensions, the limit is {}", dims.len(), limits::RANK));
        }
        let room = dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d.max(1)));
        match room {
            Some(n) if n <= self.room => Ok(if dims.contains(&0) { 0 } else { n }),
            _ => Err(format!("the result {dims:?} has more than {} elements", self.room)),
        }
    }
}

/// A node ready to run.
pub(crate) trait Operator: std::fmt::Debug + Send + Sync {
    /// Runs on tensors.
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String>;

    /// Adds this node to a compiled program; fails when its work is not row by row.
    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String>;

    /// Steps of running on these tensors, of about a nanosecond, where they are many more than the elements that come
    /// in and go out.
    fn work(&self, _: &Inputs<'_>) -> usize {
        0
    }

    /// Words of the sets of categories its trees test.
    fn sets(&self) -> usize {
        0
    }

    /// The texts this node compares its first input with, when it ends the way of texts through the graph.
    fn levels(&self) -> Option<Vec<String>> {
        None
    }

    /// What this node gives for any row, when it stands in the file.
    fn constant(&self) -> Option<&Tensor> {
        None
    }

    /// Whether this node reads the texts of its first input, not only which of some texts they are.
    fn reads_whole(&self) -> bool {
        false
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
        "CategoryMapper" => encode::category_mapper(node)?,
        "FeatureVectorizer" => features::vectorizer(node)?,
        "Imputer" => features::imputer(node)?,
        "LabelEncoder" => encode::label_encoder(node)?,
        "LinearClassifier" => classify::linear_classifier(node)?,
        "LinearRegressor" => classify::linear_regressor(node)?,
        "Normalizer" => features::normalizer(node)?,
        "OneHotEncoder" => encode::one_hot(node)?,
        "SVMClassifier" => svm::classifier(node)?,
        "SVMRegressor" => svm::regressor(node)?,
        "Scaler" => features::scaler(node)?,
        "TreeEnsemble" => tree::ensemble(node)?,
        "TreeEnsembleClassifier" => tree::classifier(node)?,
        "TreeEnsembleRegressor" => tree::regressor(node)?,
        "ZipMap" => shape::zip_map(node)?,
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
    if let Some(op) = arithmetic::build(node)? {
        return Ok(Some(op));
    }
    if let Some(op) =
        moves::build(node)?.or(curves::build(node)?).or(made::build(node)?).or(words::build(node)?)
    {
        return Ok(Some(op));
    }
    Ok(Some(match node.op() {
        "ArgMax" | "ArgMin" => reduce::arg(node)?,
        "BatchNormalization" => normalize::batch(node)?,
        "Cast" => cast::cast(node)?,
        "CastLike" => cast::cast_like(),
        "Clip" => unary::clip(node)?,
        "Concat" => pick::concat(node)?,
        "CumSum" => order::cum_sum(node)?,
        "Flatten" => shape::flatten(node)?,
        "Gather" => pick::gather(node)?,
        "Gemm" => matmul::gemm(node)?,
        "Dropout" => shape::dropout(node)?,
        "Identity" => shape::identity(),
        "IsInf" => unary::is_inf(node)?,
        "IsNaN" => unary::is_nan(),
        "LayerNormalization" => normalize::layer(node)?,
        "MatMul" => matmul::matmul(),
        "Reshape" => shape::reshape(node)?,
        "Softmax" | "LogSoftmax" | "Hardmax" => reduce::softmax(node)?,
        "Squeeze" => shape::squeeze(node)?,
        "TopK" => order::top_k(node)?,
        "Unsqueeze" => shape::unsqueeze(node)?,
        name if name.starts_with("Reduce") => return reduce::reduce(node),
        _ => return Ok(None),
    }))
}

/// Whether a node of the operator sets before 7 is in training mode, as it was then unless it said otherwise.
fn trained_of_old(node: &Node<'_>) -> Result<bool> {
    Ok(node.version < 7 && node.int("is_test")?.unwrap_or(0) == 0)
}

/// The input at `index`, which must be there.
pub(crate) fn need<'a>(inputs: &Inputs<'a>, index: usize) -> Result<&'a Tensor, String> {
    inputs.get(index).ok_or_else(|| format!("input {index} is missing"))
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

/// The numbers of a constant beside those of a row, which are f32; refuses integers that another one may be rounded to.
pub(crate) fn told_apart(tensor: &Tensor) -> Result<std::borrow::Cow<'_, [f32]>, String> {
    let far = |x: &i64| x.unsigned_abs() >= EXACT.unsigned_abs();
    let found = match &tensor.data {
        Data::Int64(v) => v.iter().copied().find(far),
        Data::Int32(v) => v.iter().map(|&x| i64::from(x)).find(far),
        _ => None,
    };
    match found {
        Some(x) => Err(format!("integer {x} is too large to be compiled")),
        None => numbers(tensor),
    }
}

/// The numbers of a tensor as f64.
pub(crate) fn wide(tensor: &Tensor) -> Result<Vec<f64>, String> {
    Ok(match &tensor.data {
        Data::Float(v) => v.iter().map(|&x| x.into()).collect(),
        Data::Double(v) => v.clone(),
        Data::Uint8(v) => v.iter().map(|&x| x.into()).collect(),
        _ => integers(tensor)?.into_iter().map(|x| x as f64).collect(),
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
