//! One write of one item.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use aws_smithy_runtime_api::http::Response;
use mc_core::ports::{Attrs, Change, Cond, Conflict, Item, Key, Op, WriteError};
use mc_core::{Error, ErrorKind};

use super::DynamoStore;
use super::expression::{Effect, Expired, Expression, effects};
use super::item::{Stored, TTL, lives, of_item, of_key, rounded, size, write_units};
use crate::call::{Called, Patience, failure};
use crate::meter::Operation;

/// How often an update begins anew because the expired item under it changed meanwhile.
const EXPIRED_ROUNDS: usize = 5;

const WHAT: &str = "the table cannot be written";

type Written = Result<Option<Item>, WriteError>;

impl DynamoStore {
    pub(super) async fn write_one(&self, op: &Op, patience: Patience) -> Written {
        match op {
            Op::Put(item, conds) => self.put(op, item, conds, patience).await,
            Op::Update(key, changes, conds) => self.update(op, key, changes, conds, patience).await,
            Op::Delete(key, conds) => self.delete(op, key, conds, patience).await,
        }
    }

    async fn put(&self, op: &Op, item: &Item, conds: &[Cond], patience: Patience) -> Written {
        let mut expression = Expression::default();
        let condition = expression.condition(conds, Expired::Overwritten, self.clock.now());
        match self.put_if(item, expression, condition, patience).await? {
            Ok(item) => Ok(Some(item)),
            Err(blocked) => self.conflict(op, blocked).await,
        }
    }

    /// Puts the item unless the condition stands in the way.
    async fn put_if(
        &self,
        item: &Item,
        expression: Expression,
        condition: Option<String>,
        patience: Patience,
    ) -> Result<Result<Item, Blocked>, WriteError> {
        let mut stored = of_item(item);
        self.overflow.lighten(&mut stored).await?;
        let units = write_units(size(&stored));
        let mut request = self.client.get().put_item().table_name(&*self.table).set_item(Some(stored));
        if condition.is_some() {
            request = request
                .set_condition_expression(condition)
                .set_expression_attribute_names(Some(expression.names))
                .set_expression_attribute_values(Some(expression.values))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        }
        let called = self.calls.call(Operation::PutItem, patience, || request.clone().send()).await;
        self.calls.meter.used(Operation::PutItem, units);
        Ok(match blocked(called)? {
            Ok(_) => Ok(Item { expires_at: item.expires_at.map(rounded), ..item.clone() }),
            Err(blocked) => Err(blocked),
        })
    }

    async fn update(
        &self,
        op: &Op,
        key: &Key,
        changes: &[Change],
        conds: &[Cond],
        patience: Patience,
    ) -> Written {
        let mut effects = effects(changes);
        for (_, effect) in &mut effects {
            if let Effect::Set(value) = effect {
                self.overflow.lighten_value(value).await?;
            }
        }
        for _ in 0..EXPIRED_ROUNDS {
            let now = self.clock.now();
            let mut expression = Expression::default();
            let condition = expression.condition(conds, Expired::InTheWay, now);
            let change = expression.update(effects.clone());
            let request = self
                .client
                .get()
                .update_item()
                .table_name(&*self.table)
                .set_key(Some(of_key(key)))
                .set_update_expression(change)
                .set_condition_expression(condition)
                .set_expression_attribute_names(Some(expression.names))
                .set_expression_attribute_values(Some(expression.values))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            let called = self.calls.call(Operation::UpdateItem, patience, || request.clone().send()).await;
            let blocked = match blocked(called)? {
                Ok(answer) => {
                    let stored = answer.attributes.unwrap_or_else(|| of_key(key));
                    self.calls.meter.used(Operation::UpdateItem, write_units(size(&stored)));
                    return Ok(self.whole(Some(stored)).await?);
                }
                Err(blocked) => blocked,
            };
            self.calls.meter.used(Operation::UpdateItem, write_units(blocked.by.as_ref().map_or(0, size)));
            let expired = blocked.by.as_ref().filter(|stored| !lives(stored, now));
            let Some(seen) = expired.and_then(|stored| stored.get(TTL)).cloned() else {
                return self.conflict(op, blocked).await;
            };
            if !conds.iter().all(|cond| cond.holds(None)) {
                return Err(conflict_with(None));
            }
            if let Some(item) = self.begin_anew(key, changes, seen, patience).await? {
                return Ok(Some(item));
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "an item changes too often to be updated").into())
    }

    /// Makes the changes on nothing, in place of the expired item that was seen.
    async fn begin_anew(
        &self,
        key: &Key,
        changes: &[Change],
        seen: AttributeValue,
        patience: Patience,
    ) -> Result<Option<Item>, WriteError> {
        let mut item = Item::new(key.clone(), Attrs::new());
        for change in changes {
            change.apply(&mut item);
        }
        let mut expression = Expression::default();
        let condition = expression.same_expiry(seen);
        Ok(self.put_if(&item, expression, Some(condition), patience).await?.ok())
    }

