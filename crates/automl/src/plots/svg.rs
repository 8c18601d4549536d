//! Draws plots as SVG: no script, no outside reference, a title and a description for readers of screens; colours follow
//! the reader's light or dark setting and differ by dashes too.

use super::{Axis, Line, Marks, Plot};
use crate::report::{escape, number, put, shorten};

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 48.0;
/// Height of a line of the legend.
const LEGEND: f64 = 17.0;
/// Marks on an axis, about.
const TICKS: f64 = 5.0;

/// Within the picture, so that it looks the same alone and inside a page.
const STYLE: &str = "\
.p{--a:#2f6fb3;--b:#c2571a;--c:#2d8659;--d:#8a4fbf;--e:#b3324b;--f:#6b6b00;--g:#00798c;--h:#5d6b7a;--ink:#1d2733;--dim:#5d6b7a;--line:#d9dfe6;--page:#fff}\
@media(prefers-color-scheme:dark){.p{--a:#6aa5e3;--b:#f0935a;--c:#6cc79a;--d:#c39af0;--e:#f08199;--f:#cfcf5a;--g:#5fc5d6;--h:#9aa7b5;--ink:#e4e9ef;--dim:#9aa7b5;--line:#36414d;--page:#161b21}}\
.p text{fill:var(--ink);font:12px system-ui,sans-serif}.p .t{font-weight:600;font-size:14px}.p .d{fill:var(--dim)}\
.p .g{stroke:var(--line);stroke-width:1}.p .l{fill:none;stroke-width:2;stroke-linejoin:round}";
const COLOURS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
/// Lines differ by dashes too, for those who do not see the colours.
const DASHES: [&str; 4] = ["", "7 3", "2 3", "9 3 2 3"];

/// The picture.
#[must_use]
pub fn svg(plot: &Plot) -> String {
    let lines = match &plot.marks {
        Marks::Lines { lines } | Marks::Dots { lines, .. } => lines.as_slice(),
        _ => &[],
    };
    let height = HEIGHT + LEGEND * lines.len() as f64;
    let mut out = String::with_capacity(8 * 1024);
    put(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"p\" role=\"img\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" aria-labelledby=\"{0}-t {0}-d\"><title id=\"{0}-t\">{1}</title><desc id=\"{0}-d\">{2}</desc><style>{STYLE}</style><rect width=\"{WIDTH}\" height=\"{height}\" style=\"fill:var(--page)\"/><text class=\"t\" x=\"{LEFT}\" y=\"20\">{1}</text>",
            escape(&plot.name),
            escape(&plot.title),
            escape(&plot.description),
        ),
    );
    let frame = Frame { x: &plot.x, y: &plot.y };
    match &plot.marks {
        Marks::Cells { names, rows } => cells(&mut out, plot, names, rows),
        marks => {
            frame.axes(&mut out);
            match marks {
                Marks::Bars { bars } => bars.iter().for_each(|bar| frame.bar(&mut out, *bar)),
                Marks::Dots { points, .. } => points.iter().for_each(|point| frame.dot(&mut out, *point)),
                _ => {}
            }
            let colours = usize::from(matches!(marks, Marks::Dots { .. }));
            for (at, line) in lines.iter().enumerate() {
                frame.line(&mut out, line, at + colours);
                legend(&mut out, line, at, at + colours);
            }
        }
    }
    out.push_str("</svg>");
    out
}

/// The place between the axes.
struct Frame<'a> {
    x: &'a Axis,
    y: &'a Axis,
}

fn part(axis: &Axis, value: f64) -> f64 {
    ((value - axis.low) / (axis.high - axis.low)).clamp(0.0, 1.0)
}

impl Frame<'_> {
    fn at(&self, [x, y]: [f64; 2]) -> (f64, f64) {
        let across = LEFT + part(self.x, x) * (WIDTH - LEFT - RIGHT);
        (across, HEIGHT - BOTTOM - part(self.y, y) * (HEIGHT - TOP - BOTTOM))
    }

    fn axes(&self, out: &mut String) {
        let (low, high) = (self.at([self.x.low, self.y.low]), self.at([self.x.high, self.y.high]));
        for tick in ticks(self.x) {
            let (x, _) = self.at([tick, self.y.low]);
            put(
                out,
                format_args!(
                    "<line class=\"g\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
                    low.1, high.1
                ),
            );
            put(
                out,
                format_args!(
                    "<text class=\"d\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                    low.1 + 16.0,
                    label(tick)
                ),
            );
        }
        for tick in ticks(self.y) {
            let (_, y) = self.at([self.x.low, tick]);
            put(
                out,
                format_args!(
                    "<line class=\"g\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                    low.0, high.0
                ),
            );
            put(
                out,
                format_args!(
                    "<text class=\"d\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                    low.0 - 6.0,
                    y + 4.0,
                    label(tick)
                ),
            );
        }
        put(
            out,
            format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                f64::midpoint(low.0, high.0),
                low.1 + 36.0,
                escape(&self.x.title)
            ),
        );
        let middle = f64::midpoint(low.1, high.1);
        put(
            out,
            format_args!(
                "<text transform=\"translate(14 {middle:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
                escape(&self.y.title)
            ),
        );
    }

    fn line(&self, out: &mut String, line: &Line, colour: usize) {
        put(out, format_args!("<polyline class=\"l\" style=\"{}\" points=\"", stroke(line, colour)));
        for (i, &point) in line.points.iter().enumerate() {
            let (x, y) = self.at(point);
            put(out, format_args!("{}{x:.1},{y:.1}", if i == 0 { "" } else { " " }));
        }
        out.push_str("\"/>");
        // A line of few points shows them.
        if line.points.len() <= 12 && !line.dashed {
            for &point in &line.points {
                let (x, y) = self.at(point);
                let colour = COLOURS[colour % COLOURS.len()];
                put(
                    out,
                    format_args!(
                        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" style=\"fill:var(--{colour})\"/>"
                    ),
                );
            }
        }
    }

    fn dot(&self, out: &mut String, point: [f64; 2]) {
        let (x, y) = self.at(point);
        put(
            out,
            format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" style=\"fill:var(--a);fill-opacity:.55\"/>"
            ),
        );
    }

    fn bar(&self, out: &mut String, [from, to, height]: [f64; 3]) {
        let ((left, top), (right, bottom)) = (self.at([from, height]), self.at([to, self.y.low]));
        let (width, tall) = ((right - left - 1.0).max(0.5), bottom - top);
        put(
            out,
            format_args!(
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\" style=\"fill:var(--a)\"/>"
            ),
        );
    }
}

