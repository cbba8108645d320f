//! The life of access tokens: two kinds, kept apart.

use crate::answer::Refusal;

const LIFE_MS: u64 = 7_200_000;
/// The platform renews this long before the end, and for this long old and new are both good.
const OVERLAP_MS: u64 = 300_000;
const FORCED_A_DAY: u32 = 20;
const FORCED_APART_MS: u64 = 30_000;
const STABLE_A_MINUTE: u32 = 10_000;
const STABLE_A_DAY: u32 = 500_000;

/// The tokens of one account.
#[derive(Default)]
pub(super) struct Tokens {
    owner: String,
    /// Newest last; each lives until it expires or is killed.
    plain: Vec<Token>,
    stable: Vec<Token>,
    issued: u64,
    forced: Window,
    forced_at: Option<u64>,
    stable_minute: Window,
    stable_day: Window,
}

struct Token {
    text: String,
    expires: u64,
    /// Since when it is no longer the newest, and refused for that.
    refused_from: Option<u64>,
}

/// A count that begins anew with every window.
#[derive(Default)]
pub(super) struct Window {
    window: u64,
    pub(super) count: u32,
}

impl Window {
    /// Counts one more in `window` and answers whether it fits.
    pub(super) fn take(&mut self, window: u64, limit: u32) -> bool {
        if self.window != window {
            *self = Window { window, count: 0 };
        }
        let fits = self.count < limit;
        self.count += u32::from(fits);
        fits
    }

    /// How many were counted in `window`.
    pub(super) fn used(&self, window: u64) -> u32 {
        if self.window == window { self.count } else { 0 }
    }
}

/// Which day it is in Beijing, where quotas begin anew.
pub(super) fn day(now: u64) -> u64 {
    (now + 8 * 3_600_000) / 86_400_000
}

impl Tokens {
    /// No tokens yet, for the account of this app id.
    pub(super) fn of(app_id: &str) -> Tokens {
        Tokens { owner: app_id.to_owned(), ..Tokens::default() }
    }

    /// `GET /cgi-bin/token`: always a new one, and the one before dies after the overlap.
    pub(super) fn plain(&mut self, now: u64) -> (String, u64) {
        if let Some(last) = self.plain.last_mut() {
            last.refused_from.get_or_insert(now + OVERLAP_MS);
        }
        let text = self.issue("plain");
        self.plain.push(Token { text: text.clone(), expires: now + LIFE_MS, refused_from: None });
        (text, LIFE_MS / 1_000)
    }

    /// `POST /cgi-bin/stable_token`.
    pub(super) fn stable(&mut self, force: bool, now: u64) -> Result<(String, u64), Refusal> {
        if !self.stable_minute.take(now / 60_000, STABLE_A_MINUTE) {
            return Err(Refusal::new(45011, "api minute-quota reach limit, must slower, retry next minute"));
        }
        if !self.stable_day.take(day(now), STABLE_A_DAY) {
            return Err(Refusal::new(45009, "reach max api daily quota limit"));
        }
        if force {
            self.force(now)?;
        }
        let current = self.stable.last().filter(|token| token.lives(now));
        if let Some(token) = current.filter(|token| now + OVERLAP_MS < token.expires) {
            return Ok((token.text.clone(), (token.expires - now) / 1_000));
        }
        let text = self.issue("stable");
        self.stable.push(Token { text: text.clone(), expires: now + LIFE_MS, refused_from: None });
        Ok((text, LIFE_MS / 1_000))
    }

    /// Kills the stable token. Sooner than 30 s after the last time nothing happens.
    fn force(&mut self, now: u64) -> Result<(), Refusal> {
        if self.forced_at.is_some_and(|at| now < at + FORCED_APART_MS) {
            return Ok(());
        }
        if !self.forced.take(day(now), FORCED_A_DAY) {
            return Err(Refusal::new(45009, "reach max api daily quota limit"));
        }
        self.forced_at = Some(now);
        self.stable.iter_mut().for_each(|token| token.refused_from = Some(now));
        Ok(())
    }

