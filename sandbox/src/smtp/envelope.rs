//! Sender and recipients, and who is refused.

use super::command::{Parameter, Path};
use super::reply::Reply;

/// The fewest recipients a server must take (RFC 5321 §4.5.3.1.8) are the most this one takes.
const RECIPIENTS: usize = 100;
const LOCAL_BYTES: usize = 64;
const PATH_BYTES: usize = 254;

/// A mail transaction after `MAIL`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) sender: String,
    pub(super) recipients: Vec<String>,
    /// Whether some recipient was refused, which changes what `DATA` answers.
    pub(super) refused: bool,
    pub(super) eight_bit: bool,
    smtputf8: bool,
}

impl Envelope {
    /// Opens a transaction.
    pub(super) fn open(path: Path, max_size: usize) -> Result<Envelope, Reply> {
        let mut envelope = Envelope::default();
        for parameter in &path.parameters {
            envelope.apply(parameter, max_size)?;
        }
        // The empty sender of bounces is allowed.
        if !path.address.is_empty() && !well_formed(&path.address) {
            return Err(Reply::new(501, "5.1.7 bad sender address syntax"));
        }
        envelope.check_ascii(&path.address)?;
        envelope.sender = path.address;
        Ok(envelope)
    }

    /// Adds a recipient. The rules about its local part come after the rules of SMTP.
    pub(super) fn add(&mut self, path: Path) -> Result<(), Reply> {
        if !path.parameters.is_empty() {
            return Err(Reply::bad_parameter());
        }
        if !path.address.eq_ignore_ascii_case("postmaster") && !well_formed(&path.address) {
            return Err(Reply::new(501, "5.1.3 bad recipient address syntax"));
        }
        self.check_ascii(&path.address)?;
        if self.recipients.len() >= RECIPIENTS {
            return Err(Reply::new(452, "4.5.3 too many recipients"));
        }
        check_mailbox(&path.address)?;
        self.recipients.push(path.address);
        Ok(())
    }

    fn apply(&mut self, parameter: &Parameter, max_size: usize) -> Result<(), Reply> {
        match (parameter.keyword.as_str(), parameter.value.as_deref()) {
            ("SIZE", Some(size)) => {
                let size: usize = size.parse().map_err(|_| Reply::new(501, "5.5.4 SIZE is not a number"))?;
                if size > max_size {
                    return Err(Reply::new(552, "5.3.4 message too big for this system"));
                }
            }
            ("BODY", Some(body)) if body.eq_ignore_ascii_case("8BITMIME") => self.eight_bit = true,
            ("BODY", Some(body)) if body.eq_ignore_ascii_case("7BIT") => {}
            ("SMTPUTF8", None) => self.smtputf8 = true,
            ("AUTH", Some(_)) => {}
            _ => return Err(Reply::bad_parameter()),
        }
        Ok(())
    }

    fn check_ascii(&self, address: &str) -> Result<(), Reply> {
        if address.is_ascii() || self.smtputf8 {
            return Ok(());
        }
        Err(Reply::new(553, "5.6.7 non-ASCII address without SMTPUTF8"))
    }
}

/// Whether the recipient's local part asks to wait.
pub(super) fn is_slow(address: &str) -> bool {
    local_part(address).contains("slow")
}

fn check_mailbox(address: &str) -> Result<(), Reply> {
    let local = local_part(address);
    if local.contains("bounce") || local.contains("nobody") {
        return Err(Reply::new(550, "5.1.1 mailbox does not exist"));
    }
    if local.contains("full") {
        return Err(Reply::new(452, "4.2.2 mailbox full"));
    }
    if local.contains("busy") {
        return Err(Reply::new(451, "4.3.0 mailbox busy, try again later"));
    }
    Ok(())
}

fn local_part(address: &str) -> String {
    address.rsplit_once('@').map_or(address, |(local, _)| local).to_ascii_lowercase()
}

fn well_formed(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !r#"()<>[]:;@\,""#.contains(c);
    let host = |c: char| c.is_alphanumeric() || "-.[]:".contains(c);
    address.len() <= PATH_BYTES
        && local.len() <= LOCAL_BYTES
        && (quoted || (!local.is_empty() && local.chars().all(plain)))
        && !local.chars().any(char::is_control)
        && !domain.is_empty()
        && domain.chars().all(host)
}

#[cfg(test)]
mod tests {
    use super::well_formed;

    #[test]
    fn addresses() {
        for good in ["a@x.example", "a.b+c@x", r#""a b"@x.example"#, "用户@例子.example", "a@[127.0.0.1]"]
        {
            assert!(well_formed(good), "{good}");
        }
        for bad in ["a", "@x", "a@", "a b@x", "a@x y", "a@@x", "a,b@x"] {
            assert!(!well_formed(bad), "{bad}");
        }
    }
}
