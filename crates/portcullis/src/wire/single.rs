//! One model at the root of one port: the gate over a one-file snapshot, without a data directory of its own.

use crate::config::Settings;
use crate::wire::{Bound, bind};
use domain::{ErrorCode, Fault, Name};
use endpoint::Servable;
use engines::Engine;
use gateway::SingleDoor;
use std::path::Path;
use std::sync::Arc;
use store::Store;
use telemetry::{Metrics, RequestLog};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use web::Tls;

/// Bytes of a key that is made here.
const KEY_BYTES: usize = 32;

/// A running server of one model; its request log lives as long as it.
pub struct SingleModel {
    url: String,
    tls: Option<Arc<Tls>>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    log: RequestLog,
    store: Store,
    _folder: tempfile::TempDir,
}

impl SingleModel {
    /// Serves a file; the key file is made when it is not there, without one the door is open. A data directory is touched
    /// only for certificates that are made or fetched.
    pub async fn start(
        file: &Path,
        key_file: Option<&Path>,
        settings: Settings,
        dir: &Path,
    ) -> Result<Self, Fault> {
        engines::use_library(&settings.endpoint.onnxruntime_library);
        let servable = load(file)?;
        let key = key_file.map(key).transpose()?;
        let stem = file.file_stem().and_then(|s| s.to_str()).unwrap_or("model");
        let name = Name::new(stem).or_else(|_| Name::new("model"))?;
        let folder = tempfile::tempdir()
            .map_err(|e| Fault::internal(format!("making a folder for the request log: {e}")))?;
        let store = Store::open(folder.path()).await?;
        let log = RequestLog::start(&store, &settings.telemetry.request_log, &settings.store.segments)?;
        let metrics = Arc::new(Metrics::new(log.counters()));
        let Bound { listener, tls, url, .. } = bind(&settings, dir).await?;
        let door =
            SingleDoor::new((&name, servable), key.as_deref(), &settings.gate(&url), log.clone(), metrics)?;
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(web::serve(listener, tls.clone(), door, settings.limits.http, stopped));
        Ok(Self { url, tls, stop, serving, log, store, _folder: folder })
    }

    /// The base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// TLS of the listener, if it speaks it.
    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// Finishes the calls in hand and stops.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(e) = self.serving.await {
            tracing::error!(error = %e, "the listener broke");
        }
        self.log.close().await;
        self.store.close().await;
    }
}

fn load(file: &Path) -> Result<Servable, Fault> {
    let bytes = std::fs::read(file).map_err(|e| Fault::invalid(format!("{}: {e}", file.display())))?;
    let wrong = |e: engines::Error| Fault::new(ErrorCode::Unprocessable, format!("{}: {e}", file.display()));
    let engine = Engine::load(&bytes).map_err(wrong)?;
    let signature = registry::signature::from_model(&engine);
    Ok(Servable::of(engine, &bytes, &signature)?)
}

/// The key in a file; a new one when there is no file.
fn key(file: &Path) -> Result<String, Fault> {
    match std::fs::read_to_string(file) {
        Ok(text) if text.trim().len() >= KEY_BYTES => Ok(text.trim().to_owned()),
        Ok(_) => Err(Fault::invalid(format!(
            "{}: a key is at least {KEY_BYTES} characters; remove the file to have one made",
            file.display()
        ))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let key = gateway::fresh_secret()?;
            crate::files::write_private(file, key.as_bytes())?;
            Ok(key)
        }
        Err(e) => Err(Fault::invalid(format!("{}: {e}", file.display()))),
    }
}
