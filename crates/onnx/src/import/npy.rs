//! NumPy's array files (format 1 to 3): plain and structured, little-endian or of one byte; nothing of Python.

use super::Told;

/// Longest header.
const HEADER: usize = 64 << 10;
/// Most fields of a structured type.
const FIELDS: usize = 64;

/// One member of a structured type, or the only one.
#[derive(Debug, Clone, PartialEq)]
struct Field {
    name: String,
    /// Letter of the type, as `f` or `i`.
    letter: u8,
    size: usize,
    offset: usize,
}

/// An array.
#[derive(Debug, PartialEq)]
pub(super) struct Array<'a> {
    pub shape: Vec<usize>,
    fields: Vec<Field>,
    stride: usize,
    fortran: bool,
    data: &'a [u8],
}

impl<'a> Array<'a> {
    /// Reads a file.
    pub(super) fn read(bytes: &'a [u8]) -> Told<Self> {
        let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("it is no npy file")?;
        let short = "the file ends within its header";
        let (length, start) = match rest.first() {
            Some(1) => {
                let length: [u8; 2] = rest.get(2..4).and_then(|b| b.try_into().ok()).ok_or(short)?;
                (usize::from(u16::from_le_bytes(length)), 4)
            }
            Some(2 | 3) => {
                let length: [u8; 4] = rest.get(2..6).and_then(|b| b.try_into().ok()).ok_or(short)?;
                (u32::from_le_bytes(length) as usize, 6)
            }
            _ => return Err("its version is none of 1 to 3".to_owned()),
        };
        if length > HEADER {
            return Err(format!("its header is longer than {HEADER} bytes"));
        }
        let header = rest.get(start..start + length).ok_or(short)?;
        let data = &rest[start + length..];
        let header = std::str::from_utf8(header).map_err(|_| "its header is no text")?;
        Self::describe(header, data).map_err(|e| format!("header: {e}"))
    }

    fn describe(header: &str, data: &'a [u8]) -> Told<Self> {
        let member = |name: &str| {
            let at = header.find(&format!("'{name}':"))?;
            Some(header[at + name.len() + 3..].trim_start())
        };
        let descr = member("descr").ok_or("'descr' is missing")?;
        let fortran = member("fortran_order").is_some_and(|t| t.starts_with("True"));
        let shape = member("shape").and_then(|t| t.strip_prefix('(')?.split_once(')'));
        let shape = shape.ok_or("'shape' is missing")?.0;
        let dims = shape.split(',').map(str::trim).filter(|d| !d.is_empty());
        let shape: Vec<usize> =
            dims.map(|d| d.parse().map_err(|_| format!("'shape' has {d:?}"))).collect::<Told<_>>()?;
        let (fields, stride) = fields(descr)?;
        let count = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        let size = count.and_then(|n| n.checked_mul(stride)).ok_or("its dimensions are impossible")?;
        let data =
            data.get(..size).ok_or_else(|| format!("{size} bytes are expected, {} there", data.len()))?;
        Ok(Self { shape, fields, stride, fortran, data })
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether its elements are texts.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.fields.first().map(|f| f.letter), Some(b'U' | b'S'))
    }

    /// Whether its elements are truth values.
    pub(super) fn is_bool(&self) -> bool {
        self.fields.first().is_some_and(|f| f.letter == b'b')
    }

    /// The numbers in row order.
    pub(super) fn numbers(&self) -> Told<Vec<f64>> {
        let [field] = self.fields.as_slice() else {
            return Err("it is a structured array, expected plain numbers".to_owned());
        };
        let values = self.column(field)?;
        match self.shape.as_slice() {
            &[rows, width] if self.fortran && rows > 1 && width > 1 => {
                let at = |i: usize| values[(i % width) * rows + i / width];
                Ok((0..values.len()).map(at).collect())
            }
            [] | [_] | [_, _] => Ok(values),
            _ if self.fortran => Err("its order is that of columns".to_owned()),
            _ => Ok(values),
        }
    }

    /// The numbers of a member of a structured array.
    pub(super) fn field(&self, name: &str) -> Told<Vec<f64>> {
        let found = self.fields.iter().find(|f| f.name == name);
        self.column(found.ok_or_else(|| format!("it has no field '{name}'"))?)
    }

    fn column(&self, field: &Field) -> Told<Vec<f64>> {
        let read: fn(&[u8]) -> f64 = match (field.letter, field.size) {
            (b'f', 8) => |b| f64::from_le_bytes(bytes(b)),
            (b'f', 4) => |b| f64::from(f32::from_le_bytes(bytes(b))),
            (b'i', 8) => |b| i64::from_le_bytes(bytes(b)) as f64,
            (b'i', 4) => |b| f64::from(i32::from_le_bytes(bytes(b))),
            (b'i', 2) => |b| f64::from(i16::from_le_bytes(bytes(b))),
            (b'i', 1) => |b| f64::from(i8::from_le_bytes(bytes(b))),
            (b'u', 8) => |b| u64::from_le_bytes(bytes(b)) as f64,
            (b'u', 4) => |b| f64::from(u32::from_le_bytes(bytes(b))),
            (b'u', 2) => |b| f64::from(u16::from_le_bytes(bytes(b))),
            (b'u' | b'b', 1) => |b| f64::from(u8::from_le_bytes(bytes(b))),
            _ => {
                let letter = char::from(field.letter);
                return Err(format!("elements of type {letter}{} are not read", field.size));
            }
        };
        let cell = |row: &[u8]| read(&row[field.offset..field.offset + field.size]);
        Ok(self.data.chunks_exact(self.stride.max(1)).map(cell).collect())
    }

    /// The texts.
    pub(super) fn texts(&self) -> Told<Vec<String>> {
        let text = |cell: &[u8]| match self.fields.first().map(|f| f.letter) {
            Some(b'U') => cell
                .chunks_exact(4)
                .map(|c| u32::from_le_bytes(bytes(c)))
                .take_while(|&c| c != 0)
                .map(char::from_u32)
                .collect::<Option<String>>(),
            Some(b'S') => {
                let end = cell.iter().position(|&b| b == 0).unwrap_or(cell.len());
                String::from_utf8(cell[..end].to_vec()).ok()
            }
            _ => None,
        };
        if self.stride == 0 {
            return Ok(vec![String::new(); self.len().min(1)]);
        }
        let texts: Option<Vec<String>> = self.data.chunks_exact(self.stride).map(text).collect();
        texts.ok_or_else(|| "its elements are no texts".to_owned())
    }
}

