//! No value becomes formatting, wherever an author puts it and whatever is in it.

use mc_content::dialect;
use mc_core::model::{Body, Format};
use mc_core::ports::Warning;
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::json;

use crate::{render, template};

const VALUES: [&str; 66] = [
    "**bold**",
    "__bold__",
    "*it*",
    "_it_",
    "***",
    "~~no~~",
    "`code`",
    "``",
    "```\ncode\n```",
    "~~~\ncode\n~~~",
    "[a](https://evil.example)",
    "![a](https://evil.example/x.png)",
    "](https://evil.example)[",
    ") [b](https://evil.example",
    "[a][b]",
    "[a]: https://evil.example",
    "<https://evil.example>",
    "<a@b.example>",
    "<b>bold</b>",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</p></div>",
    "<!-- x",
    "<font color=\"warning\">red</font>",
    "<@all>",
    "\" onmouseover=\"alert(1)",
    "&lt;b&gt;",
    "&#60;b&#62;",
    "# heading",
    "#heading",
    "a\n# heading",
    "a\n===",
    "a\n---",
    "---",
    "***\n",
    "> quote",
    "a\n> quote",
    "- item",
    "+ item",
    "* item",
    "1. item",
    "1) item",
    "2024",
    "a\n- item\n  - item",
    "- [x] done",
    "    code",
    "\tcode",
    "a\n\n    code",
    "a\n\nb",
    "a\r\nb\rc",
    "| a | b |\n|---|---|\n| c | d |",
    "a | b",
    "|",
    ":--",
    "\\",
    "\\*",
    "a  \nb",
    " a ",
    "  ",
    "完成。",
    "：",
    "\u{a0}a\u{a0}",
    "\u{10F72A}\u{10F72A}a\u{10F72A}\u{10F72A}",
    "wow!",
    "javascript:alert(1)",
    "^a^ $x$ {.b} [^1] :smile: ~a~",
];

/// Where a value may stand. `v` is the value.
const PLACES: [&str; 20] = [
    "{{ v }}",
    "before {{ v }} after",
    "before{{ v }}after",
    "**{{ v }}**",
    "x**{{ v }}**y",
    "*{{ v }}*",
    "~~{{ v }}~~",
    "`{{ v }}`",
    "```\n{{ v }}\n```",
    "```\na {{ v }} b\n```\n\nafter",
    "    {{ v }}",
    "| head | {{ v }} |\n|---|---|\n| {{ v }} | **{{ v }}** |\n| `{{ v }}` | x |",
    "[{{ v }}](https://good.example)",
    "![{{ v }}](https://good.example/x.png)",
    "see {{ v }}[good](https://good.example)",
    "# {{ v }}",
    "- {{ v }}\n- b",
    "1. a\n2. {{ v }}\n   - {{ v }}",
    "> {{ v }}",
    "{{ v }}\n{{ v }}\n\n{{ v }}",
];

/// What platforms' Markdown may know beyond the standard.
const EXTENSIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_GFM);

/// Everything in Markdown but texts and where lines and paragraphs end.
fn shape(markdown: &str) -> Vec<String> {
    let mut shape = Vec::new();
    for event in Parser::new_ext(markdown, EXTENSIONS) {
        match event {
            Event::Text(_) | Event::SoftBreak | Event::HardBreak | Event::Start(Tag::Paragraph) => {}
            Event::End(pulldown_cmark::TagEnd::Paragraph) => {}
            Event::Code(_) => shape.push("code".to_owned()),
            other => shape.push(format!("{other:?}")),
        }
    }
    shape
}

/// The texts of Markdown, run together.
fn words(markdown: &str) -> String {
    let mut words = String::new();
    for event in Parser::new_ext(markdown, EXTENSIONS) {
        match event {
            Event::Text(text) | Event::Code(text) => words.push_str(&text),
            Event::Html(html) | Event::InlineHtml(html) => panic!("{html} is HTML in {markdown:?}"),
            _ => {}
        }
    }
    words
}

/// A text without what look-alikes, escapes and line ends may change.
fn bare(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '∗' => '*',
            'ˋ' => '`',
            'ˍ' => '_',
            '∼' => '~',
            '∣' => '|',
            '［' => '[',
            '］' => ']',
            c => c,
        })
        .filter(|c| {
            !c.is_whitespace()
                && !c.is_control()
                && *c != '\u{200B}'
                && !('\u{10F700}'..='\u{10F7FF}').contains(c)
        })
        .collect()
}

