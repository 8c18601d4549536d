//! `.skops` files: a zip archive of `schema.json` and arrays. The schema says of every object its class and its
//! members; it is only looked at, never carried out.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use super::npy::Array;
use super::value::{DEPTH, Value};
use super::{Input, Told, sklearn};

/// Most members of an archive.
const MEMBERS: usize = 200_000;
/// Most bytes of all members together, unpacked: so many times those of the file, within bounds.
const UNPACKED: u64 = 8;
const UNPACKED_BOUNDS: (u64, u64) = (16 << 20, 512 << 20);
/// Bytes that are read of the members of any file, and more for each of theirs: references can make a small file mean
/// a large one, and what stands once is read anew at each of them.
const READ: (usize, usize) = (32 << 20, 6);
/// Bytes that an object counts, a number of an array and a text of one, at least.
const OBJECT: usize = 32;
const NUMBER: usize = 8;
const TEXT: usize = 64;
/// Bytes of memory the schema may take for each of the file's, and in any case.
const SCHEMA_GROWTH: usize = 24;
const SCHEMA_SMALL: usize = 64 << 20;
/// The member that describes the objects.
const SCHEMA: &str = "schema.json";

/// Converts a file.
pub(super) fn convert(bytes: &[u8], columns: &[String]) -> Told<(Vec<u8>, Vec<Input>)> {
    let unpacked = (bytes.len() as u64 * UNPACKED).clamp(UNPACKED_BOUNDS.0, UNPACKED_BOUNDS.1);
    let archive = Archive::read(bytes, unpacked)?;
    let most = bytes.len().saturating_mul(SCHEMA_GROWTH).saturating_add(SCHEMA_SMALL);
    let schema = Value::json_within(archive.file(SCHEMA)?, most).map_err(|e| format!("{SCHEMA}: {e}"))?;
    let mut objects = HashMap::new();
    collect(&schema, &mut objects, 0)?;
    let left = archive.size().saturating_mul(READ.1).saturating_add(READ.0);
    let document = Document { archive: &archive, objects, left: Cell::new(left) };
    sklearn::convert(Node { document: &document, value: &schema, depth: 0 }, columns, bytes.len())
}

/// The unpacked members.
#[derive(Debug)]
struct Archive {
    files: HashMap<String, Vec<u8>>,
}

impl Archive {
    /// Unpacks at most `limit` bytes.
    fn read(bytes: &[u8], limit: u64) -> Told<Self> {
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| format!("zip archive: {e}"))?;
        if zip.len() > MEMBERS {
            return Err(format!("zip archive: {} members, the limit is {MEMBERS}", zip.len()));
        }
        let mut files = HashMap::with_capacity(zip.len());
        let mut left = limit;
        for at in 0..zip.len() {
            let mut member = zip.by_index(at).map_err(|e| format!("zip archive: member {at}: {e}"))?;
            let name = member.name().map_err(|e| format!("zip archive: member {at}: {e}"))?.into_owned();
            let mut content = Vec::new();
            // What the archive says of sizes is not believed.
            let read = member.by_ref().take(left + 1).read_to_end(&mut content);
            read.map_err(|e| format!("{name}: {e}"))?;
            left = left
                .checked_sub(content.len() as u64)
                .ok_or_else(|| format!("zip archive: unpacks to more than {limit} bytes"))?;
            files.insert(name, content);
        }
        Ok(Self { files })
    }

    /// Bytes of all members together.
    fn size(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }

    fn file(&self, name: &str) -> Told<&[u8]> {
        self.files.get(name).map(Vec::as_slice).ok_or_else(|| format!("the archive has no member '{name}'"))
    }
}

/// What the nodes of a file share.
#[derive(Debug)]
pub(super) struct Document<'a> {
    archive: &'a Archive,
    /// Objects by their id: one that stands twice is written once.
    objects: HashMap<u64, &'a Value>,
    /// Bytes that may still be read.
    left: Cell<usize>,
}

impl Document<'_> {
    /// Counts what is read.
    fn take(&self, bytes: usize) -> Told<()> {
        let left = self.left.get().checked_sub(bytes);
        let told = || format!("{SCHEMA}: its references mean more than a file of this size can");
        self.left.set(left.ok_or_else(told)?);
        Ok(())
    }
}

