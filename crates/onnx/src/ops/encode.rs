//! `LabelEncoder` and `OneHotEncoder`.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Inputs, Op, Operator, need, need_value};
use crate::attrs::Node;
use crate::error::Result;
use crate::limits;
use crate::program::{Dict, EXACT, Kind, Levels, Lower, Row, Shape, Value, Way, exact};
use crate::tensor::{Data, Tensor};

/// Places that are looked up at once at most.
const PLACES: usize = 1 << 16;
/// Why whole texts are not looked up here.
const WHOLE: &str = "its keys are no texts";

/// Position of a key.
#[derive(Debug, Clone)]
enum Keys {
    Text(Vec<String>, HashMap<String, usize>),
    Int(HashMap<i64, usize>),
    /// Sorted by value, without NaN; and the position of NaN.
    Float(Vec<(f32, usize)>, Option<usize>),
}

impl Keys {
    fn new(data: &Data) -> Option<Self> {
        match data {
            Data::Text(v) => Some(Self::Text(v.clone(), index(v))),
            Data::Int64(v) => Some(Self::Int(index(v))),
            Data::Float(v) => {
                let mut sorted: Vec<(f32, usize)> =
                    v.iter().map(|x| x + 0.0).zip(0..).filter(|(x, _)| !x.is_nan()).collect();
                sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                sorted.dedup_by(|b, a| a.0 == b.0);
                Some(Self::Float(sorted, v.iter().position(|x| x.is_nan())))
            }
            _ => None,
        }
    }

    /// Refuses integers that another one may be rounded to where numbers of a row are `f32`.
    fn told_apart(&self) -> Result<(), String> {
        let Self::Int(map) = self else { return Ok(()) };
        match map.keys().find(|key| key.unsigned_abs() >= EXACT.unsigned_abs()) {
            Some(key) => Err(format!("integer {key} is too large to be compiled")),
            None => Ok(()),
        }
    }

    fn text(&self, key: &str) -> Option<usize> {
        if let Self::Text(_, map) = self { map.get(key).copied() } else { None }
    }

    fn int(&self, key: i64) -> Option<usize> {
        match self {
            Self::Int(map) => map.get(&key).copied(),
            Self::Float(..) => self.float(key as f32),
            Self::Text(..) => None,
        }
    }

    fn float(&self, key: f32) -> Option<usize> {
        match self {
            Self::Float(_, nan) if key.is_nan() => *nan,
            Self::Float(sorted, _) => {
                let found = sorted.binary_search_by(|(x, _)| x.total_cmp(&(key + 0.0)));
                found.ok().map(|at| sorted[at].1)
            }
            Self::Int(map) if key.fract() == 0.0 => map.get(&(key as i64)).copied(),
            _ => None,
        }
    }
}

/// The first position of each key: what `LabelEncoder` takes from version 2 on, as onnxruntime's does.
fn index<T: Clone + Eq + std::hash::Hash>(keys: &[T]) -> HashMap<T, usize> {
    let mut map = HashMap::with_capacity(keys.len());
    for (at, key) in keys.iter().enumerate() {
        map.entry(key.clone()).or_insert(at);
    }
    map
}

/// The last position of each key: what the other encoders take.
fn last_index<T: Clone + Eq + std::hash::Hash>(keys: &[T]) -> HashMap<T, usize> {
    keys.iter().cloned().zip(0..).collect()
}

/// `values` has one more element than there are keys: the default.
#[derive(Debug)]
struct LabelEncoder {
    keys: Keys,
    values: Data,
}

