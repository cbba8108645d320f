//! The values of a message: what each type of keyword takes.

use serde_json::Value;

use super::account::WechatTemplate;
use crate::answer::Refusal;

/// What stands in front of a keyword's number.
fn kind_of(keyword: &str) -> &str {
    keyword.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// Checks the `data` of a message against its template.
///
/// The pages give the types; that every keyword must be there and no other may be is the stricter reading.
pub(super) fn check(template: &WechatTemplate, data: &Value, mini: bool) -> Result<(), Refusal> {
    let Some(members) = data.as_object() else { return Err(Refusal::new(47003, "argument invalid! data")) };
    let keywords = template.keywords();
    for keyword in &keywords {
        if !members.contains_key(*keyword) {
            return Err(invalid(keyword, "empty"));
        }
    }
    for (keyword, member) in members {
        if !keywords.contains(&keyword.as_str()) {
            return Err(invalid(keyword, "unknown"));
        }
        // "value a string": a number is an argument of the wrong type.
        let Some(value) = member.get("value").and_then(Value::as_str) else {
            return Err(invalid(keyword, "invalid"));
        };
        if value.trim().is_empty() {
            return Err(invalid(keyword, "empty"));
        }
        let allowed = template.values.get(keyword);
        if allowed.is_some_and(|allowed| !allowed.iter().any(|one| one == value)) {
            return Err(invalid(keyword, "invalid"));
        }
        let good = if mini { mini_value(keyword, value) } else { official_value(keyword, value) };
        if !good {
            return Err(invalid(keyword, "invalid"));
        }
    }
    Ok(())
}

fn invalid(keyword: &str, how: &str) -> Refusal {
    Refusal::new(47003, format!("argument invalid! data.{keyword}.value {how}"))
}

/// The table of category templates. Keywords of older templates have no type, and what is too long in them is cut
/// without a word; see [`shown`].
fn official_value(keyword: &str, value: &str) -> bool {
    match kind_of(keyword) {
        "thing" | "const" => chars(value) <= 20,
        "character_string" => chars(value) <= 32 && value.chars().all(is_code),
        "time" => is_time(value, true),
        "amount" => is_amount(value),
        "phone_number" => chars(value) <= 17 && value.chars().all(is_phone),
        "car_number" => chars(value) <= 8,
        _ => true,
    }
}

/// The table of subscribe messages; a keyword of a type that is not in it does not exist.
fn mini_value(keyword: &str, value: &str) -> bool {
    if value.contains(char::is_control) {
        return false;
    }
    let count = chars(value);
    match kind_of(keyword) {
        "thing" => count <= 20 && !value.contains(is_emoji),
        "number" => count <= 32 && is_number(value),
        "letter" => count <= 32 && value.chars().all(|c| c.is_ascii_alphabetic()),
        "symbol" => count <= 5 && value.chars().all(is_symbol),
        "character_string" => count <= 32 && value.chars().all(is_code),
        "time" => is_time(value, true),
        "date" => is_time(value, false),
        "amount" => is_amount(value),
        "phone_number" => count <= 17 && value.chars().all(is_phone),
        "car_number" => is_car(value),
        "name" => is_name(value),
        "phrase" => count <= 5 && value.chars().all(is_han),
        // The values themselves are the template's, and were looked at already.
        "enum" | "const" => count <= 20,
        _ => false,
    }
}

/// What a follower sees of a value since 2023-05-04: 20 characters of the first line, without emoji.
pub(super) fn shown(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    line.chars().filter(|c| !is_emoji(*c)).take(20).collect()
}

fn chars(value: &str) -> usize {
    value.chars().count()
}

/// 汉字.
fn is_han(c: char) -> bool {
    matches!(c, '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{20000}'..='\u{2FFFF}' | '〇')
}

/// Digits, letters, symbols.
fn is_code(c: char) -> bool {
    c.is_ascii_graphic() || c == ' '
}

fn is_symbol(c: char) -> bool {
    c.is_ascii_punctuation()
}

fn is_phone(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')' | '*' | '#')
}

fn is_emoji(c: char) -> bool {
    matches!(c, '\u{1F000}'..='\u{1FAFF}' | '\u{2600}'..='\u{27BF}' | '\u{FE0F}' | '\u{200D}' | '\u{2B50}' | '\u{2B55}')
}