fn bytes<const N: usize>(from: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&from[..N]);
    out
}

/// The fields of `'<f8'` or of `[('a', '<f8'), …]`, and the size of an element.
fn fields(descr: &str) -> Told<(Vec<Field>, usize)> {
    let quoted = |text: &str| text.split('\'').nth(1).map(str::to_owned);
    if descr.starts_with('\'') {
        let code = quoted(descr).ok_or("'descr' is damaged")?;
        let (letter, size) = code_of(&code)?;
        return Ok((vec![Field { name: String::new(), letter, size, offset: 0 }], size));
    }
    let list = descr.strip_prefix('[').and_then(|t| t.split_once(']')).ok_or("'descr' is damaged")?.0;
    let mut out = Vec::new();
    let mut offset = 0_usize;
    for part in list.split('(').skip(1) {
        let mut words = part.split('\'');
        let (Some(name), Some(code)) = (words.nth(1), words.nth(1)) else {
            return Err("'descr' is damaged".to_owned());
        };
        let (letter, size) = code_of(code)?;
        out.push(Field { name: name.to_owned(), letter, size, offset });
        offset = offset.saturating_add(size);
        if out.len() > FIELDS {
            return Err(format!("'descr' has more than {FIELDS} fields"));
        }
    }
    Ok((out, offset))
}

/// Letter and size of a type, as `<f8`.
fn code_of(code: &str) -> Told<(u8, usize)> {
    let wrong = || format!("elements of type {code:?} are not read");
    let &[order, letter, ref digits @ ..] = code.as_bytes() else { return Err(wrong()) };
    let digits = std::str::from_utf8(digits).ok().and_then(|d| d.parse::<usize>().ok());
    let size = digits.filter(|&n| n <= 1 << 20).ok_or_else(wrong)?;
    match (order, letter) {
        (b'<' | b'|', b'U') => Ok((letter, size * 4)),
        (b'<' | b'|', b'f' | b'i' | b'u' | b'b' | b'S' | b'V') => Ok((letter, size)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file of this header and data.
    pub(in super::super) fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend((header.len() as u16).to_le_bytes());
        out.extend(header.as_bytes());
        out.extend(data);
        out
    }

    #[test]
    fn plain_and_structured_arrays_are_read() {
        let data: Vec<u8> = [1.0_f64, 2.0, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let rows = file("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", &data);
        assert_eq!(Array::read(&rows).unwrap().numbers().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let columns = file("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }", &data);
        assert_eq!(Array::read(&columns).unwrap().numbers().unwrap(), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
        let header =
            "{'descr': [('a', '<i4'), ('', '|V2'), ('b', '|u1')], 'fortran_order': False, 'shape': (2,)}";
        let bytes = file(header, &[7, 0, 0, 0, 0, 0, 9, 255, 255, 255, 255, 0, 0, 1]);
        let array = Array::read(&bytes).unwrap();
        assert_eq!((array.field("a").unwrap(), array.field("b").unwrap()), (vec![7.0, -1.0], vec![9.0, 1.0]));
        assert!(array.field("c").is_err() && array.numbers().is_err());
        let texts =
            file("{'descr': '<U2', 'fortran_order': False, 'shape': (2,)}", b"a\0\0\0\0\0\0\0b\0\0\0c\0\0\0");
        assert_eq!(Array::read(&texts).unwrap().texts().unwrap(), ["a", "bc"]);
    }

    #[test]
    fn damaged_files_are_refused() {
        let good = file("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", &1.0_f64.to_le_bytes());
        for end in 0..good.len() {
            assert!(Array::read(&good[..end]).is_err(), "{end}");
        }
        for header in [
            "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99999999999)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '>f8', 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
            "{'descr': [('a', '<f8'), 'fortran_order': False, 'shape': (1,)}",
            "{}",
        ] {
            let file = file(header, &[0; 8]);
            assert!(Array::read(&file).and_then(|a| a.numbers()).is_err(), "{header}");
        }
    }
}
