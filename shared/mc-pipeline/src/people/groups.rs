//! Changing groups: members must be there, groups may be nested five deep and never contain themselves.

use std::collections::HashMap;

use mc_content::FieldError;
use mc_core::Result;
use mc_core::id::is_name;
use mc_core::model::GroupDoc;

use crate::accept::Refusal;
use crate::center::Center;

/// A group may contain groups, and these others, so that the chain is at most this long.
pub const MAX_DEPTH: usize = 5;

/// At most this many members of one group; nested groups hold more.
pub const MAX_MEMBERS: usize = 5000;

/// What stands before a group's name.
pub const SIGN: char = '@';

/// Checks the members of a group about to be written.
pub async fn check(center: &Center, project: &str, name: &str, members: &[String]) -> Result<(), Refusal> {
    if members.len() > MAX_MEMBERS {
        let detail = "a group has at most 5000 members; put groups into it to hold more";
        return Err(Refusal::field("invalid_request", "/members", detail));
    }
    let at = |i: usize| format!("/members/{i}");
    let mut errors = Vec::new();
    for (i, member) in members.iter().enumerate() {
        if !is_name(member.strip_prefix(SIGN).unwrap_or(member)) {
            errors.push(FieldError::new(at(i), "a member is a contact's id, or @ and a group's name"));
        }
    }
    if !errors.is_empty() {
        return Err(Refusal::fields("invalid_request", errors));
    }
    let ids: Vec<&str> = members.iter().map(String::as_str).filter(|m| !m.starts_with(SIGN)).collect();
    let mut found = center.contacts.stored(project, &ids).await?.into_iter();
    let mut graph: HashMap<String, Vec<String>> = center
        .groups
        .all(project)
        .await?
        .into_iter()
        .map(|(name, doc)| (name, nested(&doc.members).map(str::to_owned).collect()))
        .collect();
    graph.insert(name.to_owned(), nested(members).map(str::to_owned).collect());
    // Every wrong member is named; the code is about the first.
    let mut code = None;
    for (i, member) in members.iter().enumerate() {
        let (what, detail) = match member.strip_prefix(SIGN) {
            // The answers come in the order of the contacts.
            None if found.next().flatten().is_some() => continue,
            None => ("unknown_contact", format!("there is no contact {member:?} in this project")),
            Some(group) if !graph.contains_key(group) => {
                ("unknown_group", format!("there is no group {member:?} in this project"))
            }
            Some(group) if reaches(&graph, group, name) => {
                ("group_cycle", format!("{member:?} contains this group, and no group may contain itself"))
            }
            Some(_) => continue,
        };
        code.get_or_insert(what);
        errors.push(FieldError::new(at(i), detail));
    }
    if let Some(code) = code {
        return Err(Refusal::fields(code, errors));
    }
    // What is above counts too: a group that grows deeper may be too deep for those that contain it.
    if let Some(top) = graph.keys().filter(|g| depth(&graph, g) > MAX_DEPTH).min() {
        let detail = format!("groups would be nested more than {MAX_DEPTH} deep, beginning with \"@{top}\"");
        return Err(Refusal::field("group_too_deep", "/members", detail));
    }
    Ok(())
}

/// The groups among members.
fn nested(members: &[String]) -> impl Iterator<Item = &str> {
    members.iter().filter_map(|m| m.strip_prefix(SIGN))
}

type Graph = HashMap<String, Vec<String>>;

/// Whether one leads to the other.
fn reaches(graph: &Graph, from: &str, to: &str) -> bool {
    let (mut open, mut seen) = (vec![from], std::collections::HashSet::new());
    while let Some(group) = open.pop() {
        if group == to {
            return true;
        }
        if seen.insert(group) {
            open.extend(graph.get(group).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

/// How many groups the longest chain below a group has, itself included; it stops counting beyond the allowed depth.
fn depth(graph: &Graph, group: &str) -> usize {
    let mut level = vec![group];
    for depth in 1..=MAX_DEPTH {
        let mut below: Vec<&str> =
            level.iter().filter_map(|g| graph.get(*g)).flatten().map(String::as_str).collect();
        below.sort_unstable();
        below.dedup();
        if below.is_empty() {
            return depth;
        }
        level = below;
    }
    MAX_DEPTH + 1
}

/// The names of groups that have this member, at most ten of them.
pub async fn having(center: &Center, project: &str, member: &str) -> Result<Vec<String>> {
    let all: Vec<(String, GroupDoc)> = center.groups.all(project).await?;
    let having = all.into_iter().filter(|(_, doc)| doc.members.iter().any(|m| m == member));
    Ok(having.map(|(name, _)| name).take(10).collect())
}
