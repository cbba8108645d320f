//! A second person's word on a version of a template, for projects that want one.
//!
//! A version is reviewed once, by a conditional write. What is sent is the newest approved version: it takes the place of
//! the current one only if that is older, so reviews may come in any order, and one that was cut short is completed by
//! making it again: by whoever made it, or by anybody else who may review and says the same.

use mc_core::Result;
use mc_core::model::{ApprovalState, TemplateDoc};
use mc_core::ports::{Cond, Item, Op, WriteError};

use super::templates::{SENT, Templates};

/// Set on a version that was reviewed.
const REVIEWED: &str = "reviewed";

/// Somebody's word.
pub struct Review<'a> {
    /// Whose.
    pub reviewer: &'a str,
    /// Approved or rejected.
    pub state: ApprovalState,
    /// Why.
    pub comment: Option<String>,
}

/// What became of a review.
#[derive(Debug, PartialEq)]
pub enum Reviewed {
    /// It counts; the version as it is now.
    Done(Box<TemplateDoc>),
    /// It counted before, by the same person, and nothing has changed; the version as it is.
    Again(Box<TemplateDoc>),
    /// There is no such version.
    NotThere,
    /// The reviewer made the version.
    Own,
    /// The version was reviewed otherwise or by somebody else, or needs no review.
    Decided,
    /// A newer version may be sent already.
    Superseded(u32),
}

impl Templates {
    /// Approves or rejects a version that waits for it. The same review again changes nothing; if the first one was cut
    /// short, it completes it, whoever of the reviewers makes it. The first one stays the reviewer: their word counted.
    pub async fn review(
        &self,
        project: &str,
        name: &str,
        version: u32,
        review: Review<'_>,
    ) -> Result<Reviewed> {
        let Some(current) = self.current.get(project, name).await? else { return Ok(Reviewed::NotThere) };
        let Some(mut doc) = self.version_doc(project, name, version).await? else {
            return Ok(Reviewed::NotThere);
        };
        let Some(approval) = &mut doc.approval else { return Ok(Reviewed::Decided) };
        if approval.author == review.reviewer || approval.key_of.as_deref() == Some(review.reviewer) {
            return Ok(Reviewed::Own);
        }
        let pending = approval.state == ApprovalState::Pending;
        let theirs = approval.reviewer.as_deref() == Some(review.reviewer);
        if pending {
            if current.may_be_sent() && current.version > version {
                return Ok(Reviewed::Superseded(current.version));
            }
            approval.state = review.state;
            approval.reviewer = Some(review.reviewer.to_owned());
            approval.reviewed_at = Some(self.clock.now());
            approval.comment = review.comment;
            let mut item = Self::version_item(project, name, &doc)?;
            item.attrs.set(REVIEWED, 1);
            match self.store.write(Op::Put(item, vec![Cond::Exists, Cond::Absent(REVIEWED.into())])).await {
                Ok(_) => {}
                // Somebody else reviewed it at the same time.
                Err(WriteError::Conflict(_)) => return Ok(Reviewed::Decided),
                Err(WriteError::Failed(error)) => return Err(error),
            }
        } else if approval.state != review.state {
            return Ok(Reviewed::Decided);
        }
        let shown = self.show(project, name, &doc).await?;
        self.forget(project, name);
        let doc = Box::new(doc);
        Ok(match (pending || shown, theirs) {
            (true, _) => Reviewed::Done(doc),
            (false, true) => Reviewed::Again(doc),
            (false, false) => Reviewed::Decided,
        })
    }

    /// Lets a reviewed version take the place of the current one, if it is newer or the same; answers whether it did.
    async fn show(&self, project: &str, name: &str, doc: &TemplateDoc) -> Result<bool> {
        loop {
            let key = Self::current_key(project, name);
            let Some(Item { attrs, .. }) = self.store.get(&key).await? else { return Ok(false) };
            let stored: TemplateDoc = serde_json::from_slice(attrs.bytes("doc").map_or(&[][..], |b| b))?;
            let sent = if stored.may_be_sent() { i64::from(stored.version) } else { 0 };
            let newer = doc.may_be_sent() && i64::from(doc.version) > sent;
            let made_anew = sent == 0 && stored.version == doc.version && stored != *doc;
            if !newer && !made_anew {
                return Ok(false);
            }
            let unchanged = match attrs.num(SENT) {
                Some(sent) => Cond::Le(SENT.into(), sent),
                None => Cond::Absent(SENT.into()),
            };
            if let Some(row) = self.current.put_row(project, name, doc) {
                self.store.write(row).await?;
            }
            let item = Self::current_item(project, name, doc)?;
            match self.store.write(Op::Put(item, vec![Cond::Exists, unchanged])).await {
                Ok(_) => {
                    self.current.forget_row(project, name, &stored, doc).await?;
                    return Ok(true);
                }
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Failed(error)) => return Err(error),
            }
        }
    }
}