fn stroke(line: &Line, colour: usize) -> String {
    if line.dashed {
        return "stroke:var(--h);stroke-dasharray:4 4".to_owned();
    }
    let dash = DASHES[colour % DASHES.len()];
    let dash = if dash.is_empty() { String::new() } else { format!(";stroke-dasharray:{dash}") };
    format!("stroke:var(--{}){dash}", COLOURS[colour % COLOURS.len()])
}

fn legend(out: &mut String, line: &Line, at: usize, colour: usize) {
    let y = HEIGHT + LEGEND * at as f64;
    put(
        out,
        format_args!(
            "<line class=\"l\" style=\"{}\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>",
            stroke(line, colour),
            LEFT + 30.0
        ),
    );
    put(
        out,
        format_args!(
            "<text x=\"{}\" y=\"{}\">{}</text>",
            LEFT + 38.0,
            y + 4.0,
            escape(&shorten(&line.name, 56))
        ),
    );
}

/// Round places on an axis.
fn ticks(axis: &Axis) -> Vec<f64> {
    let span = axis.high - axis.low;
    let rough = span / TICKS;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|m| m * power)
        .into_iter()
        .find(|s| *s >= rough * 0.999)
        .unwrap_or(span);
    let first = (axis.low / step).ceil();
    (0..12).map(|i| (first + f64::from(i)) * step).filter(|x| *x <= axis.high + step * 1e-9).collect()
}

/// A tick without needless digits.
fn label(x: f64) -> String {
    let size = x.abs();
    if size != 0.0 && !(1e-3..1e5).contains(&size) {
        return format!("{x:.0e}");
    }
    let text = format!("{x:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A matrix: each cell shows its amount, and how dark it is its share of the row.
fn cells(out: &mut String, plot: &Plot, names: &[String], rows: &[Vec<f64>]) {
    let size = names.len().max(1) as f64;
    let (left, top) = (LEFT + 50.0, TOP + 30.0);
    let (across, down) = ((WIDTH - left - RIGHT) / size, (HEIGHT - top - 16.0) / size);
    let longest = (across / 7.0).clamp(1.0, 14.0) as usize;
    put(
        out,
        format_args!("<text class=\"d\" x=\"{left}\" y=\"{}\">{} →</text>", TOP + 8.0, escape(&plot.x.title)),
    );
    put(
        out,
        format_args!("<text class=\"d\" x=\"6\" y=\"{}\">{} ↓</text>", TOP + 8.0, escape(&plot.y.title)),
    );
    for (i, (name, row)) in names.iter().zip(rows).enumerate() {
        let (x, y) = (left + (i as f64 + 0.5) * across, top + (i as f64 + 0.5) * down);
        put(
            out,
            format_args!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                top - 6.0,
                escape(&shorten(name, longest))
            ),
        );
        put(
            out,
            format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 6.0,
                y + 4.0,
                escape(&shorten(name, 14))
            ),
        );
        let total: f64 = row.iter().sum();
        for (j, &amount) in row.iter().enumerate() {
            let share = if total > 0.0 { amount / total } else { 0.0 };
            let (cx, cy) = (left + j as f64 * across, top + i as f64 * down);
            put(
                out,
                format_args!(
                    "<rect x=\"{cx:.1}\" y=\"{cy:.1}\" width=\"{:.1}\" height=\"{:.1}\" style=\"fill:var(--a);fill-opacity:{:.2};stroke:var(--line)\"/>",
                    across - 1.0,
                    down - 1.0,
                    share * 0.6
                ),
            );
            if amount > 0.0 && size <= 12.0 {
                let text = if amount.fract() == 0.0 { format!("{amount}") } else { number(amount) };
                put(
                    out,
                    format_args!(
                        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                        cx + across / 2.0,
                        y + 4.0
                    ),
                );
            }
        }
    }
}
