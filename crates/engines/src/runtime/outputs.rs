//! The outputs of a session as a class with probabilities, or one value a row; the rules are those of our own engine.

use super::rows::Predictions;
use onnx::{Labels, Outline, Output};
use ort::session::SessionOutputs;
use ort::value::{DynMapValueType, DynValue, Outlet, TensorElementType, ValueType};
use std::collections::HashMap;

/// How outputs become predictions.
#[derive(Debug)]
pub(crate) struct Answers {
    pub output: Output,
    /// The output that holds the value; none for classes.
    value: Option<String>,
    /// The output that names the class; none when it is the one with the largest probability.
    label: Option<String>,
    /// The output with a probability for each class.
    scores: Option<String>,
    /// Numbers of the classes by their labels' texts.
    classes: HashMap<String, u32>,
}

/// One output as declared.
struct Declared<'a> {
    name: &'a str,
    form: Declaration,
    /// Elements a row; none when it is not declared.
    width: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Declaration {
    Number,
    Integer,
    Text,
    /// One map a row, from label to probability.
    Maps,
    Other,
}

impl Answers {
    /// Reads what a session gives.
    pub fn read(outputs: &[Outlet], outline: &Outline) -> Result<Self, String> {
        let all: Vec<Declared<'_>> = outputs.iter().map(Declared::read).collect();
        let find = |wanted: &dyn Fn(&Declared<'_>) -> bool| all.iter().find(|o| wanted(o));
        let one = |o: &Declared<'_>| o.width.is_none_or(|w| w == 1);
        let label = find(&|o| o.form == Declaration::Text && one(o))
            .or_else(|| find(&|o| o.form == Declaration::Integer && one(o)));
        let scores = find(&|o| o.form == Declaration::Maps)
            .or_else(|| find(&|o| o.form == Declaration::Number && o.width.is_some_and(|w| w > 1)));
        if let Some(labels) = labels(label, scores, outline)? {
            let numbers = find(&|o| o.form == Declaration::Number && o.width == Some(labels.len()))
                .or_else(|| find(&|o| o.form == Declaration::Maps))
                .or_else(|| find(&|o| o.form == Declaration::Number && o.width.is_none()));
            if numbers.is_none() && scores.is_some() {
                return Err(format!(
                    "there are {} classes, but no output has one column for each",
                    labels.len()
                ));
            }
            return Ok(Self::classes(labels, label, numbers));
        }
        let value = find(&|o| o.form == Declaration::Number && one(o))
            .or_else(|| find(&|o| o.form == Declaration::Integer && one(o)));
        match value.filter(|_| scores.is_none()) {
            Some(value) => Ok(Self {
                output: Output::Value,
                value: Some(value.name.to_owned()),
                label: None,
                scores: None,
                classes: HashMap::new(),
            }),
            None => Err("the graph gives neither a class (with a probability for each class), nor what a Softmax makes, nor one \
                         value a row"
                .to_owned()),
        }
    }

    fn classes(labels: Labels, label: Option<&Declared<'_>>, scores: Option<&Declared<'_>>) -> Self {
        let texts: Vec<String> = match &labels {
            Labels::Text(texts) => texts.clone(),
            Labels::Integer(numbers) => numbers.iter().map(ToString::to_string).collect(),
        };
        Self {
            output: Output::Classes(labels),
            value: None,
            label: label.map(|o| o.name.to_owned()),
            scores: scores.map(|o| o.name.to_owned()),
            classes: texts.into_iter().zip(0..).collect(),
        }
    }

    /// Numbers a row.
    pub fn width(&self) -> usize {
        if self.value.is_some() {
            return 1;
        }
        self.scores.as_ref().map_or(0, |_| self.classes.len())
    }

    /// Adds the predictions of some rows.
    pub fn take(
        &self,
        outputs: &SessionOutputs<'_>,
        rows: usize,
        to: &mut Predictions,
    ) -> Result<(), String> {
        let get = |name: &str| outputs.get(name).ok_or_else(|| format!("output {name} is missing"));
        let width = self.width();
        let before = to.outputs.len();
        if let Some(name) = self.value.as_ref().or(self.scores.as_ref()) {
            let value = get(name)?;
            match value.dtype() {
                ValueType::Sequence(_) => self.maps(value, &mut to.outputs)?,
                _ => numbers(value, &mut to.outputs)?,
            }
            let got = to.outputs.len() - before;
            if got != rows * width {
                return Err(format!("output {name} gives {got} numbers for {rows} rows of {width}"));
            }
        }
        if self.value.is_some() {
            return Ok(());
        }
        match &self.label {
            Some(name) => {
                self.named(get(name)?, rows, &mut to.classes).map_err(|e| format!("output {name} {e}"))
            }
            None => {
                to.classes.extend(to.outputs[before..].chunks_exact(width.max(1)).map(largest));
                Ok(())
            }
        }
    }

    /// The classes that labels name.
    fn named(&self, value: &DynValue, rows: usize, to: &mut Vec<u32>) -> Result<(), String> {
        let texts: Vec<String> = match element(value) {
            Some(TensorElementType::String) => value.try_extract_strings().map_err(told)?.1,
            Some(TensorElementType::Int32) => {
                value.try_extract_tensor::<i32>().map_err(told)?.1.iter().map(ToString::to_string).collect()
            }
            _ => value.try_extract_tensor::<i64>().map_err(told)?.1.iter().map(ToString::to_string).collect(),
        };
        if texts.len() != rows {
            return Err(format!("gives {} labels for {rows} rows", texts.len()));
        }
        for text in &texts {
            let class = self
                .classes
                .get(text)
                .ok_or_else(|| format!("gives the label '{text}', which is not declared"))?;
            to.push(*class);
        }
        Ok(())
    }

    /// The probabilities of maps, in the order of the classes; a class that is not in one has none.
    fn maps(&self, value: &DynValue, to: &mut Vec<f32>) -> Result<(), String> {
        for map in value.try_extract_sequence::<DynMapValueType>().map_err(told)? {
            let pairs: Vec<(String, f32)> = match map.dtype() {
                ValueType::Map { key: TensorElementType::String, .. } => {
                    map.try_extract_key_values::<String, f32>().map_err(told)?
                }
                _ => {
                    let pairs = map.try_extract_key_values::<i64, f32>().map_err(told)?;
                    pairs.into_iter().map(|(key, share)| (key.to_string(), share)).collect()
                }
            };
            let row = to.len();
            to.resize(row + self.classes.len(), 0.0);
            for (label, share) in pairs {
                let class = self
                    .classes
                    .get(&label)
                    .ok_or_else(|| format!("a map holds the label '{label}', which is not declared"))?;
                to[row + *class as usize] = share;
            }
        }
        Ok(())
    }
}

impl<'a> Declared<'a> {
    fn read(outlet: &'a Outlet) -> Self {
        let (form, width) = match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } => (declaration(*ty), width(shape)),
            ValueType::Sequence(inner) if is_map(inner) => (Declaration::Maps, None),
            _ => (Declaration::Other, None),
        };
        Self { name: outlet.name(), form, width }
    }
}

