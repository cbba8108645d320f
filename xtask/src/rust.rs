//! Rust source taken apart into code and comments, so that a word in a text is not taken for code.

/// A source file, once with only its code and once with only its comments.
///
/// Both keep every line break and column; what does not belong is blank. In the code, the inside of a string or
/// character literal is blank too.
pub struct Source {
    /// The code.
    pub code: String,
    /// The comments.
    pub comments: String,
}

impl Source {
    /// Takes a source apart.
    pub fn read(text: &str) -> Self {
        let mut reader = Reader { rest: text, source: Self { code: String::new(), comments: String::new() } };
        reader.run();
        reader.source
    }

    /// The attributes (`#[…]`, `#![…]`) with the line each begins in.
    pub fn attributes(&self) -> Vec<(usize, &str)> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = self.code[from..].find('#').map(|at| from + at) {
            from = at + 1;
            let inside = self.code[from..].strip_prefix('!').unwrap_or(&self.code[from..]);
            let Some(end) = inside.strip_prefix('[').and_then(closing_bracket) else { continue };
            found.push((self.code[..at].matches('\n').count() + 1, &inside[1..=end]));
        }
        found
    }
}

/// Where the bracket closes that was open before `text`.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

struct Reader<'a> {
    rest: &'a str,
    source: Source,
}

/// What a stretch of source is.
#[derive(Clone, Copy)]
enum Part {
    Code,
    Comment,
    Literal,
}

impl Reader<'_> {
    fn run(&mut self) {
        let mut after_word = false;
        while let Some(c) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.take(end, Part::Comment);
            } else if self.rest.starts_with("/*") {
                let end = end_of_block(self.rest);
                self.take(end, Part::Comment);
            } else if let Some((opening, end)) = raw_string(self.rest).filter(|_| !after_word) {
                self.take(opening, Part::Code);
                self.take(end - opening, Part::Literal);
                self.close();
            } else if c == '"' {
                self.take(1, Part::Code);
                let end = end_of_quoted(self.rest, '"');
                self.take(end, Part::Literal);
                self.close();
            } else if c == '\'' {
                self.take(1, Part::Code);
                if is_char_literal(self.rest) {
                    let end = end_of_quoted(self.rest, '\'');
                    self.take(end, Part::Literal);
                    self.close();
                }
            } else {
                self.take(c.len_utf8(), Part::Code);
            }
            after_word = c.is_alphanumeric() || c == '_';
        }
    }

    /// Takes the quote that ends a literal.
    fn close(&mut self) {
        if !self.rest.is_empty() {
            self.take(1, Part::Code);
        }
    }

    /// Moves `length` bytes to where they belong; the other side gets blanks.
    fn take(&mut self, length: usize, part: Part) {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        let blank =
            |text: &str| -> String { text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect() };
        let (code, comment) = match part {
            Part::Code => (taken.to_owned(), blank(taken)),
            Part::Comment => (blank(taken), taken.to_owned()),
            Part::Literal => (blank(taken), blank(taken)),
        };
        self.source.code.push_str(&code);
        self.source.comments.push_str(&comment);
    }
}

fn end_of_block(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < text.len() {
        let here = &text[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Length of a raw string's opening (`r#"`) and of all of it, if there is one here.
fn raw_string(text: &str) -> Option<(usize, usize)> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|p| text.strip_prefix(p).is_some_and(|rest| rest.trim_start_matches('#').starts_with('"')))?;
    let hashes = text[prefix.len()..].bytes().take_while(|b| *b == b'#').count();
    let opening = prefix.len() + hashes + 1;
    let closing = format!("\"{}", "#".repeat(hashes));
    let end = text[opening..].find(&closing).map_or(text.len(), |at| opening + at);
    Some((opening, end))
}

/// How far the inside of a literal goes.
fn end_of_quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at,
            _ => {}
        }
    }
    text.len()
}

/// Whether what follows a `'` is a character and not a lifetime's name.
fn is_char_literal(text: &str) -> bool {
    let mut chars = text.chars();
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_texts_and_comments_are_not_code() {
        let source =
            Source::read("let a = \"todo!() \\\" x\"; // todo!()\n/* dbg!(1) /* x */ */ let b = 'x';");
        assert!(!source.code.contains("todo") && !source.code.contains("dbg"), "{}", source.code);
        assert!(source.code.contains("let b = ' ';"), "{}", source.code);
        assert!(source.comments.contains("// todo!()") && source.comments.contains("dbg!(1)"));
        assert_eq!(source.code.lines().count(), 2);
    }

    #[test]
    fn raw_strings_and_lifetimes_are_told_apart_from_code() {
        let source =
            Source::read("fn f<'a>(x: &'a str) { r#\"dbg!(\"x\")\"#; br\"y\"; '\\''; '\"'; done(); }");
        assert!(source.code.contains("fn f<'a>(x: &'a str)"), "{}", source.code);
        assert!(!source.code.contains("dbg") && source.code.contains("done();"), "{}", source.code);
    }

    #[test]
    fn attributes_are_found_with_their_lines() {
        let source =
            Source::read("#![deny(missing_docs)]\nfn f() {}\n#[cfg(test)]\n#[allow(a[0], x)]\nmod t {}");
        let attributes = source.attributes();
        assert_eq!(attributes[0], (1, "deny(missing_docs)"));
        assert_eq!(attributes[2], (4, "allow(a[0], x)"));
    }
}