fn body(place: &str, value: &str) -> String {
    render(&template(Format::Markdown, place), json!({ "v": value })).expect("renders").body.text
}

/// A harmless value of as many lines.
fn twin(value: &str) -> String {
    let lines = value.replace("\r\n", "\n").replace('\r', "\n");
    let lines = lines.split('\n').map(|line| if line.trim().is_empty() { "" } else { "x" });
    lines.collect::<Vec<_>>().join("\n")
}

fn cases() -> impl Iterator<Item = (&'static str, &'static str)> {
    PLACES.iter().flat_map(|place| VALUES.iter().map(move |value| (*place, *value)))
}

/// The tags of HTML, without those of lines and paragraphs.
fn tags(html: &str) -> Vec<String> {
    html.split('<')
        .skip(1)
        .map(|rest| rest.split(['>', ' ']).next().unwrap_or_default().to_owned())
        .filter(|tag| !["br", "p", "/p"].contains(&tag.as_str()))
        .collect()
}

fn html_of(text: &str) -> String {
    dialect::html(&Body { format: Format::Markdown, text: text.to_owned() })
}

#[test]
fn html_has_the_tags_of_the_template_and_the_text_of_the_value() {
    for (place, value) in cases() {
        let html = html_of(&body(place, value));
        let plain = html_of(&body(place, "x"));
        assert_eq!(tags(&html), tags(&plain), "{value:?} in {place:?}: {html}");
        let attribute = |html: &str| html.matches("<a href=").count() + html.matches("<img src=").count();
        assert_eq!(attribute(&html), attribute(&plain), "{value:?} in {place:?}: {html}");
        // A quotation of several lines has a sign on each.
        let text = dialect::text(&Body { format: Format::Html, text: html.clone() }).replace('>', "");
        assert!(bare(&text).contains(&bare(value).replace('>', "")), "{value:?} in {place:?}: {text}");
    }
}

#[test]
fn markdown_platforms_see_the_structure_of_the_template() {
    type Dialect = fn(&str, &mut Vec<Warning>) -> String;
    let dialects: [(&str, Dialect); 4] = [
        ("commonmark", |md, _| dialect::commonmark(md)),
        ("wecom_v2", dialect::wecom_v2),
        ("dingtalk", dialect::dingtalk),
        // Its line ends are the only HTML it writes.
        ("feishu", |md, warnings| dialect::feishu(md, warnings).replace("<br>", " ")),
    ];
    for (place, value) in cases() {
        for (name, write) in dialects {
            let markdown = write(&body(place, value), &mut Vec::new());
            let plain = write(&body(place, &twin(value)), &mut Vec::new());
            let (mut found, mut wanted) = (shape(&markdown), shape(&plain));
            if value.trim().is_empty() {
                // Marks around nothing are left away.
                found.retain(|event| event.contains("Link") || event.contains("Html"));
                wanted.retain(|event| event.contains("Link") || event.contains("Html"));
            }
            assert_eq!(found, wanted, "{name}: {value:?} in {place:?}: {markdown:?}");
            let text = bare(&words(&markdown));
            assert!(text.contains(&bare(value)), "{name}: {value:?} in {place:?}: {markdown:?}");
        }
    }
}

/// How many texts some marks could enclose, counted in each line: no platform takes a mark over a line's end.
fn pairs(text: &str, marks: impl Fn(&str) -> usize) -> usize {
    text.lines().map(|line| marks(line) / 2).sum()
}

/// WeCom's version 1 is no standard Markdown: its few marks are counted. `**` alone in a line is none.
#[test]
fn wecom_sees_no_marks_of_a_value() {
    let marks = |text: &str| {
        let outside_code: String = text.split('`').step_by(2).collect();
        let headings = text.lines().filter(|l| l.starts_with('#')).count();
        let quotes = text.lines().any(|l| l.starts_with('>'));
        let bold = pairs(&outside_code, |line| line.matches("**").count());
        let tags = ["](", "<a", "</", "<b", "<i", "<s", "<!"].map(|m| outside_code.matches(m).count());
        // These may mean something in code as well: nothing is said about it.
        let others = ["`", "<@", "<font"].map(|m| text.matches(m).count());
        (headings, quotes, bold, tags, others)
    };
    for (place, value) in cases() {
        let text = dialect::wecom(&body(place, value), &mut Vec::new());
        let plain = dialect::wecom(&body(place, &twin(value)), &mut Vec::new());
        if !value.trim().is_empty() {
            assert_eq!(marks(&text), marks(&plain), "{value:?} in {place:?}: {text:?}");
        }
        let unmarked = |text: &str| bare(text).replace(['*', '>'], "");
        assert!(unmarked(&text).contains(&unmarked(value)), "{value:?} in {place:?}: {text:?}");
    }
}

