//! The first start: an operator, an access key, and what to do with them.

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;

use mc_api::auth::password;
use mc_core::model::{Operator, OperatorRole, Role};
use mc_core::{Secret, Timestamp};
use mc_pipeline::Center;

use super::{Failure, context, origin};

/// What the first start made. The secrets are shown now and never again.
pub struct FirstStart {
    pub password: Secret,
    pub access_key_id: String,
    pub secret_access_key: Secret,
}

/// Makes the operator `admin`, the project `default` and its first access key, unless there is an operator already.
///
/// The operator comes last: a start that was cut short before that begins again.
pub async fn first_start(center: &Center) -> Result<Option<FirstStart>, Failure> {
    if center.operators.any().await? {
        return Ok(None);
    }
    let chosen = |name: &str| env::var(name).ok().filter(|v| !v.is_empty());
    let password =
        Secret::new(chosen("MESSAGE_CENTER_ADMIN_PASSWORD").unwrap_or_else(|| letters(center, 20)));
    let access_key_id = chosen("MESSAGE_CENTER_ACCESS_KEY_ID");
    if access_key_id.as_deref().is_some_and(|id| !mc_core::id::is_name(id)) {
        return Err("MESSAGE_CENTER_ACCESS_KEY_ID is to be 1 to 64 letters, digits and . _ ~ -".into());
    }
    center.projects.ensure("default").await?;
    let (key, secret_access_key) = mc_api::issue(
        center,
        mc_api::NewAccessKey {
            project: "default".to_owned(),
            name: "first".to_owned(),
            role: Role::Admin,
            basic: true,
            expires_at: None,
            access_key_id,
            secret: chosen("MESSAGE_CENTER_SECRET_ACCESS_KEY").map(Secret::new),
        },
    )
    .await?;
    let hash =
        password::hash(&password, &*center.random).map_err(context("MESSAGE_CENTER_ADMIN_PASSWORD"))?;
    let operator = Operator {
        password: hash,
        roles: BTreeMap::from([("*".to_owned(), OperatorRole::Admin)]),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
    };
    center.operators.put("admin", operator).await?;
    Ok(Some(FirstStart { password, access_key_id: key.access_key_id, secret_access_key }))
}

/// Random letters and digits that cannot be mistaken for each other.
fn letters(center: &Center, count: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = vec![0; count];
    center.random.fill(&mut bytes);
    bytes.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect()
}

/// Says where everything is.
pub fn greet(address: SocketAddr, first: Option<&FirstStart>, sandbox: bool) {
    let url = origin(address);
    println!("Message Center is ready at {url}");
    println!("  API description  {url}/openapi.json");
    if sandbox {
        println!("  Sandbox inbox    {url}/sandbox/_inbox");
    }
    let Some(first) = first else {
        println!("  The password and the first access key were shown at the first start.");
        return;
    };
    let (id, secret) = (&first.access_key_id, first.secret_access_key.expose());
    println!("\nShown once, keep them:");
    println!("  operator           admin");
    println!("  password           {}", first.password.expose());
    println!("  access key id      {id}");
    println!("  secret access key  {secret}");
    if sandbox {
        println!("\nSend a first message:\n");
        println!("curl --aws-sigv4 'aws:amz:any:message-center' -u '{id}:{secret}' \\");
        println!("  -H 'content-type: application/json' {url}/v1/messages \\");
        println!(
            "  -d '{{\"template\": \"hello\", \"to\": [{{\"email\": \"you@example.com\"}}], \"data\": {{\"name\": \"World\"}}}}'"
        );
        println!("\nand see what arrived on every platform:\n\ncurl {url}/sandbox/_inbox");
    }
    println!();
}
