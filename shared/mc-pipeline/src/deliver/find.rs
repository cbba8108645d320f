//! Finding people by their mobile number before a push, where the platform can and no address of its own is known.
//!
//! Accepting calls no platform, so this happens here. What is found is not stored with the message: the channel keeps it
//! for a day where all messages and processes find it, and a receipt that names the platform's id is led back to the
//! number that the message has.

use std::time::Duration;

use futures_util::future::join_all;
use mc_core::model::{AddressKind, Addresses, Recipient};
use mc_core::ports::{Channel, Lookups, News, SendError, SendFailure};

use super::Job;
use super::push::Ended;
use super::tally::Tally;
use crate::center::Center;
use crate::repo::ChannelEntry;
use crate::share::Share;

/// At most so many questions at a time.
const WIDTH: usize = 4;

/// After so long the rest is left to the next try, which finds what is kept: no push may begin late in its lease.
const PATIENCE: Duration = Duration::from_secs(20);

/// Gives the open recipients of a share the platform's own addresses, in place; answers who can be pushed to. What
/// became of the others is in the tally.
pub(super) async fn find(
    center: &Center,
    job: &Job,
    entry: &ChannelEntry,
    share: &mut Share,
    recipients: &mut [Recipient],
    mut open: Vec<usize>,
    tally: &mut Tally,
) -> Vec<usize> {
    let Some(lookups) = entry.channel.lookups() else { return open };
    let began = center.clock.now();
    let is_late = || {
        let now = center.clock.now();
        now.since(began) >= PATIENCE || job.is_out_of_time(center)
    };
    for (unit, found) in ask(lookups, recipients, &open, is_late).await {
        let error = match found {
            Found::Yes => continue,
            Found::No(error) => Some(error),
            Found::NotAsked => None,
        };
        open.retain(|one| *one != unit);
        match error {
            Some(error) => {
                tally.add(entry, share, Ended { result: Err(error), ..Ended::of(vec![unit]) });
            }
            None => tally.wait_until(center.clock.now()),
        }
    }
    open
}

/// Gives the recipients of a push the platform's own addresses once more; answers under which number each of them is kept
/// with the message.
pub(crate) async fn again(
    channel: &dyn Channel,
    recipients: &mut [Recipient],
) -> Result<Vec<(String, String)>, SendError> {
    let Some(lookups) = channel.lookups() else { return Ok(Vec::new()) };
    let all: Vec<usize> = (0..recipients.len()).collect();
    let mut names = Vec::new();
    for (unit, found) in ask(lookups, recipients, &all, || false).await {
        let addresses = &recipients[unit].addresses;
        match (found, addresses.get(lookups.finds()), &addresses.mobile) {
            (Found::Yes, Some(id), Some(mobile)) => names.push((id.to_owned(), mobile.clone())),
            (Found::No(error), ..) if error.failure != SendFailure::Permanent => return Err(error),
            (Found::Yes | Found::No(_) | Found::NotAsked, ..) => {}
        }
    }
    Ok(names)
}

/// Names people in receipts as they are kept with the message.
pub(crate) fn as_kept(news: &mut [News], names: &[(String, String)]) {
    for one in news {
        if let News::Receipt { to: Some(to), .. } = one
            && let Some((_, mobile)) = names.iter().find(|(id, _)| id == to)
        {
            to.clone_from(mobile);
        }
    }
}

/// What somebody comes to who was looked for.
enum Found {
    /// The platform's address is in its place now.
    Yes,
    /// Nobody has this number there, or the platform does not say.
    No(SendError),
    /// There was no time to ask.
    NotAsked,
}

/// Asks for those who have a number and no address of the platform's own. A failure that is not about one number ends the
/// asking, because the others would fail as well.
async fn ask(
    lookups: &dyn Lookups,
    recipients: &mut [Recipient],
    units: &[usize],
    is_late: impl Fn() -> bool,
) -> Vec<(usize, Found)> {
    let number = |unit: &usize| {
        let addresses = &recipients.get(*unit)?.addresses;
        let is_wanted = addresses.get(lookups.finds()).is_none();
        addresses.mobile.clone().filter(|_| is_wanted).map(|mobile| (*unit, mobile))
    };
    let wanted: Vec<(usize, String)> = units.iter().filter_map(number).collect();
    let mut found = Vec::with_capacity(wanted.len());
    let mut end: Option<Option<SendError>> = None;
    for some in wanted.chunks(WIDTH) {
        if end.is_none() && is_late() {
            end = Some(None);
        }
        if let Some(error) = &end {
            let rest = || error.clone().map_or(Found::NotAsked, Found::No);
            found.extend(some.iter().map(|(unit, _)| (*unit, rest())));
            continue;
        }
        let answers = join_all(some.iter().map(|(_, mobile)| lookups.by_mobile(mobile))).await;
        for ((unit, _), answer) in some.iter().zip(answers) {
            let outcome = match answer {
                Ok(Some(id)) => {
                    put(&mut recipients[*unit].addresses, lookups.finds(), id);
                    Found::Yes
                }
                Ok(None) => Found::No(unknown(lookups.finds())),
                Err(error) => {
                    if error.failure != SendFailure::Permanent {
                        end = Some(Some(error.clone()));
                    }
                    Found::No(error)
                }
            };
            found.push((*unit, outcome));
        }
    }
    found
}

fn put(addresses: &mut Addresses, kind: AddressKind, id: String) {
    let place = match kind {
        AddressKind::Email => &mut addresses.email,
        AddressKind::Mobile => &mut addresses.mobile,
        AddressKind::Wecom => &mut addresses.wecom,
        AddressKind::Dingtalk => &mut addresses.dingtalk,
        AddressKind::Wechat => &mut addresses.wechat,
        AddressKind::Feishu => &mut addresses.feishu,
    };
    *place = Some(id);
}

fn unknown(kind: AddressKind) -> SendError {
    let kind = kind.as_str();
    SendError {
        failure: SendFailure::Permanent,
        code: "unknown_mobile".to_owned(),
        text: format!(
            "the platform knows nobody in the app's range with this mobile number; give the address \"{kind}\" itself, or enter the number there"
        ),
    }
}