fn collect<'a>(value: &'a Value, objects: &mut HashMap<u64, &'a Value>, depth: usize) -> Told<()> {
    if depth > 2 * DEPTH {
        return Err(format!("{SCHEMA}: it nests too deep"));
    }
    match value {
        Value::Map(map) => {
            let cached = value.find("__loader__").and_then(Value::as_text) == Some("CachedNode");
            if let Some(id) = value.find("__id__").and_then(Value::as_number).filter(|_| !cached) {
                objects.entry(id.to_bits()).or_insert(value);
            }
            map.values().try_for_each(|v| collect(v, objects, depth + 1))
        }
        Value::List(list) => list.iter().try_for_each(|v| collect(v, objects, depth + 1)),
        _ => Ok(()),
    }
}

/// An object of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    document: &'a Document<'a>,
    value: &'a Value,
    depth: usize,
}

impl<'a> Node<'a> {
    fn at(self, value: &'a Value) -> Told<Self> {
        let depth = self.depth + 1;
        // A reference may lead back to what holds it.
        if depth > DEPTH {
            return Err(format!("{SCHEMA}: it nests deeper than {DEPTH} objects"));
        }
        self.document.take(OBJECT)?;
        let mut node = Self { value, depth, ..self };
        if node.loader() == "CachedNode" {
            let id = value.number("__id__")?;
            let found = self.document.objects.get(&id.to_bits()).copied();
            node.value = found.ok_or_else(|| format!("{SCHEMA}: there is no object {id}"))?;
        }
        Ok(node)
    }