/// Slack's mrkdwn is no standard Markdown: its marks are counted, and everything between `<` and `>` is a command.
#[test]
fn slack_sees_no_marks_of_a_value() {
    let marks = |text: &str| {
        let outside_code: String = text.split('`').step_by(2).collect();
        // A run is one mark, and none between the letters of a word.
        let runs = |line: &str, mark: char| {
            let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            let is_mark = |(at, _): &(usize, &str)| {
                let before = line[..*at].chars().next_back();
                let behind = line[*at..].chars().find(|c| *c != mark);
                before != Some(mark) && !(mark == '_' && word(before) && word(behind))
            };
            line.match_indices(mark).filter(is_mark).count()
        };
        let is_quote = |line: &str| line.starts_with('>') || line.starts_with("&gt;");
        let quotes = text.split("```").step_by(2).any(|outside| outside.lines().any(is_quote));
        let enclosed = ['*', '_', '~'].map(|mark| pairs(&outside_code, |line| runs(line, mark)));
        // In a block of code a backtick is one, and three would end it.
        let ticks: usize = text.split("```").step_by(2).map(|outside| outside.matches('`').count()).sum();
        let signs = ["<", ">", "```"].map(|sign| text.matches(sign).count());
        (enclosed, quotes, signs, ticks)
    };
    for (place, value) in cases() {
        let text = dialect::slack(&body(place, value), &mut Vec::new());
        let plain = dialect::slack(&body(place, &twin(value)), &mut Vec::new());
        if !value.trim().is_empty() {
            let (mut found, mut wanted) = (marks(&text), marks(&plain));
            // A quotation of several lines has a sign on each.
            if found.1 && wanted.1 {
                (found.2[1], wanted.2[1]) = (0, 0);
            }
            assert_eq!(found, wanted, "{value:?} in {place:?}: {text:?}");
        }
        let seen = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let unmarked = |text: &str| bare(text).replace(['*', '_', '~', '>'], "");
        assert!(unmarked(&seen).contains(&unmarked(value)), "{value:?} in {place:?}: {text:?}");
    }
}

#[test]
fn a_value_is_changed_only_where_it_would_be_formatting_and_a_warning_says_so() {
    type Dialect = fn(&str, &mut Vec<Warning>) -> String;
    let written = |write: Dialect, place: &str, value: &str| {
        let mut warnings = Vec::new();
        let text = write(&body(place, value), &mut warnings);
        let told = warnings.into_iter().find(|w| w.code == "character_replaced");
        (text, told.map(|w| w.at.expect("a line")))
    };
    let plain = "snake_case, _private, *.log, SELECT * FROM t, 2 ** 10, ~/bin";
    let with_look_alikes: [Dialect; 4] =
        [dialect::wecom, dialect::wecom_v2, dialect::dingtalk, dialect::slack];
    for write in with_look_alikes {
        assert_eq!(written(write, "{{ v }}", plain), (plain.to_owned(), None));
        assert_eq!(written(write, "a\n\nb {{ v }}", "x\n`id`").1.as_deref(), Some("line 4"));
    }
    let told = Some("line 1".to_owned());
    for write in &with_look_alikes[1..] {
        assert_eq!(written(*write, "{{ v }}", "__init__.py"), ("ˍˍinitˍˍ.py".to_owned(), told.clone()));
    }
    assert_eq!(written(dialect::wecom, "{{ v }}", "__init__.py"), ("__init__.py".to_owned(), None));
    let code = "```\n{{ v }}\n```";
    assert_eq!(written(dialect::dingtalk, code, plain), (format!("> {plain}"), None));
    assert_eq!(written(dialect::dingtalk, code, "__init__.py"), ("> ˍˍinitˍˍ.py".to_owned(), told));
    assert_eq!(written(dialect::wecom_v2, code, "__init__.py").1, None);
}

#[test]
fn slack_makes_no_pictures_of_a_values_words() {
    let text = |value: &str| dialect::slack(&body("{{ v }}", value), &mut Vec::new());
    assert_eq!(text(":tada: at 10:30:45 :x"), ":\u{200B}tada: at 10:30:45 :x");
    assert_eq!(text("<!channel> <@U1> &amp;"), "&lt;!channel&gt; &lt;@U1&gt; &amp;amp;");
}

