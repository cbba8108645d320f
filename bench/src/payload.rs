//! What is sent: the channel, the template with ten variables, and messages of 0.6 KB that all differ.

use std::io::Write as _;
use std::net::SocketAddr;

use serde_json::{Value, json};

/// The channel's name.
pub const CHANNEL: &str = "stub";

/// The template's name.
pub const TEMPLATE: &str = "bench";

/// A webhook channel that leads to the stub platform.
pub fn channel(stub: SocketAddr) -> Value {
    json!({
        "kind": "webhook",
        "settings": {
            "url": format!("http://{stub}/im"),
            "method": "POST",
            "success": {"pointer": "/code", "equals": 0},
        },
        "enabled": true,
    })
}

/// A template as people write it for their releases: a heading, a list, a quote.
pub fn template() -> Value {
    json!({
        "title": "{{ app }} {{ version }} is live in {{ env }}",
        "body": "### {{ app }} {{ version }}\n\n\
                 - **Environment**: {{ env }} ({{ region }})\n\
                 - **Author**: {{ author }}\n\
                 - **Commit**: `{{ commit }}` on {{ branch }}\n\
                 - **Ticket**: {{ ticket }}\n\
                 - **Took**: {{ seconds }} s\n\n\
                 > {{ notes }}\n",
        "format": "markdown",
        "routing": {"mode": "all", "channels": [CHANNEL]},
    })
}

/// Writes the `number`-th message. With `send_at` it is stored for then and nothing is pushed before.
pub fn write_message(out: &mut Vec<u8>, number: u64, send_at: Option<&str>) {
    let spread = spread(number);
    // Writing into memory cannot fail.
    let _ = write!(
        out,
        "{{\"template\":\"{TEMPLATE}\",\"to\":[{{\"email\":\"user{number:07}@example.com\"}}],\"data\":{{\
         \"app\":\"payments-{:03}\",\"version\":\"4.{}.{}\",\"env\":\"production\",\"region\":\"eu-central-{}\",\
         \"author\":\"engineer{:05}\",\"commit\":\"{spread:016x}{:016x}\",\"branch\":\"release/4.{}\",\
         \"ticket\":\"OPS-{number:07}\",\"seconds\":{},\
         \"notes\":\"Change {number:07}: the ledger is written before the answer goes out, retries carry the key of \
         the first attempt, and the report for finance now counts refunds on the day they were booked. Roll back with \
         the button below if the error rate of the gateway passes two percent.\"}},\
         \"tags\":[\"deploy\",\"bench\"]",
        number % 1_000,
        number % 97,
        number % 31,
        number % 9,
        number % 100_000,
        spread.rotate_left(17),
        number % 97,
        number % 900,
    );
    if let Some(send_at) = send_at {
        let _ = write!(out, ",\"send_at\":\"{send_at}\"");
    }
    out.push(b'}');
}

/// Writes a batch of `count` messages, beginning with the `first`-th.
pub fn write_batch(out: &mut Vec<u8>, first: u64, count: u64, send_at: Option<&str>) {
    out.extend_from_slice(b"{\"messages\":[");
    for number in first..first + count {
        if number > first {
            out.push(b',');
        }
        write_message(out, number, send_at);
    }
    out.extend_from_slice(b"]}");
}

/// Spreads numbers over all bits by the golden ratio, so that commits look like hashes.
fn spread(number: u64) -> u64 {
    let product = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product.rotate_right(29)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn message(number: u64, send_at: Option<&str>) -> Value {
        let mut out = Vec::new();
        write_message(&mut out, number, send_at);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_message_has_about_600_bytes_and_every_variable() {
        for number in [0, 999_999] {
            let mut out = Vec::new();
            write_message(&mut out, number, None);
            assert!((570..=630).contains(&out.len()), "{}", out.len());
        }
        let written = template();
        let texts = format!("{}{}", written["title"], written["body"]);
        let data = message(7, None)["data"].as_object().unwrap().clone();
        assert_eq!(data.len(), 10);
        for name in data.keys() {
            assert!(texts.contains(&format!("{{{{ {name} }}}}")), "{name}");
        }
    }

    #[test]
    fn all_messages_differ() {
        let all: HashSet<_> = (0..1_000).map(|number| message(number, None)["data"].to_string()).collect();
        assert_eq!(all.len(), 1_000);
    }

    #[test]
    fn a_batch_holds_its_messages() {
        let mut out = Vec::new();
        write_batch(&mut out, 5, 3, Some("2030-01-01T00:00:00Z"));
        let batch: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(batch["messages"].as_array().unwrap().len(), 3);
        assert_eq!(batch["messages"][2], message(7, Some("2030-01-01T00:00:00Z")));
    }
}
