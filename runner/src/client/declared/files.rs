//! YAML files and folders of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use serde_saphyr::UserMessageFormatter;

use super::collections::{COLLECTIONS, Collection, Declared, OWN, as_object};
use crate::client::http::Failure;

/// Reads a file, or every `.yaml` and `.yml` file in a folder and the folders in it; `-` is standard input. Hidden folders
/// are left out: tools keep their own in them, and Kubernetes mounts all files a second time in one.
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
        let entry = entry?;
        let path = entry.path();
        if path.is_dir() {
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                list(&path, files)?;
            }
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
    }
    Ok(())
}

fn add(declared: &mut Declared, file: &str, text: &str) -> Result<(), Failure> {
    add_documents(declared, text).map_err(|e| format!("{file}: {e}").into())
}

fn add_documents(declared: &mut Declared, text: &str) -> Result<(), Failure> {
    // In YAML 1.2 `no`, `y` and `1_000` are texts. `0755` is a number there, but who writes the zero means an id or a telephone
    // number, and would lose it without a word.
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    // The library's usual words are for programmers and name its own functions.
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|e| e.render_with_formatter(&UserMessageFormatter))?;
    let shape = || "a file is a map of collections, each a map of names to resources";
    for document in documents {
        for (word, resources) in as_object(document).ok_or_else(shape)? {
            if word == "project" {
                let project = as_object(resources).ok_or("project is a map of fields, without a name")?;
                keep(declared, Collection::of("projects")?, OWN.to_owned(), project)?;
                continue;
            }
            let collection = Collection::of(&word)?;
            for (name, resource) in as_object(resources).ok_or_else(shape)? {
                collection.path(&name)?;
                keep(declared, collection, name, as_object(resource).ok_or_else(shape)?)?;
            }
        }
    }
    Ok(())
}

fn keep(
    declared: &mut Declared,
    collection: &'static Collection,
    name: String,
    fields: Map<String, Value>,
) -> Result<(), Failure> {
    let label = collection.label(&name);
    match declared.entry(collection.word).or_default().insert(name, Value::Object(fields)) {
        Some(_) => Err(format!("{label} is there twice").into()),
        None => Ok(()),
    }
}

/// Everything as one YAML text, collections in the order they build on each other.
pub(super) fn text(declared: &Declared) -> Result<String, Failure> {
    let mut text = String::new();
    for collection in &COLLECTIONS {
        let mut named = Map::new();
        for (name, resource) in declared.get(collection.word).into_iter().flatten() {
            if name == OWN {
                text.push_str(&section("project", resource.clone())?);
            } else {
                named.insert(name.clone(), resource.clone());
            }
        }
        if !named.is_empty() {
            text.push_str(&section(collection.word, Value::Object(named))?);
        }
    }
    Ok(text)
}

fn section(word: &str, content: Value) -> Result<String, Failure> {
    let one: Map<String, Value> = [(word.to_owned(), content)].into_iter().collect();
    Ok(serde_saphyr::to_string(&one)?)
}

/// One file per resource: `channels/ops-robot.yaml`. Files of other resources are left alone.
pub(super) fn write(folder: &Path, declared: &Declared) -> Result<usize, Failure> {
    let mut written = 0;
    for (word, resources) in declared {
        let mut spellings: BTreeMap<String, usize> = BTreeMap::new();
        for name in resources.keys() {
            *spellings.entry(name.to_ascii_lowercase()).or_default() += 1;
        }
        for (name, resource) in resources {
            let alone = spellings.get(&name.to_ascii_lowercase()) == Some(&1);
            let (inside, file) = match name.as_str() {
                OWN => (folder.to_owned(), "project.yaml".to_owned()),
                name => (folder.join(word), file_name(name, alone)),
            };
            let one: Declared = [(*word, [(name.clone(), resource.clone())].into_iter().collect())].into();
            let file = inside.join(file);
            fs::create_dir_all(&inside).map_err(|e| format!("{}: {e}", inside.display()))?;
            fs::write(&file, text(&one)?).map_err(|e| format!("{}: {e}", file.display()))?;
            written += 1;
        }
    }
    Ok(written)
}

