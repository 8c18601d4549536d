//! The workers of one deployment, as a call sees them.

use super::answer::{self, Refused};
use super::config::WorkersConfig;
use super::desk::{Desk, Place};
use super::logs::Log;
use super::tend::{Prepare, tend};
use super::wire::{Answer, Described, Headers, Link, Ready, Request, frame};
use crate::outcome::Outcome;
use bytes::Bytes;
use domain::{ErrorCode, Fault, PythonSpec, RequestSettings, ScaleSettings};
use http::{HeaderMap, Method, header};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Workers tried for one call when those before were gone before they had it.
const TRIES: usize = 3;

/// What a worker has beyond a call's time to say itself that it is over.
const GRACE: Duration = Duration::from_millis(250);

/// How far a deployment is, in the words of the cloud's endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum ProvisioningState {
    /// Its first workers are being started.
    #[default]
    Creating,
    /// A new version of it is being started; the old one serves.
    Updating,
    /// It serves.
    Succeeded,
    /// It does not serve; the reason stands beside.
    Failed,
}

/// How a deployment's workers are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PoolStatus {
    /// How far the deployment is.
    pub provisioning_state: ProvisioningState,
    /// Workers that serve.
    pub instances_ready: u32,
    /// Workers that are wanted.
    pub instances: u32,
    /// Workers that ended unasked.
    pub restarts: u64,
    /// Why it does not serve, or why the last worker failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What the keeper, the workers and the calls of a pool share.
#[derive(Debug)]
pub(super) struct Shared {
    pub desk: Arc<Desk>,
    pub config: Arc<WorkersConfig>,
    pub settings: RequestSettings,
    pub scale: Option<ScaleSettings>,
    pub log: Log,
    pub wanted: AtomicU32,
    pub ready: OnceLock<Ready>,
    pub status: watch::Sender<PoolStatus>,
}

impl Shared {
    /// Why nothing serves, or one worker less.
    pub(super) fn failed(&self, why: &str) {
        self.status.send_modify(|status| {
            status.reason = Some(why.to_owned());
            if status.instances_ready == 0 {
                status.provisioning_state = ProvisioningState::Failed;
            }
        });
    }

    /// A worker serves.
    pub(super) fn recovered(&self) {
        self.status.send_modify(|status| {
            status.provisioning_state = ProvisioningState::Succeeded;
            status.reason = None;
        });
    }

    /// A worker ended unasked.
    pub(super) fn restarted(&self) {
        self.status.send_modify(|status| status.restarts += 1);
    }
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Its `x-request-id`.
    pub id: &'a str,
    /// GET or POST.
    pub method: &'a Method,
    /// The path behind the endpoint, with a slash before it.
    pub path: &'a str,
    /// The query without its question mark.
    pub query: Option<&'a str>,
    /// The headers, without credentials.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
    /// What answers of Open Inference call the model, and its version.
    pub model: (&'a str, &'a str),
    /// How long the JSON part of a body with binary tensors is.
    pub json_bytes: Option<u64>,
    /// Whether the answer is kept in the deployment's log.
    pub keep_answer: bool,
}

/// The workers of one deployment; they end when the last handle is dropped.
#[derive(Debug)]
pub struct Pool {
    pub(super) shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    keeper: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl Pool {
    /// Begins to start workers; [`ready`](Self::ready) tells when they serve.
    pub(super) fn begin(
        spec: &PythonSpec,
        (config, log): (Arc<WorkersConfig>, Log),
        prepare: Prepare,
    ) -> Self {
        let wanted = spec.bounds().0;
        let shared = Arc::new(Shared {
            desk: Desk::new(),
            config,
            settings: spec.request_settings,
            scale: spec.scale_settings.filter(|s| s.max_instances > s.min_instances),
            log,
            wanted: AtomicU32::new(wanted),
            ready: OnceLock::new(),
            status: watch::Sender::new(PoolStatus { instances: wanted, ..PoolStatus::default() }),
        });
        let (stop, stopped) = watch::channel(false);
        let keeper = tokio::spawn(tend(shared.clone(), prepare, stopped));
        Self { shared, stop, keeper: std::sync::Mutex::new(Some(keeper)) }
    }

    /// How the workers are.
    pub fn status(&self) -> PoolStatus {
        self.shared.status.borrow().clone()
    }

    /// Waits until all workers that are wanted at first serve; the first failure of one ends the wait.
    /// `replaces` says whether another of its name runs.
    pub(super) async fn ready(&self, replaces: bool) -> Result<(), Fault> {
        let mut status = self.shared.status.subscribe();
        let seen = status.wait_for(|s| s.reason.is_some() || s.instances_ready >= s.instances).await;
        let reason = seen.map_err(|_| Fault::internal("the workers were given up"))?.reason.clone();
        let before = if replaces { ", and what ran before still does" } else { "" };
        match reason {
            None => Ok(()),
            Some(why) => Err(Fault::new(
                ErrorCode::Unprocessable,
                format!("the deployment does not start{before}: {why}"),
            )),
        }
    }

    /// Ends the workers and waits for it.
    pub(super) async fn end(&self) {
        self.stop.send_replace(true);
        let keeper = self.keeper.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            let _ = keeper.await;
        }
    }

