//! The filters that Jinja2 does not have.

use mc_content::dialect;
use mc_core::model::Format;
use serde_json::json;

use crate::{render, template};

fn text(source: &str) -> String {
    let data = json!({
        "at": "2026-12-01T01:30:00Z", "local": "2026-07-01T09:00:00+08:00", "day": "2026-12-01", "unix": 1_798_000_000,
        "price": "1234.5", "n": 1_234_567.891, "whole": 3.0, "none": null, "cn": "你好，世界",
        "rows": [{"name": "web|1", "ms": 3, "note": null}, {"ms": 12, "name": "*db*"}],
        "pairs": [["a", 1], ["b", 2]],
    });
    match render(&template(Format::Text, source), data) {
        Ok(content) => content.body.text,
        Err(error) => format!("{}: {}", error.code, error.detail),
    }
}

#[test]
fn dates_are_shown_in_a_time_zone() {
    let table = [
        ("{{ at | date }}", "2026-12-01 01:30"),
        ("{{ at | date(tz='Asia/Shanghai') }}", "2026-12-01 09:30"),
        ("{{ at | date('%Y年%-m月%-d日 %H:%M', 'Asia/Shanghai') }}", "2026年12月1日 09:30"),
        ("{{ at | date('%a %d %b %Y %I:%M %p %Z', tz='America/New_York') }}", "Mon 30 Nov 2026 08:30 PM EST"),
        ("{{ local | date('%H:%M %z') }}", "09:00 +0800"),
        ("{{ local | date('%H:%M %Z', 'Europe/Berlin') }}", "03:00 CEST"),
        ("{{ local | date('%H:%M', '-03:30') }}", "21:30"),
        ("{{ day | date('%d.%m.%Y') }}", "01.12.2026"),
        ("{{ day | date('%FT%T%:z', 'Asia/Tokyo') }}", "2026-12-01T00:00:00+09:00"),
        ("{{ '2026-12-01T08:15:30' | date('%H:%M:%S') }}", "08:15:30"),
        ("{{ unix | date('%F %T') }}", "2026-12-23 04:26:40"),
        ("{{ 1.5 | date('%T%.3f') }}", "00:00:01.500"),
        ("{{ -1 | date }}", "1969-12-31 23:59"),
        ("{{ at | date('%c') }}", "Tue Dec  1 01:30:00 2026"),
        ("{{ unix | date('%c', 'Asia/Shanghai') }}", "Wed Dec 23 12:26:40 2026"),
        ("{{ at | date('%x|%X|%r') }}", "12/01/26|01:30:00|01:30:00 AM"),
    ];
    for (source, wanted) in table {
        assert_eq!(text(source), wanted, "{source}");
    }
    for (source, part) in [
        ("{{ 'soon' | date }}", "a date is RFC 3339"),
        ("{{ at | date(tz='Mars/Base') }}", "no time zone \"Mars/Base\""),
        ("{{ at | date(tz='+8') }}", "2026"),
        ("{{ at | date('%!') }}", "the format of a date"),
        ("{{ nope | date }}", "missing_variable"),
        ("{{ 1e300 | date }}", "between the years"),
        ("{{ at | date('%F', zone='UTC') }}", "zone"),
    ] {
        assert!(text(source).contains(part), "{source}: {}", text(source));
    }
}

#[test]
fn numbers_and_amounts_are_grouped_and_rounded() {
    let table = [
        ("{{ n | number }}", "1,234,567.891"),
        ("{{ n | number(2) }}", "1,234,567.89"),
        ("{{ n | number(0) }}", "1,234,568"),
        ("{{ n | number(2, '.', ',') }}", "1.234.567,89"),
        ("{{ n | number(decimals=1, group=' ') }}", "1 234 567.9"),
        ("{{ whole | number }} {{ 1000 | number }} {{ '007.10' | number }}", "3 1,000 7.10"),
        ("{{ -1234.5 | number(1) }}", "-1,234.5"),
        ("{{ price | currency }}", "¥1,234.50"),
        ("{{ price | currency('USD') }} {{ price | currency('JPY') }}", "$1,234.50 JP¥1,235"),
        (
            "{{ -0.5 | currency('EUR') }} {{ 1 | currency('XYZ') }} {{ 1 | currency('KWD', 1) }}",
            "-€0.50 XYZ 1.00 KWD 1.0",
        ),
    ];
    for (source, wanted) in table {
        assert_eq!(text(source), wanted, "{source}");
    }
    for source in
        ["{{ 'x' | number }}", "{{ 1 | currency('yuan') }}", "{{ none | currency }}", "{{ 1 | number(99) }}"]
    {
        assert!(text(source).starts_with("template_error: /body line 1: "), "{source}: {}", text(source));
    }
}

