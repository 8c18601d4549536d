//! YAML itself: aliases, depth, size, duplicates, tags, templates, positions.

use super::bad;
use crate::{CommandJob, MlModel, read};

#[test]
fn aliases_and_merges_are_expanded_within_bounds() {
    let text = "base: &b {a: 1, b: 2}\nflavors:\n  x:\n    <<: *b\n    b: 3\n";
    let read = read::<MlModel>("m", text).unwrap().value;
    assert_eq!(serde_json::to_value(&read.flavors["x"]).unwrap(), serde_json::json!({"a": 1, "b": 3}));
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let items = vec![format!("*a{}", n - 1); 10].join(", ");
        laughs.push_str(&format!("a{n}: &a{n} [{items}]\n"));
    }
    assert!(bad::<MlModel>(&laughs).contains("aliases that repeat others are bounded"));
    assert!(bad::<MlModel>("a: &a [*a]\n").contains("line 1"));
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for n in 1..60 {
        chain.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
    }
    assert!(bad::<MlModel>(&chain).contains("nested deeper"));
}

#[test]
fn depth_and_size_are_bounded() {
    for text in ["[".repeat(5000), "- ".repeat(5000), format!("a: {}", "{a: ".repeat(100))] {
        let said = bad::<MlModel>(&text);
        assert!(said.starts_with("f.yml: line 1, column"), "{said}");
    }
    assert!(bad::<MlModel>(&" ".repeat(crate::TEXT_MAX + 1)).contains("at most"));
    assert!(bad::<MlModel>("").contains("the file is empty"));
}

#[test]
fn a_key_twice_a_tag_and_a_second_document_are_refused() {
    let twice = bad::<CommandJob>("command: a\ncode: .\ncommand: b\n");
    assert_eq!(
        twice,
        "f.yml: line 3, column 1: 'command' stands here a second time: it is on line 1 already"
    );
    assert!(bad::<CommandJob>("command: !!python/object x\n").contains("tag '!!python/object' is not known"));
    assert!(bad::<CommandJob>("command: a\n---\ncommand: b\n").contains("second document"));
    assert!(bad::<CommandJob>("command: [a\n").contains("this is no YAML"));
}

#[test]
fn templates_are_told_as_such() {
    for text in
        ["command: a\nname: {{name}}\n", "command: a\nname: {{ name }}-x\ncode: .\n", "name: x{{name}}\n"]
    {
        let said = bad::<CommandJob>(text);
        assert!(said.contains("placeholder of a template"), "{said}");
    }
    let said = bad::<CommandJob>("# {{no}}\ncommand: a\nname: {{name}}\n");
    assert!(said.contains("line 3, column 7: '{{name}}' is a placeholder"), "{said}");
}
