//! How many renderings a second: a template of 2 KB with 20 variables, written in each dialect.
//!
//! Prints one JSON line: the template and its values, and renderings a second. `make bench-render` runs it beside
//! Python's Jinja2 and Markdown libraries.

use std::hint::black_box;
use std::time::{Duration, Instant};

use mc_content::{CompiledTemplate, Library, Target, dialect};
use mc_core::model::{Content, Format, Kind, TemplateBody};
use serde_json::{Map, Value, json};

const TARGET: Target<'static> = Target { kind: Kind::WecomRobot, channel: None };
const TITLE: &str = "{{ var_0 }} failed";

type Write = fn(&Content) -> usize;

const DIALECTS: [(&str, Write); 8] = [
    ("wecom", |c| dialect::wecom(&c.body.text, &mut Vec::new()).len()),
    ("wecom_v2", |c| dialect::wecom_v2(&c.body.text, &mut Vec::new()).len()),
    ("dingtalk", |c| dialect::dingtalk(&c.body.text, &mut Vec::new()).len()),
    ("feishu", |c| dialect::feishu(&c.body.text, &mut Vec::new()).len()),
    ("slack", |c| dialect::slack(&c.body.text, &mut Vec::new()).len()),
    ("text", |c| dialect::text(&c.body).len()),
    ("html", |c| dialect::html(&c.body).len()),
    ("email (HTML and text)", |c| {
        let email = dialect::email(c);
        email.html.len() + email.text.len()
    }),
];

fn main() -> Result<(), String> {
    let data: Map<String, Value> = (0..20)
        .map(|n| (format!("var_{n}"), Value::from(format!("value {n}: a*b_c <d> & [e](f)"))))
        .collect();
    let params = Map::new();
    let source = source();
    let template = TemplateBody {
        title: TITLE.to_owned(),
        body: source.clone(),
        format: Format::Markdown,
        ..TemplateBody::default()
    };
    let compiled =
        CompiledTemplate::compile(&template, &Library::new()).map_err(|errors| format!("{errors:?}"))?;
    let content = || compiled.render(TARGET, &data, &params).map_err(|error| error.to_string());
    content()?;

    // As the pipeline does it, each rendering begins with the template.
    let render = |write: Write| content().map(|content| write(&content)).unwrap_or_default();
    let mut rates = Map::new();
    rates.insert("template alone".to_owned(), per_second(|| render(|c| c.body.text.len())).into());
    for (name, write) in DIALECTS {
        rates.insert(name.to_owned(), per_second(|| render(write)).into());
    }
    let round = per_second(|| DIALECTS.iter().map(|(_, write)| render(*write)).sum());
    let all = round * DIALECTS.len() as f64;
    println!(
        "{}",
        json!({"title": TITLE, "template": source, "data": data, "dialects": rates, "renders_per_second": all})
    );
    Ok(())
}

/// Two kilobytes of the Markdown that alerts are made of.
fn source() -> String {
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

/// The best of several spans: what else the machine does can only make a span worse.
fn per_second(mut work: impl FnMut() -> usize) -> f64 {
    const SPANS: usize = 8;
    const SPAN: Duration = Duration::from_millis(150);
    let mut best = 0.0_f64;
    for _ in 0..SPANS {
        let (start, mut count) = (Instant::now(), 0_u32);
        while start.elapsed() < SPAN {
            for _ in 0..10 {
                black_box(work());
            }
            count += 10;
        }
        best = best.max(f64::from(count) / start.elapsed().as_secs_f64());
    }
    best
}
