//! One self-contained HTML page about a finished search: no script, no outside reference.

use crate::guardrails::Guardrail;
use crate::outcome::{ColumnReport, Importance, Outcome, Trial};
use crate::plots;
use std::fmt::Write;

/// Colours follow the reader's light or dark setting.
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2733;--dim:#5d6b7a;--line:#d9dfe6;--bar:#2f6fb3;--page:#fff;--soft:#f4f6f8}\
@media(prefers-color-scheme:dark){:root{--ink:#e4e9ef;--dim:#9aa7b5;--line:#36414d;--bar:#6aa5e3;--page:#161b21;--soft:#1e252d}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:62rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0}.dim{color:var(--dim)}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .7rem .3rem 0;\
border-bottom:1px solid var(--line);vertical-align:top}th{font-weight:600;color:var(--dim)}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}tr.top{background:var(--soft);font-weight:600}\
\
.bars text{fill:var(--ink);font:13px system-ui,sans-serif}.bars rect{fill:var(--bar)}.bars line{stroke:var(--ink)}\
.plots{display:flex;flex-wrap:wrap;gap:1rem}pre{background:var(--soft);padding:.7rem;overflow-x:auto}figure{margin:0;max-width:460px}figure svg{max-width:100%;height:auto}";

/// The page: result, guardrails, leaderboard, metrics, importance, columns. Every value is escaped.
#[must_use]
pub fn report_html(outcome: &Outcome) -> String {
    let target = outcome.signature["output"]["name"].as_str().unwrap_or("target");
    let mut page = String::with_capacity(64 * 1024);
    put(&mut page, format_args!("<h1>Predicting {}</h1>", escape(target)));
    put(
        &mut page,
        format_args!(
            "<p class=\"dim\">{} · {} rows · {} trials on {} splits · {} bytes of ONNX</p><p>{}: <b>{}</b> out of fold</p>",
            outcome.task.name(),
            outcome.work.rows,
            outcome.work.trials,
            outcome.work.splits,
            outcome.model.len(),
            escape(&outcome.metric),
            number(outcome.score),
        ),
    );
    for note in &outcome.notes {
        put(&mut page, format_args!("<p>Note: {}.</p>", escape(note)));
    }
    guardrails(&mut page, &outcome.guardrails);
    leaderboard(&mut page, outcome);
    metrics(&mut page, outcome);
    pictures(&mut page, outcome);
    importance(&mut page, &outcome.importance, &outcome.metric);
    columns(&mut page, &outcome.columns);
    self::page(&format!("AutoML: {target}"), &page)
}

/// A self-contained page in the colours of the reader's light or dark setting; `body` is HTML, `title` is text.
#[must_use]
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{}</title><style>{STYLE}</style></head><body>{body}</body></html>\n",
        escape(title),
    )
}

/// Writing to a string can't fail.
pub(crate) fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(text);
}

/// Text that is safe between tags and inside quoted attributes. Characters that XML 1.0 (section 2.2) has no writing for become
/// U+FFFD.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            '\0'..'\u{20}' | '\u{FFFE}' | '\u{FFFF}' => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

/// Four decimals, or four digits when the number is large or tiny.
pub(crate) fn number(x: f64) -> String {
    if !x.is_finite() {
        return "–".to_owned();
    }
    let size = x.abs();
    if size != 0.0 && !(1e-3..1e5).contains(&size) { format!("{x:.4e}") } else { format!("{x:.4}") }
}

fn leaderboard(page: &mut String, outcome: &Outcome) {
    page.push_str(
        "<h2>Leaderboard</h2><div class=\"wide\"><table><tr><th class=\"n\">#</th><th>learner</th>",
    );
    put(page, format_args!("<th class=\"n\">{}</th>", escape(&outcome.metric)));
    page.push_str("<th class=\"n\">weight</th><th class=\"n\">seconds</th></tr>");
    // The ensemble, which is the model, has the last number.
    let model = outcome.trials.iter().map(|t| t.number).max();
    for trial in &outcome.trials {
        row(page, Some(trial.number) == model, trial);
    }
    page.push_str("</table></div>");
}

fn row(page: &mut String, is_model: bool, trial: &Trial) {
    put(
        page,
        format_args!(
            "<tr{}><td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{:.1}</td></tr>",
            if is_model { " class=\"top\"" } else { "" },
            trial.number,
            escape(&trial.learner),
            number(trial.score),
            if trial.weight > 0.0 { format!("{:.2}", trial.weight) } else { String::new() },
            trial.seconds,
        ),
    );
}

fn pictures(page: &mut String, outcome: &Outcome) {
    if outcome.plots.is_empty() {
        return;
    }
    page.push_str("<h2>Plots</h2><div class=\"plots\">");
    for plot in &outcome.plots {
        put(
            page,
            format_args!(
                "<figure>{}<figcaption class=\"dim\">{}</figcaption></figure>",
                plots::svg(plot),
                escape(&plot.description)
            ),
        );
    }
    page.push_str("</div>");
}

