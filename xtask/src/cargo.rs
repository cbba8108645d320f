//! What cargo knows: the manifests of our crates, and the graph of the crates we use.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A crate of the graph and its licence.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its SPDX expression, if it states one.
    pub licence: Option<String>,
}

/// Every crate from elsewhere that a build on this machine uses, tests included.
pub fn foreign_packages(root: &Path) -> Result<Vec<Package>, String> {
    let host = host()?;
    let output =
        run(root, "cargo", &["metadata", "--format-version=1", "--locked", "--filter-platform", &host])?;
    let metadata: Value = serde_json::from_str(&output).map_err(|e| format!("cargo metadata: {e}"))?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let foreign = packages.iter().filter(|package| !package["source"].is_null());
    Ok(foreign
        .map(|package| Package {
            name: package["name"].as_str().unwrap_or_default().to_owned(),
            licence: package["license"].as_str().map(str::to_owned),
        })
        .collect())
}

/// The platform this machine builds for.
fn host() -> Result<String, String> {
    let version = run(Path::new("."), "rustc", &["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|e| format!("{program} cannot be started: {e}"))?;
    if !output.status.success() {
        return Err(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    String::from_utf8(output.stdout).map_err(|e| format!("{program} answered no text: {e}"))
}