    fn loader(self) -> &'a str {
        self.value.find("__loader__").and_then(Value::as_text).unwrap_or("")
    }

    /// Name of its class, as `StandardScaler`.
    pub(super) fn class(self) -> &'a str {
        self.value.find("__class__").and_then(Value::as_text).unwrap_or("")
    }

    /// Its class with the module, as `sklearn.preprocessing._data.StandardScaler`.
    pub(super) fn full_class(self) -> String {
        let module = self.value.find("__module__").and_then(Value::as_text).unwrap_or("");
        format!("{module}.{}", self.class())
    }

    /// Whether the first package of its module is this.
    pub(super) fn is_of(self, package: &str) -> bool {
        let module = self.value.find("__module__").and_then(Value::as_text).unwrap_or("");
        module.split('.').next() == Some(package)
    }

    /// A member that may be absent or None.
    pub(super) fn find(self, name: &str) -> Told<Option<Self>> {
        let mut content = self.value.find("content");
        // An object holds a dictionary, which holds the members.
        if let Some(inner) = content
            && inner.find("__loader__").and_then(Value::as_text) == Some("DictNode")
        {
            content = inner.find("content");
        }
        let Some(found) = content.and_then(|c| c.find(name)) else { return Ok(None) };
        let node = self.at(found).map_err(|e| format!("{name}: {e}"))?;
        Ok((!node.is_none()).then_some(node))
    }

    /// A member that must be there.
    pub(super) fn get(self, name: &str) -> Told<Self> {
        self.find(name)?.ok_or_else(|| format!("{} has no member '{name}'", self.class()))
    }

    fn is_none(self) -> bool {
        let content = self.value.find("content").and_then(Value::as_text);
        self.loader() == "JsonNode" && content.is_some_and(|text| text.trim_ascii() == "null")
    }

    /// A plain value.
    pub(super) fn scalar(self) -> Told<Value> {
        if self.loader() != "JsonNode" {
            return Err(format!("a {} stands where a plain value is expected", self.full_class()));
        }
        let text = self.value.text("content")?;
        self.document.take(text.len())?;
        Value::json(text.as_bytes())
    }

    /// A text.
    pub(super) fn text(self) -> Told<String> {
        match self.scalar()? {
            Value::Text(text) => Ok(text),
            other => Err(format!("{} stands where a text is expected", other.kind())),
        }
    }

    /// A number; NumPy's scalars are arrays without dimensions.
    pub(super) fn number(self) -> Told<f64> {
        if self.loader() == "NdArrayNode" {
            let numbers = self.numbers()?;
            let [number] = numbers.as_slice() else {
                return Err(format!("{} numbers stand where one is expected", numbers.len()));
            };
            return Ok(*number);
        }
        let found = self.scalar()?;
        found.as_number().ok_or_else(|| format!("{} stands where a number is expected", found.kind()))
    }

    /// Whether a member is true; false when it is absent.
    pub(super) fn flag(self, name: &str) -> Told<bool> {
        Ok(match self.find(name)? {
            None => false,
            Some(node) => node.number().map_err(|e| format!("{name}: {e}"))? != 0.0,
        })
    }

    /// A member that is a text, or this when it is absent.
    pub(super) fn word(self, name: &str, default: &str) -> Told<String> {
        match self.find(name)? {
            None => Ok(default.to_owned()),
            Some(node) => node.text().map_err(|e| format!("{name}: {e}")),
        }
    }

    /// The elements of a list, a tuple, or an array of objects in row order.
    pub(super) fn items(self) -> Told<Vec<Self>> {
        let mut out = Vec::new();
        self.gather(self.value.member("content")?, &mut out, 0)?;
        Ok(out)
    }

    fn gather(self, content: &'a Value, out: &mut Vec<Self>, nested: usize) -> Told<()> {
        let list: &[Value] = match content {
            Value::List(list) => list,
            Value::Numbers(none) if none.is_empty() => &[],
            other => return Err(format!("{} stands where a list is expected", other.kind())),
        };
        for value in list {
            let node = self.at(value)?;
            // Dimensions of an array of objects are lists within lists.
            if self.loader() == "NdArrayNode" && node.loader() == "ListNode" && nested < 4 {
                self.gather(value.member("content")?, out, nested + 1)?;
            } else {
                out.push(node);
            }
        }
        Ok(())
    }

    /// Whether it is a list or tuple.
    pub(super) fn is_list(self) -> bool {
        matches!(self.loader(), "ListNode" | "TupleNode")
    }

    /// Whether it is an array.
    pub(super) fn is_array(self) -> bool {
        self.loader() == "NdArrayNode"
    }

    /// Whether it is an array of objects, element by element.
    pub(super) fn is_object_array(self) -> bool {
        self.is_array() && self.value.find("file").is_none()
    }

    /// Whether it is a plain value.
    pub(super) fn is_scalar(self) -> bool {
        self.loader() == "JsonNode"
    }

    /// The array.
    pub(super) fn array(self) -> Told<Array<'a>> {
        if !self.is_array() || self.is_object_array() {
            return Err(format!("a {} stands where an array is expected", self.full_class()));
        }
        let name = self.value.text("file")?;
        let file = self.document.archive.file(name)?;
        let array = Array::read(file).map_err(|e| format!("{name}: {e}"))?;
        let each = if array.is_text() { TEXT } else { NUMBER };
        self.document.take(array.len().saturating_mul(each).max(file.len()))?;
        Ok(array)
    }

    /// All numbers of an array, in row order.
    pub(super) fn numbers(self) -> Told<Vec<f64>> {
        if self.is_object_array() || self.is_list() {
            return self.items()?.into_iter().map(Self::number).collect();
        }
        self.array()?.numbers()
    }

    /// The numbers of a member.
    pub(super) fn list(self, name: &str) -> Told<Vec<f64>> {
        self.get(name)?.numbers().map_err(|e| format!("{name}: {e}"))
    }

    /// A matrix: its rows and columns, and its numbers row by row.
    pub(super) fn matrix(self, name: &str) -> Told<(usize, usize, Vec<f64>)> {
        let array = self.get(name)?.array().map_err(|e| format!("{name}: {e}"))?;
        let numbers = array.numbers().map_err(|e| format!("{name}: {e}"))?;
        match *array.shape.as_slice() {
            [width] => Ok((1, width, numbers)),
            [rows, width] => Ok((rows, width, numbers)),
            _ => Err(format!("{name}: {} dimensions, expected one or two", array.shape.len())),
        }
    }

    /// The bytes of a member file, as an XGBoost model is kept.
    pub(super) fn bytes(self) -> Told<&'a [u8]> {
        let file = self.document.archive.file(self.value.text("file")?)?;
        self.document.take(file.len())?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_unpacks_to_too_much_is_refused() {
        let zeros = vec![0; 300_000];
        let file = super::super::tests::archive(&[("a.npy", &zeros), ("b.npy", &zeros)]);
        assert!(file.len() < 3000);
        assert!(Archive::read(&file, 600_000).is_ok());
        let told = Archive::read(&file, 599_999).unwrap_err();
        assert_eq!(told, "zip archive: unpacks to more than 599999 bytes");
    }
}
