//! Sealing stored secrets anew under the current key of the ring, so that an older key can go.

use mc_core::Result;

use crate::center::Center;
use crate::repo::{AccessKeys, Channels};
use crate::seal::Sealer;
use crate::tell;

/// Seals everything anew that lies under another key than the current one; answers how many documents that were.
///
/// # Behavior
/// - With a ring of one key nothing is read.
/// - What a change puts back under the old key at the same time is found by the next call.
/// - A secret that cannot be opened is left as it is, and the log says so.
pub async fn reseal(center: &Center) -> Result<usize> {
    if center.sealer.is_alone() {
        return Ok(0);
    }
    let mut renewed = 0;
    for project in center.projects.names().await? {
        renewed += of_project(center, &project).await?;
    }
    if renewed > 0 {
        tracing::info!(documents = renewed, "secrets were sealed anew under the current key");
    }
    Ok(renewed)
}

async fn of_project(center: &Center, project: &str) -> Result<usize> {
    let mut renewed = 0;
    let sealer = &*center.sealer;
    for (name, _) in center.channels.all(project).await? {
        let changed = center.channels.change(project, &name, |doc| {
            let mut changed = false;
            let secrets = doc.secrets.iter_mut().map(|(field, sealed)| (field.as_str(), sealed));
            for (field, sealed) in secrets.chain(doc.proxy.iter_mut().map(|sealed| ("proxy", sealed))) {
                changed |= renew(sealer, &Channels::seal_context(project, &name, field), sealed);
            }
            changed
        });
        renewed += usize::from(changed.await?);
    }
    for (name, _) in center.webhooks.of(project).await?.iter() {
        let context = tell::seal_context(project, name);
        let changed = center.webhooks.change(project, name, |doc| renew(sealer, &context, &mut doc.secret));
        renewed += usize::from(changed.await?);
    }
    for id in center.access_keys.ids(project).await? {
        let context = AccessKeys::seal_context(&id);
        let changed = center.access_keys.change(&id, |key| renew(sealer, &context, &mut key.secret));
        renewed += usize::from(changed.await?);
    }
    Ok(renewed)
}

/// Seals a value anew if it lies under another key; answers whether it did.
fn renew(sealer: &Sealer, context: &str, sealed: &mut String) -> bool {
    if !sealer.needs_reseal(sealed) {
        return false;
    }
    match sealer.open(context, sealed).and_then(|plain| sealer.seal(context, &plain)) {
        Ok(anew) => {
            *sealed = anew;
            true
        }
        Err(error) => {
            tracing::warn!(error = %error, context, "a secret cannot be sealed anew; its key is not in the ring");
            false
        }
    }
}
