//! The one place of this program that writes to the terminal.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's output is its purpose")]

/// A line on standard output.
pub fn line(text: &str) {
    println!("{text}");
}

/// A line on standard error.
pub fn fault(text: &str) {
    eprintln!("{text}");
}
