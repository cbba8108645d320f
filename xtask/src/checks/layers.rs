//! Which crate may depend on which.

use toml::{Table, Value};

use crate::finding::Finding;
use crate::tree::Tree;

/// One of our crates: what of our own it may use, and what more its tests may use.
struct Layer {
    name: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
}

/// A function of AWS's wires and stops.
const FUNCTION: &[&str] = &["mc-lambda", "mc-core"];

/// The layers, from the bottom up. Nobody uses the crates that stand last: the runner, its tests, the benchmark, this.
const LAYERS: &[Layer] = &[
    Layer { name: "mc-core", uses: &[], tests_use: &[] },
    Layer { name: "mc-ambient", uses: &["mc-core"], tests_use: &[] },
    Layer { name: "mc-testkit", uses: &["mc-core"], tests_use: &[] },
    Layer { name: "mc-content", uses: &["mc-core"], tests_use: &["mc-testkit"] },
    Layer {
        name: "mc-channels",
        uses: &["mc-content", "mc-core"],
        // Mails go to the sandbox through the client that SES has.
        tests_use: &["mc-testkit", "mc-sandbox", "mc-aws"],
    },
    Layer {
        name: "mc-pipeline",
        uses: &["mc-channels", "mc-content", "mc-core"],
        tests_use: &["mc-testkit", "mc-sandbox", "mc-store-embedded"],
    },
    Layer {
        name: "mc-api",
        uses: &["mc-pipeline", "mc-channels", "mc-content", "mc-core"],
        tests_use: &["mc-testkit", "mc-sandbox", "mc-store-embedded"],
    },
    // What the use-cases promise, for the tests of each place to run in.
    Layer {
        name: "mc-suites",
        uses: &["mc-pipeline", "mc-channels", "mc-core", "mc-testkit"],
        tests_use: &[],
    },
    Layer { name: "mc-store-embedded", uses: &["mc-core"], tests_use: &["mc-testkit", "mc-suites"] },
    Layer { name: "mc-aws", uses: &["mc-core"], tests_use: &["mc-testkit", "mc-suites"] },
    Layer {
        name: "mc-lambda",
        uses: &["mc-ambient", "mc-api", "mc-aws", "mc-pipeline", "mc-channels", "mc-content", "mc-core"],
        tests_use: &["mc-testkit", "mc-store-embedded"],
    },
    Layer { name: "ingest", uses: FUNCTION, tests_use: &[] },
    Layer { name: "console", uses: FUNCTION, tests_use: &[] },
    Layer { name: "callback", uses: FUNCTION, tests_use: &[] },
    Layer { name: "send-wecom", uses: FUNCTION, tests_use: &[] },
    Layer { name: "send-wechat", uses: FUNCTION, tests_use: &[] },
    Layer { name: "send-dingtalk", uses: FUNCTION, tests_use: &[] },
    Layer { name: "send-feishu", uses: FUNCTION, tests_use: &[] },
    Layer { name: "send-email", uses: FUNCTION, tests_use: &[] },
    Layer { name: "send-webhook", uses: FUNCTION, tests_use: &[] },
    Layer { name: "schedule", uses: FUNCTION, tests_use: &[] },
    Layer { name: "quota", uses: FUNCTION, tests_use: &[] },
    // Written from the platforms' rules and not from our client, so that the two can disagree.
    Layer { name: "mc-sandbox", uses: &[], tests_use: &[] },
    Layer {
        name: "message-center",
        uses: &[
            "mc-ambient",
            "mc-api",
            "mc-pipeline",
            "mc-channels",
            "mc-content",
            "mc-core",
            "mc-store-embedded",
            "mc-aws",
            "mc-sandbox",
        ],
        tests_use: &["mc-testkit"],
    },
    Layer {
        name: "mc-tests",
        uses: &[
            "mc-api",
            "mc-pipeline",
            "mc-channels",
            "mc-content",
            "mc-core",
            "mc-store-embedded",
            "mc-sandbox",
            "mc-testkit",
        ],
        tests_use: &[],
    },
    Layer {
        name: "mc-bench",
        uses: &["mc-pipeline", "mc-channels", "mc-content", "mc-core", "mc-store-embedded", "mc-testkit"],
        tests_use: &["mc-api"],
    },
    Layer { name: "xtask", uses: &[], tests_use: &[] },
];

/// What the core must not know: servers, clients, runtimes, clouds.
const NOT_IN_CORE: [&str; 13] = [
    "async-std",
    "axum",
    "http",
    "http-body",
    "http-body-util",
    "hyper",
    "hyper-util",
    "lettre",
    "reqwest",
    "rusqlite",
    "tokio",
    "tower",
    "ureq",
];

/// Looks at every manifest.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.texts.iter().filter(|(path, _)| path.ends_with("/Cargo.toml"));
    manifests.flat_map(|(path, text)| check_manifest(path, text)).collect()
}