fn is_map(value: &ValueType) -> bool {
    use TensorElementType::{Float32, Int64, String};
    matches!(value, ValueType::Map { key: String | Int64, value: Float32 })
}

fn declaration(element: TensorElementType) -> Declaration {
    match element {
        TensorElementType::Float32 | TensorElementType::Float64 => Declaration::Number,
        TensorElementType::Int64 | TensorElementType::Int32 => Declaration::Integer,
        TensorElementType::String => Declaration::Text,
        _ => Declaration::Other,
    }
}

/// Elements a row of an output; none when an axis is not declared.
fn width(shape: &[i64]) -> Option<usize> {
    let inner = shape.get(1..)?;
    inner.iter().try_fold(1_usize, |all, n| all.checked_mul(usize::try_from(*n).ok()?))
}

/// The classes: those the file names when they are of the label's type, else numbers from 0 on; none for a value.
fn labels(
    label: Option<&Declared<'_>>,
    scores: Option<&Declared<'_>>,
    outline: &Outline,
) -> Result<Option<Labels>, String> {
    let counted = |count: usize| Some(Labels::Integer((0..count as i64).collect()));
    let columns = scores.and_then(|o| o.width);
    let named = outline.labels.clone().filter(|labels| columns.is_none_or(|c| c == labels.len()));
    let share = |o: &Declared<'_>| outline.shares.iter().any(|name| name == o.name);
    Ok(match label.map(|o| o.form) {
        Some(Declaration::Text) => match named {
            Some(labels @ Labels::Text(_)) => Some(labels),
            _ => return Err("the file does not say which texts its label output gives".to_owned()),
        },
        Some(_) => match named {
            Some(labels @ Labels::Integer(_)) => Some(labels),
            _ => columns.and_then(counted),
        },
        None if scores.is_some_and(|o| o.form == Declaration::Maps) => named,
        None if scores.is_some_and(share) => columns.and_then(counted),
        None => None,
    })
}

fn element(value: &DynValue) -> Option<TensorElementType> {
    match value.dtype() {
        ValueType::Tensor { ty, .. } => Some(*ty),
        _ => None,
    }
}

/// The numbers of a tensor; answers have 32 bits.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "answers have 32 bits")]
fn numbers(value: &DynValue, to: &mut Vec<f32>) -> Result<(), String> {
    match element(value) {
        Some(TensorElementType::Float64) => {
            to.extend(value.try_extract_tensor::<f64>().map_err(told)?.1.iter().map(|v| *v as f32));
        }
        Some(TensorElementType::Int64) => {
            to.extend(value.try_extract_tensor::<i64>().map_err(told)?.1.iter().map(|v| *v as f32));
        }
        Some(TensorElementType::Int32) => {
            to.extend(value.try_extract_tensor::<i32>().map_err(told)?.1.iter().map(|v| *v as f32));
        }
        _ => to.extend_from_slice(value.try_extract_tensor::<f32>().map_err(told)?.1),
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn told(error: ort::Error) -> String {
    error.to_string()
}

/// The first class with the largest probability.
fn largest(shares: &[f32]) -> u32 {
    let mut best = 0;
    for (at, share) in shares.iter().enumerate() {
        if *share > shares[best] {
            best = at;
        }
    }
    u32::try_from(best).unwrap_or(u32::MAX)
}
