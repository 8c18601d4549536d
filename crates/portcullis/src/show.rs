//! What people see: tables that fit the terminal, JSON when asked, one line an error. Names, params and logs were written by others:
//! here, where text leaves, what would steer a terminal is written out.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{IsTerminal, Write};

mod safe;
pub use safe::{cell, log, text};

/// Writes the result of a command as a table or as JSON.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    json: bool,
}

impl Printer {
    /// A printer of JSON or of tables.
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON was asked for.
    pub const fn json(self) -> bool {
        self.json
    }

    /// Prints the value as JSON when asked, else what `text` makes of it.
    pub fn value<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) {
        if self.json {
            line(&serde_json::to_string_pretty(value).unwrap_or_default());
        } else {
            line(&text(value));
        }
    }

    /// A line that a script printed, for people only.
    pub fn say_log(self, said: &str) {
        if !self.json {
            log_line(said);
        }
    }

    /// A line beside the result, on standard error: what of a file has no effect, a step of something long.
    pub fn note(self, text: &str) {
        note(&format!("note: {text}"));
    }

    /// A line for people only.
    pub fn say(self, text: &str) {
        if !self.json {
            line(text);
        }
    }
}

/// Columns that keep their width: what stands in them is copied into the next command.
const WHOLE: [&str; 2] = ["id", "run"];

/// A table with a header, fitted to the terminal.
pub fn table<R: IntoIterator<Item = String>>(header: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.iter().map(|name| cell(name)));
    if !std::io::stdout().is_terminal() {
        table.set_width(160);
    }
    for row in rows {
        table.add_row(row.into_iter().map(|value| cell(&value).into_owned()));
    }
    for (at, _) in header.iter().enumerate().filter(|(_, name)| WHOLE.contains(name)) {
        if let Some(column) = table.column_mut(at) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Inputs of a model listed at most.
pub const INPUTS: usize = 100;

/// A table of the first rows, and how many more there are.
pub fn beginning<R: IntoIterator<Item = String>>(
    header: &[&str],
    rows: impl IntoIterator<Item = R>,
    most: usize,
) -> String {
    let mut rows = rows.into_iter();
    let shown = table(header, rows.by_ref().take(most));
    match rows.count() {
        0 => shown,
        more => format!("{shown}\n … {more} more, which --json lists"),
    }
}

/// A horizontal bar of up to `width` characters for a share between 0 and 1.
pub fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a few hundred")]
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut text = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(EIGHTHS[eighths % 8]);
    }
    text
}

/// Bytes for people: `1.4 MB` (powers of 1000).
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A number with up to four significant decimals and no trailing zeros.
pub fn number(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let digits = if value.abs() >= 1000.0 { 1 } else { 4 };
    format!("{value:.digits$}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A time without its fraction.
pub fn time(moment: domain::Timestamp) -> String {
    let text = moment.to_string();
    format!("{}Z", text.split('.').next().unwrap_or(&text)).replace('T', " ")
}

/// One line on standard output; a closed pipe is no error.
pub fn line(said: &str) {
    out(&text(said));
}

/// A line that a script printed, on standard output: its colours stay.
pub fn log_line(said: &str) {
    out(&log(said));
}

fn out(safe: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{safe}");
    let _ = out.flush();
}

/// Raw bytes on standard output.
pub fn bytes(bytes: &[u8]) {
    let _ = std::io::stdout().lock().write_all(bytes);
}

/// The one line of a failed command, on standard error.
pub fn error(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "error: {}", text(message));
}

/// The same as one line of JSON, for `--json`.
pub fn json_error(fault: &domain::Fault) {
    let line = serde_json::json!({ "error": { "code": fault.code.as_str(), "message": fault.message } });
    let _ = writeln!(std::io::stderr().lock(), "{}", text(&line.to_string()));
}

/// A remark on standard error.
pub fn note(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text(message));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_tables_say_how_much_more_there_is() {
        let rows = |count: usize| (0..count).map(|at| [at.to_string()]);
        assert_eq!(beginning(&["n"], rows(3), 3), table(&["n"], rows(3)));
        let shown = beginning(&["n"], rows(1_003), 3);
        assert_eq!(shown.strip_prefix(&table(&["n"], rows(3))), Some("\n … 1000 more, which --json lists"));
    }

    #[test]
    fn numbers_and_sizes_read_well() {
        assert_eq!(number(0.7512345), "0.7512");
        assert_eq!(number(12.0), "12");
        assert_eq!(number(123_456.78), "123456.8");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_400_000), "1.4 MB");
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(2.0, 2), "██");
    }
}
