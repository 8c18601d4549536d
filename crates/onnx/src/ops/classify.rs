//! `LinearClassifier` and `LinearRegressor`.

use std::sync::Arc;

use super::matmul::dot_each;
use super::{Inputs, Op, Operator, float, matrix, need, need_value, numbers};
use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Block, Dict, Kind, Levels, Lower, Row, Shape, Span, Step, Sums, Value};
use crate::scores::{Labels, Post, linear_pair, logistic_pair};
use crate::tensor::{Data, Tensor};
use crate::work::Work;

/// Rows of coefficients over one width, with intercepts.
#[derive(Debug)]
struct Linear {
    coefficients: Vec<f32>,
    intercepts: Vec<f32>,
    width: usize,
    post: Post,
}

impl Linear {
    fn read(node: &Node<'_>, rows: usize) -> Result<Self> {
        let coefficients = node.floats("coefficients")?.to_vec();
        let mut intercepts = node.floats("intercepts")?.to_vec();
        if intercepts.is_empty() {
            intercepts = vec![0.0; rows];
        }
        let rows = intercepts.len();
        if rows == 0 || coefficients.is_empty() || coefficients.len() % rows != 0 {
            let count = coefficients.len();
            return Err(node.error(format!("{count} coefficients do not make {rows} rows")));
        }
        Ok(Self { width: coefficients.len() / rows, coefficients, intercepts, post: Post::read(node)? })
    }

    fn rows(&self) -> usize {
        self.intercepts.len()
    }

    /// Products of the scores of all rows.
    fn work(&self, inputs: &Inputs<'_>) -> usize {
        let numbers = inputs.get(0).map_or(0, |tensor| tensor.data.len());
        (numbers / self.width).saturating_mul(self.coefficients.len())
    }

    fn fits(&self, width: usize) -> Result<(), String> {
        if width == self.width { Ok(()) } else { Err(format!("takes {} columns, got {width}", self.width)) }
    }

    /// Raw scores of one row.
    fn scores(&self, row: &[f32], to: &mut [f32]) {
        dot_each(row, &self.coefficients, to);
        self.add_intercepts(to);
    }

    fn add_intercepts(&self, to: &mut [f32]) {
        to.iter_mut().zip(&self.intercepts).for_each(|(to, b)| *to += b);
    }

    /// Whether there are two rows, one the other with all signs changed: so are their scores, to the bit.
    fn is_mirrored(&self) -> bool {
        let (first, second) = self.coefficients.split_at(self.width);
        let opposite = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| *a == -b);
        self.rows() == 2 && opposite(first, second) && opposite(&self.intercepts[..1], &self.intercepts[1..])
    }
}

#[derive(Debug)]
struct Regressor(Arc<Linear>);

pub(super) fn linear_regressor(node: &Node<'_>) -> Result<Op> {
    let targets = node.int("targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|&t| t > 0 && t <= crate::limits::ROW_WIDTH);
    let targets = targets.ok_or_else(|| node.error("targets is out of range"))?;
    let linear = Linear::read(node, targets)?;
    if linear.rows() != targets {
        return Err(node.error(format!("has {} intercepts for {targets} targets", linear.rows())));
    }
    Ok(Box::new(Regressor(Arc::new(linear))))
}

impl Regressor {
    /// The values out of raw scores.
    fn finish(linear: &Linear, to: &mut [f32]) {
        // A single value is only ever changed by PROBIT: other runtimes ignore the rest, and so do we.
        if to.len() > 1 || linear.post == Post::Probit {
            linear.post.apply(to);
        }
    }
}

impl Operator for Regressor {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let (rows, width) = matrix(input)?;
        self.0.fits(width)?;
        let values = numbers(input)?;
        let mut out = vec![0.0; inputs.count(&[rows, self.0.rows()])?];
        for (from, to) in values.chunks_exact(width).zip(out.chunks_exact_mut(self.0.rows())) {
            self.0.scores(from, to);
            Self::finish(&self.0, to);
        }
        Ok(vec![float(vec![rows, self.0.rows()], out)])
    }

    fn work(&self, inputs: &Inputs<'_>) -> usize {
        self.0.work(inputs)
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        self.0.fits(row.shape.matrix_width()?)?;
        let linear = Arc::clone(&self.0);
        let shape = Shape::matrix(linear.rows());
        let finish = |linear: &Linear, to: &mut [f32]| {
            linear.add_intercepts(to);
            Self::finish(linear, to);
        };
        let row = match lower.weigh(&row, &self.0.coefficients, linear.rows()) {
            Some(sums) => lower.total(sums, shape, move |to| finish(&linear, to))?,
            None => lower.map(&row, shape, Kind::Float, move |from, to| {
                dot_each(from, &linear.coefficients, to);
                finish(&linear, to);
            })?,
        };
        Ok(vec![Value::Row(row)])
    }
}

#[derive(Debug)]
struct Classifier {
    linear: Arc<Linear>,
    labels: Labels,
}

pub(super) fn linear_classifier(node: &Node<'_>) -> Result<Op> {
    let labels = Labels::read(node)?;
    let linear = Linear::read(node, labels.len())?;
    let fits = linear.rows() == labels.len() || (linear.rows() == 1 && labels.len() == 2);
    if !fits {
        return Err(node.error(format!("has {} intercepts for {} classes", linear.rows(), labels.len())));
    }
    if labels.len() < 2 {
        return Err(node.unsupported("it has fewer than two classes"));
    }
    Ok(Box::new(Classifier { linear: Arc::new(linear), labels }))
}

/// Scores of one row, and its class.
fn classify(linear: &Linear, from: &[f32], to: &mut [f32]) -> usize {
    linear.scores(from, &mut to[..linear.rows()]);
    finish(linear, to)
}