#[test]
fn texts_are_cut_by_bytes_between_characters() {
    let table = [
        ("{{ cn | truncate_bytes(15) }}", "你好，世界"),
        ("{{ cn | truncate_bytes(14) }}", "你好，…"),
        ("{{ cn | truncate_bytes(8, '') }}", "你好"),
        ("{{ cn | truncate(3, true, '', 0) }}", "你好，"),
    ];
    for (source, wanted) in table {
        assert_eq!(text(source), wanted, "{source}");
    }
    assert!(text("{{ cn | truncate_bytes(2) }}").contains("length must be at least the bytes of its end"));
}

#[test]
fn lists_become_tables() {
    let data = json!({"rows": [{"name": "web|1", "ms": 3, "note": null}, {"ms": 12, "name": "*db*\nx"}], "pairs": [["k", "v"], ["a", 1]], "nothing": []});
    let html =
        |source: &str| render(&template(Format::Html, source), data.clone()).expect("renders").body.text;
    assert_eq!(
        html("{{ rows | table }}"),
        "<table>\n<thead>\n<tr><th>name</th><th style=\"text-align:right\">ms</th><th>note</th></tr>\n</thead>\n<tbody>\n\
         <tr><td>web|1</td><td style=\"text-align:right\">3</td><td></td></tr>\n\
         <tr><td>*db*\nx</td><td style=\"text-align:right\">12</td><td></td></tr>\n</tbody>\n</table>\n"
            .replace("<th>note", "<th style=\"text-align:right\">note").replace("<td></td>", "<td style=\"text-align:right\"></td>")
    );
    let markdown = |source: &str| {
        dialect::commonmark(
            &render(&template(Format::Markdown, source), data.clone()).expect("renders").body.text,
        )
    };
    assert_eq!(
        markdown("All:\n{{ rows | table([['name', 'Service'], 'ms']) }}\nend"),
        "All:\n\n| Service | ms |\n| --- | --: |\n| web\\|1 | 3 |\n| \\*db\\* x | 12 |\n\nend"
    );
    assert_eq!(markdown("{{ pairs | table }}"), "| k | v |\n| --- | --: |\n| a | 1 |");
    assert_eq!(
        markdown("{{ pairs | table(columns=['A', 'B']) }}"),
        "| A | B |\n| --- | --- |\n| k | v |\n| a | 1 |"
    );
    assert_eq!(text("{{ rows | table(['name', 'ms']) }}"), "name | ms\nweb|1 | 3\n*db* | 12");
    assert_eq!(text("{{ [['a', 'b'], ['one\\ntwo\\r\\n', 3]] | table }}"), "a | b\none two | 3");
    assert_eq!(
        markdown("{{ [['cost', 'at'], [900 | currency, '1.4.2'], ['12.50', 7]] | table }}"),
        "| cost | at |\n| --: | --- |\n| ¥900.00 | 1.4.2 |\n| 12.50 | 7 |"
    );
    assert_eq!(
        text("{{ [['a'], [6], [1, 2], [3, 4, 5]] | table }}"),
        "a |  | \n6 |  | \n1 | 2 | \n3 | 4 | 5"
    );
    assert_eq!(
        markdown("{{ pairs | table(['A']) }}"),
        "| A |  |\n| --- | --- |\n| k | v |\n| a | 1 |",
        "a column without a head"
    );
    assert_eq!(
        markdown("> All:\n> {{ pairs | table }}\n> end"),
        "> All:\n>\n> | k | v |\n> | --- | --: |\n> | a | 1 |\n>\n> end",
        "it stays in the quotation"
    );
    assert_eq!(
        markdown("1. {{ pairs | table }}\n2. next"),
        "1. | k | v |\n   | --- | --: |\n   | a | 1 |\n2. next",
        "and in the item"
    );
    assert_eq!(markdown("{{ nothing | table }}x"), "x");
    assert!(text("{{ 'x' | table }}").contains("table takes a list"));
    assert!(text("{{ [1] | table }}").contains("a row of a table is"));
    assert!(text("{{ nope | table }}").starts_with("missing_variable"));
}

#[test]
fn markdown_in_html_becomes_html_and_stays_harmless() {
    let data = json!({"v": "**bold** <script>x</script> [a](javascript:x)"});
    let html =
        render(&template(Format::Html, "<div>{{ v | markdown }}</div>"), data).expect("renders").body.text;
    assert_eq!(html, "<div><p><strong>bold</strong> &lt;script&gt;x&lt;/script&gt; a</p>\n</div>");
}
