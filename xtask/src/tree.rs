//! The files of the repository: what git tracks or would track.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Folders that a copy without git leaves out.
const LEFT_OUT: [&str; 6] = [".git", ".venv", "data", "node_modules", "target", "__pycache__"];

/// The text files, by their path from the top folder.
pub struct Tree {
    /// The top folder.
    pub root: PathBuf,
    /// Path and text.
    pub texts: BTreeMap<String, String>,
    /// Every path, also of files that are no text.
    pub paths: Vec<String>,
}

impl Tree {
    /// Reads the repository this program was built in.
    pub fn open() -> Result<Self, String> {
        let root = root()?;
        let paths = match listed_by_git(&root) {
            Some(paths) => paths,
            None => {
                let mut paths = Vec::new();
                walk(&root, "", &mut paths).map_err(|e| format!("{}: {e}", root.display()))?;
                paths
            }
        };
        let mut tree = Self { root, texts: BTreeMap::new(), paths: Vec::new() };
        for path in paths {
            // A file that was deleted is still listed until the deletion is committed.
            let Ok(bytes) = fs::read(tree.root.join(&path)) else { continue };
            if let Ok(text) = String::from_utf8(bytes) {
                tree.texts.insert(path.clone(), text);
            }
            tree.paths.push(path);
        }
        tree.paths.sort();
        Ok(tree)
    }

    /// The text of a file, if it is there.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// The Rust files.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().filter(|(path, _)| path.ends_with(".rs")).map(|(p, t)| (p.as_str(), t.as_str()))
    }

    /// Whether a file of this path, or one below it, is there.
    pub fn has(&self, path: &str) -> bool {
        let below = format!("{}/", path.trim_end_matches('/'));
        self.paths.iter().any(|p| p == path || p.starts_with(&below))
    }

    /// A tree of these files, for tests.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self {
            root: PathBuf::new(),
            texts: files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect(),
            paths: files.iter().map(|(p, _)| (*p).to_owned()).collect(),
        }
    }
}

/// The top folder: the nearest one above that holds a `Cargo.lock`.
fn root() -> Result<PathBuf, String> {
    let here = env::current_dir().map_err(|e| format!("no current folder: {e}"))?;
    here.ancestors()
        .find(|folder| folder.join("Cargo.lock").is_file())
        .map(Path::to_path_buf)
        .ok_or_else(|| "run this inside the repository; no Cargo.lock was found".to_owned())
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let listed = String::from_utf8(listed.stdout).ok()?;
    Some(listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walk(root: &Path, below: &str, paths: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if !entry.file_type()?.is_dir() {
            paths.push(path);
        } else if !LEFT_OUT.contains(&name.as_str()) {
            walk(root, &path, paths)?;
        }
    }
    Ok(())
}
