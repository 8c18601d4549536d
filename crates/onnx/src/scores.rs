//! From sums to scores and a class: the post transforms and the class rules of the ai.onnx.ml classifiers,
//! read as onnxruntime reads them, down to where the specification says nothing (two classes with one sum).

use crate::attrs::Node;
use crate::error::Result;

/// Class labels, in the order of the probabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labels {
    /// Texts.
    Text(Vec<String>),
    /// Integers.
    Integer(Vec<i64>),
}

impl Labels {
    /// Number of classes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(v) => v.len(),
            Self::Integer(v) => v.len(),
        }
    }

    /// Whether there is no class.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Labels of a classifier node.
    pub(crate) fn read(node: &Node<'_>) -> Result<Self> {
        let texts = node.texts("classlabels_strings")?;
        let ints = if node.has("classlabels_ints") { "classlabels_ints" } else { "classlabels_int64s" };
        let ints = node.ints(ints)?;
        match (texts.is_empty(), ints.is_empty()) {
            (false, true) => Ok(Self::Text(texts)),
            (true, false) => Ok(Self::Integer(ints.to_vec())),
            (true, true) => Err(node.error("has no class labels")),
            (false, false) => Err(node.error("has both text and integer class labels")),
        }
    }
}

/// Number of classes of a classifier node.
pub(crate) fn class_count(node: &Node<'_>) -> Result<usize> {
    match Labels::read(node)?.len() {
        0 | 1 => Err(node.error("has fewer than two class labels")),
        n => Ok(n),
    }
}

/// Post transform of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Post {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl Post {
    pub fn read(node: &Node<'_>) -> Result<Self> {
        Ok(match node.text("post_transform")?.as_deref() {
            None | Some("NONE") => Self::None,
            Some("LOGISTIC") => Self::Logistic,
            Some("SOFTMAX") => Self::Softmax,
            Some("SOFTMAX_ZERO") => Self::SoftmaxZero,
            Some("PROBIT") => Self::Probit,
            Some(other) => return Err(node.error(format!("post_transform {other:?} is unknown"))),
        })
    }

    pub fn apply(self, scores: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|s| *s = logistic(*s)),
            Self::Probit => scores.iter_mut().for_each(|s| *s = probit(*s)),
            Self::Softmax => softmax(scores),
            Self::SoftmaxZero => softmax_zero(scores),
        }
    }
}

/// `[1 / (1 + eˣ), 1 / (1 + e⁻ˣ)]`, to the bit what [`logistic`] gives for `-x` and `x`.
pub(crate) fn logistic_pair(x: f32) -> [f32; 2] {
    let v = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 {
        [v, 1.0 - v]
    } else if x > 0.0 {
        [1.0 - v, v]
    } else {
        [v, v]
    }
}

/// `1 / (1 + e⁻ˣ)`, without overflow.
pub(crate) fn logistic(x: f32) -> f32 {
    let v = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - v } else { v }
}

pub(crate) fn softmax(scores: &mut [f32]) {
    let top = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for s in scores.iter_mut() {
        *s = (*s - top).exp();
        sum += *s;
    }
    scores.iter_mut().for_each(|s| *s /= sum);
}

/// Softmax over the scores that are not zero; zero stays zero.
fn softmax_zero(scores: &mut [f32]) {
    const ZERO: f32 = 1e-7;
    let top = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for s in scores.iter_mut() {
        if s.abs() > ZERO {
            *s = (*s - top).exp();
            sum += *s;
        } else {
            *s *= (-top).exp();
        }
    }
    scores.iter_mut().for_each(|s| *s /= sum);
}

/// `√2 · erf⁻¹(2x - 1)`, with Winitzki's approximation of the inverse error function (a = 0.147), which is
/// what other runtimes compute for this transform.
fn probit(x: f32) -> f32 {
    const A: f32 = 0.147;
    let y = 2.0 * x - 1.0;
    let log = ((1.0 - y) * (1.0 + y)).ln();
    let half = 2.0 / (std::f32::consts::PI * A) + 0.5 * log;
    let root = (-half + (half * half - log / A).sqrt()).sqrt();
    std::f32::consts::SQRT_2 * if y < 0.0 { -root } else { root }
}

/// How a tree classifier turns its sums into scores and a class.
#[derive(Debug, Clone)]
pub(crate) struct TreeRule {
    pub base: Vec<f32>,
    pub post: Post,
    /// Two labels, but all weights belong to one class: the sum is the margin (or the probability) of the
    /// second label.
    pub one_sum: bool,
    /// No weight is below zero: the sum is taken for a probability, and the class changes at one half, even
    /// under `LOGISTIC`, where the scores then say otherwise. Writers should avoid this case.
    pub all_positive: bool,
}

impl TreeRule {
    /// Writes the scores of one row and gives the index of its class. `sums` has NaN where no leaf spoke.
    pub fn finish(&self, sums: &[f64], out: &mut [f32]) -> usize {
        if sums.len() == 2 { self.two(sums, out) } else { self.many(sums, out) }
    }

    fn many(&self, sums: &[f64], out: &mut [f32]) -> usize {
        let mut best: Option<(usize, f32)> = None;
        for (class, (&sum, out)) in sums.iter().zip(out.iter_mut()).enumerate() {
            let base = self.base.get(class);
            let seen = !sum.is_nan() || base.is_some();
            let sum = if sum.is_nan() { 0.0 } else { sum };
            *out = (sum + base.map_or(0.0, |&b| f64::from(b))) as f32;
            if seen && best.is_none_or(|(_, top)| *out > top) {
                best = Some((class, *out));
            }
        }
        self.post.apply(out);
        best.map_or(0, |b| b.0)
    }

    fn two(&self, sums: &[f64], out: &mut [f32]) -> usize {
        let seen = !sums[1].is_nan();
        let value = |i: usize| if sums[i].is_nan() { 0.0 } else { sums[i] };
        let base = |i: usize| self.base.get(i).map_or(0.0, |&b| f64::from(b));
        let mut pair = [value(0) as f32, value(1) as f32];
        match self.base.len() {
            2 if seen => {
                let margin = (value(0) + base(1)) as f32;
                pair = [-margin, margin];
            }
            _ => pair[0] = (value(0) + base(0)) as f32,
        }
        let positive = if seen { pair[1] } else { pair[0] };
        let class = usize::from(positive > if self.one_sum && self.all_positive { 0.5 } else { 0.0 });
        if seen || self.base.len() == 2 {
            if sums[0].is_nan() {
                // A class that no leaf mentions shows 0, base or not.
                pair[0] = 0.0;
            }
            out.copy_from_slice(&pair);
            self.post.apply(out);
        } else {
            self.one(pair[0], out);
        }
        class
    }

    /// Two scores out of one sum.
    fn one(&self, sum: f32, out: &mut [f32]) {
        let pair = match self.post {
            Post::Probit => [probit(sum), 0.0],
            // With weights for both classes and one base value, a row that only the first class speaks for
            // gets the sum as it is.
            _ if !self.one_sum && self.base.len() == 1 => [sum, 0.0],
            Post::Logistic => logistic_pair(sum),
            _ if self.one_sum && self.all_positive => [1.0 - sum, sum],
            _ => [-sum, sum],
        };
        out.copy_from_slice(&pair);
    }
}

/// How a linear classifier with one row of coefficients and two labels shows its score.
pub(crate) fn linear_pair(post: Post, score: f32) -> [f32; 2] {
    match post {
        Post::Probit => [probit(score), 0.0],
        Post::Logistic => logistic_pair(score),
        _ => [1.0 - score, score],
    }
}
