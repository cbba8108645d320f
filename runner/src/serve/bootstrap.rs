//! The first start: an operator, an access key, and what to do with them.

use std::env;
use std::net::SocketAddr;

use mc_api::first_start::{Chosen, FirstStart};
use mc_core::Secret;
use mc_pipeline::Center;

use super::{Failure, origin};

const PASSWORD: &str = "MESSAGE_CENTER_ADMIN_PASSWORD";
const ACCESS_KEY_ID: &str = "MESSAGE_CENTER_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "MESSAGE_CENTER_SECRET_ACCESS_KEY";

/// Makes what a first start makes, from the variables that count there.
pub async fn first_start(center: &Center) -> Result<Option<FirstStart>, Failure> {
    let chosen = |name: &str| env::var(name).ok().filter(|v| !v.is_empty());
    let access_key_id = chosen(ACCESS_KEY_ID);
    if access_key_id.as_deref().is_some_and(|id| !mc_core::id::is_name(id)) {
        return Err(format!("{ACCESS_KEY_ID} is to be 1 to 64 letters, digits and . _ ~ -").into());
    }
    let chosen = Chosen {
        password: chosen(PASSWORD).map(Secret::new),
        access_key_id,
        secret_access_key: chosen(SECRET_ACCESS_KEY).map(Secret::new),
    };
    Ok(mc_api::first_start::first_start(center, chosen).await?)
}

/// Says where everything is.
pub fn greet(address: SocketAddr, first: Option<&FirstStart>, sandbox: bool) {
    print!("{}", greeting(&origin(address), first, sandbox));
}

/// What is said at a start. Output ends up in logs, so it never repeats what somebody chose.
fn greeting(url: &str, first: Option<&FirstStart>, sandbox: bool) -> String {
    let mut lines =
        vec![format!("Message Center is ready at {url}"), format!("  API description  {url}/openapi.json")];
    if sandbox {
        lines.push(format!("  Sandbox inbox    {url}/sandbox/_inbox"));
    }
    let Some(first) = first else {
        let text = "  The password and the first access key were given or shown at the first start.\n";
        lines.push(text.to_owned());
        return lines.join("\n");
    };
    let id = (!first.access_key_id_chosen).then_some(&*first.access_key_id);
    lines.extend([
        "\nShown once, keep them:".to_owned(),
        "  operator           admin".to_owned(),
        shown("password", first.password.as_ref().map(Secret::expose), PASSWORD),
        shown("access key id", id, ACCESS_KEY_ID),
        shown("secret access key", first.secret_access_key.as_ref().map(Secret::expose), SECRET_ACCESS_KEY),
    ]);
    if sandbox {
        let message =
            r#"{"template": "hello", "to": [{"email": "you@example.com"}], "data": {"name": "World"}}"#;
        lines.extend([
            "\nSend a first message:\n".to_owned(),
            format!("curl --aws-sigv4 'aws:amz:any:message-center' -u {} \\", user(first)),
            format!("  -H 'content-type: application/json' {url}/v1/messages \\"),
            format!("  -d '{message}'"),
            format!("\nand see what arrived on every platform:\n\ncurl {url}/sandbox/_inbox"),
        ]);
    }
    lines.push("\n".to_owned());
    lines.join("\n")
}

/// A line with what was made up, or with the variable that says it.
fn shown(name: &str, made_up: Option<&str>, variable: &str) -> String {
    match made_up {
        Some(value) => format!("  {name:<18} {value}"),
        None => format!("  {name:<18} as given in {variable}"),
    }
}

/// The access key as a shell is to read it: what was made up as it is, a secret that was chosen out of its variable.
fn user(first: &FirstStart) -> String {
    let id = &first.access_key_id;
    match &first.secret_access_key {
        Some(secret) => format!("'{id}:{}'", secret.expose()),
        None if first.access_key_id_chosen => format!("\"${ACCESS_KEY_ID}:${SECRET_ACCESS_KEY}\""),
        None => format!("\"{id}:${SECRET_ACCESS_KEY}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said at a first start with some of the three given.
    fn said(password: bool, id: bool, secret: bool) -> String {
        let first = FirstStart {
            password: (!password).then(|| Secret::new("a password")),
            access_key_id: "AK1".to_owned(),
            access_key_id_chosen: id,
            secret_access_key: (!secret).then(|| Secret::new("a-secret")),
        };
        greeting("http://127.0.0.1:8080", Some(&first), true)
    }

    #[test]
    fn what_was_made_up_is_shown_and_the_command_works_as_it_stands() {
        let text = said(false, false, false);
        for line in [
            "  password           a password\n",
            "  access key id      AK1\n",
            "  secret access key  a-secret\n",
            "curl --aws-sigv4 'aws:amz:any:message-center' -u 'AK1:a-secret' \\\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn what_was_given_is_not_repeated_and_the_command_takes_it_from_its_variable() {
        let text = said(true, true, true);
        for line in [
            "  password           as given in MESSAGE_CENTER_ADMIN_PASSWORD\n",
            "  access key id      as given in MESSAGE_CENTER_ACCESS_KEY_ID\n",
            "  secret access key  as given in MESSAGE_CENTER_SECRET_ACCESS_KEY\n",
            " -u \"$MESSAGE_CENTER_ACCESS_KEY_ID:$MESSAGE_CENTER_SECRET_ACCESS_KEY\" \\\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(said(true, true, false).contains(" -u 'AK1:a-secret' \\\n"));
        assert!(said(true, false, true).contains(" -u \"AK1:$MESSAGE_CENTER_SECRET_ACCESS_KEY\" \\\n"));
    }
}
