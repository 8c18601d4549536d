//! One log line: gathered from an event and its spans, then written as text or JSON.

use domain::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};

/// Parts of field names whose values are never written.
const SECRET: [&str; 7] = ["authorization", "cookie", "password", "secret", "token", "api_key", "credential"];
/// What stands in their place.
const HIDDEN: &str = "[hidden]";

/// Fields of an event or of a span.
#[derive(Debug, Default, Clone)]
pub struct Fields {
    /// The event's message.
    pub body: String,
    /// The rest by name.
    pub values: BTreeMap<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name();
        let secret = SECRET.iter().any(|part| name.contains(part));
        self.values.insert(name.to_owned(), if secret { Value::from(HIDDEN) } else { value });
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.body = format!("{value:?}");
        } else {
            self.put(field, Value::from(format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.body);
        } else {
            self.put(field, Value::from(value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }
}

/// A line before it is written.
#[derive(Debug)]
pub struct Line {
    /// When.
    pub time: Timestamp,
    /// `INFO`, …
    pub severity: &'static str,
    /// The part of the program that spoke.
    pub target: String,
    /// The event's fields over those of its spans, the inner ones winning.
    pub fields: Fields,
}

impl Line {
    /// For people: time, severity, message, `name=value` …
    pub fn text(&self) -> String {
        let mut out = format!("{} {:<5} {}", self.time, self.severity, plain(&self.fields.body));
        for (name, value) in &self.fields.values {
            let value = match value {
                Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => plain(text),
                other => other.to_string(),
            };
            _ = write!(out, " {name}={value}");
        }
        out.push('\n');
        out
    }

    /// One JSON object with the names of OpenTelemetry logs.
    pub fn json(mut self) -> String {
        let mut out = Map::new();
        out.insert("timestamp".to_owned(), Value::from(self.time.to_string()));
        out.insert("severity_text".to_owned(), Value::from(self.severity));
        out.insert("body".to_owned(), Value::from(self.fields.body));
        for id in ["trace_id", "span_id"] {
            if let Some(value) = self.fields.values.remove(id) {
                out.insert(id.to_owned(), value);
            }
        }
        out.insert("target".to_owned(), Value::from(self.target));
        if !self.fields.values.is_empty() {
            out.insert("attributes".to_owned(), Value::Object(self.fields.values.into_iter().collect()));
        }
        let mut text = Value::Object(out).to_string();
        text.push('\n');
        text
    }
}

/// Text without control characters: what a caller sent must not forge a line or steer a terminal. Ends of lines and tabs stay legible.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(body: &str, values: &[(&str, Value)]) -> Line {
        let values = values.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        Line {
            time: Timestamp(1_700_000_000_123_456),
            severity: "INFO",
            target: "portcullis_runs".to_owned(),
            fields: Fields { body: body.to_owned(), values },
        }
    }

    #[test]
    fn a_line_for_people() {
        let values =
            [("run", Value::from("1f")), ("note", Value::from("two words")), ("trials", Value::from(3))];
        let text = line("job ended", &values).text();
        assert_eq!(text, "2023-11-14T22:13:20.123456Z INFO  job ended note=\"two words\" run=1f trials=3\n");
        let forged = line("x\n2023 ERROR \u{1b}[31m", &[("a", Value::from("b\nc"))]).text();
        assert_eq!(forged.matches('\n').count(), 1);
        assert!(forged.contains("x\\n2023") && forged.contains("a=b\\nc"), "{forged}");
        assert!(!forged.contains('\u{1b}'));
    }

    #[test]
    fn a_line_for_programs() {
        let values = [("trace_id", Value::from("ab")), ("rows", Value::from(2))];
        let json: Value = serde_json::from_str(&line("scored", &values).json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"timestamp": "2023-11-14T22:13:20.123456Z", "severity_text": "INFO", "body": "scored",
                "trace_id": "ab", "target": "portcullis_runs", "attributes": {"rows": 2}})
        );
    }
}
