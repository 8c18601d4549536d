//! Answers as bytes: labels in their original type, in the counterpart of the request's form.

use crate::body::{Ask, Form, Request};
use crate::error::Error;
use domain::Label;
use engines::{Batch, Engine};
use onnx::Output;
use serde_json::Value;

/// The labels of a model, written ahead of time.
#[derive(Debug, Default)]
pub struct Labels {
    labels: Vec<Written>,
}

/// One label in the ways it may be answered.
#[derive(Debug)]
struct Written {
    label: Label,
    /// As JSON in ASCII, as Python's `json.dumps` writes it.
    once: Box<[u8]>,
    /// The same within a JSON string.
    twice: Box<[u8]>,
    /// As a member name.
    name: Box<[u8]>,
}

impl Labels {
    /// The labels of a model in probability order, in the types the signature gives them; none for a regression.
    pub fn new(model: &Engine, classes: &[Label]) -> Result<Self, Error> {
        let own: Vec<Label> = match model.output() {
            Output::Value => Vec::new(),
            Output::Classes(onnx::Labels::Text(texts)) => texts.iter().cloned().map(Label::Text).collect(),
            Output::Classes(onnx::Labels::Integer(numbers)) => {
                numbers.iter().copied().map(Label::Integer).collect()
            }
        };
        if !classes.is_empty() && classes.len() != own.len() {
            let (signature, model) = (classes.len(), own.len());
            return Err(Error::Classes { signature, model });
        }
        let labels = match typed(&own, classes) {
            Some(typed) => typed,
            // The texts differ altogether: the orders are the same by contract.
            None if classes.is_empty() => own,
            None => classes.to_vec(),
        };
        Ok(Self { labels: labels.iter().map(Written::new).collect() })
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The label of a class in its own type.
    pub fn label(&self, class: usize) -> Option<&Label> {
        self.labels.get(class).map(|written| &written.label)
    }
}

/// The signature's labels in the model's order, matched by their text.
fn typed(own: &[Label], classes: &[Label]) -> Option<Vec<Label>> {
    let same = |label: &Label| {
        let text = label.to_string();
        classes.iter().find(|class| class.to_string() == text).cloned()
    };
    own.iter().map(same).collect()
}

impl Written {
    fn new(label: &Label) -> Self {
        let value = match label {
            Label::Boolean(truth) => Value::Bool(*truth),
            Label::Integer(number) => Value::from(*number),
            Label::Text(text) => Value::from(text.as_str()),
        };
        let once = ascii(&value.to_string());
        // A JSON string's content: the quotes around are left off.
        let quoted = ascii(&Value::from(once.as_str()).to_string());
        let twice = &quoted[1..quoted.len() - 1];
        let name = Value::from(label.to_string()).to_string();
        Self {
            label: label.clone(),
            once: once.as_bytes().into(),
            twice: twice.as_bytes().into(),
            name: name.into_bytes().into(),
        }
    }
}

/// JSON text in ASCII: what is not goes as `\uXXXX`, in surrogate pairs where needed.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // The delete character stands unescaped in JSON, but not in Python's.
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
            continue;
        }
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

/// Writes the answer to a `/score` call into `out`, over what stood there.
pub fn write(out: &mut Vec<u8>, labels: &Labels, batch: &Batch, request: Request) {
    out.clear();
    let (head, tail, comma): (&[u8], &[u8], &[u8]) = match request.form {
        Form::Data => (br#""{\"result\": ["#, br#"]}""#, b", "),
        Form::Inputs => (br#"{"Results": ["#, b"]}", b", "),
        Form::Bare => (b"[", b"]", b","),
    };
    out.extend_from_slice(head);
    for row in 0..batch.rows() {
        if row > 0 {
            out.extend_from_slice(comma);
        }
        match request.ask {
            Ask::Probabilities => probabilities(out, batch.probabilities(row), comma),
            Ask::Predict => prediction(out, labels, batch, row, request.form == Form::Data),
        }
    }
    out.extend_from_slice(tail);
}

/// Writes the answer to a `/predict` call into `out`, over what stood there.
pub fn write_flat(out: &mut Vec<u8>, labels: &Labels, batch: &Batch) {
    out.clear();
    out.extend_from_slice(br#"{"prediction":"#);
    prediction(out, labels, batch, 0, false);
    if labels.len() > 0 {
        out.extend_from_slice(br#","probabilities":"#);
        for (at, (label, share)) in labels.labels.iter().zip(batch.probabilities(0)).enumerate() {
            out.push(if at == 0 { b'{' } else { b',' });
            out.extend_from_slice(&label.name);
            out.push(b':');
            number(out, *share);
        }
        out.push(b'}');
    }
    out.push(b'}');
}

/// Writes one row's label or value as JSON.
pub fn prediction(out: &mut Vec<u8>, labels: &Labels, batch: &Batch, row: usize, twice: bool) {
    match labels.labels.get(batch.class(row)) {
        Some(label) if twice => out.extend_from_slice(&label.twice),
        Some(label) => out.extend_from_slice(&label.once),
        None => number(out, batch.value(row)),
    }
}

fn probabilities(out: &mut Vec<u8>, shares: &[f32], comma: &[u8]) {
    out.push(b'[');
    for (at, share) in shares.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(comma);
        }
        number(out, *share);
    }
    out.push(b']');
}

/// The shortest text that reads back as the same 32-bit number; `null` for what is none.
pub fn number(out: &mut Vec<u8>, number: f32) {
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(out, &number);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(label: &Label) -> [String; 3] {
        let w = Written::new(label);
        [w.once, w.twice, w.name].map(|bytes| String::from_utf8(bytes.into()).unwrap())
    }

    #[test]
    fn labels_are_written_as_python_would() {
        let text = |t: &str| written(&Label::Text(t.into()));
        assert_eq!(text("yes"), [r#""yes""#, r#"\"yes\""#, r#""yes""#]);
        assert_eq!(text("ü"), [r#""\u00fc""#, r#"\"\\u00fc\""#, r#""ü""#]);
        assert_eq!(text("😀\u{7f}")[0], r#""\ud83d\ude00\u007f""#);
        assert_eq!(text("a\"\\\n")[0], r#""a\"\\\n""#);
        assert_eq!(text("a\"")[1], r#"\"a\\\"\""#);
        assert_eq!(written(&Label::Boolean(true)), ["true", "true", r#""true""#]);
        assert_eq!(written(&Label::Integer(-3)), ["-3", "-3", r#""-3""#]);
    }

    #[test]
    fn numbers_are_the_shortest_that_read_back() {
        let text = |n: f32| {
            let mut out = Vec::new();
            number(&mut out, n);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(0.1), "0.1");
        assert_eq!(text(3.0), "3.0");
        assert_eq!(text(0.69007), "0.69007");
        assert_eq!(text(f32::NAN), "null");
        for n in [1e-30_f32, 16_777_216.0, 1.0 / 3.0, f32::MAX] {
            assert_eq!(text(n).parse::<f32>().unwrap().to_bits(), n.to_bits());
        }
    }

    #[test]
    fn labels_keep_their_type_and_the_models_order() {
        let own = [Label::Text("false".into()), Label::Text("true".into())];
        let classes = [Label::Boolean(true), Label::Boolean(false)];
        assert_eq!(typed(&own, &classes), Some(vec![Label::Boolean(false), Label::Boolean(true)]));
        assert_eq!(typed(&own, &[Label::Integer(0), Label::Integer(1)]), None);
    }
}
