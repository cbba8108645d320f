//! Parsing commands.

/// A command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Ehlo(String),
    Helo(String),
    Mail(Path),
    Rcpt(Path),
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Help,
    StartTls,
    Auth {
        mechanism: String,
        initial: Option<String>,
    },
    /// A known verb with arguments that cannot be read.
    BadArguments(&'static str),
    Unknown,
}

/// The argument of `MAIL` and `RCPT`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) address: String,
    pub(super) parameters: Vec<Parameter>,
}

/// `KEYWORD` or `KEYWORD=value`; the keyword is in upper case.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) keyword: String,
    pub(super) value: Option<String>,
}

/// Reads a command line without its CRLF.
pub(super) fn parse(line: &str) -> Command {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let argument = rest.trim();
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => named(argument, Command::Ehlo),
        "HELO" => named(argument, Command::Helo),
        "MAIL" => path(argument, "FROM:").map_or(Command::BadArguments("MAIL FROM:<address>"), Command::Mail),
        "RCPT" => path(argument, "TO:").map_or(Command::BadArguments("RCPT TO:<address>"), Command::Rcpt),
        "DATA" => bare(argument, Command::Data),
        "RSET" => bare(argument, Command::Rset),
        "QUIT" => bare(argument, Command::Quit),
        "STARTTLS" => bare(argument, Command::StartTls),
        "NOOP" => Command::Noop,
        "VRFY" => Command::Vrfy,
        "HELP" => Command::Help,
        "AUTH" => auth(argument),
        _ => Command::Unknown,
    }
}

fn named(argument: &str, command: fn(String) -> Command) -> Command {
    if argument.is_empty() {
        Command::BadArguments("a name is missing")
    } else {
        command(argument.to_owned())
    }
}

fn bare(argument: &str, command: Command) -> Command {
    if argument.is_empty() { command } else { Command::BadArguments("no argument expected") }
}

fn auth(argument: &str) -> Command {
    let mut words = argument.split_ascii_whitespace();
    let (mechanism, initial) = (words.next(), words.next());
    match (mechanism, words.next()) {
        (Some(mechanism), None) => {
            Command::Auth { mechanism: mechanism.to_ascii_uppercase(), initial: initial.map(str::to_owned) }
        }
        _ => Command::BadArguments("AUTH mechanism [initial-response]"),
    }
}

/// `FROM:<address> KEYWORD=value …`, without a space after the colon: RFC 5321 allows none.
fn path(argument: &str, prefix: &str) -> Option<Path> {
    let head = argument.get(..prefix.len())?;
    let rest = argument.get(prefix.len()..)?.strip_prefix('<')?;
    if !head.eq_ignore_ascii_case(prefix) {
        return None;
    }
    let end = closing_bracket(rest)?;
    let (address, parameters) = (rest.get(..end)?, rest.get(end + 1..)?);
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return None;
    }
    let parameters = parameters.split_ascii_whitespace().map(parameter).collect();
    Some(Path { address: address.to_owned(), parameters })
}

/// The `>` that is not inside a quoted local part.
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().find_map(|(at, letter)| {
        if escaped {
            escaped = false;
            return None;
        }
        match letter {
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at),
            _ => {}
        }
        None
    })
}

fn parameter(word: &str) -> Parameter {
    let (keyword, value) = match word.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value.to_owned())),
        None => (word, None),
    };
    Parameter { keyword: keyword.to_ascii_uppercase(), value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_with_their_parameters() {
        let Command::Mail(path) = parse("mail from:<a@x.example> SIZE=12 smtputf8") else {
            panic!("a MAIL command")
        };
        assert_eq!(path.address, "a@x.example");
        let keywords: Vec<_> = path.parameters.iter().map(|p| p.keyword.as_str()).collect();
        assert_eq!(keywords, ["SIZE", "SMTPUTF8"]);
        let Command::Rcpt(path) = parse(r#"RCPT TO:<"a>b"@x.example>"#) else { panic!("a RCPT command") };
        assert_eq!(path.address, r#""a>b"@x.example"#);
    }

    #[test]
    fn sloppy_lines_are_refused() {
        for line in ["MAIL FROM: <a@x>", "MAIL FROM:a@x", "RCPT TO:<a@x", "DATA now", "EHLO", "AUTH"] {
            assert!(matches!(parse(line), Command::BadArguments(_)), "{line}");
        }
        assert_eq!(parse("TURN"), Command::Unknown);
    }
}
