//! Where things are: the repository, the target folder, the tools beside it.

use std::path::{Path, PathBuf};

/// The root of the repository, by the place of this crate: as cargo says now, since build output may outlive the clone
/// that it was built in.
pub fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let here = Path::new(&here);
    here.parent().unwrap_or(here).to_owned()
}

/// The folder of build output: `CARGO_TARGET_DIR`, else `target` in the repository.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The folder of tools that a test run needs and that are kept between runs.
pub fn tools() -> PathBuf {
    target().join("tools")
}
