//! The prepared table: features as 32-bit numbers, column by column, and the target.
//!
//! Numbers are cast to `f32` once, here; every threshold is found and compared on the cast values, so that the
//! exported graph takes the same branch as the trained tree. A category is its code as a number.

use crate::calendar::Part;
use crate::vocabulary::Vocabulary;
use crate::{Kind, Task};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How a category's texts become codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coding {
    /// Texts with a code of their own, in code order: most frequent first.
    pub levels: Vec<String>,
    /// All texts of the training table with their frequencies, most frequent first (for the signature).
    pub seen: Vec<String>,
    /// Code of a missing text, if any was missing in training.
    pub missing: Option<u32>,
    /// Code shared by rare texts, if there were any.
    pub rare: Option<u32>,
    /// So many of the first texts of `seen` have a place of their own beyond the codes ([`Matrix::places`]); 0 where the
    /// codes are enough.
    pub placed: usize,
}

impl Coding {
    /// Number of codes.
    pub(crate) fn size(&self) -> usize {
        self.levels.len() + usize::from(self.missing.is_some()) + usize::from(self.rare.is_some())
    }

    /// Number of places, that of a missing text the last; 0 where the codes are enough.
    pub(crate) fn places(&self) -> usize {
        if self.placed == 0 { 0 } else { self.placed + usize::from(self.missing.is_some()) }
    }

    /// The place of a missing text, else as of an unknown one.
    pub(crate) fn absent_place(&self) -> f32 {
        self.missing.map_or(f32::NAN, |_| self.placed as f32)
    }

    /// What an unknown text becomes: the rare code, else NaN (no category applies).
    pub(crate) fn unknown(&self) -> f32 {
        self.rare.map_or(f32::NAN, |code| code as f32)
    }

    /// What a missing text becomes: its code, else as an unknown one.
    pub(crate) fn absent(&self) -> f32 {
        self.missing.map_or_else(|| self.unknown(), |code| code as f32)
    }

    /// Code by text.
    pub(crate) fn index(&self) -> HashMap<&str, f32> {
        self.levels.iter().enumerate().map(|(code, text)| (text.as_str(), code as f32)).collect()
    }
}

/// What a feature's numbers mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A number; NaN is missing.
    Number,
    /// A category's code.
    Category(Coding),
    /// A calendar part of another feature, which stands before it and is seconds since 1970; no input of its own.
    Moment { of: usize, part: Part },
    /// The number of a text's words.
    Text(Arc<Vocabulary>),
    /// Whether a term stands in the text of another feature, which stands before it; no input of its own.
    Term { of: usize, term: usize },
}

/// One feature.
#[derive(Debug, Clone)]
pub(crate) struct Feature {
    /// Name of the table's column.
    pub name: String,
    /// Its type there.
    pub kind: Kind,
    /// How its numbers are read.
    pub shape: Shape,
    /// An example value for documents.
    pub example: serde_json::Value,
}

impl Feature {
    /// Number of codes of a category; `None` for a number.
    pub(crate) fn codes(&self) -> Option<usize> {
        match &self.shape {
            Shape::Number | Shape::Moment { .. } | Shape::Text(_) | Shape::Term { .. } => None,
            Shape::Category(coding) => Some(coding.size()),
        }
    }

    /// Number of places of a category with more texts than codes; none for all others.
    pub(crate) fn places(&self) -> Option<usize> {
        match &self.shape {
            Shape::Category(coding) => Some(coding.places()).filter(|&places| places > 0),
            _ => None,
        }
    }

    /// Number of texts of a category that means of the target can tell apart: its places, else its codes.
    pub(crate) fn told_apart(&self) -> Option<usize> {
        self.places().or(self.codes())
    }

    /// The feature it is made of; none for an input of the model.
    pub(crate) fn made_of(&self) -> Option<usize> {
        match self.shape {
            Shape::Moment { of, .. } | Shape::Term { of, .. } => Some(of),
            Shape::Number | Shape::Category(_) | Shape::Text(_) => None,
        }
    }

