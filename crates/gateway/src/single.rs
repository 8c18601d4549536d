//! `serve-model`: one model at the root of one port, without a store; the direct door over a one-file snapshot.

use crate::config::Options;
use crate::score::Scoring;
use crate::snapshot::Target;
use crate::stack::{Arrived, direct};
use crate::{pages, sagemaker};
use domain::{Fault, Name};
use endpoint::Servable;
use http::{Request, Response};
use std::sync::Arc;
use std::time::Instant;
use telemetry::{Metrics, RequestLog};
use web::peer::{Transport, transport};
use web::{Body, Peer, RequestBody, Service};

/// The server of one model.
#[derive(Debug, Clone)]
pub struct SingleDoor {
    scoring: Arc<Scoring>,
    target: Arc<Target>,
    proxies: web::Ranges,
}

impl SingleDoor {
    /// Serves a model under a name; `key` opens the door, none leaves it open to everybody.
    pub fn new(
        (name, servable): (&Name, Servable),
        key: Option<&str>,
        options: &Options,
        log: RequestLog,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Fault> {
        options.config.check()?;
        options.rate.check()?;
        let target = Target::single(name, servable, key, &metrics);
        Ok(Self {
            scoring: Arc::new(Scoring::new(
                options,
                (options.public_url.trim_end_matches('/'), None),
                log,
                metrics,
            )?),
            target: Arc::new(target),
            proxies: web::Ranges::parse(&options.behind_proxy)?,
        })
    }
}

/// The one path that is this program's and not the model's.
const HEALTH: &str = "/health";

impl Service for SingleDoor {
    async fn call(&self, request: Request<RequestBody>, peer: Peer) -> Response<Body> {
        let start = Instant::now();
        let Transport::Trusted(client) = transport(&peer, &self.proxies, request.headers()) else {
            return crate::stack::upgrade_required();
        };
        let path = request.uri().path();
        if path == HEALTH {
            return pages::health(request.method());
        }
        let tail = path.strip_prefix('/').unwrap_or_default().len();
        let sagemaker = sagemaker::Head::of(&request);
        let mut response =
            direct(&self.scoring, &self.target, Arrived::new(request, client, start, tail), None).await;
        if let Some(head) = sagemaker {
            head.answer(&self.target.name, &mut response);
        }
        response
    }
}
