//! The JSON of a token: one reading of header and claims (RFC 8725 §3.7, RFC 8259 §4), and how long a token may be.

use super::Expect;
use super::jose::each;
use serde_json::json;

#[test]
fn a_header_and_claims_are_plain_json() {
    each("jose json", |f| {
        let (key, payload, header) = (&f.world.key, f.payload(), f.world.header().to_string());
        let kid = &key.kid;
        let headers: Vec<(&str, &'static str, String)> = vec![
            (
                "twice-alg",
                "one member of a name",
                format!(r#"{{"typ":"JWT","alg":"none","alg":"RS256","kid":"{kid}"}}"#),
            ),
            (
                "twice-alg-back",
                "one member of a name",
                format!(r#"{{"typ":"JWT","alg":"RS256","alg":"none","kid":"{kid}"}}"#),
            ),
            (
                "twice-kid",
                "one member of a name",
                format!(r#"{{"typ":"JWT","alg":"RS256","kid":"x","kid":"{kid}"}}"#),
            ),
            (
                "twice-escaped",
                "one member of a name, however written",
                format!(r#"{{"typ":"JWT","alg":"RS256","\u0061lg":"none","kid":"{kid}"}}"#),
            ),
            ("list", "an object", format!("[{header}]")),
            ("text", "an object", format!("{header:?}")),
            ("null", "an object", "null".into()),
            ("empty", "an object with an algorithm", "{}".into()),
            ("nothing", "an object", String::new()),
            ("behind", "nothing behind it", format!("{header}x")),
            ("two", "one object", format!("{header}{header}")),
            ("bom", "no byte order mark", format!("\u{feff}{header}")),
            ("nul", "no NUL behind it", format!("{header}\0")),
            ("single-quotes", "JSON", header.replace('"', "'")),
            ("comment", "JSON", format!("/**/{header}")),
            ("comma", "JSON", header.replace('}', ",}")),
            (
                "deep",
                "at most 16 levels",
                header.replace('}', &format!(",\"a\":{}{}}}", "[".repeat(17), "]".repeat(17))),
            ),
            ("control", "no bare control character", header.replace("JWT", "J\nWT")),
            ("alg-upper", "member names are exact", header.replace("alg", "ALG")),
        ];
        for (id, why, header) in headers {
            f.refused(&format!("header-{id}"), why, &key.sign(&header, &payload));
        }
        let bytes: Vec<(&str, &'static str, Vec<u8>)> = vec![
            ("list", "an object", format!("[{payload}]").into_bytes()),
            ("text", "an object", format!("{payload:?}").into_bytes()),
            ("null", "an object", b"null".to_vec()),
            ("number", "an object", b"1".to_vec()),
            ("empty", "an object", Vec::new()),
            ("behind", "nothing behind it", format!("{payload} x").into_bytes()),
            ("two", "one object", format!("{payload}{payload}").into_bytes()),
            ("bom", "no byte order mark", format!("\u{feff}{payload}").into_bytes()),
            ("nul", "no NUL behind it", format!("{payload}\0").into_bytes()),
            (
                "deep",
                "at most 16 levels",
                payload
                    .replacen('{', &format!("{{\"a\":{}{},", "[".repeat(17), "]".repeat(17)), 1)
                    .into_bytes(),
            ),
            (
                "very-deep",
                "at most 16 levels",
                payload
                    .replacen('{', &format!("{{\"a\":{}{},", "[".repeat(4000), "]".repeat(4000)), 1)
                    .into_bytes(),
            ),
            ("utf16", "UTF-8", payload.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            (
                "bad-utf8",
                "UTF-8",
                payload
                    .replacen('{', "{\"a\":\"?\",", 1)
                    .into_bytes()
                    .iter()
                    .map(|b| if *b == b'?' { 0xff } else { *b })
                    .collect(),
            ),
            ("overlong", "UTF-8", [&b"{\"a\":\"\xc0\xaf\","[..], &payload.as_bytes()[1..]].concat()),
            ("surrogate", "no half of a pair", payload.replacen('{', "{\"a\":\"\\ud800\",", 1).into_bytes()),
            ("nan", "JSON", payload.replacen('{', "{\"a\":NaN,", 1).into_bytes()),
            ("infinite", "a number", payload.replacen('{', "{\"a\":1e999,", 1).into_bytes()),
        ];
        for (id, why, payload) in bytes {
            f.refused(&format!("payload-{id}"), why, &key.sign(&header, payload));
        }
        for name in ["iss", "aud", "exp", "client_id", "jti", "roles"] {
            let first = payload.replacen('{', &format!("{{{:?}:{},", name, f.claims[name]), 1);
            f.refused(&format!("claim-twice-{name}"), "one claim of a name", &key.sign(&header, &first));
            let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
            let second = format!("{},\"{escaped}\":{}}}", &payload[..payload.len() - 1], f.claims[name]);
            f.refused(
                &format!("claim-escaped-{name}"),
                "one claim of a name, however written",
                &key.sign(&header, &second),
            );
        }
        // The lengths of base64 leave gaps; a filled header closes them.
        let sized = |bytes: usize| {
            let fill = |n: usize, pad: usize| {
                let mut claims = f.claims.clone();
                claims["fill"] = json!("x".repeat(n));
                key.sign(&f.header("pad", json!("x".repeat(pad))), claims.to_string())
            };
            let below = (bytes - fill(0, 0).len() - 8) * 3 / 4;
            let tries = (below..below + 8).flat_map(|n| (0..4).map(move |pad| (n, pad)));
            tries.map(|(n, pad)| fill(n, pad)).find(|token| token.len() == bytes).unwrap()
        };
        let [fits, long, huge] = [16 << 10, (16 << 10) + 1, 48 << 10].map(sized);
        assert_eq!(fits.len(), 16 << 10);
        f.add("size-16k", "16 KiB fit", &fits, Expect::Accepted);
        f.refused("size-16k-1", "one byte more does not", &long);
        f.refused("size-48k", "nor do 48 KiB", &huge);
    });
}
