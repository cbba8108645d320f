//! Which recipients each channel begins with.

use std::collections::HashSet;
use std::sync::Arc;

use mc_core::model::{AddressKind, Mode, Recipient};
use mc_core::ports::Batching;

use super::Refusal;
use crate::people::{Named, Suppressed};
use crate::repo::ChannelEntry;

/// What one channel will do.
pub struct PlanPart {
    /// The channel.
    pub channel: Arc<ChannelEntry>,
    /// Whom it begins with.
    pub recipients: Vec<Recipient>,
    /// Which entry of the request each of them comes from.
    pub places: Vec<usize>,
    /// Those of them that nothing is sent to, by their place, and why.
    pub suppressed: Vec<(usize, Suppressed)>,
    /// Whether one push reaches everybody.
    pub broadcast: bool,
}

impl PlanPart {
    /// How many recipients count for this part: a broadcast has one, the group it reaches.
    pub fn count(&self) -> usize {
        if self.broadcast {
            usize::from(!self.recipients.is_empty() || self.broadcast)
        } else {
            self.recipients.len()
        }
    }

    /// How many pushes it takes at the least: one for each who is sent to.
    pub fn pushes(&self) -> usize {
        self.count() - self.suppressed.len()
    }

    /// Whom it begins with, and which entry of the request each comes from.
    pub fn people(&self) -> impl Iterator<Item = (&Recipient, usize)> + Clone {
        self.recipients.iter().zip(self.places.iter().copied())
    }

    fn add(&mut self, named: Named) {
        let Named { recipient, place, suppressed, .. } = named;
        match suppressed {
            // Whoever does not want it is not mentioned either.
            Some(_) if self.broadcast => return,
            Some(why) => self.suppressed.push((self.recipients.len(), why)),
            None => {}
        }
        self.recipients.push(recipient);
        self.places.push(place);
    }
}

/// Gives every channel its recipients.
pub(super) fn share_out(
    mode: Mode,
    channels: Vec<Arc<ChannelEntry>>,
    recipients: Vec<Named>,
) -> Result<Vec<PlanPart>, Refusal> {
    let takes = |channel: &ChannelEntry, recipient: &Recipient| {
        let capability = channel.channel.capability();
        capability.batching == Batching::Broadcast
            || recipient.addresses.first_of(capability.addresses).is_some()
    };
    for Named { recipient, place, .. } in &recipients {
        if !channels.iter().any(|c| takes(c, recipient)) {
            let kinds: Vec<&str> = channels.iter().map(|c| c.doc.kind.as_str()).collect();
            let who = recipient
                .contact
                .as_ref()
                .map_or("this recipient".into(), |id| format!("the contact {id:?}"));
            let detail = format!("none of the channels ({}) can reach {who}", kinds.join(", "));
            return Err(Refusal::field("no_address", format!("/to/{place}"), detail));
        }
    }
    let broadcasts = |c: &ChannelEntry| c.channel.capability().batching == Batching::Broadcast;
    let begins = match mode {
        Mode::All => None,
        Mode::First => channels.first().map(|c| broadcasts(c)),
    };
    if recipients.is_empty() && !(channels.iter().any(|c| broadcasts(c)) && begins != Some(false)) {
        return Err(Refusal::field("no_recipients", "/to", "name at least one recipient"));
    }
    let mut parts: Vec<PlanPart> = channels
        .into_iter()
        .map(|channel| PlanPart {
            broadcast: broadcasts(&channel),
            channel,
            recipients: Vec::new(),
            places: Vec::new(),
            suppressed: Vec::new(),
        })
        .collect();
    match mode {
        Mode::All => {
            for part in &mut parts {
                let mut known = Known::among(&recipients);
                for named in &recipients {
                    if takes(&part.channel, &named.recipient) && known.is_new(named, &part.channel) {
                        part.add(named.clone());
                    }
                }
            }
            parts.retain(|p| p.broadcast || !p.recipients.is_empty());
        }
        Mode::First => {
            let mut known = Known::among(&recipients);
            for named in recipients {
                if let Some(part) = parts.iter_mut().find(|p| takes(&p.channel, &named.recipient))
                    && known.is_new(&named, &part.channel)
                {
                    part.add(named);
                }
            }
        }
    }
    Ok(parts)
}

/// The addresses of those who were given to a channel already, so that nobody gets a message twice.
///
/// Whoever has values of their own gets a message of their own, and whoever is suppressed gets none: they are told apart
/// from everybody.
struct Known(Option<HashSet<(AddressKind, String)>>);

impl Known {
    /// Nobody yet. One recipient alone needs no comparing.
    fn among(recipients: &[Named]) -> Self {
        Self((recipients.len() > 1).then(HashSet::new))
    }

    /// Whether the address at which the channel reaches a recipient is nobody's so far.
    fn is_new(&mut self, named: &Named, channel: &ChannelEntry) -> bool {
        let Some(known) = &mut self.0 else { return true };
        let Named { recipient, own_values, suppressed, .. } = named;
        if *own_values || suppressed.is_some() {
            return true;
        }
        let reached = recipient.addresses.first_of(channel.channel.capability().addresses);
        if reached.is_some_and(|reached| known.contains(&compared(reached))) {
            return false;
        }
        known.extend(recipient.addresses.iter().map(compared));
        true
    }
}

/// An address as it is compared: mail goes to the same box however its letters are cased.
fn compared((kind, address): (AddressKind, &str)) -> (AddressKind, String) {
    match kind {
        AddressKind::Email => (kind, address.to_lowercase()),
        _ => (kind, address.to_owned()),
    }
}
