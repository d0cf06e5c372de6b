//! Folders of servers, kept while the test process lives: a failed test leaves
//! its logs to read, and the next run sweeps what dead processes left.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-servers");
    fs::create_dir_all(&root).unwrap();
    for entry in fs::read_dir(&root).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.split('-').next().unwrap_or_default();
        if !Path::new("/proc").join(owner).exists() {
            // Another test process may sweep at the same time.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    root
});

/// A new, empty folder.
pub fn folder(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = ROOT.join(format!("{}-{number}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}
