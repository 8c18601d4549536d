//! The public JOSE test vectors (Project Wycheproof, Apache-2.0): none that is invalid may be accepted.

use super::{Algorithm, KeySet, verify};
use serde_json::Value;
use std::path::Path;

/// Valid vectors that are refused on purpose, by their comment or group: symmetric algorithms, a key whose `alg` is misspelt
/// (ES521), an algorithm other than the one its key is bound to.
fn refused_on_purpose(key: &Value, header: &Value) -> bool {
    let first = key["keys"].get(0).unwrap_or(key);
    first["kty"] == "oct" || first["alg"] == "ES521" || first["alg"] != header["alg"]
}

fn header(jws: &str) -> Value {
    let first = jws.split('.').next().unwrap_or_default();
    super::base64url(first).and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default()
}

fn run(file: &str) -> Option<(usize, usize)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/wycheproof").join(file);
    let document: Value = serde_json::from_slice(&std::fs::read(path).ok()?).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for group in document["testGroups"].as_array().unwrap() {
        let key = if group["public"].is_null() { &group["private"] } else { &group["public"] };
        let keys = KeySet::parse(key.to_string().as_bytes()).unwrap();
        for test in group["tests"].as_array().unwrap() {
            let Some(jws) = test["jws"].as_str() else { continue };
            let ok = verify(jws, &keys, &Algorithm::ALL).is_ok();
            let id = format!("{file} {} {}", test["tcId"], test["comment"]);
            match test["result"].as_str().unwrap() {
                "invalid" => assert!(!ok, "wrongly accepted: {id}"),
                "valid" if !ok => assert!(refused_on_purpose(key, &header(jws)), "wrongly refused: {id}"),
                _ => {}
            }
            if ok { accepted += 1 } else { refused += 1 }
        }
    }
    Some((accepted, refused))
}

#[test]
fn the_public_vectors_are_judged_rightly() {
    for file in ["json_web_signature_test.json", "json_web_key_test.json"] {
        match run(file) {
            Some((accepted, refused)) => println!("{file}: {accepted} accepted, {refused} refused"),
            None => println!("skipped: the_public_vectors_are_judged_rightly needs shared/vectors"),
        }
    }
}