/// What was found about the data, the most severe first.
fn guardrails(page: &mut String, found: &[Guardrail]) {
    if found.is_empty() {
        return;
    }
    page.push_str("<h2>Guardrails</h2><div class=\"wide\"><table>");
    page.push_str("<tr><th>severity</th><th>what was found</th><th>what was done</th></tr>");
    for guard in found {
        put(
            page,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                guard.severity.name(),
                escape(&guard.found),
                escape(&guard.done),
            ),
        );
    }
    page.push_str("</table></div>");
}

/// Metrics out of fold, and on the test table when there was one.
fn metrics(page: &mut String, outcome: &Outcome) {
    page.push_str(
        "<h2>Metrics of the ensemble</h2><table><tr><th>metric</th><th class=\"n\">out of fold</th>",
    );
    if outcome.test.is_some() {
        page.push_str("<th class=\"n\">test data</th>");
    }
    page.push_str("</tr>");
    for (name, &value) in &outcome.metrics {
        put(page, format_args!("<tr><td>{}</td><td class=\"n\">{}</td>", escape(name), number(value)));
        if let Some(test) = &outcome.test {
            let value = test.get(name).map(|&x| number(x)).unwrap_or_default();
            put(page, format_args!("<td class=\"n\">{value}</td>"));
        }
        page.push_str("</tr>");
    }
    page.push_str("</table>");
    if let Some(weights) = &outcome.class_weights {
        let each: Vec<String> = weights.iter().map(|(c, w)| format!("{} {w}", escape(c))).collect();
        put(
            page,
            format_args!(
                "<p>Labels are those of the largest probability times the weight of its class: {}.</p>",
                each.join(", ")
            ),
        );
    }
    if let Some(threshold) = outcome.threshold {
        let label = outcome.signature["output"]["classes"].get(1).cloned().unwrap_or_default();
        put(
            page,
            format_args!(
                "<p>The class {} is answered above a probability of {threshold}.</p>",
                escape(&label.as_str().map_or_else(|| label.to_string(), str::to_owned)),
            ),
        );
    }
}

/// Bars drawn at most: the first are the most important.
const BARS: usize = 60;

/// Horizontal bars from zero with a whisker over the interval of 95 %.
fn importance(page: &mut String, columns: &[Importance], metric: &str) {
    const LABEL: f64 = 220.0;
    const WIDTH: f64 = 620.0;
    const STEP: f64 = 24.0;
    page.push_str("<h2>Importance of the columns</h2>");
    put(
        page,
        format_args!(
            "<p class=\"dim\">What {} loses on held-out rows when a column is shuffled, with the 95 % interval of the mean over the shuffles. Columns that tell the same share their importance: while one is shuffled, the model still has the other.</p>",
            escape(metric)
        ),
    );
    if columns.len() > BARS {
        put(page, format_args!("<p>The first {BARS} of {} columns.</p>", columns.len()));
    }
    let columns = &columns[..columns.len().min(BARS)];
    let top = columns.iter().map(|c| c.high).fold(0.0, f64::max);
    let scale = if top > 0.0 { (WIDTH - LABEL - 80.0) / top } else { 0.0 };
    let height = STEP * columns.len() as f64;
    put(
        page,
        format_args!(
            "<div class=\"wide\"><svg class=\"bars\" role=\"img\" aria-label=\"importance of the columns\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\">"
        ),
    );
    for (i, column) in columns.iter().enumerate() {
        let y = STEP * i as f64;
        let length = (column.mean * scale).max(0.0);
        let (low, high) = (column.low.max(0.0), column.high.max(0.0));
        put(
            page,
            format_args!(
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect x=\"{LABEL}\" y=\"{}\" width=\"{length:.1}\" height=\"14\"/><line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{}\" y2=\"{}\"/><text x=\"{:.1}\" y=\"{}\">{}</text>",
                LABEL - 8.0,
                y + 16.0,
                escape(&shorten(&column.column, 28)),
                y + 5.0,
                LABEL + low * scale,
                LABEL + high * scale,
                y + 12.0,
                y + 12.0,
                LABEL + high * scale + 6.0,
                y + 16.0,
                number(column.mean),
            ),
        );
    }
    page.push_str("</svg></div>");
}

/// A name of at most so many characters.
pub(crate) fn shorten(name: &str, longest: usize) -> String {
    if name.chars().count() <= longest {
        return name.to_owned();
    }
    name.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

fn columns(page: &mut String, columns: &[ColumnReport]) {
    page.push_str(
        "<h2>Columns</h2><div class=\"wide\"><table><tr><th>name</th><th>type</th><th>used as</th>",
    );
    page.push_str("<th class=\"n\">missing</th><th class=\"n\">distinct</th><th>note</th></tr>");
    for column in columns {
        put(
            page,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
                escape(&column.name),
                escape(&column.kind),
                column.role.name(),
                column.missing,
                column.distinct,
                escape(column.note.as_deref().unwrap_or_default()),
            ),
        );
    }
    page.push_str("</table></div>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_values_is_escaped() {
        assert_eq!(escape("<b a='1'>&\""), "&lt;b a=&#39;1&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn numbers_stay_readable() {
        assert_eq!(
            [number(0.91234), number(0.0), number(123456.7), number(0.00001)],
            ["0.9123", "0.0000", "1.2346e5", "1.0000e-5"]
        );
    }
}
