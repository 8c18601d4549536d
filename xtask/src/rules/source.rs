//! Rust sources taken apart: their tokens with line numbers, and which lines are test code.

use super::Breach;
use super::tree::File;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// One token: an identifier, a punctuation mark or one side of a bracket. Literals are left out, so texts and doc
/// comments never match a rule.
pub struct Token {
    /// Its text.
    pub text: String,
    /// Line, from 1.
    pub line: usize,
}

/// A Rust file.
pub struct Source {
    /// Relative to the root, with forward slashes.
    pub name: String,
    /// Its content.
    pub text: String,
    /// The syntax tree.
    pub tree: syn::File,
    /// All tokens in order.
    pub tokens: Vec<Token>,
    /// The whole file is test code: under `tests/`, `benches/` or `examples/`, or a module declared under `cfg(test)`.
    pub is_test: bool,
    tests: Vec<RangeInclusive<usize>>,
}

impl Source {
    /// Whether the line belongs to test code.
    pub fn in_test(&self, line: usize) -> bool {
        self.is_test || self.tests.iter().any(|range| range.contains(&line))
    }
}

/// Takes every `.rs` file apart; one that does not parse is a breach.
pub fn read(files: &[File], breaches: &mut Vec<Breach>) -> Vec<Source> {
    let mut sources = Vec::new();
    for file in files.iter().filter(|file| file.name.ends_with(".rs")) {
        match parse(file) {
            Ok(source) => sources.push(source),
            Err(error) => {
                breaches.push(Breach::new(
                    &file.name,
                    error.span().start().line,
                    format!("does not parse: {error}"),
                ));
            }
        }
    }
    let test_modules: BTreeSet<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        let stem = source.name.trim_end_matches(".rs");
        let below = |module: &String| stem == module || stem.starts_with(&format!("{module}/"));
        source.is_test |= test_modules.iter().any(below);
    }
    sources
}

fn parse(file: &File) -> syn::Result<Source> {
    let stream: TokenStream =
        file.text.parse().map_err(|e: proc_macro2::LexError| syn::Error::new(e.span(), e))?;
    let tree = syn::parse2(stream.clone())?;
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    let mut regions = Regions(Vec::new());
    regions.visit_file(&tree);
    let is_test =
        file.name.split('/').any(|part| matches!(part, "tests" | "benches" | "examples" | "testkit"));
    Ok(Source { name: file.name.clone(), text: file.text.clone(), tree, tokens, is_test, tests: regions.0 })
}

/// One file from its text, as the tests of the rules use it.
#[cfg(test)]
pub fn snippet(name: &str, text: &str) -> Source {
    let mut breaches = Vec::new();
    let file = File { name: name.to_owned(), text: text.to_owned() };
    let source = read(&[file], &mut breaches).pop();
    source.unwrap_or_else(|| panic!("{breaches:?}"))
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Ident(ident) => tokens.push(Token { text: ident.to_string(), line }),
            TokenTree::Punct(punct) => tokens.push(Token { text: punct.as_char().to_string(), line }),
            TokenTree::Literal(_) => {}
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(Token { text: open.to_owned(), line });
                flatten(group.stream(), tokens);
                tokens.push(Token { text: close.to_owned(), line: group.span_close().start().line });
            }
        }
    }
}

/// Whether the attributes make an item test code.
pub fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let test = attribute.path().segments.last().is_some_and(|segment| segment.ident == "test");
        test || (attribute.path().is_ident("cfg") && asks_for_test(attribute))
    })
}

fn asks_for_test(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else {
        return false;
    };
    let condition = list.tokens.to_string().replace(' ', "");
    condition.split(['(', ')', ',']).any(|word| word == "test") && !condition.contains("not(test")
}

/// Stems of the files that `#[cfg(test)] mod name;` of this file declares.
fn test_modules(source: &Source) -> Vec<String> {
    let (folder, stem) = source.name.trim_end_matches(".rs").rsplit_once('/').unwrap_or_default();
    let folder = if matches!(stem, "lib" | "main") { folder.to_owned() } else { format!("{folder}/{stem}") };
    let outline = source.tree.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && is_test(&module.attrs) => Some(module),
        _ => None,
    });
    outline.map(|module| format!("{folder}/{}", module.ident)).collect()
}

/// Finds the lines of test items.
struct Regions(Vec<RangeInclusive<usize>>);

impl Regions {
    fn mark(&mut self, item: &impl Spanned) {
        self.0.push(item.span().start().line..=item.span().end().line);
    }
}

impl<'ast> Visit<'ast> for Regions {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if is_test(&module.attrs) {
            self.mark(module);
        }
        visit::visit_item_mod(self, module);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if is_test(&function.attrs) {
            self.mark(function);
        }
        visit::visit_item_fn(self, function);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if is_test(&item.attrs) {
            self.mark(item);
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if is_test(&function.attrs) {
            self.mark(function);
        }
        visit::visit_impl_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_is_told_apart() {
        let text = "//! Head.\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        let source = snippet("crates/x/src/lib.rs", text);
        assert_eq!([2, 5].map(|line| source.in_test(line)), [false, true]);
        let not = snippet("crates/x/src/lib.rs", "#[cfg(not(test))]\nfn a() {}\n");
        assert!(!not.in_test(2));
        assert!(snippet("crates/x/tests/it/main.rs", "fn a() {}").in_test(1));
    }

    #[test]
    fn a_module_declared_for_tests_is_test_code_in_its_own_file() {
        let file = |name: &str, text: &str| File { name: name.to_owned(), text: text.to_owned() };
        let files = [
            file("crates/x/src/rows.rs", "#[cfg(test)]\nmod cases;\nmod cell;\n"),
            file("crates/x/src/rows/cases.rs", "fn a() {}"),
            file("crates/x/src/rows/cell.rs", "fn a() {}"),
        ];
        let sources = read(&files, &mut Vec::new());
        assert_eq!(sources.iter().map(|s| s.is_test).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn a_file_that_does_not_parse_is_a_breach() {
        let mut breaches = Vec::new();
        read(&[File { name: "a.rs".into(), text: "fn (".into() }], &mut breaches);
        assert_eq!(breaches.len(), 1);
    }
}
