//! What commands say when something is wrong, or when there was nothing to do.

use crate::support::{Server, binary};
use serde_json::Value;

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_mistyped_data_directory_stays_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let typo = folder.path().join("portculis");
    for args in [&["endpoint", "list"][..], &["ledger", "verify"], &["principal", "list"], &["api", "list"]] {
        let output = binary().args(args).arg("--data-dir").arg(&typo).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(said(&output).contains("there is no workspace here"), "{}", said(&output));
    }
    let json = binary().args(["endpoint", "list", "--json", "--data-dir"]).arg(&typo).output().unwrap();
    let told: Value = serde_json::from_str(said(&json).trim()).unwrap();
    assert_eq!(told["error"]["code"], "invalid_input");
    assert!(told["error"]["message"].as_str().unwrap().contains("--data-dir"), "{told}");
    assert!(json.stdout.is_empty() && !typo.exists());
    let none = binary().args(["principal", "create", "ci", "--data-dir"]).arg(&typo).output().unwrap();
    assert!(!none.status.success() && !typo.exists(), "{}", said(&none));
    // What begins a workspace makes it.
    let table = folder.path().join("t.csv");
    std::fs::write(&table, "a,b\n1,2\n").unwrap();
    let made = binary().args(["data", "register", "t"]).arg(&table).arg("--data-dir").arg(&typo).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", said(&made));
    assert!(binary().args(["principal", "list", "--data-dir"]).arg(&typo).output().unwrap().status.success());
}

#[test]
fn an_unknown_role_is_answered_with_the_roles() {
    let output = binary().args(["role", "assign", "ada", "king"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    for role in ["reader", "contributor", "owner", "scorer"] {
        assert!(said(&output).contains(role), "{}", said(&output));
    }
}

#[test]
fn commands_say_when_there_was_nothing_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.cli(&["principal", "create", "ada", "--person"]);
    server.cli(&["principal", "create", "ci"]);
    let plain = |args: &[&str]| {
        let output = binary().args(args).arg("--data-dir").arg(&server.dir).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let list = plain(&["principal", "list"]);
    let kind = |name: &str| list.lines().find(|l| l.trim_start().starts_with(name)).unwrap().to_owned();
    assert!(kind("ada").contains("person") && kind("ci").contains("client"), "{list}");
    assert!(plain(&["principal", "end-sessions", "ada"]).contains("nothing to end"));
    let ended = server.cli(&["principal", "end-sessions", "ada"]);
    assert_eq!(ended["sessions"], 0);
    assert!(plain(&["principal", "revoke-secret", "ci", "--former"]).contains("nothing to revoke"));
    server.cli(&["principal", "rotate-secret", "ci"]);
    assert_eq!(server.cli(&["principal", "revoke-secret", "ci", "--former"])["secrets"], 1);
}
