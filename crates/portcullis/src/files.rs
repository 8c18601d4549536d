//! The user's own files: whole or not there. What goes wrong with one is told by its path, where a fault of the store
//! would stay in the server's log.

use crate::client::Client;
use bytes::Bytes;
use domain::{ErrorCode, Fault};
use futures_util::{Stream, StreamExt};
use http::Method;
use indicatif::ProgressBar;
use std::path::Path;
use std::pin::pin;
use store::files::NewFile;

/// Writes a file in one step; an older one is replaced.
pub fn write(to: &Path, content: &[u8]) -> Result<(), Fault> {
    store::files::write_file(to, content).map_err(|e| told(to, e))
}

/// [`write`], readable by its owner only.
pub fn write_private(to: &Path, content: &[u8]) -> Result<(), Fault> {
    store::files::write_private(to, content).map_err(|e| told(to, e))
}

/// Streams what a GET answers to a file, whose folders are made; the bar goes on by its bytes. Returns their number.
pub async fn fetch(client: &Client, route: &str, to: &Path, bar: &ProgressBar) -> Result<u64, Fault> {
    let chunks = client.download(Method::GET, route).await?;
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| Fault::invalid(format!("{}: {e}", folder.display())))?;
    }
    let file = NewFile::open(to).map_err(|e| told(to, e))?;
    fill((file, to), chunks, bar, tokio::signal::ctrl_c()).await
}

/// Streams what a POST answers to a file that only its owner can read, and that can be made before anything is asked for.
pub async fn fetch_private(client: &Client, route: &str, to: &Path, bar: &ProgressBar) -> Result<u64, Fault> {
    let file = NewFile::private(to).map_err(|e| told(to, e))?;
    fill((file, to), client.download(Method::POST, route).await?, bar, tokio::signal::ctrl_c()).await
}

/// Fills a file until the chunks end, or until `stop` (Ctrl-C: unheard, it would end the process with the temporary file
/// left behind).
async fn fill(
    (mut file, to): (NewFile, &Path),
    mut chunks: impl Stream<Item = Result<Bytes, Fault>> + Unpin,
    bar: &ProgressBar,
    stop: impl Future,
) -> Result<u64, Fault> {
    let mut sum = 0;
    let mut stop = pin!(stop);
    loop {
        let chunk = tokio::select! {
            chunk = chunks.next() => chunk,
            _ = &mut stop => {
                let message = format!("{}: stopped before it was whole", to.display());
                return Err(Fault::new(ErrorCode::Unavailable, message));
            }
        };
        let Some(chunk) = chunk.transpose()? else { break };
        file.write(&chunk).map_err(|e| told(to, e))?;
        sum += chunk.len() as u64;
        bar.inc(chunk.len() as u64);
    }
    file.finish().map_err(|e| told(to, e))?;
    Ok(sum)
}

fn told(path: &Path, error: store::Error) -> Fault {
    match error {
        store::Error::Io { source, .. } => {
            Fault::invalid(format!("{}: {}", path.display(), words(path, &source)))
        }
        store::Error::StorageFull => {
            let message = format!("{}: the disk is full: free some space and try again", path.display());
            Fault::new(ErrorCode::StorageFull, message)
        }
        other => other.into(),
    }
}

/// What the system says. A fault with a temporary file names that file, which nobody knows; its folder may tell why.
fn words(path: &Path, fault: &std::io::Error) -> String {
    if fault.raw_os_error().is_some() {
        return fault.to_string();
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let missing = folder.and_then(|folder| std::fs::metadata(folder).err());
    missing.map_or_else(|| fault.kind().to_string(), |missing| missing.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stopped_download_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("model.onnx");
        std::fs::write(&to, "old").unwrap();
        // A first chunk, then nothing more; the stop comes once the chunk is written.
        let (arrived, heard) = tokio::sync::oneshot::channel::<()>();
        let first = futures_util::stream::once(async { Ok(Bytes::from_static(b"half")) });
        let rest = futures_util::stream::once(async {
            drop(arrived);
            std::future::pending().await
        });
        let chunks = Box::pin(first.chain(rest));
        let file = NewFile::open(&to).unwrap();
        let fault = fill((file, &to), chunks, &ProgressBar::hidden(), heard).await.unwrap_err();
        assert!(fault.message.ends_with("model.onnx: stopped before it was whole"), "{}", fault.message);
        assert_eq!(std::fs::read(&to).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_goes_wrong_is_told_by_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("no folder/model.onnx");
        for wrong in [write(&to, b"x"), write_private(&to, b"x")] {
            let wrong = wrong.unwrap_err();
            assert_eq!(wrong.code, ErrorCode::InvalidInput);
            let said = format!("{}: No such file or directory (os error 2)", to.display());
            assert_eq!(wrong.message, said);
        }
    }
}
