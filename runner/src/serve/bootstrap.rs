//! The first start: an operator, an access key, and what to do with them.

use std::env;
use std::net::SocketAddr;

use mc_api::first_start::{Chosen, FirstStart};
use mc_core::Secret;
use mc_pipeline::Center;

use super::{Failure, origin};

/// Makes what a first start makes, from the variables that count there.
pub async fn first_start(center: &Center) -> Result<Option<FirstStart>, Failure> {
    let chosen = |name: &str| env::var(name).ok().filter(|v| !v.is_empty());
    let access_key_id = chosen("MESSAGE_CENTER_ACCESS_KEY_ID");
    if access_key_id.as_deref().is_some_and(|id| !mc_core::id::is_name(id)) {
        return Err("MESSAGE_CENTER_ACCESS_KEY_ID is to be 1 to 64 letters, digits and . _ ~ -".into());
    }
    let chosen = Chosen {
        password: chosen("MESSAGE_CENTER_ADMIN_PASSWORD").map(Secret::new),
        access_key_id,
        secret_access_key: chosen("MESSAGE_CENTER_SECRET_ACCESS_KEY").map(Secret::new),
    };
    Ok(mc_api::first_start::first_start(center, chosen).await?)
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