    /// The document of a version (`2`, `3` or `3.1`), when there is one.
    pub(super) fn swagger(&self, version: &str) -> Option<serde_json::Value> {
        self.shared.ready.get()?.swagger.as_ref()?.get(version).cloned()
    }

    /// Whether a worker serves.
    pub fn serves(&self) -> bool {
        self.shared.status.borrow().instances_ready > 0
    }

    /// What it takes and answers; none before the first worker was ready.
    pub fn described(&self) -> Option<&Described> {
        self.shared.ready.get().map(|ready| &ready.metadata)
    }

    /// Answers a call by one of the workers. Never fails: what is wrong is an answer too.
    pub async fn call(&self, ask: &Ask<'_>) -> Outcome {
        let Some(ready) = self.shared.ready.get() else {
            return answer::refused(&Refused::Starting);
        };
        let settings = &self.shared.settings;
        let wanted = self.shared.wanted.load(Ordering::Relaxed).max(1);
        let most = settings.max_concurrent_requests_per_instance.saturating_mul(wanted).saturating_mul(2);
        let Some(place) = self.shared.desk.enter(most) else {
            return answer::refused(&Refused::Full(most));
        };
        let request = Request {
            id: ask.id,
            method: ask.method.as_str(),
            path: ask.path,
            query: ask.query,
            content_type: ask.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()),
            headers: Headers(ready.wants_headers.then_some(ask.headers)),
            timeout_ms: settings.request_timeout_ms,
            model: ask.model.0,
            version: ask.model.1,
            json_bytes: ask.json_bytes,
        };
        let Ok(frame) = frame(&request, ask.body) else {
            return answer::refused(&Refused::Unreadable);
        };
        let start = Instant::now();
        let wait = Duration::from_millis(settings.max_queue_wait_ms);
        let Some(link) = self.shared.desk.take(wait).await else {
            let none = self.shared.status.borrow().instances_ready == 0;
            let why = if none { Refused::Down } else { Refused::Waited(settings.max_queue_wait_ms) };
            return answer::refused(&why);
        };
        let waited_us = u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX);
        // A task of its own: a caller that goes away leaves no half-read connection behind.
        let exchange = Exchange { shared: self.shared.clone(), frame, wait, _place: place };
        let answered = match tokio::spawn(exchange.run(link)).await {
            Ok(answered) => answered,
            Err(_) => Err(Refused::Unreadable),
        };
        let mut outcome = match &answered {
            Ok((head, body)) => answer::outcome(head, body.clone()),
            Err(refused) => answer::refused(refused),
        };
        outcome.waited_us = waited_us;
        if ask.keep_answer {
            self.keep(ask.id, &outcome);
        }
        outcome
    }

    /// Writes an answer into the deployment's log.
    fn keep(&self, id: &str, outcome: &Outcome) {
        let shown = &outcome.body[..outcome.body.len().min(super::logs::LINE_MAX)];
        let text = format!("{} {}", outcome.status.as_u16(), String::from_utf8_lossy(shown));
        self.shared.log.line(0, "response", (Some(id), &text));
    }
}

/// A call on its way to a worker and back.
struct Exchange {
    shared: Arc<Shared>,
    frame: Vec<u8>,
    wait: Duration,
    _place: Place,
}

impl Exchange {
    async fn run(self, mut link: Link) -> Result<(Answer, Bytes), Refused> {
        // The worker stops a call by itself where it can; one that does not is beyond help.
        let limit = Duration::from_millis(self.shared.settings.request_timeout_ms) + GRACE;
        let deadline = tokio::time::Instant::now() + limit;
        for _ in 0..TRIES {
            match tokio::time::timeout_at(deadline, link.send(&self.frame)).await {
                Ok(Ok(())) => return self.receive(link, deadline).await,
                // Rule: what did not go whole has not begun, so another worker may have it.
                Ok(Err(_)) => link.worker.retire("it was gone"),
                Err(_) => return Err(self.hung(&link)),
            }
            drop(link);
            link = self.shared.desk.take(self.wait).await.ok_or(Refused::Down)?;
        }
        Err(Refused::Lost)
    }

    async fn receive(
        &self,
        mut link: Link,
        deadline: tokio::time::Instant,
    ) -> Result<(Answer, Bytes), Refused> {
        let receiving = link.receive(self.shared.config.answer_bytes);
        match tokio::time::timeout_at(deadline, receiving).await {
            Ok(Ok(answer)) => {
                link.worker.served();
                self.shared.desk.give(link);
                Ok(answer)
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                link.worker.retire("it answered more than is allowed");
                Err(Refused::Large(self.shared.config.answer_bytes))
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "a worker was lost in a call");
                link.worker.retire("it was lost in a call");
                Err(Refused::Lost)
            }
            Err(_) => Err(self.hung(&link)),
        }
    }

    /// A thread of a script cannot be stopped: the whole worker goes.
    fn hung(&self, link: &Link) -> Refused {
        link.worker.retire("a call took longer than its time");
        Refused::Timeout(self.shared.settings.request_timeout_ms)
    }
}
