//! What each operator does to contributions.

use super::curves::Curve;
use super::sums::{Softmax, added, curved, joined, matrix, product, quotient};
use super::trees::{Shap, Stated};
use super::value::{Sum, room};
use crate::attrs::Node;
use crate::error::Result;
use crate::forest;
use crate::scores::{Labels, Post};
use crate::tensor::Tensor;

/// Runs an operator on tensors in place of the inputs that hold elements.
pub(super) type Run<'a> = dyn Fn(&[Tensor]) -> Result<Vec<Tensor>, String> + 'a;

/// What an operator does.
#[derive(Debug)]
pub(super) enum Rule {
    /// Puts elements in another order or shape; how many of its first inputs hold elements.
    Moves(usize),
    /// A curve of one variable, element by element.
    Curve(Curve),
    /// Works element by element on one input.
    Keeps,
    /// Every element becomes several, side by side.
    Widens,
    /// Takes texts apart.
    Splits,
    /// Works element by element on several inputs, with broadcasting.
    Meets(Meet),
    MatMul,
    Gemm {
        alpha: f64,
        beta: f64,
        turned: bool,
    },
    /// Sums, or takes the mean of, all elements.
    Reduce {
        mean: bool,
    },
    Softmax,
    Linear(Box<Linear>),
    Trees(Box<Trees>),
    /// Nothing is known but which inputs go in.
    Other,
}

/// How inputs meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Meet {
    /// Σ of the inputs, the second one with this factor.
    Add(f64),
    Mean,
    Times,
    Over,
    Other,
}

/// A `LinearRegressor` or `LinearClassifier`.
#[derive(Debug)]
pub(super) struct Linear {
    /// `[columns, targets]`.
    weights: Vec<f64>,
    intercepts: Vec<f64>,
    after: After,
}

/// What follows sums.
#[derive(Debug)]
struct After {
    post: Post,
    /// Of a classifier: its classes.
    classes: Option<usize>,
    /// One sum for two classes; true: it is a probability already.
    one: Option<bool>,
}

/// A tree ensemble.
#[derive(Debug)]
pub(super) struct Trees {
    stated: Option<Stated>,
    shap: Option<Shap>,
    targets: usize,
    base: Vec<f64>,
    after: After,
}

impl Rule {
    /// Reads a node.
    pub fn read(node: &Node<'_>) -> Result<Self> {
        if let Some(curve) = Curve::read(node)? {
            return Ok(Self::Curve(curve));
        }
        Ok(match node.op() {
            "Concat" | "FeatureVectorizer" => Self::Moves(usize::MAX),
            "ArrayFeatureExtractor"
            | "Dropout"
            | "Expand"
            | "Flatten"
            | "Gather"
            | "Identity"
            | "Reshape"
            | "Slice"
            | "Split"
            | "Squeeze"
            | "Transpose"
            | "Unsqueeze"
            | "ZipMap" => Self::Moves(1),
            "Binarizer" | "CategoryMapper" | "Ceil" | "Floor" | "Imputer" | "IsInf" | "IsNaN"
            | "LabelEncoder" | "Not" | "Round" | "Scaler" | "Sign" | "Sin" | "Cos" => Self::Keeps,
            "Cast" if matches!(node.int("to")?, Some(1 | 11)) => Self::Moves(1),
            "Cast" => Self::Keeps,
            "OneHotEncoder" => Self::Widens,
            "StringNormalizer" => Self::Keeps,
            "StringSplit" => Self::Splits,
            "Neg" => Self::Meets(Meet::Add(-1.0)),
            "Add" | "Sum" => Self::Meets(Meet::Add(1.0)),
            "Sub" => Self::Meets(Meet::Add(-1.0)),
            "Mean" => Self::Meets(Meet::Mean),
            "Mul" => Self::Meets(Meet::Times),
            "Div" => Self::Meets(Meet::Over),
            "And" | "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Max" | "Min"
            | "Mod" | "Or" | "Pow" | "Where" | "Xor" => Self::Meets(Meet::Other),
            "MatMul" => Self::MatMul,
            "Gemm" if node.int("transA")?.unwrap_or(0) == 0 => Self::Gemm {
                alpha: f64::from(node.float("alpha")?.unwrap_or(1.0)),
                beta: f64::from(node.float("beta")?.unwrap_or(1.0)),
                turned: node.int("transB")?.unwrap_or(0) != 0,
            },
            "ReduceSum" => Self::Reduce { mean: false },
            "ReduceMean" => Self::Reduce { mean: true },
            "Softmax" => Self::Softmax,
            "LinearRegressor" | "LinearClassifier" => Self::Linear(Box::new(Linear::read(node)?)),
            "TreeEnsembleRegressor" | "TreeEnsembleClassifier" => Self::Trees(Box::new(Trees::read(node)?)),
            _ => Self::Other,
        })
    }

