//! Reads a graph's outputs as a prediction: a class with probabilities, or a value.

use super::origin::{Origin, Way};
use super::value::{Dict, Kind, Levels, Row, Shape};
use super::{Lower, Span};
use crate::scores::Labels;
use std::sync::Arc;

/// Where the predictions of a block lie.
#[derive(Debug)]
pub(crate) enum Ending {
    Classes { label: LabelColumn, scores: Option<(usize, usize)>, labels: Labels },
    Value { place: usize },
}

/// The place of the class numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelColumn {
    pub place: usize,
    pub classes: usize,
}

impl Ending {
    /// `rows` are the outputs that have a value per row, in the graph's order; `shares` says of each whether a
    /// `Softmax` made it.
    pub fn read(lower: &mut Lower, rows: &[Row], shares: &[bool]) -> Result<Self, String> {
        let scored = rows.iter().zip(shares).find(|(r, _)| matches!(r.kind, Kind::Float) && r.width() > 1);
        let scores = scored.map(|(row, _)| row);
        if let Some(row) = rows.iter().find(|r| r.width() == 1 && matches!(r.kind, Kind::Code(_))) {
            return Self::classes(row, scores, rows);
        }
        if let Some(scores) = scores
            && let Some(ending) = Self::numbered(lower, scores, rows)?
        {
            return Ok(ending);
        }
        if let Some((scores, true)) = scored {
            return Self::largest(lower, scores);
        }
        match rows.iter().find(|r| r.width() == 1 && matches!(r.kind, Kind::Float | Kind::Int)) {
            Some(row) if scores.is_none() => Ok(Self::Value { place: row.place }),
            _ => Err("the graph gives neither a class (with a probability for each class), nor what a \
                      Softmax makes, nor one value a row"
                .to_owned()),
        }
    }

    /// The places it takes predictions from.
    pub fn reads(&self) -> Vec<Span> {
        match self {
            Self::Classes { label, scores, .. } => [(label.place, 1)].into_iter().chain(*scores).collect(),
            Self::Value { place } => vec![(*place, 1)],
        }
    }

    /// What a `Softmax` makes, without a label: the class is the first with the largest share, as in ONNX Runtime.
    fn largest(lower: &mut Lower, shares: &Row) -> Result<Self, String> {
        let label = lower.map(shares, Shape::column(), Kind::Int, |from, to| {
            let best = (1..from.len()).fold(0, |best, at| if from[at] > from[best] { at } else { best });
            to[0] = best as f32;
        })?;
        Ok(Self::counted(&label, shares))
    }

    /// A label that is a number, the first that can be one; none when there is no number beside the scores.
    fn numbered(lower: &mut Lower, scores: &Row, rows: &[Row]) -> Result<Option<Self>, String> {
        let mut numbers = rows.iter().filter(|r| r.width() == 1 && matches!(r.kind, Kind::Int)).peekable();
        if numbers.peek().is_none() {
            return Ok(None);
        }
        let found = numbers.find_map(|label| Self::of_number(lower, label, scores, rows));
        found.unwrap_or_else(|| {
            Err("the label is a number of which nothing says that it is the place of a class".to_owned())
        })
    }

    /// With a label that is one of those that the places of classes were looked up as, or such a place itself; none when it
    /// is neither.
    fn of_number(
        lower: &mut Lower,
        label: &Row,
        scores: &Row,
        rows: &[Row],
    ) -> Option<Result<Option<Self>, String>> {
        let origins = lower.origins(label).unwrap_or_default();
        if let [Origin { source, way: Way::Entry(table), maps }] = origins.as_slice()
            && maps.is_empty()
        {
            let levels = Levels::Integer(table.iter().map(|&x| x as i64).collect());
            let kind = Kind::Code(Arc::new(Dict { levels, open: false }));
            let row = Row { place: lower.source(*source), shape: Shape::column(), kind, sole: false };
            let place = lower.bound(&row).is_some_and(|bound| bound <= table.len());
            return place.then(|| Self::classes(&row, Some(scores), rows).map(Some));
        }
        let place = lower.bound(label).is_some_and(|bound| bound <= scores.width());
        place.then(|| Ok(Some(Self::counted(label, scores))))
    }

    /// Classes 0, 1, … with a score each.
    fn counted(label: &Row, scores: &Row) -> Self {
        let count = scores.width();
        Self::Classes {
            label: LabelColumn { place: label.place, classes: count },
            scores: Some((scores.place, count)),
            labels: Labels::Integer((0..count as i64).collect()),
        }
    }

    fn classes(row: &Row, scores: Option<&Row>, rows: &[Row]) -> Result<Self, String> {
        let Kind::Code(dict) = &row.kind else {
            return Err("the label is no label".to_owned());
        };
        if dict.open {
            return Err("an output repeats a text of the input".to_owned());
        }
        let labels = match &dict.levels {
            Levels::Text(v) => Labels::Text(v.clone()),
            Levels::Integer(v) => Labels::Integer(v.clone()),
            Levels::Whole(_) => return Err("the label is a text of the input".to_owned()),
        };
        let classes = labels.len();
        // Some exports add raw scores; the probabilities are what has one column a class.
        let fits = |r: &&Row| matches!(r.kind, Kind::Float) && r.width() == classes;
        let scores = match rows.iter().find(fits) {
            Some(found) => Some((found.place, classes)),
            None if scores.is_none() => None,
            None => {
                return Err(format!("there are {classes} classes, but no output has one column for each"));
            }
        };
        Ok(Self::Classes { label: LabelColumn { place: row.place, classes }, scores, labels })
    }
}
