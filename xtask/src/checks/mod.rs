//! The checks, one per file.

mod channels;
mod layers;
mod licences;
mod links;
mod lockfile;
mod modules;
mod names;
mod places;
mod words;

use crate::cargo;
use crate::finding::Finding;
use crate::tree::Tree;

/// Everything there is to mend, in the order of files and lines.
pub fn all(tree: &Tree) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    findings.extend(layers::check(tree));
    findings.extend(lockfile::check(tree));
    findings.extend(modules::check(tree));
    findings.extend(words::check(tree));
    findings.extend(channels::check(tree));
    findings.extend(places::check(tree));
    findings.extend(links::check(tree));
    findings.extend(names::check(tree));
    findings.extend(licences::check(&cargo::foreign_packages(&tree.root)?));
    findings.sort();
    Ok(findings)
}
