//! The baseline: class shares with one row more a class, or the mean.

use super::trees::{Link, Node, Tree, Trees};
use super::{Fit, Job, Learner, Shared};
use crate::{Error, Task};

/// The constant baseline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Constant;

impl Learner for Constant {
    fn name(&self) -> String {
        "Constant".into()
    }

    fn fit(&self, shared: &Shared<'_>, job: &Job<'_>) -> Result<Fit, Error> {
        let target = &shared.data.target;
        let values = job.train.iter().map(|&r| target.values[r as usize]);
        let rows = job.train.len() as f64;
        let base = match target.task {
            Task::Regression => vec![(values.map(f64::from).sum::<f64>() / rows) as f32],
            task => {
                let mut counts = vec![1.0f64; target.class_count()];
                values.for_each(|v| counts[v as usize] += 1.0);
                let total = rows + counts.len() as f64;
                let shares = counts.iter().map(|n| (n / total) as f32);
                if task == Task::Binary { shares.skip(1).collect() } else { shares.collect() }
            }
        };
        // A tree of one leaf: runtimes expect an ensemble to have a tree.
        let stub = Tree { nodes: vec![Node::Leaf(0)], covers: vec![1.0], values: vec![0.0], output: Some(0) };
        let trees =
            Trees { trees: vec![stub], base, link: Link::Identity, derived: Vec::new(), per_round: 1 };
        Ok(Fit { model: Box::new(trees), curve: Vec::new() })
    }
}
