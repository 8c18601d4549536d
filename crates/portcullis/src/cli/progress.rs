//! Progress bars: on standard error, so that standard output stays clean; none when JSON is asked for.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

fn styled(bar: ProgressBar, template: &str, json: bool) -> ProgressBar {
    if json {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A spinner with the time so far.
pub fn waiting(json: bool) -> ProgressBar {
    styled(ProgressBar::no_length(), "{spinner} {elapsed}", json)
}

/// A bar over bytes; without a total it only counts.
pub fn bytes(total: Option<u64>, json: bool) -> ProgressBar {
    let template = "{spinner} {bytes} of {total_bytes} {wide_bar} {bytes_per_sec} {eta}";
    match total.filter(|t| *t > 0) {
        Some(total) => styled(ProgressBar::new(total), template, json),
        None => styled(ProgressBar::no_length(), "{spinner} {bytes} {bytes_per_sec}", json),
    }
}

/// A bar over trials with a message.
pub fn trials(total: u64, json: bool) -> ProgressBar {
    styled(ProgressBar::new(total), "{spinner} {elapsed} trial {pos}/{len} {bar:30} {msg}", json)
}
