//! How the predictions of an ensemble's members become its own: in memory as in the exported graph.

use crate::Task;
use crate::calibrate::{Calibration, logits};
use crate::decision::Decision;
use crate::learners::Link;

/// How calibrated predictions are put together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule {
    /// Their weighted mean.
    Mean,
    /// The weighted sum of their logits (of numbers: themselves) and an intercept for each output.
    Stack(Vec<f32>),
}

/// A member's part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// Sums to 1 over the parts of a mean.
    pub weight: f32,
    /// Of the member alone.
    pub calibration: Calibration,
}

/// The whole recipe.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mixture {
    pub task: Task,
    /// Predictions a row.
    pub width: usize,
    pub parts: Vec<Part>,
    pub rule: Rule,
    /// Of the whole.
    pub calibration: Calibration,
    /// How probabilities become a label; of numbers: not looked at.
    pub decision: Decision,
}

impl Mixture {
    /// The ensemble's predictions; `members` are those of its members, in the order of the parts.
    pub(crate) fn mix(&self, members: &[impl AsRef<[f32]>]) -> Vec<f32> {
        let length = members.first().map_or(0, |m| m.as_ref().len());
        let mut sum = vec![0.0f32; length];
        for (part, member) in self.parts.iter().zip(members) {
            let mut own = member.as_ref().to_vec();
            part.calibration.apply(self.width, &mut own);
            if matches!(self.rule, Rule::Stack(_)) {
                logits(self.task, &mut own);
            }
            sum.iter_mut().zip(own).for_each(|(s, p)| *s += part.weight * p);
        }
        if let Rule::Stack(intercepts) = &self.rule {
            for row in sum.chunks_exact_mut(self.width) {
                row.iter_mut().zip(intercepts).for_each(|(z, c)| *z += c);
                self.link().apply(row);
            }
        }
        self.calibration.apply(self.width, &mut sum);
        sum
    }

    /// What turns the sum of logits into predictions.
    pub(crate) fn link(&self) -> Link {
        match self.task {
            Task::Binary => Link::Logistic,
            Task::Multiclass => Link::Softmax,
            Task::Regression => Link::Identity,
        }
    }
}
