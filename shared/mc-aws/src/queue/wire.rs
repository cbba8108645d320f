//! The form of what travels through a queue, and how tasks are packed.

use std::time::Duration;

use mc_core::ports::{Family, Group, Outgoing, Task};
use mc_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// At most this many tasks in one envelope: one invocation works on all of them.
pub(super) const TASKS: usize = 100;

/// The body of a queue's message. The group stands here too, so that an envelope is whole wherever it turns up; tasks
/// carry their own versions.
#[derive(Serialize)]
struct Body<'a> {
    g: &'a str,
    t: &'a [Task],
}

#[derive(Deserialize)]
struct OwnedBody {
    g: String,
    t: Vec<Task>,
}

/// An envelope before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) family: Family,
    pub(super) group: Group,
    /// In whole seconds, as queues have it; rounded up, so that nothing comes too early.
    pub(super) delay: i32,
    pub(super) tasks: Vec<Task>,
}

impl Packed {
    pub(super) fn body(&self) -> Result<String> {
        serde_json::to_string(&Body { g: self.group.as_str(), t: &self.tasks })
            .map_err(|error| Error::new(ErrorKind::Internal, "tasks cannot be written").because(error))
    }
}

/// Packs tasks of one family, group and delay together, in their order.
pub(super) fn pack(tasks: Vec<Outgoing>, most: usize) -> Vec<Packed> {
    let mut packed: Vec<Packed> = Vec::new();
    for Outgoing { family, group, task, delay } in tasks {
        let delay = seconds(delay);
        let fits = |p: &&mut Packed| {
            p.family == family && p.delay == delay && p.group == group && p.tasks.len() < most
        };
        // The last ones are looked at first: what belongs together mostly comes together.
        match packed.iter_mut().rev().find(fits) {
            Some(envelope) => envelope.tasks.push(task),
            None => packed.push(Packed { family, group, delay, tasks: vec![task] }),
        }
    }
    packed
}

fn seconds(delay: Duration) -> i32 {
    let rounded = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    i32::try_from(rounded).unwrap_or(i32::MAX)
}

/// Reads a body.
pub(super) fn read(body: &str) -> Result<(Group, Vec<Task>)> {
    let body: OwnedBody = serde_json::from_str(body).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "a message of the queue cannot be read").because(error)
    })?;
    if body.t.is_empty() {
        return Err(Error::new(ErrorKind::Corrupt, "a message of the queue holds no task"));
    }
    Ok((Group::from_text(body.g), body.t))
}

#[cfg(test)]
mod tests {
    use mc_core::model::Priority;

    use super::*;

    fn outgoing(group: &Group, n: u32, millis: u64) -> Outgoing {
        let message = "msg_01HF7YAT31000000000000001A".parse().unwrap();
        let task =
            Task::Deliver { project: "p".into(), message, share: n, channel: "robot".into(), slot: None };
        Outgoing { family: Family::Email, group: group.clone(), task, delay: Duration::from_millis(millis) }
    }

    #[test]
    fn what_belongs_together_travels_together() {
        let [a, b] = ["a", "b"].map(|project| Group::of(project, Priority::Normal));
        let tasks = (0..250).map(|n| outgoing(if n % 2 == 0 { &a } else { &b }, n, 0)).collect();
        let packed = pack(tasks, TASKS);
        let sizes: Vec<_> = packed.iter().map(|p| (p.group.as_str(), p.tasks.len())).collect();
        assert_eq!(sizes, [("a:normal", 100), ("b:normal", 100), ("a:normal", 25), ("b:normal", 25)]);
        let first: Vec<_> = (0..3).map(|n| outgoing(&a, n * 2, 0).task).collect();
        assert_eq!(packed[0].tasks[..3], first);
    }

    #[test]
    fn nothing_comes_too_early() {
        let a = Group::of("a", Priority::High);
        let packed = pack(vec![outgoing(&a, 0, 1), outgoing(&a, 1, 1000), outgoing(&a, 2, 1001)], TASKS);
        assert_eq!(packed.iter().map(|p| (p.delay, p.tasks.len())).collect::<Vec<_>>(), [(1, 2), (2, 1)]);
    }

    #[test]
    fn a_body_comes_back_as_it_was() {
        let a = Group::of("a", Priority::Bulk);
        let packed = pack(vec![outgoing(&a, 1, 0)], TASKS);
        assert_eq!(read(&packed[0].body().unwrap()).unwrap(), (a, packed[0].tasks.clone()));
        for bad in ["", "{}", r#"{"g":"a","t":[]}"#, r#"{"g":"a","t":[{"t":"deliver.99"}]}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