    /// Whether the operator needs its inputs as sums.
    pub fn adds(&self) -> bool {
        matches!(self, Self::MatMul | Self::Gemm { .. } | Self::Linear(_))
    }

    /// Applies the operator to sums, and to the constants among its inputs.
    pub fn apply(
        &self,
        inputs: &[Option<Sum>],
        run: &Run<'_>,
        points: &[(f64, f64)],
    ) -> Result<Vec<Sum>, String> {
        let all: Vec<&Sum> = inputs.iter().flatten().collect();
        let &first = all.first().ok_or("has no input")?;
        Ok(vec![match self {
            Self::Moves(_) => return moved(&all, run),
            Self::Curve(Curve::Clip(low, high)) => {
                let end = |at: usize, default: f64| {
                    inputs
                        .get(at)
                        .and_then(Option::as_ref)
                        .and_then(|s| s.base.first())
                        .copied()
                        .unwrap_or(default)
                };
                curved(first, Curve::Clip(end(1, *low), end(2, *high)))
            }
            Self::Curve(curve) => curved(first, *curve),
            Self::Meets(Meet::Add(factor)) if all.len() == 1 => first.scaled(*factor),
            Self::Meets(Meet::Add(factor)) => added(&all, *factor)?,
            Self::Meets(Meet::Mean) => added(&all, 1.0)?.scaled(1.0 / all.len() as f64),
            Self::Meets(Meet::Times) => product(&all)?,
            Self::Meets(Meet::Over) => quotient(&all, points)?,
            Self::MatMul => matrix(first, all.get(1).ok_or("has no second input")?, false)?,
            Self::Gemm { alpha, beta, turned } => {
                let right = all.get(1).ok_or("has no second input")?;
                let out = matrix(first, right, *turned)?.scaled(*alpha);
                match all.get(2) {
                    Some(bias) => added(&[&out, &bias.scaled(*beta)], 1.0)?,
                    None => out,
                }
            }
            Self::Reduce { mean } => {
                let weight = if *mean { 1.0 / first.len() as f64 } else { 1.0 };
                let dims = run(&[first.tensor()])?.first().map(|t| t.dims.clone()).unwrap_or_default();
                if dims.iter().product::<usize>() != 1 {
                    return Err("adds along some axes only".to_owned());
                }
                first.times(dims, &vec![weight; first.len()], 1)
            }
            Self::Softmax => Softmax { points }.apply(first)?,
            Self::Linear(linear) => return linear.apply(first, points),
            Self::Keeps | Self::Widens | Self::Splits | Self::Meets(_) | Self::Trees(_) | Self::Other => {
                return Err("is neither a sum nor a curve of what other operators add up".to_owned());
            }
        }])
    }
}

/// Elements in another order: the operator is run on their places.
fn moved(all: &[&Sum], run: &Run<'_>) -> Result<Vec<Sum>, String> {
    let (whole, mut places, mut next) = (joined(all), Vec::new(), 0);
    for sum in all {
        let numbers = (next..next + sum.len()).map(|n| n as f32).collect();
        places.push(crate::ops::float(sum.dims.clone(), numbers));
        next += sum.len();
    }
    let pick = |tensor: Tensor| {
        let numbers = crate::ops::numbers(&tensor)?;
        room(whole.players(), numbers.len())?;
        let places: Vec<usize> = numbers.iter().map(|&n| n as usize).collect();
        if places.iter().any(|&place| place >= whole.len()) {
            return Err("makes elements that it was not given".to_owned());
        }
        Ok(whole.pick(tensor.dims.clone(), &places))
    };
    run(&places)?.into_iter().map(pick).collect()
}

impl After {
    /// From sums, one a target, to the operator's scores.
    fn apply(&self, sums: Sum, points: &[(f64, f64)]) -> Result<Sum, String> {
        let pair = |second: &Sum, one: f64| {
            let mut first = second.scaled(-1.0);
            first.base.iter_mut().for_each(|b| *b += one);
            joined(&[&first, second]).shaped(vec![1, 2])
        };
        if let Some(probability) = self.one {
            let only = sums.pick(vec![1, 1], &[0]);
            return Ok(match self.post {
                Post::Logistic => pair(&curved(&only, Curve::Sigmoid), 1.0),
                Post::None if probability => pair(&only, 1.0),
                Post::None => pair(&only, 0.0),
                _ => return Err("has a post_transform that is not explained".to_owned()),
            });
        }
        Ok(match self.post {
            Post::None => sums,
            // A regressor with one value gives it as it is.
            _ if self.classes.is_none() && sums.len() == 1 && self.post != Post::Probit => sums,
            Post::Logistic => curved(&sums, Curve::Sigmoid),
            Post::Softmax => Softmax { points }.apply(&sums)?,
            _ => return Err("has a post_transform that is not explained".to_owned()),
        })
    }

