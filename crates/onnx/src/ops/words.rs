//! Operators on whole texts: their case, their words, texts joined.

mod grams;
mod vectorizer;

use super::{Inputs, Op, Operator, broadcast, need, need_value};
use crate::attrs::Node;
use crate::error::Result;
use crate::program::{Casing, Dictionary, Kind, Lower, Row, Shape, Splitting, Value, Words, texts};
use crate::tensor::{Data, Tensor};
use std::collections::HashSet;

/// The operator of this node, when it is one of these.
pub(super) fn build(node: &Node<'_>) -> Result<Option<Op>> {
    Ok(Some(match node.op() {
        "StringConcat" => Box::new(Join),
        "StringNormalizer" => normalizer(node)?,
        "StringSplit" => splitter(node)?,
        "TfIdfVectorizer" => vectorizer::build(node)?,
        _ => return Ok(None),
    }))
}

fn strings(tensor: &Tensor) -> Result<&[String], String> {
    match &tensor.data {
        Data::Text(v) => Ok(v),
        other => Err(format!("takes strings, not {}", other.type_name())),
    }
}

/// A row's text that is read whole, with what became of its letters so far.
fn whole(value: &Value) -> Result<(&Row, Casing), String> {
    let row = value.row()?;
    match row.kind.whole() {
        Some(casing) => Ok((row, casing)),
        None => Err("takes texts as they came in, not numbers or looked-up texts".to_owned()),
    }
}

#[derive(Debug)]
struct Normalizer {
    casing: Casing,
    /// Texts left out, in small letters when case does not count.
    stop: HashSet<String>,
    sensitive: bool,
    ascii: bool,
}

/// A locale of C or POSIX has the letters of ASCII; every other one is taken for all of Unicode.
fn normalizer(node: &Node<'_>) -> Result<Op> {
    let locale = node.text("locale")?.unwrap_or_default();
    let ascii = ["C", "POSIX"].contains(&locale.as_str());
    let casing = match node.text("case_change_action")?.as_deref() {
        None | Some("NONE") => Casing::Kept,
        Some("LOWER") => Casing::Lower { ascii },
        Some("UPPER") => Casing::Upper { ascii },
        Some(other) => {
            return Err(node.error(format!("case_change_action {other:?} is none of LOWER, UPPER and NONE")));
        }
    };
    let sensitive = node.int("is_case_sensitive")?.unwrap_or(0) != 0;
    let lower = Casing::Lower { ascii };
    let mut room = String::new();
    let mut fold = |t: String| if sensitive { t } else { lower.apply(&t, &mut room).to_owned() };
    let stop = node.texts("stopwords")?.into_iter().map(&mut fold).collect();
    Ok(Box::new(Normalizer { casing, stop, sensitive, ascii }))
}

impl Normalizer {
    fn stops(&self, text: &str, room: &mut String) -> bool {
        let lower = Casing::Lower { ascii: self.ascii };
        let text = if self.sensitive || self.stop.is_empty() { text } else { lower.apply(text, room) };
        self.stop.contains(text)
    }
}

