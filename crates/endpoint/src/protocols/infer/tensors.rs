//! Tensors as columns: shapes checked, elements found, rows filled cell by cell.

use super::super::data::Datatype;
use super::wire::{Body, Tensor, length};
use super::{refusal, refused};
use crate::outcome::Outcome;
use crate::rows::Reader;
use crate::rows::refusal::{Found, clip};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// An input with its elements at hand.
pub struct Open<'a> {
    name: &'a str,
    datatype: Datatype,
    rows: usize,
    /// Elements a row.
    width: usize,
    elements: Elements<'a>,
}

enum Elements<'a> {
    Json(Vec<&'a RawValue>),
    Fixed(&'a [u8]),
    Texts(Vec<&'a str>),
}

impl Elements<'_> {
    fn count(&self, datatype: Datatype) -> usize {
        match self {
            Self::Json(list) => list.len(),
            Self::Fixed(bytes) => bytes.len() / datatype.width().unwrap_or(1),
            Self::Texts(texts) => texts.len(),
        }
    }
}

/// Finds the elements of every input; binary ones stand behind the JSON part, in the order of the inputs.
pub fn open<'a>(body: &'a Body<'a>, mut rest: &'a [u8]) -> Result<Vec<Open<'a>>, Box<Outcome>> {
    let mut all = Vec::with_capacity(body.inputs.len());
    for tensor in &body.inputs {
        let name = clip(&tensor.name);
        let datatype = Datatype::of(&tensor.datatype).ok_or_else(|| {
            let text = format!("input '{name}': '{}' is no datatype", clip(&tensor.datatype));
            refused(&text, "datatype")
        })?;
        let (rows, width) = shape(tensor)?;
        let elements = elements(tensor, datatype, &mut rest)?;
        let (expected, found) = (rows.checked_mul(width), elements.count(datatype));
        if expected != Some(found) {
            let text = format!(
                "input '{name}': the shape {:?} needs {} elements, {found} came",
                tensor.shape,
                expected.map_or_else(|| "too many".to_owned(), |n| n.to_string())
            );
            return Err(refused(&text, "shape"));
        }
        all.push(Open { name: &tensor.name, datatype, rows, width, elements });
    }
    if !rest.is_empty() {
        let text = format!("{} bytes stand behind the last binary tensor", rest.len());
        return Err(refused(&text, "binary data"));
    }
    Ok(all)
}

/// Rows and elements a row: `[N]`, `[N, 1]` or `[N, K]`.
fn shape(tensor: &Tensor<'_>) -> Result<(usize, usize), Box<Outcome>> {
    let size = |n: &u64| usize::try_from(*n).ok();
    let found = match tensor.shape.as_slice() {
        [rows] => size(rows).map(|rows| (rows, 1)),
        [rows, width] => size(rows).zip(size(width)),
        _ => None,
    };
    found.ok_or_else(|| {
        let name = clip(&tensor.name);
        refused(&format!("input '{name}': the shape must be [rows] or [rows, columns]"), "shape")
    })
}

fn elements<'a>(
    tensor: &'a Tensor<'a>,
    datatype: Datatype,
    rest: &mut &'a [u8],
) -> Result<Elements<'a>, Box<Outcome>> {
    let name = clip(&tensor.name);
    let wrong = |text: &str| refused(&format!("input '{name}': {text}"), "tensor data");
    let size = length(tensor.parameters.as_ref(), "binary_data_size");
    match (tensor.data, size) {
        (Some(_), Some(_)) => Err(wrong("send 'data' or 'binary_data_size', not both")),
        (None, None) => Err(wrong("'data' is missing")),
        (Some(data), None) => flat(data)
            .map(Elements::Json)
            .ok_or_else(|| wrong("'data' must be a list of elements, or a list of such lists")),
        (None, Some(size)) => {
            let Some((own, behind)) = rest.split_at_checked(size) else {
                return Err(wrong("the body ends before 'binary_data_size' bytes of it"));
            };
            *rest = behind;
            match datatype.width() {
                Some(width) if own.len() % width == 0 => Ok(Elements::Fixed(own)),
                Some(_) => Err(wrong("'binary_data_size' is no multiple of the datatype's size")),
                None => texts(own).map(Elements::Texts).ok_or_else(|| {
                    wrong("BYTES must be UTF-8 text, each with its length in four bytes before it")
                }),
            }
        }
    }
}

