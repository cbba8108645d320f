//! The licences of everything we build from.

use crate::cargo::Package;
use crate::finding::Finding;

/// Licences that fit Apache-2.0 and ask no more than to be named.
const ALLOWED: [&str; 11] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates under other licences, each with the reason why it may stay.
const NAMED: [(&str, &str, &str); 2] = [
    ("borrow-or-share", "MIT-0", "MIT without even the duty to name it"),
    ("quoted_printable", "0BSD", "BSD without even the duty to name it"),
];

/// Looks at every crate from elsewhere.
pub fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let name = &package.name;
        let problem = match &package.licence {
            None => format!("The crate {name} states no licence; do not use it."),
            Some(licence) if !is_allowed(name, licence) => {
                format!(
                    "The crate {name} is under {licence}; replace it, or name it with a reason in xtask/src/checks/licences.rs."
                )
            }
            Some(_) => continue,
        };
        findings.push(Finding::new("Cargo.lock", 1, problem));
    }
    findings
}

/// Whether an SPDX expression leaves a choice that is allowed. A slash is the old way to write OR.
fn is_allowed(name: &str, expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { name, words: &words };
    reader.either() && reader.words.is_empty()
}

/// Reads an expression: OR binds weaker than AND, AND weaker than WITH.
struct Reader<'a> {
    name: &'a str,
    words: &'a [&'a str],
}

impl Reader<'_> {
    fn either(&mut self) -> bool {
        let mut allowed = self.both();
        while self.skip("OR") {
            allowed |= self.both();
        }
        allowed
    }

    fn both(&mut self) -> bool {
        let mut allowed = self.one();
        while self.skip("AND") {
            allowed &= self.one();
        }
        allowed
    }

    fn one(&mut self) -> bool {
        if self.skip("(") {
            let allowed = self.either();
            return self.skip(")") && allowed;
        }
        let Some((licence, rest)) = self.words.split_first() else { return false };
        self.words = rest;
        let mut licence = (*licence).to_owned();
        if self.skip("WITH")
            && let Some((exception, rest)) = self.words.split_first()
        {
            self.words = rest;
            licence = format!("{licence} WITH {exception}");
        }
        ALLOWED.contains(&licence.as_str())
            || NAMED.iter().any(|(name, of, _reason)| *name == self.name && *of == licence)
    }

    fn skip(&mut self, word: &str) -> bool {
        let here = self.words.first() == Some(&word);
        if here {
            self.words = &self.words[1..];
        }
        here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_that_is_allowed_is_enough() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR LGPL-2.1",
        ] {
            assert!(is_allowed("x", good), "{good}");
        }
    }

    #[test]
    fn others_are_not() {
        for bad in
            ["GPL-3.0", "MIT AND GPL-3.0", "MPL-2.0", "(MIT", "", "Apache-2.0 WITH Commons-Clause", "0BSD"]
        {
            assert!(!is_allowed("x", bad), "{bad}");
        }
    }

    #[test]
    fn a_crate_may_be_named_with_its_licence() {
        assert!(is_allowed("quoted_printable", "0BSD"));
        assert!(!is_allowed("quoted_printable", "GPL-3.0"));
        let none = Package { name: "x".to_owned(), licence: None };
        assert_eq!(check(&[none]).len(), 1);
    }
}
