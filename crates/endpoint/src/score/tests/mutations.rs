//! Good bodies cut, changed and mixed at random: always an answer, never a panic, and a good call answers as before.

use crate::testing::{self, Bench, GOOD, ROW, text};
use http::StatusCode;

/// Calls a seed.
const ROUNDS: usize = 4000;

/// xorshift64* (Vigna 2016): a fixed stream, so a failure comes again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// Pieces that mutations put in.
const PIECES: [&str; 14] =
    ["null", "true", "{", "}", "[", "]", ",", ":", "\"", "\\u00", "1e400", "-", "\"data\":", "\u{feff}"];

fn mutate(random: &mut Random, bodies: &[String]) -> Vec<u8> {
    let mut body = bodies[random.below(bodies.len())].clone().into_bytes();
    for _ in 0..=random.below(3) {
        let at = random.below(body.len() + 1);
        match random.below(6) {
            0 => body.truncate(at),
            1 if at < body.len() => body[at] = u8::try_from(random.below(256)).unwrap(),
            2 if at < body.len() => drop(body.remove(at)),
            3 => {
                let end = (at + random.below(40)).min(body.len());
                body.drain(at..end);
            }
            4 => {
                let other = bodies[random.below(bodies.len())].as_bytes();
                let cut = random.below(other.len() + 1);
                body.truncate(at);
                body.extend_from_slice(&other[cut..]);
            }
            _ => {
                let piece = PIECES[random.below(PIECES.len())].bytes();
                body.splice(at..at, piece);
            }
        }
    }
    body
}

fn bodies() -> Vec<String> {
    vec![
        format!(r#"{{"data": [{ROW}, {GOOD}], "method": "predict_proba"}}"#),
        format!(r#"{{"Inputs": {{"data": [{GOOD}]}}, "GlobalParameters": {{"method": "predict"}}}}"#),
        format!(r#"{{"input_data": [{ROW}]}}"#),
        r#"{"input_data": {"columns": ["Age","Sex","Job"], "index": [0], "data": [[1,"male",null]]}}"#.into(),
        r#"{"input_data": {"data": [[1,"male",null,"own","a","b",1,6,"c"]]}, "x": {"y": [[]]}}"#.into(),
        ROW.to_owned(),
    ]
}

#[test]
fn mutated_bodies_always_answer() {
    let bodies = bodies();
    let good = format!(r#"{{"data": [{ROW}, {GOOD}]}}"#);
    let mut bench = Bench::new(testing::credit());
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut scored = 0;
    for round in 0..ROUNDS {
        let body = mutate(&mut random, &bodies);
        for tail in ["score", "predict"] {
            let outcome = bench.post(tail, &body);
            let status = outcome.status.as_u16();
            assert!(
                [200, 400, 413, 422].contains(&status),
                "{status} for {}",
                String::from_utf8_lossy(&body)
            );
            assert!(serde_json::from_slice::<serde_json::Value>(&outcome.body).is_ok());
            scored += usize::from(status == 200);
        }
        if round % 64 == 0 {
            let outcome = bench.post("score", &good);
            assert_eq!(text(&outcome), r#""{\"result\": [\"bad\", \"good\"]}""#);
        }
    }
    assert!(scored > 0 && scored < 2 * ROUNDS, "{scored}");
}

#[test]
fn mutated_queries_always_answer() {
    let query =
        "Age=20&Sex=male&Job=[0,1]&Housing=own&data=[{\"Age\":1}]&method=predict&Duration=6&Duration=%37";
    let mut bench = Bench::new(testing::credit());
    let mut random = Random(42);
    for _ in 0..ROUNDS {
        let body = mutate(&mut random, &[query.to_owned()]);
        let target = format!("score?{}", String::from_utf8_lossy(&body));
        let status = bench.get(&target).status;
        assert!(status == StatusCode::OK || status.is_client_error(), "{status} for {target}");
    }
}

#[test]
fn every_prefix_of_a_body_answers() {
    let mut bench = Bench::new(testing::credit());
    for body in bodies() {
        for end in 0..body.len() {
            let status = bench.post("score", &body.as_bytes()[..end]).status;
            assert!(status.is_client_error(), "{status} for {}", &body[..end]);
        }
    }
}

#[test]
fn members_may_come_in_any_order() {
    let mut bench = Bench::new(testing::credit());
    let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(ROW).unwrap();
    let mut members: Vec<String> = row.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
    let mut random = Random(7);
    for round in 0..200 {
        let at = random.below(members.len());
        members.swap(0, at);
        let unknown = if round % 3 == 0 { r#""more":[{"x":1}],"# } else { "" };
        let body = format!(r#"{{"input_data":[{{{unknown}{}}},{GOOD}]}}"#, members.join(","));
        assert_eq!(text(&bench.post("score", &body)), r#"["bad","good"]"#, "{body}");
    }
}
