//! The project of the access key: the only one that a key sees and may change.

use serde_json::Value;

use super::collections::{Collection, Declared, OWN};
use crate::client::http::{Client, Failure};

/// The project of the access key.
pub(super) struct Project {
    name: String,
    answer: Value,
}

impl Project {
    /// The one that the center shows to the key.
    pub(super) async fn fetch(client: &Client) -> Result<Self, Failure> {
        let mut seen = Collection::of("projects")?.fetch(client).await?.into_iter();
        match (seen.next(), seen.next()) {
            (Some((name, answer)), None) => Ok(Self { name, answer }),
            _ => {
                Err("the center does not show the access key's project; the key needs the role admin".into())
            }
        }
    }

    /// Whether a new version of a template waits for somebody to approve it.
    pub(super) fn approves_templates(&self) -> bool {
        self.answer["settings"]["template_approval"].as_bool() == Some(true)
    }

    /// Gives a file's `project` its name, and refuses what is meant for another project.
    pub(super) fn settle(&self, declared: &mut Declared) -> Result<(), Failure> {
        let Some(projects) = declared.get_mut("projects") else { return Ok(()) };
        if let Some(project) = projects.remove(OWN)
            && projects.insert(self.name.clone(), project).is_some()
        {
            return Err(format!("there are both project and projects/{}; keep one of them", self.name).into());
        }
        match projects.keys().find(|name| **name != self.name) {
            Some(other) => {
                let own = &self.name;
                let text = format!(
                    "projects/{other} is not the access key's project, which is {own}; \
                     a section `project:` without a name is for whichever project the key belongs to"
                );
                Err(text.into())
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::collections::Named;
    use super::*;

    fn settled(names: &[&str]) -> Result<Vec<String>, String> {
        let projects: Named = names.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
        let mut declared: Declared = [("projects", projects)].into();
        let own = Project { name: "web".to_owned(), answer: json!({}) };
        own.settle(&mut declared).map_err(|e| e.to_string())?;
        Ok(declared["projects"].keys().cloned().collect())
    }

    #[test]
    fn a_file_without_a_name_is_for_the_keys_own_project() {
        assert_eq!(settled(&[OWN]).unwrap(), ["web"]);
        assert_eq!(settled(&["web"]).unwrap(), ["web"]);
    }

    #[test]
    fn a_file_for_another_project_is_refused() {
        assert!(settled(&["default"]).unwrap_err().contains("projects/default"));
        assert!(settled(&[OWN, "web"]).unwrap_err().contains("both"));
    }
}
