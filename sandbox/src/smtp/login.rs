//! `AUTH` as a dialogue.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::auth::{self, Login};
use super::reply::Reply;
use super::session::{Next, Session};

/// RFC 4954 §4 asks for this much while logging in.
const LINE_BYTES: usize = 12_288;

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) async fn auth(&mut self, mechanism: &str, initial: Option<String>) -> io::Result<Next> {
        if !self.greeted {
            return Ok(Next::Say(Reply::bad_sequence("EHLO first")));
        }
        if self.account.is_some() || self.envelope.is_some() {
            return Ok(Next::Say(Reply::bad_sequence("not now")));
        }
        let login = match mechanism {
            "PLAIN" => self.ask(initial, "").await?.and_then(|response| say(auth::plain(&response))),
            "LOGIN" => self.login(initial).await?,
            _ => Err(Next::Say(Reply::new(504, "5.5.4 mechanism not supported"))),
        };
        let account = login.and_then(|login| say(self.sandbox.accounts().check(login)));
        Ok(match account {
            Ok(account) => {
                self.account = Some(account);
                Next::Say(Reply::new(235, "2.7.0 authentication succeeded"))
            }
            Err(next) => next,
        })
    }

    /// `Username:` and `Password:` in base64, as every LOGIN server asks.
    async fn login(&mut self, initial: Option<String>) -> io::Result<Result<Login, Next>> {
        let user = match self.ask(initial, "VXNlcm5hbWU6").await?.and_then(|text| say(auth::text(&text))) {
            Ok(user) => user,
            Err(next) => return Ok(Err(next)),
        };
        let password = self.ask(None, "UGFzc3dvcmQ6").await?.and_then(|text| say(auth::text(&text)));
        Ok(password.map(|password| Login { user, password }))
    }

    /// The initial response, or the answer to a challenge.
    async fn ask(&mut self, initial: Option<String>, challenge: &str) -> io::Result<Result<String, Next>> {
        if let Some(initial) = initial {
            return Ok(Ok(initial));
        }
        self.say(&Reply::new(334, challenge)).await?;
        self.line(LINE_BYTES).await
    }
}

fn say<T>(result: Result<T, Reply>) -> Result<T, Next> {
    result.map_err(Next::Say)
}