/// "Digits only, decimals allowed."
fn is_number(value: &str) -> bool {
    let (whole, rest) = value.split_once('.').unwrap_or((value, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(rest)
}

/// One currency symbol, up to 10 digits with decimals, 元 at the end if liked.
fn is_amount(value: &str) -> bool {
    let bare = value.strip_suffix('元').unwrap_or(value);
    let number = bare.trim_start_matches(['¥', '￥', '$', '€', '£']);
    let marks = bare.chars().count() - number.chars().count();
    marks <= 1 && is_number(number) && number.bytes().filter(u8::is_ascii_digit).count() <= 10
}

/// First and last may be 汉字, the rest are letters and digits.
fn is_car(value: &str) -> bool {
    let all: Vec<char> = value.chars().collect();
    let last = all.len().saturating_sub(1);
    let good = |(at, c): (usize, &char)| c.is_ascii_alphanumeric() || (is_han(*c) && (at == 0 || at == last));
    (1..=8).contains(&all.len()) && all.iter().enumerate().all(good)
}

/// Up to 10 汉字, or up to 20 letters and symbols.
fn is_name(value: &str) -> bool {
    let latin = value.chars().all(|c| c.is_ascii_alphabetic() || is_symbol(c) || c == ' ');
    let mixed =
        value.chars().all(|c| is_han(c) || c.is_ascii_alphabetic() || is_symbol(c) || c == ' ' || c == '·');
    if latin { chars(value) <= 20 } else { mixed && chars(value) <= 10 }
}

/// A date, a time, or (`~`) a range of them. A `time` needs a clock's time, a `date` a calendar's day.
fn is_time(value: &str, clock: bool) -> bool {
    let mut ends = value.split('~').map(str::trim);
    let one = |text: &str| {
        let (date, time) = split_date(text);
        let date_good = date.is_none_or(is_date);
        let time_good = time.is_none_or(is_clock);
        date_good && time_good && (if clock { time.is_some() } else { date.is_some() })
    };
    let first = ends.next().is_some_and(one);
    first && ends.next().is_none_or(one) && ends.next().is_none()
}

/// Parts `2019年10月1日 15:01` in two; either may be absent.
fn split_date(text: &str) -> (Option<&str>, Option<&str>) {
    match text.split_once(' ') {
        Some((date, time)) => (Some(date), Some(time.trim())),
        None if text.contains(':') => (None, Some(text)),
        None => (Some(text), None),
    }
}

fn is_clock(text: &str) -> bool {
    let parts: Vec<Option<u32>> = text.split(':').map(|part| small(part, 2)).collect();
    match parts[..] {
        [Some(hour), Some(minute)] => hour < 24 && minute < 60,
        [Some(hour), Some(minute), Some(second)] => hour < 24 && minute < 60 && second < 60,
        _ => false,
    }
}

fn is_date(text: &str) -> bool {
    let chinese = text.strip_suffix('日').and_then(|text| {
        let (year, rest) = text.split_once('年')?;
        let (month, day) = rest.split_once('月')?;
        Some([year, month, day])
    });
    let parts = chinese.or_else(|| {
        let mark = ['-', '/', '.'].into_iter().find(|mark| text.contains(*mark))?;
        text.split(mark).collect::<Vec<_>>().try_into().ok()
    });
    let Some([year, month, day]) = parts else { return false };
    small(year, 4).is_some_and(|year| year >= 1_000)
        && small(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && small(day, 2).is_some_and(|day| (1..=31).contains(&day))
}

/// A number of up to so many digits.
fn small(text: &str, digits: usize) -> Option<u32> {
    let good = (1..=digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_a_subscribe_message() {
        for (keyword, good, bad) in [
            (
                "thing1",
                vec!["一二三四五六七八九十一二三四五六七八九十"],
                vec!["一二三四五六七八九十一二三四五六七八九十一", "a\nb", "ok 🎉"],
            ),
            (
                "number2",
                vec!["0", "12.5"],
                vec!["-1", "1e3", ".5", "12a", "123456789012345678901234567890123"],
            ),
            ("letter3", vec!["abcXYZ"], vec!["a1", "字"]),
            ("symbol4", vec!["!@#$%"], vec!["!@#$%^", "a"]),
            ("character_string5", vec!["SN-2026/001"], vec!["订单1", "123456789012345678901234567890123"]),
            (
                "time6",
                vec!["15:01", "2019年10月1日 15:01", "9:00~10:30", "2019-10-01 15:01:30"],
                vec!["25:00", "3 pm", "soon", "2019年10月1日", "9:00~10:00~11:00"],
            ),
            (
                "date7",
                vec!["2019年10月1日", "2019-10-01", "2019/10/1", "2019.10.1 15:01", "2019-10-01~2019-10-03"],
                vec!["15:01", "10-01", "2019-13-01", "2019-1"],
            ),
            ("amount8", vec!["¥100.00", "100元", "$1234567890"], vec!["12345678901", "¥$1", "-5", "hundred"]),
            ("phone_number9", vec!["+86-0766-66888866"], vec!["+86-0766-668888661", "call me"]),
            ("car_number10", vec!["粤A8Z888挂", "AB12"], vec!["粤A8Z8888挂", "A字B"]),
            (
                "name11",
                vec!["张三", "Zhang San"],
                vec!["一二三四五六七八九十一", "abcdefghij 张", "abcdefghijklmnopqrstu"],
            ),
            ("phrase12", vec!["配送中"], vec!["一二三四五六", "ok"]),
            ("unknown13", vec![], vec!["x"]),
        ] {
            for value in good {
                assert!(mini_value(keyword, value), "{keyword} takes {value}");
            }
            for value in bad {
                assert!(!mini_value(keyword, value), "{keyword} refuses {value}");
            }
        }
    }

    #[test]
    fn a_follower_sees_twenty_characters_of_one_line() {
        assert_eq!(shown("done ✅ ok\nmore"), "done  ok");
        assert_eq!(shown("一二三四五六七八九十一二三四五六七八九十一").chars().count(), 20);
    }
}
