//! Long texts in parts.

use mc_content::split::{MAX_PARTS, split, split_mrkdwn};
use mc_core::ports::SizeUnit::{self, Bytes, Characters};

fn size(text: &str, unit: SizeUnit) -> usize {
    match unit {
        Bytes => text.len(),
        Characters => text.chars().count(),
    }
}

/// The parts without their numbers, which are checked.
fn parts(text: &str, allowed: usize, unit: SizeUnit) -> Vec<String> {
    let parts = split(text, allowed, unit).unwrap_or_else(|size| panic!("{size} units needed for {text:?}"));
    let count = parts.len();
    for part in &parts {
        assert!(size(part, unit) <= allowed, "{} > {allowed}: {part:?}", size(part, unit));
    }
    if count == 1 {
        return parts;
    }
    parts
        .iter()
        .enumerate()
        .map(|(i, part)| {
            let number = format!("({}/{count})\n\n", i + 1);
            part.strip_prefix(&number).unwrap_or_else(|| panic!("{part:?} begins with {number:?}")).to_owned()
        })
        .collect()
}

#[test]
fn what_fits_is_left_alone() {
    assert_eq!(parts("a\n\nb", 4, Bytes), ["a\n\nb"]);
    assert_eq!(parts("你好", 2, Characters), ["你好"]);
    assert_eq!(parts("", 0, Bytes), [""]);
}

#[test]
fn cuts_where_it_hurts_least() {
    // A number takes seven: the parts have so much less.
    let table: [(&str, usize, &[&str]); 15] = [
        // Between paragraphs.
        ("aaaa\n\nbbbb\n\ncccc\n\ndddd", 17, &["aaaa\n\nbbbb", "cccc\n\ndddd"]),
        // Between lines, when a paragraph does not fit.
        ("aaaa\nbbbb\ncccc\ndddd", 16, &["aaaa\nbbbb", "cccc\ndddd"]),
        // Between written line ends, when a paragraph is one line.
        ("aa aa<br>bb bb<br>cc cc<br>dd dd", 25, &["aa aa<br>bb bb", "cc cc<br>dd dd"]),
        ("> aa aa<br>bb bb<br>cc cc", 23, &["> aa aa", "> bb bb<br>cc cc"]),
        // Between sentences, when a line does not fit.
        ("One two. Three four. Five six.", 29, &["One two. Three four.", "Five six."]),
        ("一二三。四五六。七八九。", 35, &["一二三。四五六。", "七八九。"]),
        ("他说：“一二。”三四五六。", 34, &["他说：“一二。”", "三四五六。"]),
        // Between the parts of a sentence, when it does not fit.
        ("One two three, four; five six seven", 26, &["One two three,", "four; five six", "seven"]),
        ("一二三四，五六七八", 26, &["一二三四，", "五六七八"]),
        // Between words.
        ("aaaa bbbb cccc dddd", 16, &["aaaa bbbb", "cccc dddd"]),
        // Between characters, when a word does not fit.
        ("aaaabbbbccccdd", 12, &["aaaab", "bbbcc", "ccdd"]),
        ("你好世界好", 13, &["你好", "世界", "好"]),
        // Bold text is closed and opened again.
        ("**aaaa bbbb cccc**", 16, &["**aaaa**", "**bbbb**", "**cccc**"]),
        // A quotation stays one.
        ("> aaaa bbbb cccc", 14, &["> aaaa", "> bbbb", "> cccc"]),
        // A link moves as a whole.
        ("aaaa [b](http://c) dd", 20, &["aaaa", "[b](http://c)", "dd"]),
    ];
    for (text, allowed, wanted) in table {
        assert_eq!(parts(text, allowed, Bytes), wanted, "{text:?}");
    }
}

#[test]
fn bold_text_of_slack_is_closed_and_opened_again() {
    for (text, wanted) in [
        ("*aaaa bbbb cccc*", ["*aaaa*", "*bbbb*", "*cccc*"]),
        ("aaaa *b c* dddd", ["aaaa", "*b c*", "dddd"]),
        ("aaaa bbbb * 4444", ["aaaa", "bbbb *", "4444"]),
    ] {
        let parts = split_mrkdwn(text, 14, Characters).expect("parts");
        let numbered: Vec<String> =
            wanted.iter().enumerate().map(|(at, part)| format!("({}/3)\n\n{part}", at + 1)).collect();
        assert_eq!(parts, numbered, "{text:?}");
    }
    let openings = "*a ".repeat(100_000);
    assert!(split_mrkdwn(&openings, openings.len() / 30, Bytes).is_ok_and(|parts| parts.len() > 20));
}

#[test]
fn code_is_closed_and_opened_again() {
    let text = "intro\n\n```rust\nlet a = 1;\nlet b = 2;\nlet c = 3;\n```\n\nend";
    let parts = parts(text, 46, Bytes);
    assert_eq!(parts, ["intro\n\n```rust\nlet a = 1;\n```", "```rust\nlet b = 2;\nlet c = 3;\n```\n\nend"]);
}

#[test]
fn code_in_a_list_or_a_quotation_is_closed_and_opened_again() {
    for (first, other) in [("- ", "  "), ("1. ", "   "), ("• ", ""), ("> ", "> "), ("> - ", ">   ")] {
        let lines: String = (0..9).map(|n| format!("{other}let line = {n};\n")).collect();
        let parts = parts(&format!("intro\n\n{first}```\n{lines}{other}```\n\nend"), 70, Bytes);
        assert!(parts.len() > 2, "{parts:?}");
        for part in &parts {
            let mut in_code = false;
            for line in part.lines() {
                in_code ^= line.ends_with("```");
                assert_eq!(in_code && !line.ends_with("```"), line.contains("let"), "{line:?} in {parts:?}");
            }
            assert!(!in_code, "{part}");
        }
    }
}

