//! Mails through SES.

use mc_aws::meter::Operation;
use mc_core::ports::{MailService, RawMail};

use crate::rig::{Emulator, Rig};

const MIME: &[u8] = b"From: Alerts <alerts@example.com>\r\nTo: someone@example.net\r\nSubject: hello\r\n\
                      Content-Type: text/plain; charset=utf-8\r\n\r\nbody\r\n";

fn mail(from: &'static str) -> RawMail<'static> {
    RawMail {
        from,
        to: &["someone@example.net"],
        mime: MIME,
        configuration_set: None,
        tags: &[("push", "01HF7YAT31000000000000001A-0-0"), ("project", "default")],
    }
}

#[tokio::test]
async fn a_mail_is_taken_and_named() {
    let rig = Rig::new().await;
    rig.aws.sesv2().create_email_identity().email_identity("alerts@example.com").send().await.unwrap();
    let ses = rig.aws.mail();
    let first = ses.send(mail("alerts@example.com")).await.unwrap();
    let second = ses.send(mail("alerts@example.com")).await.unwrap();
    assert_ne!(first, second);
    let sent = rig.aws.meter().readings().into_iter().find(|r| r.operation == Operation::SendEmail).unwrap();
    assert_eq!((sent.calls, sent.failures), (2, 0));
}

#[tokio::test]
async fn the_account_says_how_it_stands() {
    if Emulator::here() == Emulator::Moto {
        // moto has no GetAccount of the second version.
        return;
    }
    let rig = Rig::new().await;
    let account = rig.aws.mail().account().await.unwrap();
    assert!(account.sending && account.per_second > 0.0 && account.per_day > 0.0, "{account:?}");
}

#[tokio::test]
async fn nobody_there_is_told_apart_from_a_lost_answer() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rig = Rig::at(format!("http://{closed}")).await;
    let error = rig.aws.mail().send(mail("alerts@example.com")).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.maybe_sent), ("connect", false));
    // A server that takes the request and hangs up.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::AsyncReadExt;
            let mut some = [0; 1024];
            let _ = stream.read(&mut some).await;
        }
    });
    let rig = Rig::at(format!("http://{address}")).await;
    let error = rig.aws.mail().send(mail("alerts@example.com")).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.maybe_sent), ("no_answer", true));
}
