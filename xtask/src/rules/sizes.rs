//! How large a file and a function may be, without their tests.

use super::Breach;
use super::source::{Source, is_test};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Lines of a file; 300 are wished.
const FILE: usize = 500;
/// Lines of code of a function's body; 30 are wished.
const FUNCTION: usize = 60;
/// Files that a program writes, not a person.
const GENERATED: &[&str] = &["crates/onnx/src/proto/generated.rs"];

/// Files and functions that are too large.
pub fn check(source: &Source) -> Vec<Breach> {
    if GENERATED.contains(&source.name.as_str()) {
        return Vec::new();
    }
    let mut functions = Functions { source, breaches: Vec::new() };
    functions.visit_file(&source.tree);
    let mut breaches = functions.breaches;
    let lines = lines(source);
    if lines > FILE {
        breaches.push(Breach::new(
            &source.name,
            0,
            format!("{lines} lines, at most {FILE}: find the second file in it"),
        ));
    }
    breaches
}

/// Lines of the file up to its closing test module.
fn lines(source: &Source) -> usize {
    match source.tree.items.last() {
        Some(syn::Item::Mod(module)) if is_test(&module.attrs) => module.span().start().line - 1,
        _ => source.text.lines().count(),
    }
}

struct Functions<'a> {
    source: &'a Source,
    breaches: Vec<Breach>,
}

impl Functions<'_> {
    fn measure(&mut self, name: &syn::Ident, body: &syn::Block) {
        let (first, last) = (body.span().start().line, body.span().end().line);
        if self.source.in_test(first) {
            return;
        }
        let inside = self.source.text.lines().skip(first).take(last.saturating_sub(first + 1));
        let code =
            inside.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//")).count();
        if code > FUNCTION {
            let text =
                format!("function {name} has {code} lines of code, at most {FUNCTION}: name its parts");
            self.breaches.push(Breach::new(&self.source.name, first, text));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig.ident, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig.ident, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.measure(&function.sig.ident, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::source::snippet;

    fn breaches(text: &str) -> Vec<String> {
        check(&snippet("crates/x/src/a.rs", text)).into_iter().map(|b| b.text).collect()
    }

    #[test]
    fn a_file_is_counted_without_its_tests() {
        let code = "const A: u8 = 1;\n".repeat(FILE);
        assert!(breaches(&code).is_empty());
        let tests = format!("{code}#[cfg(test)]\nmod tests {{\n    fn a() {{}}\n}}\n");
        assert!(breaches(&tests).is_empty());
        assert!(breaches(&format!("{code}const B: u8 = 1;\n"))[0].starts_with("501 lines"));
    }

    #[test]
    fn a_function_is_counted_without_blank_lines_and_comments() {
        let function =
            |lines: usize| format!("fn long() {{\n{}\n    // why\n}}\n", "    go();\n".repeat(lines));
        assert!(breaches(&function(FUNCTION)).is_empty());
        assert!(breaches(&function(FUNCTION + 1))[0].starts_with("function long has 61 lines"));
        let method = format!("impl A {{\n{}}}\n", function(FUNCTION + 1));
        assert_eq!(breaches(&method).len(), 1);
        let test = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(FUNCTION + 1));
        assert!(breaches(&test).is_empty());
    }
}