    async fn delete(&self, op: &Op, key: &Key, conds: &[Cond], patience: Patience) -> Written {
        let mut request = self.client.get().delete_item().table_name(&*self.table).set_key(Some(of_key(key)));
        let mut expression = Expression::default();
        if let Some(condition) = expression.condition(conds, Expired::Overwritten, self.clock.now()) {
            request = request
                .condition_expression(condition)
                .set_expression_attribute_names(Some(expression.names))
                .set_expression_attribute_values(Some(expression.values))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        }
        let called = self.calls.call(Operation::DeleteItem, patience, || request.clone().send()).await;
        // What was deleted is not asked for; most of what we delete is small.
        self.calls.meter.used(Operation::DeleteItem, 1);
        match blocked(called)? {
            Ok(_) => Ok(None),
            Err(blocked) => self.conflict(op, blocked).await,
        }
    }

    /// Answers a write that was blocked, unless what blocked it is its own doing.
    async fn conflict(&self, op: &Op, blocked: Blocked) -> Written {
        let current = self.whole(blocked.by).await?;
        if blocked.doubtful && took_effect(op, current.as_ref()) {
            tracing::info!(pk = %op.key().pk, "a write whose answer was lost had happened");
            return Ok(current);
        }
        Err(conflict_with(current))
    }
}

/// A condition that did not hold.
struct Blocked {
    /// The item as it is, expired or not.
    by: Option<Stored>,
    /// Whether an earlier attempt of the same write may have been carried out.
    doubtful: bool,
}

fn conflict_with(current: Option<Item>) -> WriteError {
    WriteError::Conflict(Box::new(Conflict { current }))
}

/// An error that may be a condition that did not hold.
trait MayConflict {
    /// The item that stood in the way, if that is what it is.
    fn conflict(&self) -> Option<Option<Stored>>;
}

impl MayConflict for PutItemError {
    fn conflict(&self) -> Option<Option<Stored>> {
        match self {
            Self::ConditionalCheckFailedException(error) => Some(error.item.clone()),
            _ => None,
        }
    }
}

impl MayConflict for UpdateItemError {
    fn conflict(&self) -> Option<Option<Stored>> {
        match self {
            Self::ConditionalCheckFailedException(error) => Some(error.item.clone()),
            _ => None,
        }
    }
}

impl MayConflict for DeleteItemError {
    fn conflict(&self) -> Option<Option<Stored>> {
        match self {
            Self::ConditionalCheckFailedException(error) => Some(error.item.clone()),
            _ => None,
        }
    }
}

/// Tells success, a condition that did not hold, and failures apart.
fn blocked<T, E>(called: Called<T, SdkError<E, Response>>) -> Result<Result<T, Blocked>, WriteError>
where
    E: MayConflict
        + aws_smithy_types::error::metadata::ProvideErrorMetadata
        + std::error::Error
        + Send
        + Sync
        + 'static,
{
    let error = match called.result {
        Ok(answer) => return Ok(Ok(answer)),
        Err(error) => error,
    };
    match error.as_service_error().and_then(MayConflict::conflict) {
        Some(by) => {
            let by = by.filter(|stored| !stored.is_empty());
            Ok(Err(Blocked { by, doubtful: called.doubtful }))
        }
        None => Err(failure(WHAT, error).into()),
    }
}

/// Whether the item is as the write would have left it. An addition alone cannot be told from another's.
fn took_effect(op: &Op, current: Option<&Item>) -> bool {
    match (op, current) {
        (Op::Delete(..), current) => current.is_none(),
        (Op::Put(item, _), Some(current)) => {
            item.attrs == current.attrs && item.expires_at.map(rounded) == current.expires_at
        }
        (Op::Update(_, changes, _), Some(current)) => {
            let mut told = false;
            let all = changes.iter().all(|change| match change {
                Change::Set(name, value) => {
                    told = true;
                    current.attrs.get(name) == Some(value)
                }
                Change::Add(name, _) => current.attrs.num(name).is_some(),
                Change::Remove(name) => current.attrs.get(name).is_none(),
                Change::Expire(at) => at.map(rounded) == current.expires_at,
            });
            told && all
        }
        (Op::Put(..) | Op::Update(..), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use mc_core::Timestamp;

    use super::*;

    #[test]
    fn a_write_knows_its_own_effect() {
        let key = Key::new("p", "s");
        let item = Item::new(key.clone(), Attrs::new().with("st", "p").with("at", 3).with("x", 1))
            .expiring(Timestamp::from_millis(2000));
        let update = |changes| Op::Update(key.clone(), changes, vec![]);
        let add = Change::Add("at".into(), 1);
        for (op, expected) in [
            (update(vec![Change::set("st", "p"), add.clone()]), true),
            (update(vec![Change::set("st", "q"), add.clone()]), false),
            (update(vec![add.clone()]), false),
            (update(vec![Change::set("st", "p"), Change::Remove("x".into())]), false),
            (update(vec![Change::set("st", "p"), Change::Expire(Some(Timestamp::from_millis(1001)))]), true),
            (Op::put_new(item.clone()), true),
            (Op::put_new(Item::new(key.clone(), item.attrs.clone())), false),
            (Op::Delete(key.clone(), vec![]), false),
        ] {
            assert_eq!(took_effect(&op, Some(&item)), expected, "{op:?}");
        }
        assert!(took_effect(&Op::Delete(key.clone(), vec![]), None));
        assert!(!took_effect(&update(vec![Change::set("st", "p")]), None));
    }
}