#[test]
fn an_address_from_a_value_opens_what_it_may_open_or_nothing() {
    let more = [
        "https://good.example/a b?c=(d)&e=*f*",
        "HTTPS://GOOD.example",
        "data:text/html,x",
        "//evil",
        "\u{1}javascript:x",
    ];
    for value in VALUES.into_iter().chain(more) {
        for place in ["[go]({{ v }})", "[go](<{{ v }}>)", "![go]({{ v }})", "[go]({{ v }} \"title\")"] {
            let html = html_of(&body(place, value));
            let plain = tags(&html_of(&body(place, "https://good.example")));
            match dialect::safe_url(value) {
                Some(url) => {
                    assert_eq!(tags(&html), plain, "{value:?} in {place:?}: {html}");
                    let escaped = url.replace('&', "&amp;");
                    assert!(html.contains(&format!("=\"{escaped}\"")), "{value:?} in {place:?}: {html}");
                }
                None => assert_eq!(html, "<p>go</p>\n", "{value:?} in {place:?}"),
            }
            let markdown = dialect::commonmark(&body(place, value));
            let links = shape(&markdown).len();
            assert!(links == 0 || dialect::safe_url(value).is_some(), "{value:?} in {place:?}: {markdown}");
        }
    }
}

#[test]
fn values_are_text_in_html_templates_and_verbatim_in_text_templates() {
    for value in VALUES {
        let html = render(&template(Format::Html, "<p title=\"{{ v }}\">{{ v }}</p>"), json!({ "v": value }));
        assert_eq!(tags(&html.expect("renders").body.text), Vec::<String>::new(), "{value:?}");
        let text = render(&template(Format::Text, "{{ v }}"), json!({ "v": value })).expect("renders");
        assert_eq!(text.body.text, value);
    }
}

#[test]
fn detours_through_filters_and_blocks_change_nothing() {
    let body = |source: &str| {
        let text = render(&template(Format::Markdown, source), json!({"v": "**x**", "l": ["*a*", "*b*"]}));
        html_of(&text.expect("renders").body.text)
    };
    for source in [
        "{% set s %}{{ v }}{% endset %}{{ s }}",
        "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(v) }}",
        "{{ v | upper | lower }}",
        "{{ v ~ '' }}",
        "{{ '%s' | format(v) }}",
        "{{ v | replace('y', 'z') }}",
        "{{ v | e }}",
        "{{ v | escape }}",
        "{% filter trim %}{{ v }}{% endfilter %}",
        "{{ [v] | join(', ') }}",
        "{{ [v, '' | safe] | join }}",
        "{{ v | markdown if false else v }}",
    ] {
        assert_eq!(body(source), "<p>**x**</p>\n", "{source}");
    }
    assert_eq!(body("{{ v | tojson }}"), "<p>&quot;**x**&quot;</p>\n");
    assert_eq!(body("{{ l }}"), "<p>[&#39;*a*&#39;, &#39;*b*&#39;]</p>\n");
    assert_eq!(body("{{ v | urlencode }}"), "<p>%2A%2Ax%2A%2A</p>\n");
}

#[test]
fn the_author_may_say_otherwise() {
    for source in ["{{ v | markdown }}", "{{ v | safe }}", "{% autoescape false %}{{ v }}{% endautoescape %}"]
    {
        let text = render(&template(Format::Markdown, source), json!({"v": "**x** <b>"})).expect("renders");
        assert_eq!(html_of(&text.body.text), "<p><strong>x</strong> &lt;b&gt;</p>\n", "{source}");
    }
    // A shielded character smuggled in that way is gone, not text that looks like formatting.
    let text =
        render(&template(Format::Markdown, "{{ v | safe }}"), json!({"v": "\u{10F72A}x"})).expect("renders");
    assert_eq!(text.body.text, "x");
}

#[test]
fn a_counter_makes_a_list_and_a_text_of_digits_does_not() {
    let numbers = "{% for x in l %}{{ loop.index }}. {{ x }}\n{% endfor %}";
    let text = render(&template(Format::Markdown, numbers), json!({"l": ["a", "b"]})).expect("renders");
    assert_eq!(tags(&html_of(&text.body.text)), ["ol", "li", "/li", "li", "/li", "/ol"]);
    let text = render(&template(Format::Markdown, "{{ v }}. x"), json!({"v": "1"})).expect("renders");
    assert_eq!(html_of(&text.body.text), "<p>1. x</p>\n");
}
