//! Who must not be written to any more, although the message was accepted for them: what people want may change while it
//! waits.

use std::time::Duration;

use mc_core::Result;
use mc_core::model::{MessageDoc, Recipient};
use mc_core::ports::Batching;
use mc_core::state::State;

use super::{Job, push};
use crate::center::Center;
use crate::people::resolve;
use crate::repo::ChannelEntry;
use crate::share::Share;

/// Contacts are looked at again for what was accepted longer ago than this. They are at most a minute old wherever they are
/// looked at, so what was found then is as good until then.
const FRESH: Duration = Duration::from_secs(60);

/// Decides the open recipients of a share who are on the project's list or have opted out. Where one push reaches everybody,
/// nobody is decided: whoever opted out is taken out of those it mentions.
pub(super) async fn leave_out(
    center: &Center,
    job: &Job,
    entry: &ChannelEntry,
    doc: &MessageDoc,
    share: &mut Share,
    recipients: &mut Vec<Recipient>,
) -> Result<()> {
    let (project, category) = (&*job.project, category(center, job, doc).await?);
    if entry.channel.capability().batching == Batching::Broadcast {
        if let Some(category) = category {
            let all = recipients.iter().enumerate();
            let unwilling = resolve::opted_out(center, project, &category, all).await?;
            // From the last one on, so that the other places stay.
            for (place, _) in unwilling.into_iter().rev() {
                recipients.remove(place);
            }
        }
        return Ok(());
    }
    if let Some(category) = category {
        let open = share.open().into_iter().filter_map(|i| Some((i, recipients.get(i)?)));
        for (i, why) in resolve::opted_out(center, project, &category, open).await? {
            share.decide(i, State::Suppressed);
            share.note_error(i, why.code, &why.text);
        }
    }
    let open = share.open().into_iter().filter_map(|i| Some((i, recipients.get(i)?)));
    let listed = center.suppressions.among(project, entry.doc.kind, doc.priority, open).await?;
    for (i, code, text) in listed {
        share.decide(i, State::Suppressed);
        share.note_error(i, code, &text);
    }
    Ok(())
}

/// The category of a message that somebody may have opted out of since its recipients were looked at. Those of a retry were
/// looked at when the message was accepted that it repeats.
async fn category(center: &Center, job: &Job, doc: &MessageDoc) -> Result<Option<String>> {
    let fresh = doc.retry_of.is_none() && center.clock.now().since(doc.created_at) <= FRESH;
    if fresh {
        return Ok(None);
    }
    let template = push::template(center, job, doc).await?;
    Ok(template.and_then(|template| template.doc.body.category.clone()))
}