pub(super) fn label_encoder(node: &Node<'_>) -> Result<Op> {
    if node.version < 2 {
        return label_encoder_1(node);
    }
    let list = |stem: &str| -> Result<Option<Data>> {
        let names = [format!("{stem}_strings"), format!("{stem}_int64s"), format!("{stem}_floats")];
        if node.has(&names[0]) {
            return Ok(Some(Data::Text(node.texts(&names[0])?)));
        }
        if node.has(&names[1]) {
            return Ok(Some(Data::Int64(node.ints(&names[1])?.to_vec())));
        }
        if node.has(&names[2]) {
            return Ok(Some(Data::Float(node.floats(&names[2])?.to_vec())));
        }
        Ok(node.tensor(&format!("{stem}_tensor"))?.map(|t| t.data))
    };
    let (Some(keys), Some(mut values)) = (list("keys")?, list("values")?) else {
        return Err(node.error("needs keys and values"));
    };
    if keys.len() != values.len() {
        return Err(node.error(format!("has {} keys and {} values", keys.len(), values.len())));
    }
    let given = node.tensor("default_tensor")?.map(|t| t.data);
    match (&mut values, given) {
        (Data::Text(v), Some(Data::Text(d))) => v.extend(d.into_iter().take(1)),
        (Data::Int64(v), Some(Data::Int64(d))) => v.extend(d.into_iter().take(1)),
        (Data::Float(v), Some(Data::Float(d))) => v.extend(d.into_iter().take(1)),
        (Data::Text(v), None) => v.push(node.text("default_string")?.unwrap_or_else(|| "_Unused".to_owned())),
        (Data::Int64(v), None) => v.push(node.int("default_int64")?.unwrap_or(-1)),
        (Data::Float(v), None) => v.push(node.float("default_float")?.unwrap_or(-0.0)),
        (v, _) => return Err(node.unsupported(format!("values of {} are not supported", v.type_name()))),
    }
    if values.len() != keys.len() + 1 {
        return Err(node.error("default_tensor holds no value"));
    }
    let kind = keys.type_name();
    let mut read = Keys::new(&keys);
    if let (Some(Keys::Float(_, nan)), ..4) = (&mut read, node.version) {
        // Up to version 3 NaN is no key: nothing equals it.
        *nan = None;
    }
    let keys = read.ok_or_else(|| node.unsupported(format!("keys of {kind} are not supported")))?;
    Ok(Box::new(LabelEncoder { keys, values }))
}

/// Version 1: one list of texts, read in the direction that the input's type asks for.
#[derive(Debug)]
struct Both {
    to_int: LabelEncoder,
    to_text: LabelEncoder,
}

fn label_encoder_1(node: &Node<'_>) -> Result<Op> {
    let classes = node.texts("classes_strings")?;
    let mut texts = classes.clone();
    texts.push(node.text("default_string")?.unwrap_or_else(|| "_Unused".to_owned()));
    let mut numbers: Vec<i64> = (0..classes.len() as i64).collect();
    let by_int = Keys::Int(index(&numbers));
    numbers.push(node.int("default_int64")?.unwrap_or(-1));
    let map = last_index(&classes);
    Ok(Box::new(Both {
        to_int: LabelEncoder { keys: Keys::Text(classes, map), values: Data::Int64(numbers) },
        to_text: LabelEncoder { keys: by_int, values: Data::Text(texts) },
    }))
}

/// Texts and numbers of the same categories, read in the direction that the input's type asks for.
pub(super) fn category_mapper(node: &Node<'_>) -> Result<Op> {
    let (mut texts, mut numbers) = (node.texts("cats_strings")?, node.ints("cats_int64s")?.to_vec());
    if texts.len() != numbers.len() {
        return Err(node.error(format!("has {} texts and {} numbers", texts.len(), numbers.len())));
    }
    let (by_text, by_int) = (Keys::Text(texts.clone(), last_index(&texts)), Keys::Int(last_index(&numbers)));
    texts.push(node.text("default_string")?.unwrap_or_else(|| "_Unused".to_owned()));
    numbers.push(node.int("default_int64")?.unwrap_or(-1));
    Ok(Box::new(Both {
        to_int: LabelEncoder { keys: by_text, values: Data::Int64(numbers) },
        to_text: LabelEncoder { keys: by_int, values: Data::Text(texts) },
    }))
}

impl Operator for Both {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let text = matches!(need(inputs, 0)?.data, Data::Text(_));
        if text { self.to_int.run(inputs) } else { self.to_text.run(inputs) }
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = need_value(inputs, 0)?.row()?;
        let text = matches!(&row.kind, Kind::Code(dict) if matches!(dict.levels, Levels::Text(_)));
        if text { self.to_int.lower(lower, inputs) } else { self.to_text.lower(lower, inputs) }
    }

    fn levels(&self) -> Option<Vec<String>> {
        self.to_int.levels()
    }
}

impl LabelEncoder {
    fn default(&self) -> usize {
        self.values.len() - 1
    }

