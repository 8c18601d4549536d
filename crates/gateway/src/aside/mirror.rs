//! Mirrored traffic: a share of an endpoint's calls is answered a second time by another deployment, and the answers are compared.

use super::{Answered, Room, Taken, shown};
use crate::score::{self, Asked};
use crate::snapshot::{Backend, Served, Target};
use bytes::Bytes;
use domain::{Name, Timestamp};
use endpoint::{Limits, MirrorConfig, Outcome, Pool};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use telemetry::{Metrics, Mirrored};
use tokio::sync::{Semaphore, mpsc};

/// Copies that wait for the workers of one mirror, which get them one after the other: callers of that deployment go first.
/// Others that come meanwhile are dropped: they must not hold up the copies for other endpoints.
const BY_WORKERS: usize = 64;

/// The most bytes of an answer that a sample shows.
const SHOWN: usize = 1024;

/// Numbers that differ by less than this part of themselves are the same: sums of floating point may come in another order.
const TOLERANCE: f64 = 1e-6;

/// Where the calls of an endpoint are mirrored to.
#[derive(Debug)]
pub(crate) struct Mirror {
    /// The deployment's place.
    pub at: usize,
    pub percent: u8,
    pub kept: Arc<Kept>,
}

/// What is known of an endpoint's mirrored calls; outlives the snapshot.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Deployment, model version and moment it was made: another one begins from nought.
    of: (Name, i64),
    counts: Arc<Mirrored>,
    sample: Mutex<VecDeque<Difference>>,
    /// Room for copies that wait for workers, and whose turn it is.
    waiting: Arc<Semaphore>,
    turn: Semaphore,
}

/// Two answers to the same call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Difference {
    /// When the call came.
    pub time: String,
    /// Its request id.
    pub request_id: String,
    /// Who answered it.
    pub deployment: String,
    /// With which status.
    pub status: u16,
    /// The beginning of the answer.
    pub answer: String,
    /// The status of the mirrored call.
    pub mirror_status: u16,
    /// The beginning of its answer.
    pub mirror_answer: String,
}

/// What came of an endpoint's mirrored calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MirrorReport {
    /// The deployment that gets copies.
    pub deployment: Name,
    /// Percent of the calls.
    pub percent: u8,
    /// Answers that said the same.
    pub equal: u64,
    /// Answers that said something else.
    pub different: u64,
    /// Copies that could not be answered.
    pub failed: u64,
    /// Copies that were not made since too many waited.
    pub dropped: u64,
    /// The newest answers that differed.
    pub sample: Vec<Difference>,
}

/// A call to answer again.
#[derive(Debug)]
struct Copy {
    target: Arc<Target>,
    asked: Arc<Asked>,
    deployment: Arc<str>,
    body: Bytes,
    outcome: Outcome,
    time: Timestamp,
    _room: Taken,
}

/// The queue of copies.
#[derive(Debug)]
pub(crate) struct Mirrors {
    sender: Option<mpsc::Sender<Copy>>,
    room: Room,
    metrics: Arc<Metrics>,
}

impl Mirrors {
    /// Starts answering copies, one after the other.
    pub(super) fn start(config: &MirrorConfig, limits: &Limits, metrics: &Arc<Metrics>) -> Self {
        let (sender, receiver) = mpsc::channel(config.queue_calls);
        tokio::spawn(answer_all(receiver, limits.clone(), config.sample));
        Self { sender: Some(sender), room: Room::new(config.queue_bytes), metrics: metrics.clone() }
    }

    pub(super) fn none(metrics: &Arc<Metrics>) -> Self {
        Self { sender: None, room: Room::new(0), metrics: metrics.clone() }
    }

    /// Where an endpoint's calls are mirrored to; what was counted before goes on for the same deployment.
    pub(crate) fn of(
        &self,
        endpoint: &domain::Endpoint,
        deployments: &[domain::Deployment],
        before: Option<&Target>,
    ) -> Option<Mirror> {
        let (name, percent) = endpoint.mirror_traffic.iter().find(|(_, percent)| **percent > 0)?;
        let at = deployments.iter().position(|d| d.name == *name)?;
        let of = (name.clone(), deployments.get(at)?.created.0);
        let former = before.and_then(|target| target.mirror.as_ref()).filter(|mirror| mirror.kept.of == of);
        let kept = former.map_or_else(
            || {
                let counts = self.metrics.mirrored(endpoint.name.as_str(), true);
                let (waiting, turn) = (Arc::new(Semaphore::new(BY_WORKERS)), Semaphore::new(1));
                Arc::new(Kept { of, counts, sample: Mutex::default(), waiting, turn })
            },
            |mirror| mirror.kept.clone(),
        );
        Some(Mirror { at, percent: *percent, kept })
    }

    /// Copies its share of the calls. The deployment that gets copies is not compared with itself.
    pub(super) fn offer(&self, mirror: &Mirror, call: &Answered<'_>) {
        let Some(sender) = &self.sender else { return };
        let own = call.target.models.get(mirror.at).is_some_and(|s| s.deployment == call.served.deployment);
        if own || (u64::from(score::random()) * 100) >> 32 >= u64::from(mirror.percent) {
            return;
        }
        let sent = self.room.take(call.body.len() + call.outcome.body.len()).is_some_and(|room| {
            let copy = Copy {
                target: call.target.clone(),
                asked: call.asked.clone(),
                deployment: call.served.deployment.clone(),
                body: call.body.clone(),
                outcome: call.outcome.clone(),
                time: Timestamp::now(),
                _room: room,
            };
            sender.try_send(copy).is_ok()
        });
        if !sent {
            mirror.kept.counts.dropped.fetch_add(1, Relaxed);
        }
    }
}

