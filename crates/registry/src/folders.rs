//! The folders of versions that were asked for last.

use domain::{Digest, Timestamp};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use store::Tree;

/// Folders that are remembered.
const KEPT: usize = 16;
/// Folders of more files are not.
const FILES_MAX: usize = 1000;

/// A version's content and when it was registered: the folder around an ONNX file tells both.
type Key = (Digest, Timestamp);

/// Folders by what they are of, the one used last at the end.
type Kept = VecDeque<(Key, Arc<Tree>)>;

/// A few folders; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folders(Arc<Mutex<Kept>>);

impl Folders {
    pub(crate) fn get(&self, digest: &Digest, created: Timestamp) -> Option<Arc<Tree>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|(key, _)| *key == (*digest, created))?;
        let found = all.remove(at)?;
        let tree = found.1.clone();
        all.push_back(found);
        Some(tree)
    }

    pub(crate) fn keep(&self, digest: &Digest, created: Timestamp, tree: Arc<Tree>) {
        if tree.files.len() > FILES_MAX {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT {
            all.pop_front();
        }
        all.push_back(((*digest, created), tree));
    }
}
