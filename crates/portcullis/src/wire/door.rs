//! The way of jobs into this server: its address, a token for the job's life.

use domain::{Fault, RunId, Span};
use futures_util::future::BoxFuture;
use gateway::Gateway;
use runs::{Door, Passage};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use web::Tls;

/// The gate as jobs see it.
#[derive(Debug)]
pub struct JobDoor {
    gateway: Arc<Gateway>,
    scheme: &'static str,
    address: SocketAddr,
    certificate: Option<PathBuf>,
}

impl JobDoor {
    /// The door of a server that listens there.
    pub fn new(gateway: Arc<Gateway>, address: SocketAddr, tls: Option<&Tls>) -> Self {
        let certificate = tls.filter(|tls| tls.is_generated()).map(|tls| tls.certificate().0);
        Self { gateway, scheme: if tls.is_some() { "https" } else { "http" }, address, certificate }
    }
}

impl Door for JobDoor {
    fn open(&self, run: RunId, most: Span) -> BoxFuture<'static, Result<Passage, Fault>> {
        let (gateway, scheme, address) = (self.gateway.clone(), self.scheme, self.address);
        let certificate = self.certificate.clone();
        Box::pin(async move {
            let token = gateway.open_job(&run, most.0).await?;
            Ok(Passage { scheme, address, certificate, token })
        })
    }

    fn close(&self, run: RunId) -> BoxFuture<'static, Result<(), Fault>> {
        let gateway = self.gateway.clone();
        Box::pin(async move { gateway.close_job(&run).await })
    }
}