    /// Whether it is an input of the model: all but what is made of other features.
    pub(crate) fn is_input(&self) -> bool {
        self.made_of().is_none()
    }
}

/// Feature values, column by column.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// One column a feature, each of `rows` values.
    pub columns: Vec<Vec<f32>>,
    /// The texts of features that are read word by word, by their names, one a row.
    pub texts: BTreeMap<String, Vec<Arc<str>>>,
    /// Of categories with more texts than codes the place of each row's text among all of them, by column; NaN for a text
    /// that has none.
    pub places: BTreeMap<usize, Vec<f32>>,
}

impl Matrix {
    /// The rows `rows`, in that order.
    pub(crate) fn take(&self, rows: &[u32]) -> Self {
        let pick = |column: &Vec<f32>| rows.iter().map(|&r| column[r as usize]).collect();
        let read = |texts: &Vec<Arc<str>>| rows.iter().map(|&r| Arc::clone(&texts[r as usize])).collect();
        let texts = self.texts.iter().map(|(name, texts)| (name.clone(), read(texts))).collect();
        let places = self.places.iter().map(|(&column, places)| (column, pick(places))).collect();
        Self { rows: rows.len(), columns: self.columns.iter().map(pick).collect(), texts, places }
    }
}

/// A class label in its original type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Classes {
    /// `false`, `true`.
    Boolean,
    /// Whole numbers, ascending.
    Integer(Vec<i64>),
    /// Texts, ascending.
    Text(Vec<String>),
}

impl Classes {
    /// Number of classes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Boolean => 2,
            Self::Integer(v) => v.len(),
            Self::Text(v) => v.len(),
        }
    }

    /// The labels as JSON, in probability order.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        match self {
            Self::Boolean => vec![false.into(), true.into()],
            Self::Integer(v) => v.iter().map(|&i| i.into()).collect(),
            Self::Text(v) => v.iter().map(|t| t.clone().into()).collect(),
        }
    }

    /// The labels as texts, in probability order.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Boolean => vec!["false".into(), "true".into()],
            Self::Integer(v) => v.iter().map(i64::to_string).collect(),
            Self::Text(v) => v.clone(),
        }
    }
}

/// The target.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Name of the column.
    pub name: String,
    /// The task.
    pub task: Task,
    /// The labels; `None` for regression.
    pub classes: Option<Classes>,
    /// Class index, or the number to predict; one a row, never NaN.
    pub values: Vec<f32>,
}

impl Target {
    /// Numbers a model answers per row: 1 for regression and binary (the second class), else one a class.
    pub(crate) fn width(&self) -> usize {
        match self.task {
            Task::Multiclass => self.classes.as_ref().map_or(1, Classes::len),
            Task::Binary | Task::Regression => 1,
        }
    }

    /// Number of classes; 0 for regression.
    pub(crate) fn class_count(&self) -> usize {
        self.classes.as_ref().map_or(0, Classes::len)
    }
}

/// What rows bring along besides features and target.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Marks {
    /// Weight of each row, not negative, with mean 1 over the trainable rows; empty when all are equal.
    pub weights: Vec<f32>,
    /// Group of each row; empty without groups.
    pub groups: Vec<u32>,
    /// Moment of each row; empty without an order.
    pub times: Vec<f64>,
    /// The user's own splits: for each, whether a row is validated on.
    pub held: Vec<Vec<bool>>,
    /// Rows at the end that come from the validation table: every trial is judged by them, nothing learns from them.
    pub validation: usize,
}

/// Everything the learners need.
#[derive(Debug, Clone)]
pub(crate) struct Dataset {
    /// The features in use.
    pub features: Vec<Feature>,
    /// Their values.
    pub matrix: Matrix,
    /// The target.
    pub target: Target,
    /// What the rows bring along.
    pub marks: Marks,
}

impl Dataset {
    /// Number of rows, those of the validation table included.
    pub(crate) fn rows(&self) -> usize {
        self.matrix.rows
    }

    /// Number of rows that may be learned from: the first ones.
    pub(crate) fn trainable(&self) -> usize {
        self.matrix.rows - self.marks.validation
    }
}
