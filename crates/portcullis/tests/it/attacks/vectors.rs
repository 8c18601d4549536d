//! `token verify` as a command: the public JOSE vectors (Project Wycheproof, Apache-2.0), our own forgeries for every kind of
//! key, and its exit codes.

use super::forge::{Ec, Ed, Rsa, b64, hs, with_signature};
use super::world::now;
use crate::support::{binary, skip};
use aws_lc_rs::{hmac, signature};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// One judgement asked of the command.
struct Judged {
    id: String,
    jwks: PathBuf,
    token: String,
    /// What it must be; `None`: either.
    valid: Option<bool>,
}

/// Runs the command; its exit code and what it said.
fn verify(jwks: &Path, token: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut command = binary();
    command.args(["token", "verify", "--jwks"]).arg(jwks).arg("--token-file").arg(token).args(more);
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// The ids judged otherwise, and those refused although valid.
fn run(folder: &Path, cases: &[Judged]) -> (Vec<String>, Vec<String>) {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut wrong, mut refused) = (Vec::new(), Vec::new());
        while let Some((at, case)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            cases.get(at).map(|c| (at, c))
        } {
            let file = folder.join(format!("token-{at}"));
            std::fs::write(&file, &case.token).unwrap();
            let (code, said) = verify(&case.jwks, &file, &[]);
            match (code, case.valid) {
                (Some(0), Some(true) | None) | (Some(1), Some(false) | None) => {}
                (Some(1), Some(true)) => refused.push(format!("{}: {}", case.id, said.trim())),
                _ => wrong.push(format!("{}: {code:?} {}", case.id, said.trim())),
            }
        }
        (wrong, refused)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|w| w.join().unwrap()).fold(
            Default::default(),
            |mut all: (Vec<_>, Vec<_>), one| {
                all.0.extend(one.0);
                all.1.extend(one.1);
                all
            },
        )
    })
}

/// The stated rule by which a valid vector is refused: symmetric algorithms are not taken; a key's `alg` that is misspelt or
/// another one binds the key to something else.
fn stated_rule(key: &Value, token: &str) -> Option<&'static str> {
    let first = key["keys"].get(0).unwrap_or(key);
    if first["kty"] == "oct" {
        return Some("a symmetric key");
    }
    if first["alg"] == "ES521" {
        return Some("a key whose alg is no algorithm (ES521)");
    }
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap_or_default()).ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    (first["alg"] != header["alg"]).then_some("a key bound to another algorithm")
}

#[test]
fn the_public_vectors_are_judged_by_the_command() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/wycheproof");
    let folder = tempfile::tempdir().unwrap();
    let (mut cases, mut rules) = (Vec::new(), Vec::new());
    for name in ["json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"] {
        let Ok(bytes) = std::fs::read(root.join(name)) else {
            return skip("the_public_vectors_are_judged_by_the_command", "shared/vectors/wycheproof");
        };
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        for (at, group) in document["testGroups"].as_array().unwrap().iter().enumerate() {
            let key = if group["public"].is_null() { &group["private"] } else { &group["public"] };
            let jwks = folder.path().join(format!("{name}-{at}"));
            std::fs::write(&jwks, key.to_string()).unwrap();
            for test in group["tests"].as_array().unwrap() {
                // A JWE is no JWS: the command must refuse it, whatever it would be to a decrypter.
                let (token, valid) = match (test["jws"].as_str(), test["jwe"].as_str()) {
                    (Some(jws), _) => (jws, test["result"] == "valid"),
                    (_, Some(jwe)) => (jwe, false),
                    _ => continue,
                };
                let id = format!("{name} {} {}", test["tcId"], test["comment"]);
                if valid {
                    rules.push((id.clone(), stated_rule(key, token)));
                }
                cases.push(Judged { id, jwks: jwks.clone(), token: token.to_owned(), valid: Some(valid) });
            }
        }
    }
    let (wrong, mut refused) = run(folder.path(), &cases);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    refused.sort();
    for line in &refused {
        let rule =
            rules.iter().find(|(id, _)| line.starts_with(&format!("{id}: "))).and_then(|(_, rule)| *rule);
        let rule = rule.unwrap_or_else(|| panic!("refused without a stated rule: {line}"));
        eprintln!("valid but refused, {rule}: {line}");
    }
    let valid = rules.len();
    eprintln!(
        "{} vectors: {valid} valid of which {} refused by a stated rule; none wrongly accepted",
        cases.len(),
        refused.len()
    );
}

