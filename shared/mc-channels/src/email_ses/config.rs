//! Settings of an SES channel. It has no secrets: the rights are those of the place we run in.

use mc_content::FieldError;

use crate::fields::Fields;
use crate::mail::Sender;
use crate::registry::Setup;

pub(super) struct Config {
    pub(super) sender: Sender,
    /// SES's own set of rules for the mails: where its events go, which addresses it sends from.
    pub(super) configuration_set: Option<String>,
    /// The SNS topic whose notifications are believed.
    pub(super) topic_arn: Option<String>,
    /// Where an event of a mail belongs, as the mail's tags carry it.
    pub(super) project: String,
    pub(super) channel: String,
}

pub(super) fn read(setup: &Setup<'_>) -> Result<Config, Vec<FieldError>> {
    let mut fields = Fields::new("/settings", setup.settings);
    let sender = Sender::read(&mut fields);
    let configuration_set = fields.optional::<String>("configuration_set").filter(|name| !name.is_empty());
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if configuration_set.as_ref().is_some_and(|name| name.len() > 64 || !name.bytes().all(word)) {
        fields.problem("configuration_set", "is 1 to 64 letters, digits, - or _, as SES names it");
    }
    let topic_arn = fields.optional::<String>("topic_arn").filter(|arn| !arn.is_empty());
    if topic_arn.as_ref().is_some_and(|arn| !is_topic(arn)) {
        fields.problem("topic_arn", "is an SNS topic, like arn:aws:sns:eu-west-1:123456789012:mail-events");
    }
    let mut problems = fields.finish();
    if setup.route.proxy.is_some() {
        problems.push(FieldError::new("/proxy", "SES is called from where we run; remove it"));
    }
    if setup.route.tls_ca.is_some() {
        problems.push(FieldError::new("/tls_ca", "SES has a public certificate; remove it"));
    }
    let Some(sender) = sender.filter(|_| problems.is_empty()) else { return Err(problems) };
    Ok(Config {
        sender,
        configuration_set,
        topic_arn,
        project: setup.project.to_owned(),
        channel: setup.name.to_owned(),
    })
}

fn is_topic(arn: &str) -> bool {
    let parts: Vec<_> = arn.split(':').collect();
    matches!(&parts[..], ["arn", partition, "sns", region, account, name]
        if partition.starts_with("aws") && !region.is_empty() && account.len() == 12 && !name.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mc_core::Secret;
    use mc_core::model::{Kind, Limits};
    use mc_core::ports::Route;
    use serde_json::{Value, json};

    use super::*;

    fn try_read(settings: &Value, route: Route) -> Result<Config, Vec<String>> {
        let secrets = BTreeMap::new();
        let setup = Setup {
            project: "default",
            name: "mail",
            kind: Kind::EmailSes,
            settings: settings.as_object().unwrap(),
            secrets: &secrets,
            base_url: None,
            route,
            limits: Limits::default(),
        };
        read(&setup).map_err(|problems| problems.into_iter().map(|problem| problem.pointer).collect())
    }

    #[test]
    fn every_problem_has_its_place() {
        let proxied = Route { proxy: Some(Secret::new("http://p:1")), tls_ca: None };
        let from = "a@example.com";
        for (settings, route, expected) in [
            (json!({}), Route::default(), vec!["/settings/from"]),
            (
                json!({"from": from, "configuration_set": "a b"}),
                Route::default(),
                vec!["/settings/configuration_set"],
            ),
            (json!({"from": from, "topic_arn": "my-topic"}), Route::default(), vec!["/settings/topic_arn"]),
            (json!({"from": from, "host": "h"}), Route::default(), vec!["/settings/host"]),
            (json!({"from": from}), proxied, vec!["/proxy"]),
        ] {
            assert_eq!(try_read(&settings, route).err().unwrap(), expected, "{settings}");
        }
        let whole = json!({
            "from": "Alerts <a@example.com>", "reply_to": "b@example.com", "configuration_set": "events",
            "topic_arn": "arn:aws-cn:sns:cn-north-1:123456789012:mail",
        });
        assert_eq!(try_read(&whole, Route::default()).ok().unwrap().configuration_set.unwrap(), "events");
    }
}
