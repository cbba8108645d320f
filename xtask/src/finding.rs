//! Something to mend, and where.

use std::fmt;

/// Something to mend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the top folder.
    pub file: String,
    /// The line, counted from 1; 0 means the whole file.
    pub line: usize,
    /// What is wrong and what to do, as a sentence.
    pub text: String,
}

impl Finding {
    /// A finding in a line of a file.
    pub fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line.max(1), self.text)
    }
}
