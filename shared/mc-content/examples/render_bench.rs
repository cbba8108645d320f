//! How many renderings a second: a small template, and one of 2 KB with 20 variables written in each dialect.
//!
//! `cargo run --release -p mc-content --example render_bench`

use std::hint::black_box;
use std::time::{Duration, Instant};

use mc_content::{CompiledTemplate, Library, Target, dialect};
use mc_core::model::{Body, Content, Format, Kind, TemplateBody};
use mc_core::ports::Warning;
use serde_json::{Map, Value};

const TARGET: Target<'static> = Target { kind: Kind::WecomRobot, channel: None };

type Write = fn(&Content) -> String;

fn main() -> Result<(), String> {
    let data: Map<String, Value> = (0..20)
        .map(|n| (format!("var_{n}"), Value::from(format!("value {n}: a*b_c <d> & [e](f)"))))
        .collect();
    let params = Map::new();

    let small = compiled("{{ var_0 }} failed", "**{{ var_0 }}** failed on {{ var_1 }}: {{ var_2 }}\n")?;
    measure("small template", || {
        small.render(TARGET, &data, &params).map(|c| c.body.text.len()).unwrap_or(0)
    });

    let source = large();
    let large = compiled("{{ var_0 }} failed", &source)?;
    println!("the large template has {} bytes", source.len());
    measure("large template", || {
        large.render(TARGET, &data, &params).map(|c| c.body.text.len()).unwrap_or(0)
    });

    let content = large.render(TARGET, &data, &params).map_err(|e| e.to_string())?;
    println!("template and dialect together:");
    let dialects: [(&str, Write); 7] = [
        ("wecom", |c| dialect::wecom(&c.body.text, &mut Vec::new())),
        ("wecom_v2", |c| dialect::wecom_v2(&c.body.text, &mut Vec::<Warning>::new())),
        ("dingtalk", |c| dialect::dingtalk(&c.body.text, &mut Vec::new())),
        ("commonmark", |c| dialect::commonmark(&c.body.text)),
        ("text", |c| dialect::text(&c.body)),
        ("email html", |c| dialect::email(c).html),
        ("email text", dialect::email_text),
    ];
    for (name, write) in dialects {
        measure(name, || large.render(TARGET, &data, &params).map(|c| write(&c).len()).unwrap_or(0));
    }
    measure("all seven", || {
        large
            .render(TARGET, &data, &params)
            .map(|c| dialects.iter().map(|(_, write)| write(&c).len()).sum())
            .unwrap_or(0)
    });
    println!("dialect alone:");
    for (name, write) in dialects {
        measure(name, || write(&content).len());
    }
    let body = Body { format: Format::Markdown, text: content.body.text.clone() };
    measure("html", || dialect::html(&body).len());
    Ok(())
}

fn compiled(title: &str, body: &str) -> Result<CompiledTemplate, String> {
    let template = TemplateBody {
        title: title.to_owned(),
        body: body.to_owned(),
        format: Format::Markdown,
        ..TemplateBody::default()
    };
    CompiledTemplate::compile(&template, &Library::new()).map_err(|errors| format!("{errors:?}"))
}

/// Two kilobytes of the Markdown that alerts are made of.
fn large() -> String {
    let mut source =
        "# {{ var_0 }}\n\nService **{{ var_1 }}** in `{{ var_2 }}` reports {{ var_3 }}.\n\n".to_owned();
    source.push_str("| Item | Value |\n|---|---|\n");
    for n in 4..10 {
        source.push_str(&format!("| Metric {n} | {{{{ var_{n} }}}} |\n"));
    }
    source.push_str("\n> {{ var_10 }}\n\n```\n{{ var_11 }}\n```\n\n");
    for n in 12..20 {
        source.push_str(&format!("- **Step {n}**: look at {{{{ var_{n} }}}} and [open it](https://x.example/{{{{ var_{n} | urlencode }}}})\n"));
    }
    source.push('\n');
    while source.len() < 2048 {
        source.push_str(
            "This sentence stands for the explanations that people add to *every* alert they write.\n",
        );
    }
    source
}

fn measure(name: &str, mut work: impl FnMut() -> usize) {
    let span = Duration::from_millis(700);
    let warm = Instant::now();
    while warm.elapsed() < Duration::from_millis(100) {
        black_box(work());
    }
    let (start, mut count) = (Instant::now(), 0u32);
    while start.elapsed() < span {
        for _ in 0..20 {
            black_box(work());
        }
        count += 20;
    }
    let each = start.elapsed().as_secs_f64() / f64::from(count);
    println!("{name:>16}: {:>9.0} /s, {:>8.2} µs each", 1.0 / each, each * 1e6);
}