impl Mirror {
    /// What came of it so far.
    pub(crate) fn report(&self) -> MirrorReport {
        let Kept { of, counts, sample, .. } = &*self.kept;
        let sample = sample.lock().unwrap_or_else(PoisonError::into_inner);
        MirrorReport {
            deployment: of.0.clone(),
            percent: self.percent,
            equal: counts.equal.load(Relaxed),
            different: counts.different.load(Relaxed),
            failed: counts.failed.load(Relaxed),
            dropped: counts.dropped.load(Relaxed),
            sample: sample.iter().cloned().collect(),
        }
    }
}

/// Answers copies for as long as there is anybody who makes them.
async fn answer_all(mut copies: mpsc::Receiver<Copy>, limits: Limits, sample: usize) {
    let limits = Arc::new(limits);
    while let Some(copy) = copies.recv().await {
        let limits = limits.clone();
        if copy.to().is_some_and(|(_, served)| served.workers().is_some()) {
            by_workers(copy, limits, sample);
            continue;
        }
        let done = tokio::task::spawn_blocking(move || {
            let Some((mirror, served)) = copy.to() else { return };
            let answer = served.model.as_ref().map(|model| {
                score::evaluate(&limits, (&copy.target, served, model), &copy.asked, &copy.body)
            });
            compare(&copy, mirror, answer, sample);
        });
        if done.await.is_err() {
            tracing::error!("a mirrored call ended its thread");
        }
    }
}

/// Has workers answer a copy, if not too many copies wait for them; they take their time, which nobody here waits for.
fn by_workers(copy: Copy, limits: Arc<Limits>, sample: usize) {
    let Some((mirror, _)) = copy.to() else { return };
    let Ok(permit) = mirror.kept.waiting.clone().try_acquire_owned() else {
        mirror.kept.counts.dropped.fetch_add(1, Relaxed);
        return;
    };
    tokio::spawn(async move {
        let Some((mirror, served)) = copy.to() else { return };
        let Some(pool) = served.workers() else { return };
        let _turn = mirror.kept.turn.acquire().await;
        let answer = score::by_workers(&limits, (&copy.target, served, pool), &copy.asked, &copy.body).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS && copy.outcome.status != answer.status {
            mirror.kept.counts.dropped.fetch_add(1, Relaxed);
        } else {
            compare(&copy, mirror, Some(answer), sample);
        }
        drop(permit);
    });
}

impl Copy {
    /// Where it goes.
    fn to(&self) -> Option<(&Mirror, &Served)> {
        let mirror = self.target.mirror.as_ref()?;
        Some((mirror, self.target.models.get(mirror.at)?))
    }
}

impl Served {
    /// The workers that answer, when they do.
    fn workers(&self) -> Option<&Pool> {
        match &self.model.as_ref()?.backend {
            Backend::Python(pool) => Some(pool),
            Backend::Native(_) => None,
        }
    }
}

/// Counts what came of a copy; no answer when there is no model.
fn compare(copy: &Copy, mirror: &Mirror, answer: Option<Outcome>, keep: usize) {
    let counts = &mirror.kept.counts;
    let Some(answer) = answer else {
        counts.failed.fetch_add(1, Relaxed);
        return;
    };
    if answer.status == copy.outcome.status && same(&copy.outcome, &answer) {
        counts.equal.fetch_add(1, Relaxed);
        return;
    }
    let failed = answer.status.is_client_error() || answer.status.is_server_error();
    let count = if failed { &counts.failed } else { &counts.different };
    count.fetch_add(1, Relaxed);
    let mut sample = mirror.kept.sample.lock().unwrap_or_else(PoisonError::into_inner);
    while sample.len() >= keep.max(1) {
        sample.pop_front();
    }
    if keep > 0 {
        sample.push_back(Difference {
            time: copy.time.to_string(),
            request_id: copy.asked.ids.request_id().to_owned(),
            deployment: copy.deployment.to_string(),
            status: copy.outcome.status.as_u16(),
            answer: shown(&copy.outcome.body, SHOWN),
            mirror_status: answer.status.as_u16(),
            mirror_answer: shown(&answer.body, SHOWN),
        });
    }
}

/// Whether two answers say the same, but for the version of the model and noise of floating point.
fn same(one: &Outcome, other: &Outcome) -> bool {
    if one.body == other.body {
        return true;
    }
    let parts = |outcome: &Outcome| {
        let at = outcome.extra.json_bytes.and_then(|n| usize::try_from(n).ok()).unwrap_or(outcome.body.len());
        let (json, rest) = outcome.body.split_at_checked(at)?;
        let mut value: Value = serde_json::from_slice(json).ok()?;
        if let Some(members) = value.as_object_mut() {
            members.remove("model_version");
        }
        Some((value, rest.to_vec()))
    };
    match (parts(one), parts(other)) {
        (Some((one, rest)), Some((other, others))) => rest == others && alike(&one, &other),
        _ => false,
    }
}

fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
            _ => a == b,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| alike(a, b)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_by_what_they_say() {
        let answer = |text: &'static str| Outcome::new(StatusCode::OK, "application/json", text);
        for (one, other, equal) in [
            ("[1.0]", "[1.0000001]", true),
            ("[1.0]", "[1.001]", false),
            (r#"{"model_version":"1","a":["x"]}"#, r#"{"a":["x"],"model_version":"2"}"#, true),
            (r#"{"a":1}"#, r#"{"a":1,"b":1}"#, false),
            ("yes", "yes", true),
            ("yes", "no", false),
            (r#""a""#, "1", false),
        ] {
            assert_eq!(same(&answer(one), &answer(other)), equal, "{one} {other}");
        }
    }
}
