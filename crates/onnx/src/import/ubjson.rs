//! UBJSON (Draft 12) as XGBoost writes it: typed arrays, counted containers, big-endian numbers.

use std::collections::BTreeMap;

use super::Told;
use super::value::{Budget, DEPTH, Elements, Value};

/// Reads a whole document.
pub(super) fn read(bytes: &[u8]) -> Told<Value> {
    let mut reader = Reader { bytes, at: 0, budget: Budget::new(bytes.len()) };
    let value = reader.value(0).map_err(|e| format!("byte {}: {e}", reader.at))?;
    match reader.at == bytes.len() {
        true => Ok(value),
        false => Err(format!("byte {}: something follows the document", reader.at)),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    budget: Budget,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Told<[u8; N]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let found = rest.first_chunk::<N>().ok_or("the file ends too early")?;
        self.at += N;
        Ok(*found)
    }

    fn marker(&mut self) -> Told<u8> {
        // `N` is a no-operation between values.
        loop {
            let [marker] = self.take::<1>()?;
            if marker != b'N' {
                return Ok(marker);
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn value(&mut self, depth: usize) -> Told<Value> {
        let marker = self.marker()?;
        self.typed(marker, depth)
    }

    fn typed(&mut self, marker: u8, depth: usize) -> Told<Value> {
        if depth > DEPTH {
            return Err(format!("it nests deeper than {DEPTH} levels"));
        }
        if let Some(number) = self.number(marker)? {
            return Ok(Value::Number(number));
        }
        Ok(match marker {
            b'Z' => Value::Null,
            b'T' => Value::Bool(true),
            b'F' => Value::Bool(false),
            b'C' => {
                let [letter] = self.take::<1>()?;
                self.kept(char::from(letter).to_string())?
            }
            b'S' | b'H' => {
                let text = self.text()?;
                self.kept(text)?
            }
            b'[' => self.list(depth)?,
            b'{' => self.map(depth)?,
            other => return Err(format!("{:?} is no type of UBJSON", char::from(other))),
        })
    }

    fn kept(&self, text: String) -> Told<Value> {
        self.budget.text(&text)?;
        Ok(Value::Text(text))
    }

    fn number(&mut self, marker: u8) -> Told<Option<f64>> {
        Ok(Some(match marker {
            b'i' => f64::from(i8::from_be_bytes(self.take()?)),
            b'U' => f64::from(u8::from_be_bytes(self.take()?)),
            b'I' => f64::from(i16::from_be_bytes(self.take()?)),
            b'l' => f64::from(i32::from_be_bytes(self.take()?)),
            b'L' => i64::from_be_bytes(self.take()?) as f64,
            b'd' => f64::from(f32::from_be_bytes(self.take()?)),
            b'D' => f64::from_be_bytes(self.take()?),
            _ => return Ok(None),
        }))
    }

    fn length(&mut self) -> Told<usize> {
        let marker = self.marker()?;
        let length = match marker {
            b'i' | b'U' | b'I' | b'l' | b'L' => self.number(marker)?,
            _ => None,
        };
        let length = length.filter(|&n| n >= 0.0 && n <= self.bytes.len() as f64);
        Ok(length.ok_or("a length is out of range")? as usize)
    }

    fn text(&mut self) -> Told<String> {
        let length = self.length()?;
        let end = self.at.checked_add(length).ok_or("a length is out of range")?;
        let bytes = self.bytes.get(self.at..end).ok_or("the file ends too early")?;
        self.at = end;
        String::from_utf8(bytes.to_vec()).map_err(|_| "a text is not UTF-8".to_owned())
    }

    /// The common type and the count of a container, where it states them.
    fn header(&mut self) -> Told<(Option<u8>, Option<usize>)> {
        let mut kind = None;
        if self.peek() == Some(b'$') {
            self.at += 1;
            kind = Some(self.take::<1>()?[0]);
            if self.peek() != Some(b'#') {
                return Err("a typed container has no count".to_owned());
            }
        }
        if self.peek() != Some(b'#') {
            return Ok((kind, None));
        }
        self.at += 1;
        Ok((kind, Some(self.length()?)))
    }

    fn list(&mut self, depth: usize) -> Told<Value> {
        let (kind, count) = self.header()?;
        let mut elements = Elements::new();
        match (kind, count) {
            (Some(b'Z' | b'T' | b'F' | b'N'), _) => {
                return Err("a list of a type without content is not read".to_owned());
            }
            (Some(kind), Some(count)) => {
                for _ in 0..count {
                    elements.push(self.typed(kind, depth + 1)?, &self.budget)?;
                }
            }
            (_, Some(count)) => {
                for _ in 0..count {
                    elements.push(self.value(depth + 1)?, &self.budget)?;
                }
            }
            (_, None) => {
                while self.peek().ok_or("the file ends too early")? != b']' {
                    elements.push(self.value(depth + 1)?, &self.budget)?;
                }
                self.at += 1;
            }
        }
        Ok(elements.done())
    }

    fn map(&mut self, depth: usize) -> Told<Value> {
        let (kind, count) = self.header()?;
        let mut map = BTreeMap::new();
        let mut left = count;
        loop {
            match left.as_mut() {
                Some(0) => return Ok(Value::Map(map)),
                Some(left) => *left -= 1,
                None if self.peek() == Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Map(map));
                }
                None => {}
            }
            let name = self.text()?;
            self.budget.member(map.len(), &name)?;
            let value = match kind {
                Some(kind) => self.typed(kind, depth + 1),
                None => self.value(depth + 1),
            };
            let value = value.map_err(|e| if depth == 0 { format!("'{name}': {e}") } else { e })?;
            if map.insert(name.clone(), value).is_some() {
                return Err(format!("the member '{name}' stands twice"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_counted_and_open_containers_are_read() {
        let mut bytes = b"{L\0\0\0\0\0\0\0\x01a[$d#l\0\0\0\x02".to_vec();
        bytes.extend(1.5_f32.to_be_bytes());
        bytes.extend((-2.0_f32).to_be_bytes());
        bytes.extend(b"i\x01b[TZSi\x02hi]i\x01c{}}");
        let value = read(&bytes).unwrap();
        assert_eq!(value.numbers("a").unwrap(), [1.5, -2.0]);
        let rest = [Value::Bool(true), Value::Null, Value::Text("hi".into())];
        assert_eq!(value.list("b").unwrap(), rest);
        assert_eq!(value.member("c").unwrap(), &Value::Map(BTreeMap::new()));
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn hostile_lengths_and_depths_are_refused() {
        assert!(read(&[b'['; 5000]).unwrap_err().contains("deeper"));
        assert!(read(b"[$Z#i\x03   ").unwrap_err().contains("without content"));
        assert!(read(b"[$d#l\x7f\xff\xff\xff").unwrap_err().contains("out of range"));
        assert!(read(b"Sl\xff\xff\xff\xff").unwrap_err().contains("out of range"));
        assert!(read(b"[Q]").unwrap_err().contains("no type"));
        assert!(read(b"ZZ").unwrap_err().contains("follows"));
    }

    #[test]
    fn numbers_count_wherever_they_stand() {
        let counted = |open: &[u8], count: u32, each: &[u8]| {
            let mut bytes = open.to_vec();
            bytes.extend(count.to_be_bytes());
            bytes.extend(each.repeat(count as usize));
            read(&bytes)
        };
        // Bytes of a flat list, numbers of a mixed one.
        let told = counted(b"[$U#l", 9 << 20, &[7]).unwrap_err();
        assert!(told.contains("bytes of memory"), "{told}");
        let mut mixed = b"[Z".to_vec();
        mixed.extend([b'i', 0].repeat(3_000_000));
        mixed.push(b']');
        let told = read(&mixed).unwrap_err();
        assert!(told.contains("bytes of memory"), "{told}");
        assert_eq!(counted(b"[$U#l", 1000, &[7]).unwrap(), Value::Numbers(vec![7.0; 1000]));
    }
}
