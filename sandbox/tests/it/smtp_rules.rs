//! What the SMTP listener refuses, and with which code.

use std::time::Duration;

use crate::smtp::{MAIL, connect, greeted};

#[tokio::test]
async fn a_recipients_name_decides_its_fate() {
    let (fake, mut client) = greeted(|options| options.smtp.slow = Duration::from_millis(1)).await;
    client.say("MAIL FROM:<a@x.example>").await;
    for (local, reply) in [
        ("bounce+1", "550 5.1.1"),
        ("Nobody", "550 5.1.1"),
        ("mailbox-full", "452 4.2.2"),
        ("busy", "451 4.3.0"),
        ("slow", "250 2.1.5"),
        ("fine", "250 2.1.5"),
    ] {
        let answer = client.say(&format!("RCPT TO:<{local}@y.example>")).await;
        assert!(answer.starts_with(reply), "{local}: {answer}");
    }
    let refused: Vec<_> =
        fake.sandbox.inbox().iter().map(|item| (item.errcode, item.to[0].clone())).collect();
    assert_eq!(refused.first(), Some(&(550, "bounce+1@y.example".to_owned())));
    assert_eq!(refused.len(), 4);
}

#[tokio::test]
async fn commands_out_of_order_and_out_of_grammar() {
    let (_fake, mut client) = connect(|_| {}).await;
    client.reply().await;
    for (line, reply) in [
        ("MAIL FROM:<a@x.example>", "503 5.5.1"),
        ("EHLO", "501 5.5.4"),
        ("HELO client.example", "250 "),
        ("RCPT TO:<b@y.example>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("MAIL FROM: <a@x.example>", "501 5.5.4"),
        ("MAIL FROM:<not an address>", "501 5.1.7"),
        ("MAIL FROM:<a@x.example> RET=FULL", "555 5.5.4"),
        ("MAIL FROM:<a@x.example> SIZE=10485761", "552 5.3.4"),
        ("MAIL FROM:<用户@x.example>", "553 5.6.7"),
        ("MAIL FROM:<用户@x.example> SMTPUTF8", "250 2.1.0"),
        ("MAIL FROM:<a@x.example>", "503 5.5.1"),
        ("RSET", "250 2.0.0"),
        ("MAIL FROM:<> SIZE=10485760", "250 2.1.0"),
        ("RCPT TO:<nodomain>", "501 5.1.3"),
        ("RCPT TO:<nobody@y.example>", "550 5.1.1"),
        ("DATA", "554 5.5.1"),
        ("VRFY b", "252 "),
        ("STARTTLS", "502 5.5.1"),
        ("TURN", "500 5.5.1"),
    ] {
        let answer = client.say(line).await;
        assert!(answer.starts_with(reply), "{line}: {answer}");
    }
}

#[tokio::test]
async fn sizes_and_line_lengths() {
    let (fake, mut client) = greeted(|options| options.smtp.max_size = 2_000).await;
    let head = "From: a@x.example\r\n\r\n";
    let longest = format!("{head}..{}\r\n", "x".repeat(997));
    assert!(
        client.mail("b@y.example", &longest).await.starts_with("250 "),
        "998 characters after unstuffing"
    );
    let longer = format!("{head}{}\r\n", "x".repeat(999));
    assert!(client.mail("b@y.example", &longer).await.starts_with("500 5.5.2"));
    let fill = "x".repeat(78);
    let exact =
        format!("{head}{}{}\r\n", format!("{fill}\r\n").repeat(24), "x".repeat(2_000 - 21 - 24 * 80 - 2));
    assert!(client.mail("b@y.example", &exact).await.starts_with("250 "), "2000 bytes fit");
    let over = exact.replacen("xx", "xxx", 1);
    assert!(client.mail("b@y.example", &over).await.starts_with("552 5.3.4"), "2001 bytes do not");
    let answer = client.say(&format!("NOOP {}", "x".repeat(2_000))).await;
    assert!(answer.starts_with("500 5.5.2"), "{answer}");
    assert_eq!(fake.sandbox.inbox().iter().map(|item| item.errcode).collect::<Vec<_>>(), [0, 500, 0, 552]);
}

#[tokio::test]
async fn eight_bit_mail_has_to_be_announced() {
    let (_fake, mut client) = greeted(|_| {}).await;
    client.say("MAIL FROM:<a@x.example>").await;
    client.say("RCPT TO:<b@y.example>").await;
    client.say("DATA").await;
    client.send(&MAIL.replace("hello", "你好")).await;
    assert!(client.say(".").await.starts_with("554 5.6.1"));
    assert!(client.mail("b@y.example", &MAIL.replace("hello", "你好")).await.starts_with("250 "));
    assert!(client.mail("b@y.example", "Subject: x\r\n\r\nx\r\n").await.starts_with("554 5.6.0"));
}

#[tokio::test]
async fn logins() {
    let (fake, mut client) = greeted(|options| {
        options.smtp.require_auth = true;
        options.smtp.sender_must_match = true;
    })
    .await;
    fake.sandbox.smtp_account("a@x.example", "secret");
    for (line, reply) in [
        ("MAIL FROM:<a@x.example>", "530 5.7.0"),
        ("AUTH CRAM-MD5", "504 5.5.4"),
        // "\0a@x.example\0wrong"
        ("AUTH PLAIN AGFAeC5leGFtcGxlAHdyb25n", "535 5.7.8"),
        ("AUTH PLAIN !", "501 5.5.2"),
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("YUB4LmV4YW1wbGU=", "334 UGFzc3dvcmQ6"),
        ("*", "501 5.7.0"),
        ("AUTH PLAIN", "334"),
        // "\0a@x.example\0secret"
        ("AGFAeC5leGFtcGxlAHNlY3JldA==", "235 2.7.0"),
        ("AUTH LOGIN", "503 5.5.1"),
        ("MAIL FROM:<z@x.example>", "553 5.7.1"),
        ("MAIL FROM:<a@x.example>", "250 2.1.0"),
    ] {
        let answer = client.say(line).await;
        assert!(answer.starts_with(reply), "{line}: {answer}");
    }
}

#[tokio::test]
async fn login_step_by_step_and_anybody_while_nobody_is_registered() {
    let (_fake, mut client) = greeted(|options| options.smtp.require_auth = true).await;
    assert!(client.say("AUTH LOGIN").await.starts_with("334 "));
    assert!(client.say("YUB4LmV4YW1wbGU=").await.starts_with("334 "));
    assert!(client.say("c2VjcmV0").await.starts_with("235 "));
    assert!(client.mail("b@y.example", MAIL).await.starts_with("250 "));
}

#[tokio::test]
async fn too_many_errors_end_the_connection() {
    let (_fake, mut client) = greeted(|_| {}).await;
    for _ in 0..9 {
        assert!(client.say("NONSENSE").await.starts_with("500 "));
    }
    assert!(client.say("NONSENSE").await.starts_with("421 "));
    assert!(client.is_over().await);
}