    /// For every code of a dictionary, the position of its value.
    fn by_code(&self, dict: &Dict) -> Result<Vec<usize>, String> {
        let found = |at: Option<usize>| at.unwrap_or(self.default());
        let mut out: Vec<usize> = match &dict.levels {
            Levels::Text(levels) => levels.iter().map(|l| found(self.keys.text(l))).collect(),
            Levels::Integer(levels) => levels.iter().map(|&l| found(self.keys.int(l))).collect(),
            Levels::Whole(_) => return Err(WHOLE.to_owned()),
        };
        out.extend(dict.open.then_some(self.default()));
        Ok(out)
    }

    fn numbers(&self, places: &[usize]) -> Result<Vec<f32>, String> {
        match &self.values {
            Data::Float(v) => Ok(places.iter().map(|&p| v[p]).collect()),
            Data::Int64(v) => places.iter().map(|&p| exact(v[p])).collect(),
            _ => Err("has texts for values".to_owned()),
        }
    }

    fn kind(&self) -> Kind {
        if matches!(self.values, Data::Int64(_)) { Kind::Int } else { Kind::Float }
    }

    fn lower_code(&self, lower: &mut Lower, row: &Row, dict: &Dict) -> Result<Row, String> {
        let places = self.by_code(dict)?;
        let texts = match &self.values {
            Data::Text(v) => places.iter().map(|&p| v[p].len() + size_of::<String>()).sum::<usize>(),
            _ => 0,
        };
        lower.table(places.len() + texts / limits::TEXT_BYTES)?;
        let levels = match &self.values {
            Data::Text(v) => Levels::Text(places.iter().map(|&p| v[p].clone()).collect()),
            // Labels under another name: the codes stay, their meaning changes.
            Data::Int64(v) if !dict.open => Levels::Integer(places.iter().map(|&p| v[p]).collect()),
            _ => return lower.lookup(row, self.numbers(&places)?, self.kind()),
        };
        let kind = Kind::Code(Arc::new(Dict { levels, open: false }));
        Ok(lower.view(row, row.shape.clone(), kind))
    }

    fn lower_number(&self, lower: &mut Lower, row: &Row) -> Result<Row, String> {
        if matches!(self.keys, Keys::Text(..)) {
            return Err("looks numbers up among texts".to_owned());
        }
        self.keys.told_apart()?;
        let keys = self.keys.clone();
        let default = self.default();
        let all: Vec<usize> = (0..self.values.len()).collect();
        let (table, kind) = match &self.values {
            Data::Text(v) => {
                let dict = Dict { levels: Levels::Text(v.clone()), open: false };
                (all.iter().map(|&p| p as f32).collect(), Kind::Code(Arc::new(dict)))
            }
            _ => (self.numbers(&all)?, self.kind()),
        };
        if let Some(bound) = lower.bound(row).filter(|&bound| bound <= PLACES) {
            // A place, as of a class: what it is looked up as can be told from it.
            let table: Vec<f32> =
                (0..bound).map(|x| table[keys.float(x as f32).unwrap_or(default)]).collect();
            return lower.lookup(row, table, kind);
        }
        lower.map(row, row.shape.clone(), kind, move |from, to| {
            for (to, &x) in to.iter_mut().zip(from) {
                *to = table[keys.float(x).unwrap_or(default)];
            }
        })
    }
}

impl Operator for LabelEncoder {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let found = |at: Option<usize>| at.unwrap_or(self.default());
        let places: Vec<usize> = match (&input.data, &self.keys) {
            (Data::Text(v), Keys::Text(..)) => v.iter().map(|t| found(self.keys.text(t))).collect(),
            (Data::Int64(v), Keys::Int(_)) => v.iter().map(|&x| found(self.keys.int(x))).collect(),
            (Data::Float(v), Keys::Float(..)) => v.iter().map(|&x| found(self.keys.float(x))).collect(),
            (other, _) => return Err(format!("its keys are not {}", other.type_name())),
        };
        let data = super::pick::gather_places(&self.values, &places);
        Ok(vec![Tensor { dims: input.dims.clone(), data }])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        let row = need_value(inputs, 0)?.row()?;
        let row = match &row.kind {
            Kind::Code(dict) => self.lower_code(lower, row, dict)?,
            _ => self.lower_number(lower, row)?,
        };
        Ok(vec![Value::Row(row)])
    }

    fn levels(&self) -> Option<Vec<String>> {
        match &self.keys {
            Keys::Text(levels, _) => Some(levels.clone()),
            _ => Some(Vec::new()),
        }
    }
}

#[derive(Debug)]
struct OneHot {
    keys: Keys,
    count: usize,
    /// An unknown value gives zeros; otherwise it is a fault.
    zeros: bool,
}

