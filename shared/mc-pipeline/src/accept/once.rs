//! Accepting a message whose id is known beforehand.

use mc_core::id::MessageId;
use mc_core::ports::Commit;
use mc_core::{Error, Timestamp};

use super::commit::{Accepted, lay_out, note_accepted};
use super::{Caller, Refusal, SendRequest, plan};
use crate::center::Center;

/// Accepts the one message of this id, checked as if it had been asked for at `asked`.
///
/// Whatever is there of it already stays as it is, so accepting it again completes it, and two who accept it at once
/// make one message.
pub async fn accept_once(
    center: &Center,
    caller: &Caller,
    request: SendRequest,
    id: MessageId,
    asked: Timestamp,
) -> Result<Accepted, Refusal> {
    let now = center.clock.now();
    let plan = plan::plan(center, caller, request, id, asked.min(now)).await?;
    let (mut commit, mut entering) = (Commit::default(), Vec::new());
    let accepted = lay_out(center, caller, plan, id, now, (&mut commit, &mut entering, 0)).await?;
    center.store.commit(commit).await.map_err(Error::from)?;
    note_accepted(&accepted);
    for one in &entering {
        one.count(center, caller, &accepted, now);
    }
    Ok(accepted)
}
