//! An SMTP server that keeps what it receives (RFC 5321 with SIZE, 8BITMIME, SMTPUTF8, PIPELINING,
//! ENHANCEDSTATUSCODES and AUTH PLAIN LOGIN).

mod auth;
mod command;
mod data;
mod envelope;
mod line;
mod login;
mod mail;
mod reply;
mod session;
mod transaction;

use std::io;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) use self::auth::Accounts;
use self::session::Session;
use crate::sandbox::Sandbox;

impl Sandbox {
    /// Serves SMTP on `listener` until `shutdown` completes; open connections are then cut, and a mail that
    /// was not answered with 250 is not in the inbox.
    ///
    /// A recipient's local part decides its fate: `bounce` or `nobody` in it gives 550 5.1.1, `full`
    /// 452 4.2.2, `busy` 451 4.3.0, and `slow` waits before it accepts.
    pub async fn serve_smtp(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    let session = Session::new(self.clone(), stream);
                    connections.spawn(async move {
                        if let Err(error) = session.run().await {
                            tracing::debug!(%error, "an SMTP connection broke");
                        }
                    });
                }
            }
        }
    }
}