pub(super) fn one_hot(node: &Node<'_>) -> Result<Op> {
    let (texts, ints) = (node.texts("cats_strings")?, node.ints("cats_int64s")?);
    let count = texts.len().max(ints.len());
    let keys = match (texts.is_empty(), ints.is_empty()) {
        (false, true) => {
            let places = last_index(&texts);
            Keys::Text(texts, places)
        }
        (true, false) => Keys::Int(last_index(ints)),
        _ => return Err(node.error("needs either cats_strings or cats_int64s")),
    };
    Ok(Box::new(OneHot { keys, count, zeros: node.int("zeros")?.unwrap_or(1) != 0 }))
}

impl Operator for OneHot {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>, String> {
        let input = need(inputs, 0)?;
        let whole = |x: f64| self.keys.int(x as i64).filter(|_| !x.is_nan());
        let places: Vec<Option<usize>> = match (&input.data, &self.keys) {
            (Data::Text(v), Keys::Text(..)) => v.iter().map(|t| self.keys.text(t)).collect(),
            (Data::Int64(v), Keys::Int(_)) => v.iter().map(|&x| self.keys.int(x)).collect(),
            (Data::Int32(v), Keys::Int(_)) => v.iter().map(|&x| self.keys.int(x.into())).collect(),
            (Data::Float(v), Keys::Int(_)) => v.iter().map(|&x| whole(x.into())).collect(),
            (Data::Double(v), Keys::Int(_)) => v.iter().map(|&x| whole(x)).collect(),
            (other, _) => return Err(format!("its categories are not {}", other.type_name())),
        };
        if !self.zeros && places.contains(&None) {
            return Err("meets a value that is no category".to_owned());
        }
        let mut out = vec![0.0; inputs.count(&[places.len(), self.count])?];
        for (row, place) in places.iter().enumerate() {
            if let Some(place) = place {
                out[row * self.count + place] = 1.0;
            }
        }
        Ok(vec![super::float([input.dims.as_slice(), &[self.count]].concat(), out)])
    }

    fn lower(&self, lower: &mut Lower, inputs: &[Option<Value>]) -> Result<Vec<Value>, String> {
        if !self.zeros {
            return Err("refuses unknown categories, which a compiled row can't".to_owned());
        }
        let row = need_value(inputs, 0)?.row()?.clone();
        let count = self.count;
        let shape = Shape { inner: [row.shape.inner.as_slice(), &[count]].concat(), ..row.shape.clone() };
        let mut ways = Vec::new();
        let encode: Box<dyn Fn(f32) -> Option<usize> + Send + Sync> = match &row.kind {
            Kind::Code(dict) => {
                let mut places: Vec<Option<usize>> = match &dict.levels {
                    Levels::Text(v) => v.iter().map(|l| self.keys.text(l)).collect(),
                    Levels::Integer(v) => v.iter().map(|&l| self.keys.int(l)).collect(),
                    Levels::Whole(_) => return Err(WHOLE.to_owned()),
                };
                places.extend(dict.open.then_some(None));
                lower.table(places.len())?;
                let entry = |place: &Option<usize>| place.map_or(u32::MAX, |p| p as u32);
                let entries: Arc<[u32]> = places.iter().map(entry).collect();
                ways = (0..count as u32).map(|hot| Way::Hot(Arc::clone(&entries), hot)).collect();
                Box::new(move |code| places.get(code as usize).copied().flatten())
            }
            _ if matches!(self.keys, Keys::Int(_)) => {
                self.keys.told_apart()?;
                let keys = self.keys.clone();
                Box::new(move |x| keys.int(x as i64).filter(|_| !x.is_nan()))
            }
            _ => return Err("looks numbers up among texts".to_owned()),
        };
        let hot = lower.map(&row, shape, Kind::Float, move |from, to| {
            to.fill(0.0);
            for (hot, &x) in to.chunks_exact_mut(count).zip(from) {
                if let Some(place) = encode(x) {
                    hot[place] = 1.0;
                }
            }
        })?;
        if !ways.is_empty() {
            lower.decode(&row, &hot, &ways);
        }
        Ok(vec![Value::Row(hot)])
    }

    fn levels(&self) -> Option<Vec<String>> {
        match &self.keys {
            Keys::Text(levels, _) => Some(levels.clone()),
            _ => Some(Vec::new()),
        }
    }
}