/// A file of its own also on a disk to which `d1` and `D1` are the same: where both are there, the capitals are told by a
/// number, each of them a bit. No name has a `+` in it, and other resources change nothing in it.
fn file_name(name: &str, alone: bool) -> String {
    let capitals = name.bytes().fold(0_u64, |bits, byte| (bits << 1) | u64::from(byte.is_ascii_uppercase()));
    if alone || capitals == 0 { format!("{name}.yaml") } else { format!("{name}+{capitals:x}.yaml") }
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
            ("projects", [(OWN.to_owned(), json!({"display_name": "Web"}))].into()),
        ]
        .into();
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(write(folder.path(), &declared).unwrap(), 3);
        assert_eq!(read(folder.path()).unwrap(), declared);
        let text = text(&declared).unwrap();
        assert!(text.starts_with("project:") && text.contains("\nchannels:"), "{text}");
        let mut again = Declared::new();
        add(&mut again, "text", &text).unwrap();
        assert_eq!(again, declared);
    }

    #[test]
    fn hidden_folders_are_left_out_and_hidden_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for (inside, file, text) in [
            (".", "project.yaml", "project: {}"),
            ("..data", "project.yaml", "project: {}"),
            (".github", "test.yml", "on: push"),
            ("channels", ".ops.yaml", "channels: {.ops: {kind: slack}}"),
        ] {
            fs::create_dir_all(folder.path().join(inside)).unwrap();
            fs::write(folder.path().join(inside).join(file), text).unwrap();
        }
        let declared = read(folder.path()).unwrap();
        let kinds: Vec<(&str, usize)> = declared.iter().map(|(word, named)| (*word, named.len())).collect();
        assert_eq!(kinds, [("channels", 1), ("projects", 1)]);
    }

    #[test]
    fn names_that_differ_in_their_capitals_have_files_that_differ_in_more() {
        let named = |name: &str| (name.to_owned(), json!({"email": format!("{name}@example.com")}));
        let declared: Declared = [("contacts", ["d1", "D1", "Zoe"].map(named).into())].into();
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(write(folder.path(), &declared).unwrap(), 3);
        let mut files: Vec<String> = fs::read_dir(folder.path().join("contacts"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(files, ["D1+2.yaml", "Zoe.yaml", "d1.yaml"]);
        assert_eq!(read(folder.path()).unwrap(), declared);
    }

    #[test]
    fn a_file_may_have_several_documents() {
        let mut declared = Declared::new();
        let text = "---\nchannels: {a: {kind: slack}}\n---\n---\nchannels: {b: {}}\nproject:\n";
        add(&mut declared, "a.yaml", text).unwrap();
        assert_eq!(declared["channels"].keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(declared["projects"][OWN], json!({}));
        let twice = add(&mut declared, "b.yaml", "channels: {c: {}}\n---\nchannels: {a: {}}").unwrap_err();
        assert_eq!(twice.to_string(), "b.yaml: channels/a is there twice");
    }

    #[test]
    fn words_that_only_old_yaml_takes_for_true_and_false_are_texts() {
        let mut declared = Declared::new();
        add(&mut declared, "a.yaml", "contacts: {ole: {locale: no, email: true}}").unwrap();
        assert_eq!(declared["contacts"]["ole"], json!({"locale": "no", "email": true}));
    }

    #[test]
    fn digits_keep_their_leading_zero() {
        let mut declared = Declared::new();
        let text = "contacts: {0123: {mobile: 075512345678, name: 007, wecom: 1_000, dingtalk: \"42\"}}\n\
                    schedules: {s: {message: {data: {id: -01, many: [00, 0, 0.5, 10]}}}}";
        add(&mut declared, "a.yaml", text).unwrap();
        let contact = json!({"mobile": "075512345678", "name": "007", "wecom": "1_000", "dingtalk": "42"});
        assert_eq!(declared["contacts"]["0123"], contact);
        let data = json!({"id": "-01", "many": ["00", 0, 0.5, 10]});
        assert_eq!(declared["schedules"]["s"]["message"]["data"], data);
        let mut again = Declared::new();
        add(&mut again, "b.yaml", &super::text(&declared).unwrap()).unwrap();
        assert_eq!(again, declared);
    }

    #[test]
    fn mistakes_are_named_with_their_file() {
        let wrong = |text: &str| add(&mut Declared::new(), "a.yaml", text).unwrap_err().to_string();
        assert!(wrong("channels: [1]").contains("a.yaml: a file is a map"));
        assert!(wrong("chanels: {}").contains("a.yaml: chanels is not"));
        assert!(wrong("channels: {a: 1}").contains("a.yaml"));
        assert!(wrong("channels: {a: {}\n").contains("a.yaml"));
        let twice = wrong("channels:\n  a: {kind: slack}\n  a: {kind: webhook}\n");
        assert!(twice.contains("duplicate mapping key `a`") && !twice.contains("Policy"), "{twice}");
        let mut declared = Declared::new();
        add(&mut declared, "a.yaml", "channels: {a: {}}").unwrap();
        let twice = add(&mut declared, "b.yaml", "channels: {a: {}}").unwrap_err().to_string();
        assert_eq!(twice, "b.yaml: channels/a is there twice");
    }
}