impl Operator for Normalizer {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let leading: &[usize] = match input.dims.as_slice() {
            [_] => &[],
            [1, _] => &[1],
            dims => return Err(format!("takes [C] or [1, C], got {dims:?}")),
        };
        let mut room = String::new();
        let kept = strings(input)?.iter().filter(|t| !self.stops(t, &mut room));
        let kept: Vec<&String> = kept.collect();
        let mut out: Vec<String> = kept.iter().map(|t| self.casing.apply(t, &mut room).to_owned()).collect();
        if out.is_empty() && !input.data.is_empty() {
            out.push(String::new());
        }
        Ok(vec![Tensor { dims: [leading, &[out.len()]].concat(), data: Data::Text(out) }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let (row, before) = whole(need_value(inputs, 0)?)?;
        if !self.stop.is_empty() {
            return Err("leaves texts out, which a compiled row can't".to_owned());
        }
        if row.shape != Shape::column() {
            return Err(format!("takes [N], got {}", row.shape));
        }
        let casing = match (before, self.casing) {
            (_, Casing::Kept) => before,
            (Casing::Kept, after) => after,
            _ => return Err("changes letters a second time".to_owned()),
        };
        Ok(vec![Value::Row(lower.view(row, row.shape.clone(), Kind::texts(casing)))])
    }

    fn reads_whole(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Split {
    splitting: Splitting,
}

/// Without a delimiter texts are split at runs of spaces, as onnxruntime does; other white space is part of a word.
fn splitter(node: &Node<'_>) -> Result<Op> {
    let delimiter = node.text("delimiter")?.unwrap_or_default();
    let cuts = node.int("maxsplit")?.and_then(|n| usize::try_from(n).ok());
    let splitting = Splitting { delimiter, most: cuts.map_or(usize::MAX, |n| n.saturating_add(1)) };
    Ok(Box::new(Split { splitting }))
}

impl Operator for Split {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let texts = strings(input)?;
        let counts: Vec<usize> = texts.iter().map(|t| self.splitting.parts(t).count()).collect();
        let width = counts.iter().copied().max().unwrap_or(0);
        let dims = [input.dims.as_slice(), &[width]].concat();
        let mut out = Vec::with_capacity(inputs.count(&dims)?);
        for (text, count) in texts.iter().zip(&counts) {
            out.extend(self.splitting.parts(text).map(str::to_owned));
            out.extend(std::iter::repeat_n(String::new(), width - count));
        }
        let counts = counts.into_iter().map(|n| n as i64).collect();
        let counts = Tensor { dims: input.dims.clone(), data: Data::Int64(counts) };
        Ok(vec![Tensor { dims, data: Data::Text(out) }, counts])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let (row, casing) = whole(need_value(inputs, 0)?)?;
        if row.width() != 1 {
            return Err(format!("takes one text a row, got {}", row.shape));
        }
        let words =
            Words { place: row.place, casing, splitting: self.splitting.clone(), shape: row.shape.clone() };
        let mut out = vec![Value::Words(words)];
        if lower.reads(1) {
            let to = lower.make(1, row.shape.clone(), Kind::Int)?;
            let splitting = self.splitting.clone();
            // Letters change case, the delimiter is looked for after.
            lower.read(row.place, &to, move |text, desk, to| {
                to[0] = splitting.parts(casing.apply(text, &mut desk.cased)).count() as f32;
            });
            out.push(Value::Row(to));
        }
        Ok(out)
    }

    fn reads_whole(&self) -> bool {
        true
    }
}

/// Most bytes of joined texts together.
const BYTES: usize = 1 << 28;

/// Joins texts element by element.
#[derive(Debug)]
struct Join;

impl Operator for Join {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
        let longest = |texts: &[String]| texts.iter().map(String::len).max().unwrap_or(0);
        let dims = broadcast::shape(&[&a.dims, &b.dims], inputs.room)?;
        let bytes = (longest(strings(a)?) + longest(strings(b)?)).saturating_mul(dims.iter().product());
        if bytes > BYTES {
            return Err(format!("may make texts of more than {BYTES} bytes"));
        }
        let join = |a: &String, b: &String| [a.as_str(), b.as_str()].concat();
        let (dims, values) =
            broadcast::zip((&a.dims, strings(a)?), (&b.dims, strings(b)?), inputs.room, join)?;
        Ok(vec![Tensor { dims, data: Data::Text(values) }])
    }

    fn lower(&self, _: &mut Lower, _: &[Option<Value>]) -> Result<Vec<Value>, String> {
        Err("makes new texts, which a compiled row can't".to_owned())
    }
}

/// Codes of a row's text that came in whole and is only looked up.
pub(crate) fn coded(
    lower: &mut Lower,
    row: &Row,
    casing: Casing,
    levels: Vec<String>,
) -> Result<Row, String> {
    if row.width() != 1 {
        return Err(format!("looks up texts of {}, which another node reads whole", row.shape));
    }
    let dictionary = Dictionary::new(levels);
    lower.table(dictionary.levels.len())?;
    let to = lower.make(0, row.shape.clone(), texts(dictionary.levels.clone(), true))?;
    lower.read(row.place, &to, move |text, desk, to| {
        to[0] = dictionary.code(casing.apply(text, &mut desk.cased)) as f32;
    });
    Ok(to)
}

#[cfg(test)]
mod tests;
