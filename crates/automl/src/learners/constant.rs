//! The baseline: class shares with one row more a class, or the mean.

use super::trees::{Link, Node, Tree, Trees};
use super::{Fit, Job, Learner, Shared};
use crate::spec::Algorithm;
use crate::{Error, Task};

/// The constant baseline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Constant;

impl Learner for Constant {
    fn name(&self) -> String {
        "Constant".into()
    }

    fn algorithm(&self) -> Algorithm {
        Algorithm::Constant
    }

    fn fit(&self, shared: &Shared<'_>, job: &Job<'_>) -> Result<Fit, Error> {
        let target = &shared.data.target;
        let rows = job.train.iter().map(|&r| (target.values[r as usize], f64::from(job.weight(r))));
        let weight: f64 = rows.clone().map(|(_, w)| w).sum();
        let base = match target.task {
            Task::Regression => {
                vec![(rows.map(|(v, w)| w * f64::from(v)).sum::<f64>() / weight) as f32]
            }
            task => {
                let mut counts = vec![1.0f64; target.class_count()];
                rows.for_each(|(v, w)| counts[v as usize] += w);
                let total = weight + counts.len() as f64;
                let shares = counts.iter().map(|n| (n / total) as f32);
                if task == Task::Binary { shares.skip(1).collect() } else { shares.collect() }
            }
        };
        // A tree of one leaf: runtimes expect an ensemble to have a tree.
        let stub = Tree {
            nodes: vec![Node::Leaf(0)],
            covers: vec![1.0],
            values: vec![0.0; base.len()],
            output: None,
        };
        let trees =
            Trees { trees: vec![stub], base, link: Link::Identity, derived: Vec::new(), per_round: 1 };
        Ok(Fit { model: Box::new(trees), curve: Vec::new() })
    }
}
