//! What `docs/CHANNELS.md` says of each kind is what the code knows of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mc_channels::capability;
use mc_core::model::Kind;
use mc_core::ports::Batching;

const GUIDE: &str = include_str!("../../../../docs/CHANNELS.md");

#[test]
fn the_overview_says_what_the_kinds_can_do() {
    let rows = GUIDE.lines().skip_while(|line| !line.starts_with("| kind | in a call |"));
    let rows: Vec<Vec<&str>> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').map(str::trim).skip(1).collect())
        .collect();
    let yes = |able: bool| if able { "yes" } else { "no" }.to_owned();
    for kind in Kind::ALL {
        let quoted = format!("`{}`", kind.as_str());
        let row = rows.iter().find(|row| row[0] == quoted);
        let row = row.unwrap_or_else(|| panic!("{quoted} has no row in the overview"));
        let capability = capability(kind);
        let batching = match capability.batching {
            Batching::Broadcast => "all".to_owned(),
            Batching::Single => "1".to_owned(),
            Batching::UpTo(most) => most.to_string(),
        };
        let repeats =
            capability.dedupe.map_or_else(|| "no".to_owned(), |time| format!("{} min", time.as_secs() / 60));
        let expected = [batching, repeats, yes(capability.receipts), yes(capability.recall)];
        assert_eq!([row[1], row[2], row[4], row[5]], expected.each_ref().map(String::as_str), "{quoted}");
    }
}

/// Where codes of warnings are written, and what stands in front of them.
const SOURCES: [&str; 2] = ["src", "../mc-content/src/dialect"];
const SITES: [&str; 2] = ["Warning::new(", "notes.add("];

#[test]
fn every_warning_is_in_the_table_and_the_table_has_no_other() {
    let rows = GUIDE.lines().skip_while(|line| !line.starts_with("| warning | meaning |")).skip(2);
    let listed: BTreeSet<&str> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('`').nth(1).expect("a code in the first cell"))
        .collect();
    let mut code = String::new();
    for folder in SOURCES {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut code);
    }
    let mut written = BTreeSet::new();
    for site in SITES {
        for (at, _) in code.match_indices(site) {
            // A code that is a variable stands as a text elsewhere.
            let argument = code[at + site.len()..].trim_start();
            written.extend(argument.strip_prefix('"').and_then(|text| text.split('"').next()));
        }
    }
    assert!(written.len() > 20, "{written:?}");
    let missing: Vec<_> = written.difference(&listed).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    let unused: Vec<_> = listed.iter().filter(|name| !code.contains(&format!("\"{name}\""))).collect();
    assert!(unused.is_empty(), "nobody says {unused:?}");
}

/// All code of a folder but for tests, which stand at the end of their files.
fn read(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of code") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = fs::read_to_string(&path).expect("code");
            into.push_str(file.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
        }
    }
}
