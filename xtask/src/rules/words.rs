//! What may not be written: short sequences of tokens, each with the places where it is forbidden.

use super::Breach;
use super::source::Source;

/// Where a sequence is forbidden.
#[derive(Clone, Copy)]
enum Where {
    /// In every file.
    Everywhere,
    /// Outside tests.
    Code,
    /// In tests.
    Tests,
    /// Outside tests, but for files that declare the lint as expected, with a reason.
    CodeWithout(&'static str),
    /// Outside tests, in every crate but this one.
    CodeOutside(&'static str),
}

struct Word {
    tokens: &'static [&'static str],
    place: Where,
    why: &'static str,
}

const fn word(tokens: &'static [&'static str], place: Where, why: &'static str) -> Word {
    Word { tokens, place, why }
}

const PANIC: &str = "bad input never panics: return an error";
const PRINT: &str = "printing has one place a crate, which says so by #[expect(clippy::print_…, reason)]";
const ALLOW: &str = "#[expect(lint, reason = …)] instead: it tells when it is no longer needed";
const ROUTE: &str = "a route is made by web::guarded!, which asks for the caller's role";

const WORDS: &[Word] = &[
    word(&["unsafe"], Where::Everywhere, "no unsafe code of ours"),
    word(&["#", "[", "allow", "("], Where::Everywhere, ALLOW),
    word(&["#", "!", "[", "allow", "("], Where::Everywhere, ALLOW),
    word(&[".", "unwrap", "("], Where::Code, PANIC),
    word(&[".", "expect", "("], Where::Code, PANIC),
    word(&["panic", "!"], Where::Code, PANIC),
    word(&["todo", "!"], Where::Code, "finish it or leave it out"),
    word(&["unimplemented", "!"], Where::Code, "finish it or leave it out"),
    word(&["dbg", "!"], Where::Code, "log it or leave it out"),
    word(&["print", "!"], Where::CodeWithout("print_stdout"), PRINT),
    word(&["println", "!"], Where::CodeWithout("print_stdout"), PRINT),
    word(&["eprint", "!"], Where::CodeWithout("print_stderr"), PRINT),
    word(&["eprintln", "!"], Where::CodeWithout("print_stderr"), PRINT),
    word(&["routes", "!"], Where::CodeOutside("crates/web/"), ROUTE),
    word(&[".", "route", "("], Where::CodeOutside("crates/web/"), ROUTE),
    word(&["sleep", "("], Where::Tests, "wait for the condition instead"),
];

/// Every forbidden sequence in the file.
pub fn check(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for word in WORDS {
        let forbidden = |line: usize| match word.place {
            Where::Everywhere => true,
            Where::Tests => source.in_test(line),
            Where::Code => !source.in_test(line),
            Where::CodeWithout(lint) => {
                !source.in_test(line) && !source.tokens.iter().any(|t| t.text == lint)
            }
            Where::CodeOutside(folder) => !source.in_test(line) && !source.name.starts_with(folder),
        };
        for window in source.tokens.windows(word.tokens.len()) {
            let line = window[0].line;
            if window.iter().map(|token| token.text.as_str()).eq(word.tokens.iter().copied())
                && forbidden(line)
            {
                let text = format!("{}: {}", word.tokens.concat(), word.why);
                breaches.push(Breach::new(&source.name, line, text));
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::source::snippet;

    fn words(name: &str, text: &str) -> Vec<String> {
        let breaches = check(&snippet(name, text));
        breaches.into_iter().map(|b| b.text.split(": ").next().unwrap().to_owned()).collect()
    }

    fn in_code(body: &str) -> Vec<String> {
        words("crates/x/src/a.rs", &format!("fn a() {{ {body} }}"))
    }

    fn in_test(body: &str) -> Vec<String> {
        words("crates/x/src/a.rs", &format!("#[test]\nfn a() {{ {body} }}"))
    }

    #[test]
    fn every_forbidden_word_is_caught() {
        for (body, caught) in [
            ("x.unwrap()", ".unwrap("),
            ("x.expect(\"y\")", ".expect("),
            ("format!(\"{}\", x.unwrap())", ".unwrap("),
            ("panic!()", "panic!"),
            ("todo!()", "todo!"),
            ("unimplemented!()", "unimplemented!"),
            ("dbg!(x)", "dbg!"),
            ("print!(\"\")", "print!"),
            ("println!(\"\")", "println!"),
            ("eprint!(\"\")", "eprint!"),
            ("eprintln!(\"\")", "eprintln!"),
            ("unsafe { x() }", "unsafe"),
            ("r.route(\"/x\", get(y))", ".route("),
            ("r.routes(routes!(y))", "routes!"),
        ] {
            assert_eq!(in_code(body), [caught], "{body}");
        }
    }

    #[test]
    fn tests_may_panic_but_neither_sleep_nor_be_unsafe() {
        assert!(in_test("x.unwrap(); panic!(); println!()").is_empty());
        assert_eq!(in_test("std::thread::sleep(D)"), ["sleep("]);
        assert_eq!(in_test("unsafe { x() }"), ["unsafe"]);
        assert!(in_code("tokio::time::sleep(D).await").is_empty());
    }

    #[test]
    fn allow_is_caught_everywhere_and_expect_is_not() {
        assert_eq!(words("crates/x/tests/a.rs", "#[allow(dead_code)]\nfn a() {}"), ["#[allow("]);
        assert_eq!(words("crates/x/src/a.rs", "#![allow(dead_code)]\nfn a() {}"), ["#![allow("]);
        assert!(words("crates/x/src/a.rs", "#[expect(dead_code, reason = \"x\")]\nfn a() {}").is_empty());
    }

    #[test]
    fn printing_is_open_where_it_is_declared_and_routes_in_web() {
        let declared = "#![expect(clippy::print_stdout, reason = \"x\")]\nfn a() { println!() }";
        assert!(words("crates/x/src/show.rs", declared).is_empty());
        assert!(words("crates/web/src/guard.rs", "fn a() { r.routes(routes!(y)); r.route(z) }").is_empty());
    }

    #[test]
    fn texts_and_comments_do_not_count() {
        assert!(in_code("// x.unwrap()\n \"panic!() .unwrap()\"; x.unwrap_or(1)").is_empty());
    }
}