/// The elements of flat or once nested JSON data.
fn flat(data: &RawValue) -> Option<Vec<&RawValue>> {
    let list: Vec<&RawValue> = serde_json::from_str(data.get()).ok()?;
    let nested = |raw: &&RawValue| raw.get().starts_with('[');
    if !list.iter().any(nested) {
        return Some(list);
    }
    let mut all = Vec::with_capacity(list.len());
    let mut width = None;
    for row in list {
        let row: Vec<&RawValue> = serde_json::from_str(row.get()).ok()?;
        if width.is_some_and(|width| width != row.len()) || row.iter().any(nested) {
            return None;
        }
        width = Some(row.len());
        all.extend(row);
    }
    Some(all)
}

/// Texts with their lengths in four little-endian bytes before each.
fn texts(mut bytes: &[u8]) -> Option<Vec<&str>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (length, behind) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (text, behind) = behind.split_at_checked(length)?;
        all.push(std::str::from_utf8(text).ok()?);
        bytes = behind;
    }
    Some(all)
}

/// Fills the batch: every row gets the cells of all inputs.
pub fn fill(reader: &mut Reader<'_>, tensors: &[Open<'_>]) -> Result<(), Box<Outcome>> {
    let rows = tensors.first().map_or(0, |tensor| tensor.rows);
    if let Some(other) = tensors.iter().find(|tensor| tensor.rows != rows) {
        let text = format!("input '{}' has {} rows, the first has {rows}", clip(other.name), other.rows);
        return Err(refused(&text, "shape"));
    }
    let columns = columns(reader, tensors)?;
    for row in 0..rows {
        reader.open_row().map_err(|_| refusal(&reader.stopped()))?;
        let mut columns = columns.iter();
        for tensor in tensors {
            for (at, column) in (row * tensor.width..).zip(columns.by_ref().take(tensor.width)) {
                put(reader, tensor, at, *column)?;
            }
        }
        reader.close_row();
    }
    Ok(())
}

fn put(reader: &mut Reader<'_>, tensor: &Open<'_>, at: usize, column: u16) -> Result<(), Box<Outcome>> {
    let mut text = Cow::Borrowed("");
    let found = match &tensor.elements {
        Elements::Json(list) => list.get(at).and_then(|raw| tensor.datatype.json(raw, &mut text)),
        Elements::Fixed(bytes) => {
            let width = tensor.datatype.width().unwrap_or(1);
            bytes.get(at * width..(at + 1) * width).and_then(|own| tensor.datatype.binary(own))
        }
        Elements::Texts(texts) => texts.get(at).map(|text| Found::Text(text)),
    };
    let Some(found) = found else {
        let (name, kind) = (clip(tensor.name), tensor.datatype.word());
        return Err(refused(&format!("input '{name}': element {at} is no {kind}"), "wrong type"));
    };
    reader.put(column, found).map_err(|_| refusal(&reader.stopped()))
}

/// Which column every element of a row is: by the input's name, or `NAME_0`, `NAME_1`, … for a wide one; one wide input that
/// has as many elements as the model has columns brings them in their order, whatever its name.
fn columns(reader: &mut Reader<'_>, tensors: &[Open<'_>]) -> Result<Vec<u16>, Box<Outcome>> {
    let plan = reader.plan;
    let all = plan.columns.len();
    reader.begin_header();
    for tensor in tensors {
        let parts: Vec<String> = match tensor.width {
            1 if plan.find(tensor.name).is_some() => vec![tensor.name.to_owned()],
            width if width <= all => (0..width).map(|at| format!("{}_{at}", tensor.name)).collect(),
            _ => Vec::new(),
        };
        let known = !parts.is_empty() && parts.iter().all(|part| plan.find(part).is_some());
        let whole = tensors.len() == 1 && tensor.width == all;
        let names: Vec<&str> = match (known, whole) {
            (true, _) => parts.iter().map(String::as_str).collect(),
            (false, true) => plan.columns.iter().map(|column| &*column.name).collect(),
            (false, false) => return Err(unexpected(tensor, plan.find(tensor.name).is_some())),
        };
        for name in names {
            reader.header::<serde::de::value::Error>(name).map_err(|_| refusal(&reader.stopped()))?;
        }
    }
    reader.end_header::<serde::de::value::Error>().map_err(|_| refusal(&reader.stopped()))?;
    Ok(reader.named())
}

fn unexpected(tensor: &Open<'_>, known: bool) -> Box<Outcome> {
    let name = clip(tensor.name);
    let text = if known {
        format!("input '{name}': it is one column; its shape must be [rows] or [rows, 1]")
    } else {
        format!("unexpected inference input '{name}'; the model's metadata lists its inputs")
    };
    refused(&text, "unknown input")
}
