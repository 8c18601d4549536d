//! What a call comes to: a worker's answer as an [`Outcome`], and the answers when there is none (contracts IS-10, IS-12, IS-19).

use super::wire::Answer;
use crate::outcome::{JSON, Outcome, SmallHeaders};
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use std::borrow::Cow;

/// Headers of a script's response that are this server's own matter, or would reach beyond the endpoint.
const OURS: [HeaderName; 12] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::DATE,
    header::SERVER,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::WWW_AUTHENTICATE,
    header::PROXY_AUTHENTICATE,
];

/// Why no worker answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The first workers are not ready yet.
    Starting,
    /// So many calls are inside already.
    Full(u32),
    /// No worker was free within so many milliseconds.
    Waited(u64),
    /// No worker is there.
    Down,
    /// The worker ended in the call.
    Lost,
    /// The call took longer than so many milliseconds.
    Timeout(u64),
    /// The answer has more than so many bytes.
    Large(u64),
    /// What went to or came from the worker cannot be read.
    Unreadable,
}

/// The answer of a call that no worker answered.
pub(super) fn refused(why: &Refused) -> Outcome {
    let (status, message, reason): (u16, Cow<'static, str>, &'static str) = match why {
        Refused::Starting => (
            503,
            "the deployment's workers are being started; try again in a moment".into(),
            "workers starting",
        ),
        Refused::Full(most) => (
            429,
            format!(
                "{most} calls are in hand already, as many as this deployment takes; try again in a moment"
            )
            .into(),
            "workers full",
        ),
        Refused::Waited(ms) => {
            (429, format!("no worker was free within {ms} ms; try again in a moment").into(), "queue wait")
        }
        Refused::Down => {
            (503, "no worker serves at the moment; new ones are being started".into(), "workers down")
        }
        Refused::Lost => {
            (502, "the worker ended while it scored this call; it is replaced".into(), "worker lost")
        }
        Refused::Timeout(ms) => (500, format!("Scoring timeout after {ms} ms").into(), "scoring timeout"),
        Refused::Large(bytes) => (
            500,
            format!("the script's answer has more than {bytes} bytes (workers.answer_bytes)").into(),
            "answer too large",
        ),
        Refused::Unreadable => (
            500,
            "An unexpected internal error occurred. Check the logs for more info.".into(),
            "worker unreadable",
        ),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut outcome = Outcome::problem(status, &message, reason);
    outcome.extra.failed = Some(matches!(why, Refused::Lost | Refused::Timeout(_) | Refused::Large(_)));
    outcome
}

/// An error as the scoring server writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// A worker's answer; its plain errors become problems with the same message.
pub(super) fn outcome(head: &Answer, body: Bytes) -> Outcome {
    let status = StatusCode::from_u16(head.status).ok().filter(|s| s.as_u16() >= 200);
    let Some(status) = status else { return refused(&Refused::Unreadable) };
    let wrong = status.is_client_error() || status.is_server_error();
    let reason = if head.failed {
        "script failed"
    } else if wrong {
        "refused by the script"
    } else {
        "ok"
    };
    let mut outcome = match serde_json::from_slice::<Told<'_>>(&body) {
        Ok(told) if wrong && head.headers.is_empty() => Outcome::problem(status, &told.message, reason),
        _ => plain(head, status, body, reason),
    };
    outcome.rows = head.rows;
    outcome.extra.json_bytes = head.json_bytes;
    let exec = head.exec_ms.filter(|ms| ms.is_finite() && *ms >= 0.0);
    if let Some(ms) = exec {
        // Rounded; saturates far beyond any timeout.
        outcome.model_us = (ms * 1000.0).round() as u32;
        outcome.extra.exec_us = (!head.failed && !wrong).then_some(outcome.model_us);
    }
    outcome.extra.failed = Some(head.failed || status.is_server_error());
    outcome
}

fn plain(head: &Answer, status: StatusCode, body: Bytes, reason: &'static str) -> Outcome {
    let mut outcome = Outcome::new(status, JSON, body);
    outcome.reason = reason.into();
    let mut more = HeaderMap::new();
    for (name, value) in &head.headers {
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) else {
            continue;
        };
        if !OURS.contains(&name) {
            more.insert(name, value);
        }
    }
    let kind = head.content_type.as_deref().filter(|kind| *kind != JSON);
    if let Some(kind) = kind.and_then(|kind| HeaderValue::from_str(kind).ok()) {
        more.insert(header::CONTENT_TYPE, kind);
    }
    let more = (!more.is_empty()).then(|| Box::new(more));
    outcome.extra = SmallHeaders { more, ..outcome.extra };
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn answer(status: u16, failed: bool) -> Answer {
        Answer { status, failed, exec_ms: Some(1.2345), ..Answer::default() }
    }

    #[test]
    fn a_good_answer_passes_as_it_is() {
        let seen = outcome(&answer(200, false), "\"{}\"".into());
        assert_eq!((seen.status.as_u16(), &seen.body[..]), (200, &b"\"{}\""[..]));
        assert_eq!((seen.extra.exec_us, seen.extra.failed), (Some(1235), Some(false)));
        assert_eq!((seen.rows, seen.model_us), (0, 1235));
    }

    #[test]
    fn a_scripts_fault_is_a_problem_with_its_message() {
        let text = r#"{"message": "An unexpected error occurred in scoring script."}"#;
        let seen = outcome(&answer(500, true), text.into());
        assert_eq!(seen.content_type, "application/problem+json");
        let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!(body["message"], "An unexpected error occurred in scoring script.");
        assert_eq!((seen.extra.exec_us, seen.extra.failed), (None, Some(true)));
    }

    #[test]
    fn a_response_object_keeps_its_headers_but_for_ours() {
        let headers = [("x-own", "1"), ("set-cookie", "a=b"), ("content-length", "9"), ("b\n", "c")];
        let headers = headers.map(|(n, v)| (n.to_owned(), v.to_owned()));
        let head = Answer {
            headers: BTreeMap::from(headers),
            content_type: Some("image/png".to_owned()),
            ..answer(404, false)
        };
        let seen = outcome(&head, Bytes::from_static(b"{\"message\": \"x\"}"));
        let more = seen.extra.more.unwrap();
        assert_eq!(
            (more.len(), &more["x-own"], &more["content-type"]),
            (2, &"1".parse().unwrap(), &"image/png".parse().unwrap())
        );
        assert_eq!(&seen.body[..], b"{\"message\": \"x\"}");
    }

    #[test]
    fn odd_statuses_are_a_fault_of_the_worker() {
        for status in [0, 99, 101, 1000] {
            assert_eq!(outcome(&answer(status, false), Bytes::new()).status.as_u16(), 500);
        }
        let timeout = refused(&Refused::Timeout(50));
        assert_eq!((timeout.status.as_u16(), timeout.extra.failed), (500, Some(true)));
        assert_eq!(refused(&Refused::Full(2)).status.as_u16(), 429);
    }
}
