//! One mail through one transaction, and the account's check.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Noop, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailParameter};
use mc_core::ports::{CheckStep, Clock, Http, Push, Receipt, SendError};

use super::config::{Config, Security};
use super::pool::Pool;
use super::replies::{Stage, classify, timed_out};
use crate::mail::{self, Mail};
use crate::reach::{failed, passed, resolve};

/// Everything of one push: waiting for a connection, connecting, signing in, the mail itself.
const TIMEOUT: Duration = Duration::from_secs(50);

const CHECK_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) async fn send(
    config: &Config,
    pool: &Pool,
    clock: &dyn Clock,
    push: &Push<'_>,
) -> Result<Receipt, SendError> {
    let mail = mail::build(&config.sender, push, clock.now())?;
    let reached = Progress(AtomicU8::new(Stage::Connect as u8));
    match tokio::time::timeout(TIMEOUT, deliver(config, pool, &mail, &reached)).await {
        Ok(result) => result?,
        Err(_) => return Err(timed_out(reached.stage(), TIMEOUT)),
    }
    Ok(Receipt { platform_id: Some(mail.id), refused: Vec::new() })
}

/// How far the push has come, readable after it was stopped.
struct Progress(AtomicU8);

impl Progress {
    fn enter(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    fn stage(&self) -> Stage {
        Stage::from_u8(self.0.load(Ordering::Relaxed))
    }
}

async fn deliver(config: &Config, pool: &Pool, mail: &Mail, reached: &Progress) -> Result<(), SendError> {
    let mut fresh = false;
    loop {
        reached.enter(Stage::Connect);
        let mut lease = pool.lease(fresh).await?;
        let error = match transaction(&mut lease.connection, mail, reached).await {
            Ok(()) => {
                lease.keep();
                return Ok(());
            }
            Err(error) => error,
        };
        let stage = reached.stage();
        let says_goodbye = error.status().is_some_and(|code| code.to_string() == "421");
        if lease.used
            && stage < Stage::Handed
            && (error.status().is_none() || says_goodbye)
            && !error.is_client()
        {
            // The server had closed the idle connection; the mail has not left, so a new one is tried at once.
            fresh = true;
            continue;
        }
        if error.status().is_some() && !says_goodbye {
            lease.keep_after_refusal().await;
        }
        return Err(classify(&error, stage, &config.password));
    }
}

async fn transaction(
    connection: &mut AsyncSmtpConnection,
    mail: &Mail,
    reached: &Progress,
) -> Result<(), Error> {
    let mut parameters = Vec::new();
    let plain = |address: &lettre::Address| AsRef::<str>::as_ref(address).is_ascii();
    if !mail.envelope.to().iter().all(plain)
        && connection.server_info().supports_feature(Extension::SmtpUtfEight)
    {
        // Without the extension the server itself refuses the address, with words of its own.
        parameters.push(MailParameter::SmtpUtfEight);
    }
    reached.enter(Stage::Sender);
    connection.command(MailFrom::new(mail.envelope.from().cloned(), parameters)).await?;
    reached.enter(Stage::Recipient);
    for address in mail.envelope.to() {
        connection.command(Rcpt::new(address.clone(), Vec::new())).await?;
    }
    reached.enter(Stage::Body);
    connection.command(Data).await?;
    // The final dot brings the mail's last line end along.
    let bytes = mail.bytes.strip_suffix(b"\r\n").unwrap_or(&mail.bytes);
    // lettre asks for one more piece after it has written the mail and before it writes the final dot.
    let pieces = std::iter::once(bytes).chain(std::iter::from_fn(|| {
        reached.enter(Stage::Handed);
        None
    }));
    connection.message_iter(pieces).await?;
    Ok(())
}

/// Connects, signs in and leaves again.
pub(super) async fn check(config: &Config, pool: &Pool, http: &dyn Http) -> Vec<CheckStep> {
    let mut steps = Vec::new();
    let (name, host, port) = match &config.proxy {
        Some(proxy) => (proxy.name(), proxy.host(), proxy.port()),
        None => (config.host.clone(), config.host.as_str(), config.port),
    };
    if resolve(http, &name, host, port, &mut steps).await.is_none() {
        return steps;
    }
    let way = if config.proxy.is_some() { " through the proxy" } else { "" };
    if tokio::time::timeout(CHECK_TIMEOUT, try_account(config, pool, way, &mut steps)).await.is_err() {
        steps.push(failed(
            "connect",
            format!("the server did not finish{way} within {} s", CHECK_TIMEOUT.as_secs()),
            "check port and security: 465 speaks tls, 587 starttls; a firewall may block outgoing mail",
        ));
    }
    steps
}

async fn try_account(config: &Config, pool: &Pool, way: &str, steps: &mut Vec<CheckStep>) {
    let Config { host, port, .. } = config;
    let mut connection = match pool.greet().await {
        Ok(connection) => connection,
        Err(error) => {
            let next = match config.proxy {
                Some(_) => {
                    "check the proxy, its credentials and whether it lets this port pass; 465 speaks tls, 587 \
                     starttls; a private server needs tls_ca"
                }
                None => {
                    "check port and security: 465 speaks tls, 587 starttls; a private server needs tls_ca"
                }
            };
            steps.push(failed("connect", format!("{host}:{port}{way}: {error}"), next));
            return;
        }
    };
    let protection = match config.security {
        Security::Tls => "with TLS",
        Security::Starttls => "with STARTTLS",
        Security::None => "without encryption: the password and the mails can be read on the way",
    };
    steps.push(passed("connect", format!("{host} answers on port {port}{way} {protection}")));
    match pool.sign_in(&mut connection).await {
        Ok(()) if config.credentials.is_none() => {
            steps.push(passed("login", "no account is set; the server takes or refuses mails as it likes"));
        }
        Ok(()) => steps.push(passed("login", "the server knows the account")),
        Err(error) => {
            let next = "check username and password; qq.com and 163.com want a 授权码, Gmail an app password";
            steps.push(failed("login", error.to_string(), next));
            return;
        }
    }
    if connection.command(Noop).await.is_err() {
        let next = "send a test; if that fails too, ask the provider";
        steps.push(failed("ready", "the server does not take commands after signing in", next));
    }
    // The check is done; whether the server says goodbye does not matter.
    drop(connection.quit().await);
}
