//! The SMTP dialogue over a real socket, line by line.

use std::time::Duration;

use mc_sandbox::{Attachment, Fault, Platform, SandboxOptions, SmtpStage};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Fake, fake_with};

pub struct Client(BufReader<TcpStream>);

pub async fn connect(change: impl FnOnce(&mut SandboxOptions)) -> (Fake, Client) {
    let fake = fake_with(change);
    let client = dial(&fake).await;
    (fake, client)
}

/// Opens a connection to a listener of its own.
pub async fn dial(fake: &Fake) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let sandbox = fake.sandbox.clone();
    tokio::spawn(async move { sandbox.serve_smtp(listener, std::future::pending()).await });
    Client(BufReader::new(TcpStream::connect(address).await.expect("a connection")))
}

/// A connection past its greeting and EHLO.
pub async fn greeted(change: impl FnOnce(&mut SandboxOptions)) -> (Fake, Client) {
    let (fake, mut client) = connect(change).await;
    client.greet().await;
    (fake, client)
}

impl Client {
    pub async fn greet(&mut self) {
        assert!(self.reply().await.starts_with("220 "));
        assert!(self.say("EHLO client.example").await.starts_with("250-"));
    }

    pub async fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.expect("sent");
    }

    /// Sends a line and reads the whole reply.
    pub async fn say(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r\n")).await;
        self.reply().await
    }

    pub async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            self.0.read_line(&mut reply).await.expect("a reply");
            if reply.as_bytes().get(start + 3) != Some(&b'-') {
                return reply.trim_end().to_owned();
            }
        }
    }

    /// Sends MAIL, RCPT, DATA and the mail; returns the reply to the final dot.
    pub async fn mail(&mut self, to: &str, mail: &str) -> String {
        assert!(self.say("MAIL FROM:<a@x.example> BODY=8BITMIME").await.starts_with("250 2.1.0"));
        assert!(self.say(&format!("RCPT TO:<{to}>")).await.starts_with("250 2.1.5"));
        assert!(self.say("DATA").await.starts_with("354 "));
        self.send(mail).await;
        self.say(".").await
    }

    /// Whether the server has hung up.
    pub async fn is_over(&mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.is_ok() && rest.is_empty()
    }
}

pub const MAIL: &str = "From: A <a@x.example>\r\nTo: b@y.example\r\nSubject: hi\r\n\r\nhello\r\n";

