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
    /// Scheme and host in place of those of AWS, without the slash at their end.
    pub(super) base_url: Option<String>,
    /// Where an event of a mail belongs, as the mail's tags carry it.
    pub(super) project: String,
    pub(super) channel: String,
}

/// Reads the settings. `service` is where the mail service is reached, if that is not AWS itself.
///
/// A channel cannot lead the calls of the place's own service elsewhere, as they are made with the rights of the place. It
/// can name the address that the service has anyway, and is then told of events from there, too.
pub(super) fn read(setup: &Setup<'_>, service: Option<&str>) -> Result<Config, Vec<FieldError>> {
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
    let base_url = setup.base_url.map(|url| url.trim_end_matches('/').to_owned());
    if base_url.is_some() && base_url.as_deref() != service {
        problems
            .push(FieldError::new("/base_url", "SES is called where the place we run in has it; remove it"));
    }
    let Some(sender) = sender.filter(|_| problems.is_empty()) else { return Err(problems) };
    Ok(Config {
        sender,
        configuration_set,
        topic_arn,
        base_url,
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
    use mc_core::Secret;
    use mc_core::ports::Route;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing;

    fn try_read(settings: &Value, base_url: Option<&str>, route: Route) -> Result<Config, Vec<String>> {
        let read = |setup: &Setup<'_>| read(setup, Some("http://sandbox"));
        testing::try_read_on(route, read, settings, &[], base_url)
    }

    #[test]
    fn every_problem_has_its_place() {
        let proxied = Route { proxy: Some(Secret::new("http://p:1")), tls_ca: None };
        let from = "a@example.com";
        let none = Route::default;
        for (settings, base_url, route, expected) in [
            (json!({}), None, none(), "/settings/from"),
            (json!({"from": from, "configuration_set": "a b"}), None, none(), "/settings/configuration_set"),
            (json!({"from": from, "topic_arn": "my-topic"}), None, none(), "/settings/topic_arn"),
            (json!({"from": from, "host": "h"}), None, none(), "/settings/host"),
            (json!({"from": from}), None, proxied, "/proxy"),
            (json!({"from": from}), Some("https://elsewhere.example.com"), none(), "/base_url"),
        ] {
            assert_eq!(try_read(&settings, base_url, route).err().unwrap(), [expected], "{settings}");
        }
        let whole = json!({
            "from": "Alerts <a@example.com>", "reply_to": "b@example.com", "configuration_set": "events",
            "topic_arn": "arn:aws-cn:sns:cn-north-1:123456789012:mail",
        });
        assert_eq!(
            try_read(&whole, Some("http://sandbox/"), none()).ok().unwrap().configuration_set.unwrap(),
            "events"
        );
    }
}
