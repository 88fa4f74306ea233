//! Doing something again whenever a file changes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

/// How often files are looked at.
const PAUSE: Duration = Duration::from_millis(300);
/// What building itself writes.
const BUILT: [&str; 4] = ["target", "node_modules", "__pycache__", "Cargo.lock"];

/// Does `work` now and whenever a file in `folder` changed since it was begun; what goes wrong is shown, and tried again after
/// the next change.
pub(super) fn watch(folder: &Path, work: impl Fn() -> anyhow::Result<()>) -> ! {
    loop {
        let before = files(folder);
        if let Err(error) = work() {
            eprintln!("error: {error:#}");
        }
        while files(folder) == before {
            thread::sleep(PAUSE);
        }
    }
}

/// The files of a crate, with when they were changed and how large they are.
fn files(folder: &Path) -> BTreeMap<PathBuf, (Option<SystemTime>, u64)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // What is just being written or deleted is looked at the next time.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            let name = name.to_string_lossy();
            if name.starts_with('.') || BUILT.contains(&&*name) {
                continue;
            }
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(path),
                Ok(found) => {
                    files.insert(path, (found.modified().ok(), found.len()));
                }
                Err(_) => {}
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_building_writes_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("src/lib.rs", "a");
        let first = files(folder.path());
        assert_eq!(first.len(), 1);
        for name in [
            "target/a.wasm",
            "node_modules/b/c.js",
            "__pycache__/d.pyc",
            ".git/e",
            "Cargo.lock",
        ] {
            put(name, "new");
        }
        assert_eq!(files(folder.path()), first);
        put("src/lib.rs", "ab");
        let second = files(folder.path());
        assert_ne!(second, first);
        put("model.py", "");
        assert_ne!(files(folder.path()), second);
    }
}
