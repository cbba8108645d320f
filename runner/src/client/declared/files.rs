//! YAML files and folders of them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::collections::{COLLECTIONS, Collection, Declared, as_object};
use crate::client::http::Failure;

/// Reads a file, or every `.yaml` and `.yml` file in a folder and the folders in it; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Declared, Failure> {
    let mut declared = Declared::new();
    if path == Path::new("-") {
        add(&mut declared, "standard input", &std::io::read_to_string(std::io::stdin())?)?;
        return Ok(declared);
    }
    let mut files = Vec::new();
    list(path, &mut files)?;
    files.sort();
    if files.is_empty() {
        return Err(format!("there is no .yaml file in {}", path.display()).into());
    }
    for file in files {
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        add(&mut declared, &file.display().to_string(), &text)?;
    }
    Ok(declared)
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
    }
    Ok(())
}

fn add(declared: &mut Declared, file: &str, text: &str) -> Result<(), Failure> {
    let document: Value = serde_saphyr::from_str(text).map_err(|e| format!("{file}: {e}"))?;
    let shape = || format!("{file}: a file is a map of collections, each a map of names to resources");
    for (word, resources) in as_object(document).ok_or_else(shape)? {
        let collection = Collection::of(&word).map_err(|e| format!("{file}: {e}"))?;
        for (name, resource) in as_object(resources).ok_or_else(shape)? {
            collection.path(&name).map_err(|e| format!("{file}: {e}"))?;
            let resource = as_object(resource).ok_or_else(shape)?;
            let known = declared.entry(collection.word).or_default();
            if known.insert(name.clone(), Value::Object(resource)).is_some() {
                return Err(format!("{file}: {word}/{name} is there twice").into());
            }
        }
    }
    Ok(())
}

/// Everything as one YAML text, collections in the order they build on each other.
pub(super) fn text(declared: &Declared) -> Result<String, Failure> {
    let mut text = String::new();
    for collection in &COLLECTIONS {
        if let Some(resources) = declared.get(collection.word).filter(|r| !r.is_empty()) {
            let one: Map<String, Value> =
                [(collection.word.to_owned(), serde_json::to_value(resources)?)].into_iter().collect();
            text.push_str(&serde_saphyr::to_string(&one)?);
        }
    }
    Ok(text)
}

/// One file per resource: `channels/ops-robot.yaml`. Files of other resources are left alone.
pub(super) fn write(folder: &Path, declared: &Declared) -> Result<usize, Failure> {
    let mut written = 0;
    for (word, resources) in declared {
        let inside = folder.join(word);
        fs::create_dir_all(&inside).map_err(|e| format!("{}: {e}", inside.display()))?;
        for (name, resource) in resources {
            let one: Declared = [(*word, [(name.clone(), resource.clone())].into_iter().collect())].into();
            let file = inside.join(format!("{name}.yaml"));
            fs::write(&file, text(&one)?).map_err(|e| format!("{}: {e}", file.display()))?;
            written += 1;
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let body = "**Done**\n\n- one: two\n";
        let declared: Declared = [
            ("templates", [("hello".to_owned(), json!({"title": "012", "body": body}))].into()),
            ("channels", [("ops".to_owned(), json!({"kind": "wecom_robot"}))].into()),
        ]
        .into();
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(write(folder.path(), &declared).unwrap(), 2);
        assert_eq!(read(folder.path()).unwrap(), declared);
        let text = text(&declared).unwrap();
        assert!(text.starts_with("channels:"), "{text}");
        let mut again = Declared::new();
        add(&mut again, "text", &text).unwrap();
        assert_eq!(again, declared);
    }

    #[test]
    fn mistakes_are_named_with_their_file() {
        let wrong = |text: &str| add(&mut Declared::new(), "a.yaml", text).unwrap_err().to_string();
        assert!(wrong("channels: [1]").contains("a.yaml: a file is a map"));
        assert!(wrong("chanels: {}").contains("a.yaml: chanels is not"));
        assert!(wrong("channels: {a: 1}").contains("a.yaml"));
        assert!(wrong("channels: {a: {}\n").contains("a.yaml"));
        let mut declared = Declared::new();
        add(&mut declared, "a.yaml", "channels: {a: {}}").unwrap();
        let twice = add(&mut declared, "b.yaml", "channels: {a: {}}").unwrap_err().to_string();
        assert_eq!(twice, "b.yaml: channels/a is there twice");
    }
}