#[tokio::test]
async fn ehlo_names_the_extensions() {
    let (_fake, mut client) = connect(|_| {}).await;
    assert_eq!(client.reply().await, "220 sandbox.local ESMTP sandbox");
    let reply = client.say("EHLO client.example").await;
    for extension in
        ["SIZE 10485760", "8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES", "AUTH PLAIN LOGIN"]
    {
        assert!(reply.contains(extension), "{extension} in {reply}");
    }
    assert_eq!(client.say("QUIT").await, "221 2.0.0 bye");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn several_mails_on_one_connection() {
    let (fake, mut client) = greeted(|_| {}).await;
    assert_eq!(client.mail("b@y.example", MAIL).await, "250 2.0.0 queued as 1");
    assert_eq!(client.mail("c@y.example", MAIL).await, "250 2.0.0 queued as 2");
    let items = fake.sandbox.accepted(Platform::Smtp);
    let item = items.first().expect("a mail");
    assert_eq!((item.title.as_deref(), item.text.as_str()), (Some("hi"), "hello"));
    assert_eq!((item.kind.as_str(), item.to.as_slice()), ("mail", ["b@y.example".to_owned()].as_slice()));
    let mail = item.mail.as_ref().expect("mail details");
    assert_eq!((mail.sender.as_str(), mail.from.as_str()), ("a@x.example", "a@x.example"));
    assert_eq!((mail.to.as_slice(), &mail.html), (["b@y.example".to_owned()].as_slice(), &None));
}

#[tokio::test]
async fn a_mime_mail_is_taken_apart() {
    let (fake, mut client) = greeted(|_| {}).await;
    let mail = "From: a@x.example\r\nTo: b@y.example\r\nSubject: =?utf-8?B?5ZGK6K2m?=\r\n\
        Message-ID: <1@x.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n\
        --m\r\nContent-Type: multipart/alternative; boundary=n\r\n\r\n\
        --n\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n磁盘满\r\n\
        --n\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<b>磁盘满</b>\r\n--n--\r\n\
        --m\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=\"a.csv\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nMSwyLDM=\r\n--m--\r\n";
    assert!(client.mail("b@y.example", mail).await.starts_with("250 "));
    let items = fake.sandbox.inbox();
    let item = items.first().expect("a mail");
    assert_eq!((item.title.as_deref(), item.text.as_str()), (Some("告警"), "磁盘满"));
    let details = item.mail.as_ref().expect("mail details");
    assert_eq!(details.html.as_deref().map(str::trim), Some("<b>磁盘满</b>"));
    assert_eq!(details.attachments, [Attachment { name: "a.csv".to_owned(), size: 5 }]);
    assert_eq!(item.headers.as_ref().map(|headers| headers["message-id"].as_str()), Some("<1@x.example>"));
}

#[tokio::test]
async fn dots_are_unstuffed_and_only_crlf_ends_a_mail() {
    let (fake, mut client) = greeted(|_| {}).await;
    let reply = client.mail("b@y.example", &format!("{MAIL}..one\r\n...two\r\n. three\r\n")).await;
    assert!(reply.starts_with("250 "));
    let text = fake.sandbox.inbox().first().map(|item| item.text.clone()).unwrap_or_default();
    assert_eq!(text.replace("\r\n", "\n"), "hello\n.one\n..two\n three");
    let reply = client.mail("b@y.example", &format!("{MAIL}smuggled\n.\nMAIL FROM:<z@x.example>\r\n")).await;
    assert!(reply.starts_with("554 5.6.0"), "{reply}");
    assert_eq!(fake.sandbox.accepted(Platform::Smtp).len(), 1);
}

#[tokio::test]
async fn commands_may_come_all_at_once() {
    let (fake, mut client) = greeted(|_| {}).await;
    client
        .send("MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nRCPT TO:<bounce@y.example>\r\nDATA\r\n")
        .await;
    for code in ["250 ", "250 ", "550 5.1.1", "354 "] {
        assert!(client.reply().await.starts_with(code));
    }
    client.send(&format!("{MAIL}.\r\nNOOP\r\n")).await;
    assert!(client.reply().await.starts_with("250 2.0.0 queued"));
    assert!(client.reply().await.starts_with("250 2.0.0 ok"));
    assert_eq!(fake.sandbox.accepted(Platform::Smtp)[0].to, ["b@y.example"]);
}

#[tokio::test]
async fn faults_at_every_stage() {
    let (fake, mut client) = greeted(|_| {}).await;
    let push = |at: SmtpStage, status: u16, body: &str| {
        let mut fault = Fault::on(Platform::Smtp);
        (fault.at, fault.status, fault.body) = (Some(at), Some(status), Some(body.into()));
        fake.sandbox.push_fault(fault);
    };
    push(SmtpStage::Mail, 450, "4.7.1 MI:DMC");
    assert_eq!(client.say("MAIL FROM:<a@x.example>").await, "450 4.7.1 MI:DMC");
    push(SmtpStage::Data, 421, "HL:ICC");
    assert_eq!(client.mail("b@y.example", MAIL).await, "421 HL:ICC");
    assert!(client.is_over().await, "421 is the end of the connection");
    push(SmtpStage::Connect, 554, "Ip frequency limited");
    let mut refused = dial(&fake).await;
    assert_eq!(refused.reply().await, "554 Ip frequency limited");
    assert!(refused.is_over().await);
    let codes: Vec<_> = fake.sandbox.inbox().iter().map(|item| item.errcode).collect();
    assert_eq!(codes, [421]);
}

#[tokio::test]
async fn the_connection_can_be_cut_after_the_final_dot() {
    for (cut, stored) in [(true, 1), (false, 0)] {
        let (fake, mut client) = greeted(|_| {}).await;
        let mut fault = Fault::on(Platform::Smtp);
        (fault.cut, fault.drop, fault.match_text) = (cut, !cut, Some("hello".to_owned()));
        fake.sandbox.push_fault(fault);
        assert_eq!(client.mail("b@y.example", MAIL).await, "", "no reply at all");
        assert_eq!(fake.sandbox.accepted(Platform::Smtp).len(), stored);
    }
}

#[tokio::test]
async fn silence_ends_the_connection() {
    let (_fake, mut client) = connect(|options| options.smtp.line_timeout = Duration::from_millis(1)).await;
    assert!(client.reply().await.starts_with("220 "));
    assert!(client.reply().await.starts_with("421 4.4.2"));
    assert!(client.is_over().await);
}

#[tokio::test]
async fn shutdown_ends_the_listener() {
    let fake = fake_with(|_| {});
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    fake.sandbox.serve_smtp(listener, std::future::ready(())).await.expect("an orderly end");
}
