//! What may not be anywhere below us: a second TLS stack, what makes a function start slowly, a registry that others
//! cannot reach.

use crate::finding::Finding;
use crate::tree::Tree;

/// Crates that bring another TLS stack or C library than the one we chose (rustls with ring), or the SDKs' own way of
/// finding credentials and connecting, which costs a function most of its start.
const FORBIDDEN: [&str; 8] = [
    "aws-config",
    "aws-lc-rs",
    "aws-lc-sys",
    "aws-smithy-http-client",
    "native-tls",
    "openssl",
    "openssl-sys",
    "tokio-native-tls",
];

/// The only place crates come from.
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Looks at `Cargo.lock`.
pub fn check(tree: &Tree) -> Vec<Finding> {
    tree.text("Cargo.lock").map(check_lock).unwrap_or_default()
}

fn check_lock(lock: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(lock.lines()) {
        if let Some(name) = value(text, "name")
            && FORBIDDEN.contains(&name)
        {
            let text = format!(
                "{name} came in; find out who brought it (cargo tree -i {name}) and switch that off."
            );
            findings.push(Finding::new("Cargo.lock", line, text));
        }
        if let Some(source) = value(text, "source").filter(|source| *source != SOURCE) {
            let text = format!("Crates come from crates.io only, and this one comes from {source}.");
            findings.push(Finding::new("Cargo.lock", line, text));
        }
    }
    findings
}

fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_tls_stack_passes_and_others_do_not() {
        let lock = "[[package]]\nname = \"ring\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
                    [[package]]\nname = \"aws-lc-sys\"\n[[package]]\nname = \"openssl-probe\"\n";
        let found = check_lock(lock);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 5);
    }

    #[test]
    fn crates_come_from_one_place() {
        let lock = "name = \"x\"\nsource = \"git+https://example.com/x\"\n";
        assert_eq!(check_lock(lock)[0].line, 2);
    }
}
