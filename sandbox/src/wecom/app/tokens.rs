//! The life of an app's access token.

use crate::answer::Refusal;

const LIFE_MS: u64 = 7_200_000;

/// The tokens of one app. The newest is given to whoever asks while it lives: the current page does not say so, and
/// an older one did.
#[derive(Default)]
pub(super) struct Tokens {
    known: Vec<Token>,
    made: u64,
    given: u64,
}

struct Token {
    text: String,
    expires: u64,
}

impl Tokens {
    /// A token and how many seconds it lives.
    pub(super) fn give(&mut self, app: &str, now: u64) -> (String, u64) {
        self.given += 1;
        if let Some(token) = self.known.last().filter(|token| now < token.expires) {
            return (token.text.clone(), (token.expires - now) / 1_000);
        }
        self.made += 1;
        let text = format!("sandbox-token-{app}-{:04}", self.made);
        self.known.push(Token { text: text.clone(), expires: now + LIFE_MS });
        (text, LIFE_MS / 1_000)
    }

    /// Whether a token is good; `None` if it is not one of this app's.
    pub(super) fn judge(&self, token: &str, now: u64) -> Option<Result<(), Refusal>> {
        let token = self.known.iter().find(|known| known.text == token)?;
        Some(if now < token.expires { Ok(()) } else { Err(Refusal::new(42001, "access_token expired")) })
    }

    /// Ends all tokens now: they are expired, or unknown if the platform `forgets` them.
    pub(super) fn end(&mut self, forgets: bool, now: u64) {
        if forgets {
            self.known.clear();
        }
        for token in &mut self.known {
            token.expires = token.expires.min(now);
        }
    }

    /// How often a token was given out.
    pub(super) fn given(&self) -> u64 {
        self.given
    }
}
