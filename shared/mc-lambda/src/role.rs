//! What each function does, and which ports it is given for that.
//!
//! The template gives each function the rights its ports need and no more; a test compares the two.

use mc_core::ports::Family;

/// One of the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes messages.
    Ingest,
    /// The management API.
    Console,
    /// Hears from platforms and from SES.
    Callback,
    /// Sends through the channels of one family.
    Send(Family),
    /// Queues what has become due.
    Schedule,
    /// Looks at what the platforms still allow.
    Quota,
}

/// Something a function may do to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// Read and write what is remembered.
    Store,
    /// Open sealed secrets.
    KeyRing,
    /// Send tasks into any queue.
    Queue,
    /// Take tasks out of the queue of the function's own family.
    Work,
    /// Count crash loops.
    Depths,
    /// Take crash loops out of their queues.
    Redrive,
    /// Read attachments.
    ReadFiles,
    /// Keep attachments.
    WriteFiles,
    /// Remove attachments of days that are over.
    ForgetFiles,
    /// Send mails through SES.
    Mail,
    /// Ask SES for its quota and its rate.
    MailQuota,
    /// Read the secrets of the first start.
    FirstSecrets,
    /// Give up an event that nobody could take.
    DeadEvents,
}

impl Role {
    /// Every function.
    pub const ALL: [Role; 11] = [
        Role::Ingest,
        Role::Console,
        Role::Callback,
        Role::Send(Family::Wecom),
        Role::Send(Family::Wechat),
        Role::Send(Family::Dingtalk),
        Role::Send(Family::Feishu),
        Role::Send(Family::Email),
        Role::Send(Family::Webhook),
        Role::Schedule,
        Role::Quota,
    ];

    /// The name of the function's folder, binary and log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Ingest => "ingest",
            Role::Console => "console",
            Role::Callback => "callback",
            Role::Send(Family::Wecom) => "send-wecom",
            Role::Send(Family::Wechat) => "send-wechat",
            Role::Send(Family::Dingtalk) => "send-dingtalk",
            Role::Send(Family::Feishu) => "send-feishu",
            Role::Send(Family::Email) => "send-email",
            Role::Send(Family::Webhook) => "send-webhook",
            Role::Schedule => "schedule",
            Role::Quota => "quota",
        }
    }

    /// The family whose queue it works on.
    pub const fn family(self) -> Option<Family> {
        match self {
            Role::Send(family) => Some(family),
            Role::Ingest | Role::Console | Role::Callback | Role::Schedule | Role::Quota => None,
        }
    }

    /// What it may do.
    pub const fn ports(self) -> &'static [Port] {
        use Port::{
            DeadEvents, Depths, FirstSecrets, ForgetFiles, KeyRing, Mail, MailQuota, Queue, ReadFiles,
            Redrive, Store, Work, WriteFiles,
        };
        match self {
            Role::Ingest => &[Store, KeyRing, Queue, ReadFiles, WriteFiles, DeadEvents],
            Role::Console => {
                &[Store, KeyRing, Queue, ReadFiles, WriteFiles, Depths, Redrive, Mail, MailQuota]
            }
            Role::Callback => &[Store, KeyRing, Queue, DeadEvents],
            Role::Send(Family::Email) => &[Store, KeyRing, Queue, Work, ReadFiles, Mail, MailQuota],
            // Runs of schedules are made here, and may bring files.
            Role::Send(Family::Webhook) => &[Store, KeyRing, Queue, Work, ReadFiles, WriteFiles],
            Role::Send(_) => &[Store, KeyRing, Queue, Work, ReadFiles],
            Role::Schedule => &[Store, KeyRing, Queue, Depths, ForgetFiles, FirstSecrets],
            Role::Quota => &[Store, KeyRing, Queue, MailQuota],
        }
    }

    /// Whether it may do this.
    pub fn may(self, port: Port) -> bool {
        self.ports().contains(&port)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The statements of a section of the template, by their `Sid`.
    fn statements(template: &str, section: &str) -> BTreeSet<String> {
        let begin = template.find(&format!("\n  {section}:\n")).unwrap_or_else(|| panic!("no {section}"));
        let rest = template[begin + 1..].lines().skip(1);
        let inside = rest.take_while(|line| line.is_empty() || line.starts_with("   "));
        inside
            .filter_map(|line| Some(line.split_once("Sid: ")?.1.split([',', ' ']).next()?.to_owned()))
            .collect()
    }

    /// What the template calls the right to use a port, where each function is given it by itself.
    fn own(port: Port) -> &'static [&'static str] {
        match port {
            Port::Store | Port::KeyRing | Port::Queue => &[],
            Port::Work => &["Consume"],
            Port::Depths => &["Depths"],
            Port::Redrive => &["Redrive"],
            Port::ReadFiles => &["ReadBlobs"],
            Port::WriteFiles => &["WriteBlobs"],
            Port::ForgetFiles => &["FindOldBlobs", "ForgetBlobs"],
            Port::Mail => &["Mail"],
            Port::MailQuota => &["MailQuota"],
            Port::FirstSecrets => &["FirstStart"],
            Port::DeadEvents => &["DeadEvents"],
        }
    }

    #[test]
    fn the_template_gives_each_function_its_ports_and_no_more() {
        let path = format!("{}/../../template.yaml", env!("CARGO_MANIFEST_DIR"));
        let template = std::fs::read_to_string(path).unwrap();
        let common = statements(&template, "Common");
        for role in Role::ALL {
            let camel: String = role.as_str().split('-').map(|w| w[..1].to_uppercase() + &w[1..]).collect();
            let mut wanted: BTreeSet<String> = BTreeSet::from(["Log".to_owned()]);
            wanted.extend(role.ports().iter().flat_map(|port| own(*port)).map(|sid| (*sid).to_owned()));
            assert_eq!(statements(&template, &format!("{camel}Role")), wanted, "{}", role.as_str());
            for (port, sid) in [(Port::Store, "Store"), (Port::KeyRing, "KeyRing"), (Port::Queue, "Queue")] {
                assert!(role.may(port) && common.contains(sid), "{} {sid}", role.as_str());
            }
        }
    }
}