    /// Whether a business call may be made with this token; `None` if the account has never issued it.
    pub(super) fn judge(&self, text: &str, now: u64) -> Option<Result<(), Refusal>> {
        let token = self.plain.iter().chain(&self.stable).find(|token| token.text == text)?;
        Some(if token.refused_from.is_some_and(|from| now >= from) {
            Err(Refusal::new(40001, "invalid credential, access_token is invalid or not latest"))
        } else if now >= token.expires {
            Err(Refusal::new(42001, "access_token expired"))
        } else {
            Ok(())
        })
    }

    /// Ends every token now, as WeChat may do at any time. `forgets` makes them unknown (40014) and not expired (42001).
    pub(super) fn expire(&mut self, forgets: bool, now: u64) {
        if forgets {
            self.plain.clear();
            self.stable.clear();
        }
        self.plain
            .iter_mut()
            .chain(&mut self.stable)
            .for_each(|token| token.expires = token.expires.min(now));
    }

    /// How many tokens were given out.
    pub(super) fn issued(&self) -> u64 {
        self.issued
    }

    /// A new token of about the length that WeChat's have. No two accounts have the same.
    fn issue(&mut self, kind: &str) -> String {
        self.issued += 1;
        format!("{}_{kind}-{}-access-token-{:0>110}", 90 + self.issued % 10, self.owner, self.issued)
    }
}

impl Token {
    fn lives(&self, now: u64) -> bool {
        now < self.expires && self.refused_from.is_none_or(|from| now < from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(tokens: &Tokens, token: &str, now: u64) -> i64 {
        tokens.judge(token, now).map_or(40014, |judged| judged.map_or_else(|refusal| refusal.errcode, |()| 0))
    }

    #[test]
    fn a_plain_token_ends_the_one_before_after_five_minutes() {
        let mut tokens = Tokens::default();
        let (first, lives) = tokens.plain(0);
        assert_eq!(lives, 7_200);
        let (second, _) = tokens.plain(1_000);
        assert_ne!(first, second);
        assert_eq!(code(&tokens, &first, 300_999), 0);
        assert_eq!(code(&tokens, &first, 301_000), 40001);
        assert_eq!(code(&tokens, &second, 7_200_999), 0);
        assert_eq!(code(&tokens, &second, 7_201_000), 42001);
    }

    #[test]
    fn a_stable_token_stays_until_shortly_before_its_end_and_is_kept_apart() {
        let mut tokens = Tokens::default();
        let (first, _) = tokens.stable(false, 0).unwrap();
        tokens.plain(1_000);
        assert_eq!(tokens.stable(false, 6_000_000).unwrap(), (first.clone(), 1_200));
        let (second, lives) = tokens.stable(false, 6_900_000).unwrap();
        assert!(second != first && lives == 7_200);
        assert_eq!(code(&tokens, &first, 7_199_999), 0, "both are good for five minutes");
        assert_eq!(code(&tokens, &first, 7_200_000), 42001);
    }

    #[test]
    fn forcing_kills_at_once_and_is_rationed() {
        let mut tokens = Tokens::default();
        let (first, _) = tokens.stable(false, 0).unwrap();
        let (second, _) = tokens.stable(true, 0).unwrap();
        assert_eq!((code(&tokens, &first, 0), code(&tokens, &second, 0)), (40001, 0));
        assert_eq!(tokens.stable(true, 29_999).unwrap().0, second, "too soon: nothing happens");
        for nth in 1..20 {
            tokens.stable(true, nth * 30_000).unwrap();
        }
        assert_eq!(tokens.stable(true, 20 * 30_000).unwrap_err().errcode, 45009);
    }

    #[test]
    fn tokens_end_when_told() {
        let mut tokens = Tokens::default();
        let (token, _) = tokens.stable(false, 0).unwrap();
        tokens.expire(false, 5);
        assert_eq!(code(&tokens, &token, 5), 42001);
        let (token, _) = tokens.stable(false, 6).unwrap();
        tokens.expire(true, 6);
        assert_eq!(code(&tokens, &token, 6), 40014);
        assert_ne!(tokens.stable(false, 7).unwrap().0, token);
    }
}
