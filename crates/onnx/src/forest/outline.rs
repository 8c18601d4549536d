//! A tree as ranges of its leaves, counted from yes to no: every branch tells apart two ranges that stand side by side.

use super::fold::{Folded, FoldedForest, Test};

/// Most leaves of a tree that is outlined.
const LEAVES: usize = 2048;

/// A branch: yes leads to leaves `from..middle`, no to `middle..to`.
#[derive(Debug)]
pub(super) struct Split<'a> {
    pub feature: u32,
    pub test: &'a Test,
    pub from: usize,
    pub middle: usize,
    pub to: usize,
}

#[derive(Debug, Default)]
pub(super) struct Outline<'a> {
    pub splits: Vec<Split<'a>>,
    /// Weights of the leaves.
    pub leaves: Vec<f32>,
    /// Branches met on the way to a leaf when every branch halves the rows.
    pub visits: f64,
}

enum Task {
    Visit(u32, u32),
    Middle(usize),
    End(usize),
}

impl<'a> Outline<'a> {
    /// None when the tree has too many leaves, counting a shared one for every way that leads to it. Every
    /// leaf must have one weight.
    pub fn new(forest: &'a FoldedForest, tree: usize) -> Option<Self> {
        let (nodes, root) = &forest.trees[tree];
        let mut outline = Self::default();
        let mut tasks = vec![Task::Visit(*root, 0)];
        while let Some(task) = tasks.pop() {
            match task {
                Task::Visit(at, depth) => match &nodes[at as usize] {
                    Folded::Leaf { first, .. } => {
                        outline.leaves.push(forest.weights[*first as usize].1);
                        outline.visits += f64::from(depth) * 0.5_f64.powi(depth as i32);
                        if outline.leaves.len() > LEAVES {
                            return None;
                        }
                    }
                    Folded::Branch { feature, test, yes, no } => {
                        let (split, from) = (outline.splits.len(), outline.leaves.len());
                        outline.splits.push(Split { feature: *feature, test, from, middle: from, to: from });
                        tasks.extend([Task::End(split), Task::Visit(*no, depth + 1), Task::Middle(split)]);
                        tasks.push(Task::Visit(*yes, depth + 1));
                    }
                },
                Task::Middle(split) => outline.splits[split].middle = outline.leaves.len(),
                Task::End(split) => outline.splits[split].to = outline.leaves.len(),
            }
        }
        Some(outline)
    }
}
