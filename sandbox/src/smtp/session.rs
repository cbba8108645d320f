//! One SMTP connection.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::command::{self, Command};
use super::envelope::Envelope;
use super::line::{self, Line};
use super::reply::Reply;
use crate::faults::{Fault, SmtpStage};
use crate::item::Platform;
use crate::receive::pause;
use crate::sandbox::Sandbox;

/// RFC 5321 §4.5.3.1.4 asks for 512 and extensions add to it.
const COMMAND_BYTES: usize = 1_024;
const BAD_COMMANDS: usize = 10;

/// A connection and what has been agreed on it.
pub(super) struct Session<S> {
    pub(super) sandbox: Sandbox,
    pub(super) stream: BufReader<S>,
    pub(super) greeted: bool,
    pub(super) account: Option<String>,
    pub(super) envelope: Option<Envelope>,
    bad_commands: usize,
}

/// What to do after a command.
pub(super) enum Next {
    Say(Reply),
    /// Something was said already.
    Listen,
    HangUp,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn new(sandbox: Sandbox, stream: S) -> Session<S> {
        let stream = BufReader::new(stream);
        Session { sandbox, stream, greeted: false, account: None, envelope: None, bad_commands: 0 }
    }

    /// Talks until either side has had enough.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let greeting = Reply::new(220, format!("{} ESMTP sandbox", self.sandbox.smtp_options().hostname));
        let mut next = self.stage(SmtpStage::Connect, "").await.unwrap_or(Next::Say(greeting));
        if let Next::Say(reply) = &next
            && reply.code >= 400
        {
            // A refused connection is over, whatever the code.
            return self.say(reply).await;
        }
        loop {
            match next {
                Next::HangUp => return Ok(()),
                Next::Listen => {}
                Next::Say(reply) => {
                    self.say(&reply).await?;
                    if reply.closes() {
                        return Ok(());
                    }
                }
            }
            next = match self.line(COMMAND_BYTES).await? {
                Ok(text) => self.obey(command::parse(&text)).await?,
                Err(next) => next,
            };
        }
    }

    async fn obey(&mut self, command: Command) -> io::Result<Next> {
        let reply = match command {
            Command::Ehlo(_) => return self.hello().await,
            Command::Helo(_) => {
                self.greet();
                Reply::new(250, self.sandbox.smtp_options().hostname.clone())
            }
            Command::Mail(path) => return Ok(self.mail(path).await),
            Command::Rcpt(path) => return Ok(self.recipient(path).await),
            Command::Data => return self.data().await,
            Command::Auth { mechanism, initial } => return self.auth(&mechanism, initial).await,
            Command::Rset => {
                self.envelope = None;
                Reply::new(250, "2.0.0 reset")
            }
            Command::Noop => Reply::new(250, "2.0.0 ok"),
            Command::Vrfy => Reply::new(252, "2.1.5 cannot verify, but will try"),
            Command::Help => Reply::new(214, "2.0.0 RFC 5321"),
            Command::Quit => Reply::new(221, "2.0.0 bye"),
            Command::StartTls => Reply::new(502, "5.5.1 not implemented"),
            Command::BadArguments(hint) => return Ok(self.bad(501, "5.5.4", hint)),
            Command::Unknown => return Ok(self.bad(500, "5.5.1", "command not recognized")),
        };
        Ok(Next::Say(reply))
    }

    async fn hello(&mut self) -> io::Result<Next> {
        self.greet();
        let options = self.sandbox.smtp_options();
        let lines = format!(
            "250-{}\r\n250-SIZE {}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n\
             250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN LOGIN\r\n",
            options.hostname, options.max_size
        );
        self.write(lines.as_bytes()).await?;
        Ok(Next::Listen)
    }

    /// The next line, or what to do without one.
    pub(super) async fn line(&mut self, limit: usize) -> io::Result<Result<String, Next>> {
        let patience = self.sandbox.smtp_options().line_timeout;
        let Ok(line) = timeout(patience, line::read(&mut self.stream, limit)).await else {
            return Ok(Err(Next::Say(timed_out())));
        };
        Ok(match line? {
            Line::Closed => Err(Next::HangUp),
            Line::TooLong => Err(self.bad(500, "5.5.2", "line too long")),
            Line::Malformed => Err(self.bad(500, "5.5.2", "lines end with CRLF")),
            Line::Text(bytes) => {
                String::from_utf8(bytes).map_err(|_| self.bad(500, "5.5.2", "the line is not UTF-8"))
            }
        })
    }

    /// What a fault at this stage makes happen, if there is one.
    pub(super) async fn stage(&self, stage: SmtpStage, text: &str) -> Option<Next> {
        let fault = self.sandbox.faults().take(Platform::Smtp, stage, |wanted| text.contains(wanted))?;
        pause(fault.delay_ms).await;
        if fault.cut || fault.drop {
            return Some(Next::HangUp);
        }
        refusal(&fault).map(Next::Say)
    }

    fn bad(&mut self, code: u16, status: &str, text: &str) -> Next {
        self.bad_commands += 1;
        if self.bad_commands >= BAD_COMMANDS {
            return Next::Say(Reply::new(421, "4.7.0 too many errors"));
        }
        Next::Say(Reply::new(code, format!("{status} {text}")))
    }

    fn greet(&mut self) {
        self.greeted = true;
        self.envelope = None;
    }

    pub(super) async fn say(&mut self, reply: &Reply) -> io::Result<()> {
        self.write(format!("{} {}\r\n", reply.code, reply.text).as_bytes()).await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }
}

pub(super) fn timed_out() -> Reply {
    Reply::new(421, "4.4.2 timed out")
}

/// The reply a fault prescribes: its `status` or `errcode`, and its `body` as the text.
pub(super) fn refusal(fault: &Fault) -> Option<Reply> {
    if !fault.refuses() {
        return None;
    }
    let errcode = fault.errcode.and_then(|code| u16::try_from(code).ok());
    let code = fault.status.or(errcode).unwrap_or(451);
    let text = fault.body.as_ref().and_then(|body| body.as_str());
    // A line break in a reply would be a second reply.
    let text = text.unwrap_or("refused by a fault").replace(['\r', '\n'], " ");
    Some(Reply::new(code, text))
}
