//! The subscriber's layer that turns events into lines.

use super::file::Sender;
use super::line::{Fields, Line};
use domain::Timestamp;
use std::io::Write;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Writes each event to standard error and to the file.
#[derive(Debug)]
pub struct Lines {
    /// JSON on standard error instead of text.
    pub json: bool,
    /// The way to the file, if there is one.
    pub file: Option<Sender>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flatten().collect::<Vec<_>>().into_iter().rev() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.values.extend(of_span.values.clone());
            }
        }
        event.record(&mut fields);
        let meta = event.metadata();
        let line = Line {
            time: Timestamp::now(),
            severity: meta.level().as_str(),
            target: meta.target().to_owned(),
            fields,
        };
        self.write(line);
    }
}

impl Lines {
    fn write(&self, line: Line) {
        let text = (!self.json).then(|| line.text());
        let json = (self.json || self.file.is_some()).then(|| line.json());
        if let Some(on_error) = text.as_ref().or(json.as_ref()) {
            // Why the result is unused: when standard error is gone there is nobody left to tell.
            _ = std::io::stderr().lock().write_all(on_error.as_bytes());
        }
        if let (Some(file), Some(json)) = (&self.file, json) {
            file.send(json);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LogFormat, ServerLogConfig};
    use crate::logs::file::FileWriter;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn events_reach_the_file_with_their_spans_and_without_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let config = ServerLogConfig {
            level: "info".to_owned(),
            format: LogFormat::Json,
            file_bytes: 1 << 20,
            files: 1,
        };
        let file = FileWriter::start(dir.path(), &config).unwrap();
        let layer = Lines { json: true, file: Some(file.sender()) };
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", trace_id = "4bf9", rows = tracing::field::Empty);
            let _entered = span.enter();
            span.record("rows", 3);
            tracing::warn!(client_secret = "s3cret", kept = true, "token {}", "refused");
        });
        drop(file);
        let text = std::fs::read_to_string(dir.path().join("server.log")).unwrap();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["body"], "token refused");
        assert_eq!(line["severity_text"], "WARN");
        assert_eq!(line["trace_id"], "4bf9");
        assert_eq!(line["attributes"]["rows"], 3);
        assert_eq!(line["attributes"]["kept"], true);
        assert!(!text.contains("s3cret"), "{text}");
    }
}