#[test]
fn a_table_keeps_its_head() {
    let text = "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n| 5 | 6 |";
    let head = "| a | b |\n| --- | --- |";
    assert_eq!(
        parts(text, 52, Bytes),
        [format!("{head}\n| 1 | 2 |\n| 3 | 4 |"), format!("{head}\n| 5 | 6 |")]
    );
}

#[test]
fn a_table_in_a_list_or_a_quotation_keeps_its_head() {
    for (first, other) in [("- ", "  "), ("1. ", "   "), ("> ", "> "), ("> - ", ">   ")] {
        let head = format!("{first}| a | b |\n{other}| --- | --- |");
        let row = |cells: &str| format!("\n{other}{cells}");
        let [one, two, three] = ["| 1 | 2 |", "| 3 | 4 |", "| 5 | 6 |"].map(row);
        let room = "(1/2)\n\n".len() + head.len() + one.len() + two.len();
        assert_eq!(
            parts(&format!("{head}{one}{two}{three}"), room, Bytes),
            [format!("{head}{one}{two}"), format!("{head}{three}")]
        );
    }
}

#[test]
fn no_title_and_no_head_of_a_table_stands_alone() {
    let long = "One sentence here. ".repeat(8);
    for text in [
        format!("## Title\n\n{long}"),
        format!("## Title\n{long}"),
        format!("## Title\n\n> {long}"),
        format!("## Title\n\n**{long}end**"),
        format!("## Title\n\n{}", "row of words<br>".repeat(9)),
        format!("## Title\n\n```\n{long}\nend\n```"),
    ] {
        let parts = parts(&text, 80, Bytes);
        assert!(parts[0].len() > 40, "{:?} of {text:?}", parts[0]);
    }
    let head = "| a | b |\n| --- | --- |";
    let text = format!("## Title\n\n{head}\n| {long}| x |\n| 1 | 2 |");
    let parts = parts(&text, 100, Bytes);
    assert!(parts[0].starts_with(&format!("## Title\n\n{head}\n| One")), "{:?}", parts[0]);
    assert!(parts.iter().all(|part| !part.ends_with("--- |")), "{parts:?}");
}

#[test]
fn what_would_be_too_many_parts_is_refused_as_too_large() {
    let text = |parts: usize| "word ".repeat(20 * parts);
    // A part holds twenty of these words beside its number.
    assert_eq!(split(&text(MAX_PARTS), 108, Bytes).map(|parts| parts.len()), Ok(MAX_PARTS));
    assert_eq!(split(&text(MAX_PARTS + 1), 108, Bytes), Err(100 * (MAX_PARTS + 1)));
}

#[test]
fn one_piece_that_fits_nowhere_is_an_error_with_its_size() {
    let link = format!("[a](https://x.example/{})", "y".repeat(100));
    let error = split(&format!("text {link} text"), 60, Bytes).expect_err("does not fit");
    assert!(error >= link.len(), "{error}");
    assert!(split(&format!("text {link} text"), error, Bytes).is_ok());
    assert!(split("👍🏽👍🏽", 9, Bytes).is_err());
    assert!(split("abc", 2, Characters).is_err());
}

#[test]
fn nothing_is_lost_and_nothing_is_too_large() {
    let blocks = [
        "# 标题 heading",
        "一段很长的中文文本，没有空格，需要在字符之间切开。第二句话也在这里，还有第三句。",
        "A long paragraph of English words that has to be cut between its words, and [a link](https://x.example/a?b=c) in it.",
        "```\ncode with  spaces\n\n    indented line that is rather long and must be cut somewhere in the middle of it\n```",
        "> a quotation\n> of two lines",
        "**粗体文字，很长很长很长很长很长很长很长很长很长很长很长很长很长** after",
        "• one\n• two\n　• three",
        "https://x.example/only/an/address <@user> `code span`",
    ];
    let mut text = String::new();
    for round in 0..40 {
        text.push_str(blocks[round * 7 % blocks.len()]);
        text.push_str(if round % 3 == 0 { "\n" } else { "\n\n" });
        let bare =
            |t: &str| t.chars().filter(|c| !c.is_whitespace() && !"*`>".contains(*c)).collect::<String>();
        for (allowed, unit) in [(90, Bytes), (301, Bytes), (2048, Bytes), (60, Characters), (500, Characters)]
        {
            // There may be no more than fifty.
            if size(&text, unit) > 20 * allowed {
                continue;
            }
            let parts = parts(&text, allowed, unit);
            let joined: String = parts.concat();
            assert_eq!(bare(&joined), bare(&text), "{allowed} {unit:?}");
            for part in &parts {
                assert_eq!(part.matches("```").count() % 2, 0, "{part}");
                assert_eq!(
                    part.matches('[').count(),
                    part.matches("[a link](https://x.example/a?b=c)").count()
                );
            }
        }
    }
}

#[test]
fn a_text_of_openings_does_not_take_for_ever() {
    for piece in ["[", "(", "<a ", "**", "`", "![", "<", "<http", "&#4", "&amp;", "🇨"] {
        let text = piece.repeat(100_000);
        assert!(split(&text, text.len() / 30, Bytes).is_ok_and(|parts| parts.len() > 20), "{piece}");
    }
}