/// The same out of raw scores.
fn finish(linear: &Linear, to: &mut [f32]) -> usize {
    if linear.rows() == 1 {
        let score = to[0];
        to.copy_from_slice(&linear_pair(linear.post, score));
        return usize::from(score > 0.0);
    }
    let mut best = 0;
    for (class, score) in to.iter().enumerate() {
        if *score > to[best] {
            best = class;
        }
    }
    linear.post.apply(to);
    best
}

/// The same out of the second raw score of two mirrored ones.
fn finish_mirrored(linear: &Linear, score: f32, to: &mut [f32]) -> usize {
    if linear.post == Post::Logistic {
        to.copy_from_slice(&logistic_pair(score));
        return usize::from(score > 0.0);
    }
    to.copy_from_slice(&[-score, score]);
    finish(linear, to)
}

/// The label tensor of these classes.
pub(super) fn label_tensor(labels: &Labels, classes: &[usize]) -> Tensor {
    let data = match labels {
        Labels::Text(v) => Data::Text(classes.iter().map(|&c| v[c].clone()).collect()),
        Labels::Integer(v) => Data::Int64(classes.iter().map(|&c| v[c]).collect()),
    };
    Tensor { dims: vec![classes.len()], data }
}

/// The first output of a classifier: the place of the class, of which these are the labels.
pub(super) fn label(lower: &mut Lower, labels: &Labels) -> Result<Row, String> {
    let levels = match labels {
        Labels::Text(v) => Levels::Text(v.clone()),
        Labels::Integer(v) => Levels::Integer(v.clone()),
    };
    let kind = Kind::Code(Arc::new(Dict { levels, open: false }));
    let label = lower.make(0, Shape::column(), kind)?;
    lower.bind(&label, Some(labels.len()));
    Ok(label)
}

impl Operator for Classifier {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let (rows, width) = matrix(input)?;
        self.linear.fits(width)?;
        let values = numbers(input)?;
        let count = self.labels.len();
        let mut out = vec![0.0; inputs.count(&[rows, count])?];
        let each = values.chunks_exact(width).zip(out.chunks_exact_mut(count));
        let classes: Vec<usize> = each.map(|(from, to)| classify(&self.linear, from, to)).collect();
        Ok(vec![label_tensor(&self.labels, &classes), float(vec![rows, count], out)])
    }

    fn work(&self, inputs: &Inputs<'_>) -> usize {
        self.linear.work(inputs)
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = lower.number(need_value(inputs, 0)?)?;
        self.linear.fits(row.shape.matrix_width()?)?;
        let sums = self.sums(lower, &row);
        let label = label(lower, &self.labels)?;
        let scores = lower.make(1, Shape::matrix(self.labels.len()), Kind::Float)?;
        lower.push(ClassifyStep {
            linear: Arc::clone(&self.linear),
            from: sums.map_or(From::Row(row.place), |(sums, mirrored)| From::Sums { sums, mirrored }),
            label: label.place,
            scores: scores.place,
            classes: self.labels.len(),
        });
        Ok(vec![Value::Row(label), Value::Row(scores)])
    }
}

impl Classifier {
    /// The raw scores as sums over what the columns are made of; of mirrored rows only the second.
    fn sums(&self, lower: &mut Lower, row: &Row) -> Option<(Sums, bool)> {
        let mirrored = self.linear.is_mirrored();
        let first = if mirrored { self.linear.width } else { 0 };
        let rows = if mirrored { 1 } else { self.linear.rows() };
        Some((lower.weigh(row, &self.linear.coefficients[first..], rows)?, mirrored))
    }
}

/// What the scores are computed from.
#[derive(Debug)]
enum From {
    Row(usize),
    Sums { sums: Sums, mirrored: bool },
}

#[derive(Debug)]
struct ClassifyStep {
    linear: Arc<Linear>,
    from: From,
    label: usize,
    scores: usize,
    classes: usize,
}

impl Step for ClassifyStep {
    fn reads(&self) -> Vec<Span> {
        match &self.from {
            From::Row(place) => vec![(*place, self.linear.width)],
            From::Sums { sums, .. } => sums.reads(),
        }
    }

    fn writes(&self) -> Vec<Span> {
        vec![(self.label, 1), (self.scores, self.classes)]
    }

    fn work(&self) -> Work {
        match &self.from {
            From::Row(_) => Work { terms: self.linear.coefficients.len() as f64, ..Work::default() },
            From::Sums { sums, .. } => sums.work(),
        }
    }

    fn run(&self, block: &mut Block<'_>) {
        let [label, scores] = [self.label, self.scores].map(|p| block.places[p]);
        match &self.from {
            From::Row(from) => {
                let from = block.places[*from];
                let split = label.offset.min(scores.offset);
                let (read, write) = block.arena.split_at_mut(split);
                for row in 0..block.rows {
                    let source = &read[from.row(row)..][..self.linear.width];
                    let to = &mut write[scores.row(row) - split..][..self.classes];
                    let class = classify(&self.linear, source, to);
                    write[label.row(row) - split] = class as f32;
                }
            }
            From::Sums { sums, mirrored } => {
                sums.run(block);
                let Block { rows, arena, sums, .. } = block;
                for row in 0..*rows {
                    let to = &mut arena[scores.row(row)..][..self.classes];
                    let class = if *mirrored {
                        finish_mirrored(&self.linear, sums[row] as f32 + self.linear.intercepts[1], to)
                    } else {
                        let count = self.linear.rows();
                        let raw = &sums[row * count..][..count];
                        to.iter_mut().zip(raw).for_each(|(to, sum)| *to = *sum as f32);
                        self.linear.add_intercepts(to);
                        finish(&self.linear, to)
                    };
                    arena[label.row(row)] = class as f32;
                }
            }
        }
    }
}
