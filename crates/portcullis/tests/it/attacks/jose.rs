//! The form of a token: algorithms, keys, header members, encodings, sizes (RFC 7515, RFC 8725 §2 and §3).
//!
//! Every token goes to a published API and to the control plane, each time with claims that would be let in there.

use super::forge::{Ec, Ed, Rsa, b64, hs, input, with_signature};
use super::wire::{get, post};
use super::world::{CONTROL, CONTROL_AUDIENCE, FRONT, World};
use super::{Expect, Group};
use aws_lc_rs::{hmac, signature};
use serde_json::{Value, json};

/// A kind of attack at one door.
pub struct Forger<'w> {
    pub world: &'w World,
    group: Group,
    door: &'static str,
    pub claims: Value,
}

impl Forger<'_> {
    fn request(&self, token: &str) -> Vec<u8> {
        if self.door == "api" { post(FRONT, token, &World::row()) } else { get(CONTROL, token) }
    }

    pub fn add(&mut self, id: &str, why: &'static str, token: &str, expect: Expect) {
        let bytes = self.request(token);
        self.group.add(format!("{}-{id}", self.door), why, bytes, expect);
    }

    pub fn refused(&mut self, id: &str, why: &'static str, token: &str) {
        self.add(id, why, token, Expect::InvalidToken);
    }

    pub fn payload(&self) -> String {
        self.claims.to_string()
    }

    /// The header with one member set.
    pub fn header(&self, name: &str, value: Value) -> String {
        let mut header = self.world.header();
        header[name] = value;
        header.to_string()
    }

    /// A rightly signed token whose header has one member set.
    fn member(&self, name: &str, value: Value) -> String {
        self.world.key.sign(&self.header(name, value), self.payload())
    }
}

fn forgers<'w>(world: &'w World, name: &'static str) -> [Forger<'w>; 2] {
    [("api", &world.scorer, "api://small"), ("control", &world.reader, CONTROL_AUDIENCE)].map(
        |(door, client, audience)| Forger {
            world,
            group: Group::new(name, world.url()),
            door,
            claims: world.claims(client, audience),
        },
    )
}

pub fn each(name: &'static str, fill: impl Fn(&mut Forger<'_>)) {
    let world = World::get();
    for mut forger in forgers(&world, name) {
        fill(&mut forger);
        forger.group.run();
    }
}

#[test]
fn algorithms_are_not_the_tokens_choice() {
    each("jose algorithms", |f| {
        let good = f.world.key.sign(&f.world.header().to_string(), f.payload());
        f.add("good", "the forger's own hand is right", &good, Expect::Accepted);
        for alg in ["none", "None", "NONE", "nOnE", "", "null", "\u{0}none", "none "] {
            let header = f.header("alg", json!(alg));
            let id = alg.escape_default().to_string();
            f.refused(&format!("none-{id}"), "unsigned", &with_signature(&header, f.payload(), b""));
            f.refused(
                &format!("none-signed-{id}"),
                "no algorithm of ours",
                &f.world.key.sign(&header, f.payload()),
            );
        }
        for (id, value) in [
            ("missing", Value::Null),
            ("number", json!(256)),
            ("list", json!(["RS256"])),
            ("object", json!({ "alg": "RS256" })),
            ("true", json!(true)),
        ] {
            let mut header = f.world.header();
            header["alg"] = value;
            if id == "missing" {
                header.as_object_mut().unwrap().remove("alg");
            }
            f.refused(
                &format!("alg-{id}"),
                "alg is text",
                &f.world.key.sign(&header.to_string(), f.payload()),
            );
        }
        for alg in [
            "rs256", "RS256 ", "RSA256", "RS255", "RS1", "PS1", "ES256K", "ES257", "EdDSA", "Ed448", "dir",
            "A128KW",
        ] {
            let token = f.world.key.sign(&f.header("alg", json!(alg)), f.payload());
            f.refused(
                &format!("name-{}", alg.trim_end()).replace("RS256", "RS256-spaced"),
                "names are exact",
                &token,
            );
        }
    });
}

