//! `cargo xtask tidy`: checks of the house's own rules, which no compiler knows.

use std::process::ExitCode;

mod cargo;
mod checks;
mod finding;
mod rust;
mod tree;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(),
        _ => {
            println!("cargo xtask tidy    checks the house rules of CONTRIBUTING.md");
            ExitCode::from(u8::from(!arguments.is_empty()) * 2)
        }
    }
}

fn tidy() -> ExitCode {
    match tree::Tree::open().and_then(|tree| checks::all(&tree)) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            println!("tidy: {} to mend", findings.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy: {error}");
            ExitCode::FAILURE
        }
    }
}