fn write(folder: &Path, name: &str, value: &Value) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, value.to_string()).unwrap();
    path
}

/// Forgeries for the kinds of keys that the running server has none of.
#[test]
fn forgeries_are_refused_for_every_kind_of_key() {
    let folder = tempfile::tempdir().unwrap();
    let (rsa, other, ec, ed) = (Rsa::new(), Rsa::new(), Ec::new(), Ed::new());
    let mut cases = Vec::new();
    let mut add = |id: &str, jwks: &Path, token: String, valid: bool| {
        cases.push(Judged { id: id.into(), jwks: jwks.to_owned(), token, valid: Some(valid) });
    };
    let with = |mut jwk: Value, name: &str, value: Value| {
        jwk[name] = value;
        jwk
    };
    let header = |alg: &str| json!({ "alg": alg }).to_string();
    let payload = r#"{"a":1}"#;
    let single = write(folder.path(), "ec", &ec.jwk());
    add("es256", &single, ec.sign(&header("ES256"), payload), true);
    let message = super::forge::input(&header("ES256"), payload);
    let good = ec.raw(message.as_bytes());
    let order: Vec<u8> = (0..32)
        .map(|at| {
            u8::from_str_radix(
                &"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"[2 * at..2 * at + 2],
                16,
            )
            .unwrap()
        })
        .collect();
    let halves = |r: &[u8], s: &[u8]| with_signature(&header("ES256"), payload, &[r, s].concat());
    let (r, s) = good.split_at(32);
    let (zero, full, mut one) = ([0_u8; 32], [0xff_u8; 32], [0_u8; 32]);
    one[31] = 1;
    for (id, token) in [
        ("psychic", halves(&zero, &zero)),
        ("r-zero", halves(&zero, s)),
        ("s-zero", halves(r, &zero)),
        ("r-order", halves(&order, s)),
        ("s-order", halves(r, &order)),
        ("both-order", halves(&order, &order)),
        ("r-full", halves(&full, s)),
        ("s-full", halves(r, &full)),
        ("ones", halves(&one, &one)),
        ("swapped", halves(s, r)),
        ("short", with_signature(&header("ES256"), payload, &good[..63])),
        ("long", with_signature(&header("ES256"), payload, &[&good[..], &[0]].concat())),
        ("padded-halves", with_signature(&header("ES256"), payload, &[&[0][..], r, &[0], s].concat())),
        ("der", with_signature(&header("ES256"), payload, &der(r, s))),
        ("empty", with_signature(&header("ES256"), payload, &[])),
        ("es384-name", ec.sign(&header("ES384"), payload)),
        ("es256k-name", ec.sign(&header("ES256K"), payload)),
        ("rs256-name", ec.sign(&header("RS256"), payload)),
        (
            "hs256",
            hs(&header("HS256"), payload, hmac::HMAC_SHA256, ec.jwk()["x"].as_str().unwrap().as_bytes()),
        ),
    ] {
        add(&format!("ec-{id}"), &single, token, false);
    }
    let mut bits = good.clone();
    for at in [0, 31, 32, 63] {
        bits.clone_from(&good);
        bits[at] ^= 1;
        add(&format!("ec-bit-{at}"), &single, with_signature(&header("ES256"), payload, &bits), false);
    }
    let okp = write(folder.path(), "ed", &ed.jwk());
    for alg in ["EdDSA", "Ed25519"] {
        add(alg, &okp, ed.sign(&header(alg), payload), true);
    }
    let good = ed.raw(super::forge::input(&header("EdDSA"), payload).as_bytes());
    // s + L (RFC 8032 §5.1.7): the same point, another spelling.
    let order =
        [0xed_u8, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14];
    let mut malleable = good.clone();
    let mut carry = 0_u16;
    for at in 0..32 {
        let l = order.get(at).copied().unwrap_or(if at == 31 { 0x10 } else { 0 });
        let sum = u16::from(malleable[32 + at]) + u16::from(l) + carry;
        malleable[32 + at] = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    for (id, bytes) in [
        ("zero", vec![0; 64]),
        ("short", good[..63].to_vec()),
        ("long", [&good[..], &[0]].concat()),
        ("malleable", malleable),
        ("empty", vec![]),
    ] {
        add(&format!("ed-{id}"), &okp, with_signature(&header("EdDSA"), payload, &bytes), false);
    }
    for alg in ["Ed448", "eddsa", "ES256", "EDDSA", "ed25519"] {
        add(&format!("ed-name-{alg}"), &okp, ed.sign(&header(alg), payload), false);
    }
    let x25519 = write(folder.path(), "x25519", &with(ed.jwk(), "crv", json!("X25519")));
    add("ed-x25519", &x25519, ed.sign(&header("EdDSA"), payload), false);
    let rs = rsa.sign(&header("RS256"), payload);
    let ps = rsa.sign_as(&signature::RSA_PSS_SHA256, &header("PS256"), payload);
    let plain = write(folder.path(), "rsa", &rsa.jwk());
    add("rs256", &plain, rs.clone(), true);
    add("ps256", &plain, ps.clone(), true);
    for (id, name, value, token, valid) in [
        ("alg-ps", "alg", json!("PS256"), &rs, false),
        ("alg-ps-good", "alg", json!("PS256"), &ps, true),
        ("alg-rs", "alg", json!("RS256"), &ps, false),
        ("alg-oaep", "alg", json!("RSA-OAEP"), &rs, false),
        ("alg-none", "alg", json!("none"), &rs, false),
        ("use-enc", "use", json!("enc"), &rs, false),
        ("use-sig", "use", json!("sig"), &rs, true),
        ("use-list", "use", json!(["sig"]), &rs, false),
        ("ops-verify", "key_ops", json!(["verify"]), &rs, true),
        ("ops-sign", "key_ops", json!(["sign"]), &rs, false),
        ("ops-empty", "key_ops", json!([]), &rs, false),
        ("ops-text", "key_ops", json!("verify"), &rs, false),
        ("ops-twice", "key_ops", json!(["verify", "verify"]), &rs, false),
        ("kid-number", "kid", json!(1), &rs, false),
        ("kty-ec", "kty", json!("EC"), &rs, false),
        ("e-one", "e", json!("AQ"), &rs, false),
        ("e-even", "e", json!("AAAB"), &rs, false),
        ("e-padded", "e", json!("AAEAAQ"), &rs, false),
        ("n-cut", "n", json!(b64(&rsa.n[..128])), &rs, false),
        ("n-empty", "n", json!(""), &rs, false),
        ("n-standard", "n", json!(b64(&rsa.n) + "=="), &rs, false),
    ] {
        let jwks = write(folder.path(), &format!("rsa-{id}"), &with(rsa.jwk(), name, value));
        add(&format!("jwk-{id}"), &jwks, token.clone(), valid);
    }
    let both = write(folder.path(), "both", &json!({ "keys": [rsa.jwk(), other.jwk()] }));
    let named = |key: &Rsa, kid: &str| key.sign(&json!({ "alg": "RS256", "kid": kid }).to_string(), payload);
    add("set-first", &both, named(&rsa, &rsa.kid), true);
    add("set-second", &both, named(&other, &other.kid), true);
    add("set-crossed", &both, named(&rsa, &other.kid), false);
    add("set-no-kid", &both, rs.clone(), false);
    let twin = write(
        folder.path(),
        "twin",
        &json!({ "keys": [rsa.jwk(), with(other.jwk(), "kid", json!(rsa.kid))] }),
    );
    add("set-same-kid", &twin, named(&rsa, &rsa.kid), false);
    let mixed =
        write(folder.path(), "mixed", &json!({ "keys": [{ "kty": "oct", "k": b64("secret") }, rsa.jwk()] }));
    add("set-with-oct", &mixed, rs.clone(), true);
    add("set-oct", &mixed, hs(&header("HS256"), payload, hmac::HMAC_SHA256, b"secret"), false);
    for (id, text) in [
        ("list", "[]"),
        ("null", "null"),
        ("no-keys", "{}"),
        ("keys-text", r#"{"keys":"x"}"#),
        ("twice", r#"{"keys":[],"keys":[]}"#),
        ("none", r#"{"keys":[]}"#),
        ("garbage", "x"),
    ] {
        let jwks = folder.path().join(format!("set-{id}"));
        std::fs::write(&jwks, text).unwrap();
        add(&format!("key-set-{id}"), &jwks, rs.clone(), false);
    }
    for (id, token) in [
        ("two-lines", format!("{rs}\n{rs}\n")),
        ("blank-before", format!(" {rs}")),
        ("blank-after", format!("{rs} \n")),
        ("two-ends", format!("{rs}\n\n")),
        ("empty", String::new()),
    ] {
        add(&format!("file-{id}"), &plain, token, false);
    }
    for end in ["\n", "\r\n"] {
        add("file-line", &plain, format!("{rs}{end}"), true);
    }
    let (wrong, refused) = run(folder.path(), &cases);
    eprintln!("forgeries by key: {} cases, {} breaches", cases.len(), wrong.len() + refused.len());
    assert!(wrong.is_empty() && refused.is_empty(), "{}\n{}", wrong.join("\n"), refused.join("\n"));
}

/// r and s as an ASN.1 sequence, as other formats than JOSE have them.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |n: &[u8]| {
        let n = if n[0] >= 0x80 { [&[0][..], n].concat() } else { n.to_vec() };
        [&[2, u8::try_from(n.len()).unwrap()][..], &n].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()][..], &body].concat()
}

#[test]
fn the_command_says_why_by_word_and_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let key = Rsa::new();
    let jwks = write(folder.path(), "jwks", &json!({ "keys": [key.jwk()] }));
    let claims = json!({ "iss": "https://a.example/", "aud": ["api://a", "api://b"], "exp": now() + 600 });
    let file = folder.path().join("token");
    std::fs::write(&file, key.sign(r#"{"alg":"RS256"}"#, claims.to_string())).unwrap();
    let ask = |more: &[&str]| verify(&jwks, &file, &[&["--json"], more].concat());
    for (more, accepted, reason) in [
        (&[][..], true, ""),
        (&["--issuer", "https://a.example/"], true, ""),
        (&["--audience", "api://b"], true, ""),
        (&["--issuer", "https://a.example"], false, "issuer"),
        (&["--audience", "api://c"], false, "audience"),
        (&["--issuer", "https://a.example/", "--audience", "api://c"], false, "audience"),
    ] {
        let (code, said) = ask(more);
        let answer: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (code, &answer["accepted"]),
            (Some(i32::from(!accepted)), &json!(accepted)),
            "{more:?}: {said}"
        );
        assert_eq!(answer["reason"].as_str().unwrap_or_default(), reason);
        assert_eq!(
            answer["claims"].is_object(),
            accepted && !more.is_empty(),
            "claims only when they were judged"
        );
    }
    std::fs::write(
        &file,
        key.sign(r#"{"alg":"RS256"}"#, json!({ "iss": "i", "aud": "a", "exp": 1 }).to_string()),
    )
    .unwrap();
    assert_eq!(ask(&[]).0, Some(0), "the JWS alone");
    let (code, said) = verify(&jwks, &file, &["--audience", "a"]);
    assert_eq!((code, said.trim()), (Some(1), "refused: the token has expired"));
    for (jwks, token) in
        [(folder.path().join("no-such"), file.clone()), (jwks.clone(), folder.path().join("no-such"))]
    {
        let (code, said) = verify(&jwks, &token, &[]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("no-such"), "{said}");
    }
    for words in [
        &["token", "verify"][..],
        &["token", "verify", "--jwks", "x"],
        &["token"],
        &["token", "verify", "--token-file", "x"],
    ] {
        assert_eq!(binary().args(words).output().unwrap().status.code(), Some(2), "{words:?}");
    }
    let mut command = binary();
    command.args(["token", "verify", "--token-file", "-", "--jwks"]).arg(&jwks);
    command.stdin(std::fs::File::open(&file).unwrap());
    assert!(command.output().unwrap().status.success(), "a token on standard input");
}