#[test]
fn a_public_key_is_no_secret() {
    each("jose public key as secret", |f| {
        let key = &f.world.key;
        let jwk = key.jwk().to_string();
        let pem = key.pem();
        let bare: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let secrets: Vec<(&str, Vec<u8>)> = vec![
            ("pem", pem.clone().into_bytes()),
            ("pem-trimmed", pem.trim_end().as_bytes().to_vec()),
            ("pem-body", bare.into_bytes()),
            ("der", key.der()),
            ("modulus", key.n.clone()),
            ("modulus-text", b64(&key.n).into_bytes()),
            ("jwk", jwk.into_bytes()),
            ("kid", key.kid.clone().into_bytes()),
            ("empty", Vec::new()),
        ];
        for (name, secret) in &secrets {
            for (alg, with) in
                [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
            {
                let token = hs(&f.header("alg", json!(alg)), &f.payload(), with, secret);
                f.refused(&format!("{alg}-{name}"), "symmetric algorithms are not taken", &token);
                let token = hs(&f.world.header().to_string(), &f.payload(), with, secret);
                f.refused(&format!("RS256-by-{alg}-{name}"), "an HMAC is no RSA signature", &token);
            }
        }
    });
}

#[test]
fn a_key_signs_by_its_own_algorithm() {
    each("jose key and algorithm", |f| {
        let (key, payload) = (&f.world.key, f.payload());
        let ps256 = key.sign_as(&signature::RSA_PSS_SHA256, &f.header("alg", json!("PS256")), &payload);
        f.refused("ps256", "the key is bound to RS256", &ps256);
        let wrong = key.sign_as(&signature::RSA_PSS_SHA256, &f.world.header().to_string(), &payload);
        f.refused("rs256-signed-pss", "the padding is the algorithm's", &wrong);
        let wrong = key.sign_as(&signature::RSA_PKCS1_SHA256, &f.header("alg", json!("PS256")), &payload);
        f.refused("ps256-signed-pkcs1", "the padding is the algorithm's", &wrong);
        for (alg, padding) in
            [("RS384", &signature::RSA_PKCS1_SHA384), ("RS512", &signature::RSA_PKCS1_SHA512)]
        {
            let token = key.sign_as(padding, &f.header("alg", json!(alg)), &payload);
            f.refused(alg, "not on the gate's list", &token);
            let token = key.sign_as(padding, &f.world.header().to_string(), &payload);
            f.refused(&format!("rs256-signed-{alg}"), "the digest is the algorithm's", &token);
        }
        let (stranger, ec, ed) = (Rsa::new(), Ec::new(), Ed::new());
        f.refused(
            "stranger",
            "the kid of ours, a key of another",
            &stranger.sign(&f.world.header().to_string(), &payload),
        );
        let unknown = stranger.sign(&f.header("kid", json!(stranger.kid)), &payload);
        f.refused("unknown-kid", "no such key", &unknown);
        f.refused(
            "unknown-kid-own-key",
            "the kid decides, not what verifies",
            &f.member("kid", json!("other")),
        );
        f.refused("es256", "another kind of key", &ec.sign(&f.header("alg", json!("ES256")), &payload));
        f.refused("eddsa", "another kind of key", &ed.sign(&f.header("alg", json!("EdDSA")), &payload));
        f.refused("ed25519", "another kind of key", &ed.sign(&f.header("alg", json!("Ed25519")), &payload));
        for (id, bytes) in
            [("zero", vec![0; 64]), ("zero-der", vec![0x30, 6, 2, 1, 0, 2, 1, 0]), ("empty", vec![])]
        {
            let token = with_signature(&f.header("alg", json!("ES256")), &payload, &bytes);
            f.refused(&format!("psychic-{id}"), "a signature of zeros", &token);
        }
        // The key id of the one key may be left out: it is still that key that verifies.
        let mut header = f.world.header();
        header.as_object_mut().unwrap().remove("kid");
        f.refused(
            "no-kid-stranger",
            "without kid the only key verifies",
            &stranger.sign(&header.to_string(), &payload),
        );
    });
}

#[test]
fn header_members_that_bring_keys_or_meaning_are_refused() {
    each("jose header members", |f| {
        let mine = Rsa::new();
        let (payload, url) = (f.payload(), "http://127.0.0.1:9/jwks.json");
        let own = |name: &str, value: Value| {
            let header =
                json!({ "typ": "JWT", "alg": "RS256", "kid": f.world.key.kid, name: value }).to_string();
            mine.sign(&header, &payload)
        };
        let foreign = [
            ("jwk", mine.jwk()),
            ("jku", json!(url)),
            ("x5u", json!(url)),
            ("x5c", json!([b64(mine.der())])),
            ("jku", json!(format!("{}/{}/discovery/keys", f.world.url(), f.world.tenant))),
        ];
        let mut cases: Vec<(String, &'static str, String)> = Vec::new();
        for (at, (name, value)) in foreign.into_iter().enumerate() {
            cases.push((format!("{name}-{at}-foreign"), "a token brings no key", own(name, value.clone())));
            cases.push((format!("{name}-{at}-signed"), "nor names a place of one", f.member(name, value)));
        }
        for (id, value) in [
            ("crit-b64", json!(["b64"])),
            ("crit-unknown", json!(["exp"])),
            ("crit-empty", json!([])),
            ("crit-null", Value::Null),
            ("crit-text", json!("alg")),
        ] {
            cases.push((id.into(), "no extension is understood", f.member("crit", value)));
        }
        for (id, name, value) in [
            ("b64-false", "b64", json!(false)),
            ("b64-true", "b64", json!(true)),
            ("zip", "zip", json!("DEF")),
            ("zip-none", "zip", json!("none")),
        ] {
            cases.push((id.into(), "it would change how the payload is read", f.member(name, value)));
        }
        let raw = f.header("b64", json!(false));
        let signed =
            f.world.key.raw(&signature::RSA_PKCS1_SHA256, format!("{}.{payload}", b64(&raw)).as_bytes());
        cases.push((
            "b64-unencoded".into(),
            "RFC 7797 is not taken",
            format!("{}.{}.{}", b64(&raw), b64(&payload), b64(signed)),
        ));
        for (at, kid) in [
            "../../../../etc/passwd",
            "/dev/null",
            "' OR '1'='1",
            "x' UNION SELECT 'key';--",
            "|id",
            "$(id)",
            "http://127.0.0.1:9/key",
            "file:///etc/passwd",
            "",
            " ",
            "\u{0}",
            "%00",
            "*",
            "${jndi:ldap://127.0.0.1:9/a}",
        ]
        .into_iter()
        .enumerate()
        {
            cases.push((format!("kid-{at}"), "a kid is compared, never opened", f.member("kid", json!(kid))));
        }
        cases.push((
            "kid-upper".into(),
            "a kid is exact",
            f.member("kid", json!(f.world.key.kid.to_uppercase())),
        ));
        cases.push(("kid-long".into(), "a kid of 8 KiB", f.member("kid", json!("k".repeat(8192)))));
        for (id, value) in [
            ("list", json!([f.world.key.kid])),
            ("number", json!(0)),
            ("null", Value::Null),
            ("object", json!({ "kid": f.world.key.kid })),
            ("true", json!(true)),
        ] {
            cases.push((format!("kid-{id}"), "a kid is text", f.member("kid", value)));
        }
        for (id, value) in [
            ("id_token", json!("id_token")),
            ("logout", json!("logout+jwt")),
            ("dpop", json!("dpop+jwt")),
            ("secevent", json!("secevent+jwt")),
            ("empty", json!("")),
            ("jose", json!("JOSE")),
            ("jws", json!("application/jws")),
            ("spaced", json!(" JWT")),
            ("text", json!("text/JWT")),
            ("doubled", json!("application/application/jwt")),
            ("list", json!(["JWT"])),
            ("null", Value::Null),
        ] {
            cases.push((format!("typ-{id}"), "another kind of token", f.member("typ", value)));
        }
        for (id, why, token) in cases {
            f.refused(&id, why, &token);
        }
        for typ in ["at+jwt", "AT+JWT", "jwt", "application/at+jwt"] {
            let token = f.member("typ", json!(typ));
            f.add(&format!("typ-good-{typ}"), "RFC 9068, media types without case", &token, Expect::Accepted);
        }
    });
}

#[test]
fn a_token_has_one_form() {
    each("jose forms", |f| {
        let (key, payload, header) = (&f.world.key, f.payload(), f.world.header().to_string());
        let good = key.sign(&header, &payload);
        let parts: Vec<&str> = good.split('.').collect();
        let (h, p, s) = (parts[0], parts[1], parts[2]);
        let twin = |text: &str| {
            // The last character's unused bits set: the same bytes, another spelling.
            let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let last = alphabet.find(text.chars().last().unwrap()).unwrap();
            (!text.len().is_multiple_of(4))
                .then(|| format!("{}{}", &text[..text.len() - 1], &alphabet[last + 1..last + 2]))
        };
        let mut cases: Vec<(String, &'static str, String)> = vec![
            ("empty-signature".into(), "three full parts", format!("{h}.{p}.")),
            ("no-signature".into(), "three parts", format!("{h}.{p}")),
            ("one-part".into(), "three parts", h.into()),
            ("dots".into(), "three parts", "..".into()),
            ("four-parts".into(), "three parts", format!("{good}.{s}")),
            ("five-parts".into(), "a JWE is not taken", format!("{h}.{s}.{p}.{p}.{s}")),
            ("leading-dot".into(), "three parts", format!(".{good}")),
            ("trailing-dot".into(), "three parts", format!("{good}.")),
            ("swapped".into(), "the order is fixed", format!("{p}.{h}.{s}")),
            ("empty-header".into(), "a header is there", format!(".{p}.{s}")),
            ("empty-payload".into(), "the payload is signed", format!("{h}..{s}")),
            ("truncated".into(), "a whole signature", format!("{h}.{p}.{}", &s[..s.len() - 4])),
            ("extended".into(), "nothing behind it", format!("{h}.{p}.{s}AAAA")),
            ("padded".into(), "no padding", format!("{h}.{p}.{s}==")),
            ("padded-payload".into(), "no padding", format!("{h}.{p}=.{s}")),
            ("padded-header".into(), "no padding", format!("{h}=.{p}.{s}")),
            ("zero-prefixed".into(), "a signature has the key's length", {
                let mut bytes = vec![0];
                bytes.extend(key.raw(&signature::RSA_PKCS1_SHA256, input(&header, &payload).as_bytes()));
                with_signature(&header, &payload, &bytes)
            }),
            ("standard-alphabet".into(), "base64url only", good.replace('-', "+").replace('_', "/")),
            ("detached".into(), "the payload is in the token", format!("{h}..{}", &s[..s.len() - 1])),
        ];
        for (id, part, at) in [("header", h, 0), ("payload", p, 1), ("signature", s, 2)] {
            if let Some(other) = twin(part) {
                let mut parts = [h, p, s];
                parts[at] = &other;
                cases.push((format!("uncanonical-{id}"), "one spelling of the bytes", parts.join(".")));
            }
            for (name, at) in [("first", 0), ("middle", part.len() / 2), ("last", part.len() - 2)] {
                let mut changed = part.as_bytes().to_vec();
                changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(changed).unwrap();
                cases.push((
                    format!("changed-{id}-{name}"),
                    "every character counts",
                    good.replacen(part, &changed, 1),
                ));
            }
        }
        for (id, why, token) in cases {
            f.refused(&id, why, &token);
        }
        for (id, token) in [
            ("json-flattened", json!({ "protected": h, "payload": p, "signature": s }).to_string()),
            (
                "json-general",
                json!({ "payload": p, "signatures": [{ "protected": h, "signature": s }] }).to_string(),
            ),
            ("inner-space", format!("{h}. {p}.{s}")),
            ("inner-tab", format!("{h}.\t{p}.{s}")),
            ("comma", format!("{good},{good}")),
            ("quoted", format!("\"{good}\"")),
            ("percent", good.replace('.', "%2E")),
        ] {
            f.add(id, "no character of a bearer token (RFC 6750 §2.1)", &token, Expect::InvalidRequest);
        }
        let (inner, nested) = (good.clone(), f.header("cty", json!("JWT")));
        f.refused("nested", "a token in a token", &key.sign(&nested, &inner));
    });
}
