//! Attacks on a running server, from outside: each case has a stable id, a reason, and the answer it must get.
//!
//! Requests go over raw sockets, since client libraries tidy what they send. A group prints how many cases it has.
#![expect(clippy::too_many_lines, reason = "a table of cases is one list")]

mod bodies;
mod claims;
mod control;
pub mod forge;
mod framing;
mod http2;
mod inference;
mod jose;
mod json;
mod paths;
mod sources;
mod tokens;
mod urls;
mod vectors;
mod wire;
mod world;

use wire::Answer;

/// What an answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Let in: the control that shows that the forged parts around it are right.
    Accepted,
    /// 401 and a challenge without `error`: nothing usable was sent.
    NoCredentials,
    /// 401 `invalid_token`.
    InvalidToken,
    /// 403 `insufficient_scope`.
    InsufficientScope,
    /// 400 `invalid_request`.
    InvalidRequest,
    /// This status; no challenge is looked at.
    Status(u16),
    /// One of these statuses.
    OneOf(&'static [u16]),
    /// The connection is closed without an answer.
    Closed,
    /// A body whose framing breaks: 400, or closed without an answer.
    Broken,
    /// The same for a request that its client cuts off and half-closes behind.
    Cut,
}

impl Expect {
    /// What is wrong with an answer; nothing when it is as expected.
    fn breach(self, answer: Option<&Answer>) -> Option<String> {
        let Some(answer) = answer else {
            return (!matches!(self, Self::Closed | Self::Broken | Self::Cut))
                .then(|| "no answer".to_owned());
        };
        let challenge = answer.header("www-authenticate");
        let found = (answer.status, challenge.as_deref());
        let bearer = |error: &str| match error {
            "" => "Bearer realm=\"portcullis\"".to_owned(),
            error => format!("Bearer realm=\"portcullis\", error=\"{error}\""),
        };
        let is = |status: u16, error: &str| found == (status, Some(bearer(error).as_str()));
        let right = match self {
            Self::Accepted => (200..300).contains(&answer.status) && challenge.is_none(),
            Self::NoCredentials => is(401, ""),
            Self::InvalidToken => is(401, "invalid_token"),
            Self::InsufficientScope => is(403, "insufficient_scope"),
            Self::InvalidRequest => is(400, "invalid_request"),
            Self::Status(status) => answer.status == status,
            Self::OneOf(statuses) => statuses.contains(&answer.status),
            Self::Broken | Self::Cut => answer.status == 400,
            Self::Closed => false,
        };
        (!right).then(|| format!("got {found:?}: {}", answer.text().chars().take(200).collect::<String>()))
    }
}

/// One attack: what goes over the wire and what must come back.
pub struct Case {
    /// Stable, unique in its group.
    pub id: String,
    /// Why it must end so, in one line.
    pub why: &'static str,
    /// The bytes of the request.
    pub bytes: Vec<u8>,
    /// The answer it must get.
    pub expect: Expect,
}

/// A group of cases against one server.
pub struct Group {
    name: &'static str,
    url: String,
    cases: Vec<Case>,
}

impl Group {
    /// An empty group against the server at `url`.
    pub fn new(name: &'static str, url: &str) -> Self {
        Self { name, url: url.to_owned(), cases: Vec::new() }
    }

    /// Adds a case.
    pub fn add(
        &mut self,
        id: impl Into<String>,
        why: &'static str,
        bytes: impl Into<Vec<u8>>,
        expect: Expect,
    ) {
        self.cases.push(Case { id: id.into(), why, bytes: bytes.into(), expect });
    }

    /// Sends every case on a connection of its own; ends the test naming all that went otherwise.
    pub fn run(self) {
        let count = self.cases.len();
        let breaches = self.breaches();
        eprintln!("{}: {count} cases, {} breaches", self.name, breaches.len());
        assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    }

    fn breaches(&self) -> Vec<String> {
        let mut ids: Vec<&str> = self.cases.iter().map(|c| c.id.as_str()).collect();
        ids.sort_unstable();
        let mut breaches: Vec<String> = ids
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| format!("the id {} stands twice", pair[0]))
            .collect();
        let share = self.cases.len().div_ceil(4).max(1);
        std::thread::scope(|scope| {
            let workers: Vec<_> = self
                .cases
                .chunks(share)
                .map(|part| {
                    scope.spawn(|| part.iter().filter_map(|case| self.judge(case)).collect::<Vec<_>>())
                })
                .collect();
            breaches.extend(workers.into_iter().flat_map(|worker| worker.join().unwrap()));
        });
        breaches
    }

    fn judge(&self, case: &Case) -> Option<String> {
        let half_closed = matches!(case.expect, Expect::Closed | Expect::Cut);
        let answers = wire::talk_and(&self.url, &case.bytes, half_closed);
        let breach = case.expect.breach(answers.first()).or_else(|| {
            // One request, one answer: a second one is a smuggled request that was answered.
            (answers.len() > 1).then(|| format!("{} answers", answers.len()))
        });
        let hygiene = || answers.iter().find_map(wire::unclean);
        let breach = breach.or_else(hygiene)?;
        let request = String::from_utf8_lossy(&case.bytes).chars().take(400).collect::<String>();
        Some(format!(
            "{} {} ({}): expected {:?}, {breach}\n    {request:?}",
            self.name, case.id, case.why, case.expect
        ))
    }
}