fn check_manifest(path: &str, text: &str) -> Vec<Finding> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(path, 1, format!("This manifest cannot be read: {error}"))],
    };
    let name = manifest.get("package").and_then(|p| p.get("name")).and_then(Value::as_str).unwrap_or("");
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
        let problem =
            format!("The crate {name} has no place among the layers; see xtask/src/checks/layers.rs.");
        return vec![Finding::new(path, 1, problem)];
    };
    let mut findings = Vec::new();
    for (dependency, in_tests) in dependencies(&manifest) {
        if let Some(problem) = problem(layer, &dependency, in_tests) {
            findings.push(Finding::new(path, line_of(text, &dependency), problem));
        }
    }
    findings
}

/// What is wrong with one dependency, if anything.
fn problem(layer: &Layer, dependency: &str, in_tests: bool) -> Option<String> {
    let name = layer.name;
    let ours = LAYERS.iter().any(|layer| layer.name == dependency);
    let allowed = layer.uses.contains(&dependency) || in_tests && layer.tests_use.contains(&dependency);
    if ours && !allowed {
        let whose = if in_tests { "tests of " } else { "" };
        return Some(format!(
            "The {whose}crate {name} may not depend on {dependency}; see docs/ARCHITECTURE.md."
        ));
    }
    let cloud = dependency.starts_with("aws-") || dependency.starts_with("aws_");
    if name == "mc-core" && !in_tests && (cloud || NOT_IN_CORE.contains(&dependency)) {
        return Some(format!(
            "The core knows no server, client, runtime or cloud, so it may not use {dependency}."
        ));
    }
    if dependency.starts_with("lambda_") && name != "mc-lambda" {
        return Some(format!("Only mc-lambda knows Lambda, so {name} may not use {dependency}."));
    }
    (cloud && name != "mc-aws")
        .then(|| format!("Only mc-aws talks to AWS, so {name} may not use {dependency}."))
}

/// The names of all dependencies, each with whether only tests have it.
fn dependencies(manifest: &Table) -> Vec<(String, bool)> {
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let holders = std::iter::once(manifest).chain(platforms.filter_map(Value::as_table));
    let mut found = Vec::new();
    for holder in holders {
        for (section, in_tests) in
            [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
        {
            for (key, value) in holder.get(section).and_then(Value::as_table).into_iter().flatten() {
                let name = value.get("package").and_then(Value::as_str).unwrap_or(key);
                found.push((name.to_owned(), in_tests));
            }
        }
    }
    found
}

/// The line that names a dependency.
fn line_of(manifest: &str, dependency: &str) -> usize {
    let named = |line: &str| {
        let rest = line.trim_start().strip_prefix(dependency);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
            || line.contains(&format!("\"{dependency}\""))
    };
    manifest.lines().position(named).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(manifest: &str) -> Vec<(usize, String)> {
        check_manifest("x/Cargo.toml", manifest).into_iter().map(|f| (f.line, f.text)).collect()
    }

    #[test]
    fn a_layer_may_use_what_lies_below_it() {
        let manifest = "[package]\nname = \"mc-channels\"\n[dependencies]\nmc-core.workspace = true\n\
                        [dev-dependencies]\nmc-testkit.workspace = true\n";
        assert_eq!(found(manifest), []);
    }

    #[test]
    fn an_edge_upwards_is_found_with_its_line() {
        let manifest =
            "[package]\nname = \"mc-channels\"\n[dependencies]\nmc-store-embedded.workspace = true\n";
        let found = found(manifest);
        assert_eq!(found[0].0, 4);
        assert!(found[0].1.contains("mc-channels may not depend on mc-store-embedded"), "{found:?}");
    }

    #[test]
    fn what_tests_use_is_not_for_the_crate_itself() {
        let manifest = "[package]\nname = \"mc-channels\"\n[dependencies]\nmc-testkit.workspace = true\n";
        assert_eq!(found(manifest).len(), 1);
    }

    #[test]
    fn one_crate_knows_lambda() {
        let mut layers = LAYERS.iter();
        assert!(layers.all(|layer| (layer.name != "mc-lambda") == problem(layer, "lambda_runtime", false).is_some()));
    }

    #[test]
    fn nobody_depends_on_the_runner() {
        for layer in LAYERS {
            for other in ["message-center", "mc-tests", "mc-bench", "xtask"] {
                assert!(problem(layer, other, true).is_some(), "{} -> {other}", layer.name);
            }
        }
    }

    #[test]
    fn the_core_knows_no_runtime_under_any_name() {
        let manifest = "[package]\nname = \"mc-core\"\n[target.'cfg(unix)'.dependencies]\n\
                        rt = { package = \"tokio\", version = \"1\" }\n";
        assert_eq!(found(manifest)[0].0, 4);
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(found("[package]\nname = \"mc-new\"\n").len(), 1);
    }
}