    /// Wraps scores as the operator's outputs: a classifier's first one is the label.
    fn outputs(&self, scores: Sum) -> Vec<Sum> {
        match self.classes {
            Some(_) => vec![scores.pick(vec![1], &[0]), scores],
            None => vec![scores],
        }
    }
}

impl Linear {
    fn read(node: &Node<'_>) -> Result<Self> {
        let classes = if node.op() == "LinearClassifier" { Some(Labels::read(node)?.len()) } else { None };
        let coefficients = node.floats("coefficients")?;
        let stated = node.floats("intercepts")?;
        let targets = node.int("targets")?.and_then(|n| usize::try_from(n).ok());
        let rows = match stated.len() {
            0 => classes.or(targets).unwrap_or(1),
            n => n,
        }
        .max(1);
        let columns = coefficients.len() / rows;
        let weights = (0..columns * rows).map(|at| f64::from(coefficients[at % rows * columns + at / rows]));
        let mut intercepts = vec![0.0; rows];
        intercepts.iter_mut().zip(stated).for_each(|(to, &x)| *to = f64::from(x));
        let one = (classes == Some(2) && rows == 1).then_some(true);
        Ok(Self {
            weights: weights.collect(),
            intercepts,
            after: After { post: Post::read(node)?, classes, one },
        })
    }

    fn apply(&self, input: &Sum, points: &[(f64, f64)]) -> Result<Vec<Sum>, String> {
        let rows = self.intercepts.len();
        if input.len() * rows != self.weights.len() {
            return Err(format!("has {} coefficients for {} columns", self.weights.len(), input.len()));
        }
        room(input.players(), rows)?;
        let mut sums = input.times(vec![1, rows], &self.weights, rows);
        sums.base.iter_mut().zip(&self.intercepts).for_each(|(b, i)| *b += i);
        Ok(self.after.outputs(self.after.apply(sums, points)?))
    }
}

impl Trees {
    fn read(node: &Node<'_>) -> Result<Self> {
        let (forest, covers) = forest::stated(node)?;
        let (facts, targets) = (forest.facts(), forest.targets);
        let classes =
            if node.op() == "TreeEnsembleClassifier" { Some(Labels::read(node)?.len()) } else { None };
        let base: Vec<f64> = forest::base_values(node)?.into_iter().map(f64::from).collect();
        let one = (classes == Some(2) && facts.only_target == Some(0) && base.len() <= 1)
            .then_some(facts.all_positive);
        let average = node.text("aggregate_function")?.as_deref() == Some("AVERAGE");
        let scale = if average { 1.0 / facts.trees.max(1) as f64 } else { 1.0 };
        let after = After { post: Post::read(node)?, classes, one };
        // Without covers there is nothing to lay out: let the trees go.
        let stated = (!covers.is_empty()).then_some(Stated { forest, covers, scale });
        Ok(Self { stated, shap: None, targets, base, after })
    }

    /// Lays the trees out for columns of these players.
    pub fn prepared(&self, players: &[u32]) -> Result<Shap, String> {
        match &self.stated {
            Some(stated) => Shap::new(stated, players),
            None => Err("holds no covers: nodes_hitrates is not there".to_owned()),
        }
    }

    /// Takes the laid out trees in place of the file's.
    pub fn lay(&mut self, shap: Shap) {
        (self.stated, self.shap) = (None, Some(shap));
    }

    /// Whether it can explain.
    pub fn is_laid(&self) -> bool {
        self.shap.is_some()
    }

    /// Explains a row of columns for so many players.
    pub fn apply(
        &self,
        row: &[f32],
        players: usize,
        (hot, points): (&mut Vec<bool>, &[(f64, f64)]),
    ) -> Result<Vec<Sum>, String> {
        let targets = self.targets;
        if self.after.classes == Some(2) && self.after.one.is_none() {
            return Err("has two classes with leaves or base values of their own".to_owned());
        }
        room(players, targets)?;
        let mut sums = Sum::constant(vec![1, targets], vec![0.0; targets], players);
        if let Some(shap) = &self.shap {
            sums.base.copy_from_slice(&shap.base);
            shap.explain(row, &mut sums.parts, hot);
        }
        sums.base.iter_mut().zip(&self.base).for_each(|(b, own)| *b += own);
        Ok(self.after.outputs(self.after.apply(sums, points)?))
    }
}
