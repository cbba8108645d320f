//! What the keywords of WeChat's templates take: the type is the word in front of the number (`thing1`).

/// Which of WeChat's two tables of types holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// Category templates of official accounts (page api_sendtemplatemessage and the rules of 2023-05-04).
    Official,
    /// Subscribe messages of mini programs.
    Mini,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// So many characters, where so many are taken.
    TooLong(usize, usize),
    /// It takes something else: what.
    Form(&'static str),
}

/// A type's longest value in characters, and what it looks like.
struct Rule {
    longest: usize,
    form: &'static str,
    fits: fn(&str) -> bool,
}

impl Table {
    /// Checks one value; answers how many characters it has, and how many its keyword takes if that is known.
    ///
    /// Only what the pages say is checked: a value that WeChat might take is left to WeChat.
    pub(crate) fn check(self, keyword: &str, value: &str) -> Result<(usize, Option<usize>), Wrong> {
        let used = value.chars().count();
        let Some(rule) = self.rule(kind_of(keyword)) else { return Ok((used, None)) };
        let longest =
            if keyword.starts_with("name") && value.chars().any(is_han) { 10 } else { rule.longest };
        if used > longest {
            return Err(Wrong::TooLong(used, longest));
        }
        if (rule.fits)(value) { Ok((used, Some(longest))) } else { Err(Wrong::Form(rule.form)) }
    }

    /// The longest value of a keyword in characters, if its type is known.
    pub(crate) fn longest(self, keyword: &str) -> Option<usize> {
        self.rule(kind_of(keyword)).map(|rule| rule.longest)
    }

    fn rule(self, kind: &str) -> Option<Rule> {
        let rule = |longest, form, fits| Some(Rule { longest, form, fits });
        match (self, kind) {
            (_, "thing") => rule(20, "any text", |_| true),
            (_, "character_string") => rule(32, "digits, letters and symbols, no 汉字", is_code),
            (_, "time") => {
                rule(64, "a time like 15:01 or 2019年10月1日 15:01, or two with ~ between", is_time)
            }
            (_, "amount") => rule(
                16,
                "one currency sign at most, then up to 10 digits, decimals allowed, 元 behind them if wanted",
                is_amount,
            ),
            (_, "phone_number") => rule(17, "digits and symbols", is_phone),
            (_, "car_number") => rule(8, "a number plate", |_| true),
            (Table::Official, "const") => {
                rule(20, "one of the values that WeChat has reviewed for it", |_| true)
            }
            // Keywords of older templates have no type; the rules of 2023 hold for every field.
            (Table::Official, _) => rule(20, "any text", |_| true),
            (Table::Mini, "number") => rule(32, "digits, decimals allowed", is_number),
            (Table::Mini, "letter") => {
                rule(32, "letters", |value| value.chars().all(|c| c.is_ascii_alphabetic()))
            }
            (Table::Mini, "symbol") => {
                rule(5, "symbols", |value| !value.contains(|c: char| c.is_alphanumeric()))
            }
            (Table::Mini, "date") => rule(
                64,
                "a date like 2019年10月1日 or 2019-10-01, with a time if wanted, or two with ~ between",
                is_date,
            ),
            (Table::Mini, "name") => {
                rule(20, "a name: up to 10 characters with 汉字, up to 20 without", |_| true)
            }
            (Table::Mini, "phrase") => rule(5, "汉字 only", |value| value.chars().all(is_han)),
            // Values of enums are the template's own, and a type we do not know may take anything.
            (Table::Mini, _) => None,
        }
    }
}

/// The type of a keyword: the keyword without its number.
pub(crate) fn kind_of(keyword: &str) -> &str {
    keyword.trim_end_matches(|c: char| c.is_ascii_digit())
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{20000}'..='\u{323AF}' | '〇')
}

fn is_code(value: &str) -> bool {
    value.chars().all(|c| c.is_ascii_graphic() || c == ' ')
}

fn is_phone(value: &str) -> bool {
    value.chars().all(|c| c.is_ascii() && !c.is_ascii_alphabetic())
}

fn is_number(value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match value.split_once('.') {
        Some((whole, rest)) => digits(whole) && digits(rest),
        None => digits(value),
    }
}

fn is_amount(value: &str) -> bool {
    let number = value.strip_suffix('元').unwrap_or(value);
    let number = match number.chars().next() {
        Some(c) if !c.is_ascii_digit() && !c.is_alphabetic() => &number[c.len_utf8()..],
        _ => number,
    };
    is_number(number) && number.bytes().filter(u8::is_ascii_digit).count() <= 10
}

/// Whether each of the one or two ends is made of a date's and a time's characters and has what `wants` looks for.
fn is_span(value: &str, wants: fn(&str) -> bool) -> bool {
    let mut ends = value.split('~').map(str::trim);
    let written =
        |end: &str| end.chars().all(|c| c.is_ascii_digit() || "年月日-/.: ".contains(c)) && !end.is_empty();
    let first = ends.next().is_some_and(|end| written(end) && wants(end));
    // The second end may leave away what it has in common with the first.
    first && ends.next().is_none_or(written) && ends.next().is_none()
}

fn is_time(value: &str) -> bool {
    is_span(value, |end| {
        let clock = end.rsplit([' ', '日']).next().unwrap_or_default();
        let mut parts = clock.split(':').map(|part| part.parse::<u8>().ok());
        let hour = parts.next().flatten().is_some_and(|hour| hour < 24);
        let minute = parts.next().flatten().is_some_and(|minute| minute < 60);
        hour && minute
    })
}

fn is_date(value: &str) -> bool {
    is_span(value, |end| {
        let date = end.split(' ').next().unwrap_or_default();
        let numbers: Vec<u16> = date
            .split(['年', '月', '日', '-', '/', '.'])
            .filter(|part| !part.is_empty())
            .filter_map(|part| part.parse().ok())
            .collect();
        matches!(numbers[..], [year, 1..=12, 1..=31] if year > 999)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_takes_what_the_pages_say() {
        let (official, mini) = (Table::Official, Table::Mini);
        let good = [
            (official, "thing1", "一二三四五六七八九十一二三四五六七八九十"),
            (official, "character_string2", "SN-2026/0001#a b"),
            (official, "time3", "15:01"),
            (official, "time3", "2019年10月1日 15:01"),
            (official, "time3", "2019-10-01 09:00~10:30"),
            (official, "amount4", "¥100.50"),
            (official, "amount4", "1234567890元"),
            (official, "phone_number5", "+86-0766-66888866"),
            (official, "car_number6", "粤A8Z888挂"),
            (official, "const7", "已发货"),
            (official, "keyword1", "20 characters at all"),
            (mini, "number1", "12.50"),
            (mini, "letter2", "abcXYZ"),
            (mini, "symbol3", "!@#$%"),
            (mini, "date4", "2019年10月1日"),
            (mini, "date4", "2019/10/1~2019/10/3"),
            (mini, "date4", "2019-10-01 15:01"),
            (mini, "name5", "张三丰"),
            (mini, "name5", "abcdefghij klmnopqrs"),
            (mini, "phrase6", "配送中"),
            (mini, "enum7", "any value at all, as the template has it"),
            (mini, "brand_new8", "a type that does not exist yet, with a long value"),
        ];
        for (table, keyword, value) in good {
            assert!(table.check(keyword, value).is_ok(), "{keyword} takes {value}");
        }
        let long = "一二三四五六七八九十一二三四五六七八九十一";
        for (table, keyword, value, wrong) in [
            (official, "thing1", long, Some((21, 20))),
            (official, "keyword1", long, Some((21, 20))),
            (official, "character_string2", &"x".repeat(33), Some((33, 32))),
            (official, "phone_number5", "+86-0766-668888661", Some((18, 17))),
            (official, "car_number6", "粤A8Z88888", Some((9, 8))),
            (mini, "symbol3", "!@#$%^", Some((6, 5))),
            (mini, "name5", "一二三四五六七八九十一", Some((11, 10))),
            (mini, "name5", "abcdefghijklmnopqrstu", Some((21, 20))),
            (mini, "phrase6", "一二三四五六", Some((6, 5))),
            (official, "character_string2", "订单1", None),
            (official, "time3", "soon", None),
            (official, "time3", "25:00", None),
            (official, "time3", "2019年10月1日", None),
            (official, "time3", "9:00~10:00~11:00", None),
            (official, "amount4", "twelve", None),
            (official, "amount4", "-", None),
            (official, "amount4", "12345678901", None),
            (official, "phone_number5", "call me", None),
            (mini, "number1", "-1", None),
            (mini, "number1", "1e3", None),
            (mini, "letter2", "a1", None),
            (mini, "symbol3", "a", None),
            (mini, "date4", "15:01", None),
            (mini, "date4", "2019-13-01", None),
            (mini, "phrase6", "ok", None),
        ] {
            let found = table.check(keyword, value).unwrap_err();
            match wrong {
                Some((used, longest)) => {
                    assert_eq!(found, Wrong::TooLong(used, longest), "{keyword} {value}");
                }
                None => assert!(matches!(found, Wrong::Form(_)), "{keyword} {value}: {found:?}"),
            }
        }
    }

    #[test]
    fn no_value_makes_it_panic() {
        for value in ["", "~", "元", "¥", "年月日", ":", "::", "1:", "\u{0}", "💥元", "1.", ".1", "日", "é:é"]
        {
            for keyword in ["time1", "date1", "amount1", "number1", "name1", "phrase1", "symbol1", "1", ""] {
                let _ = Table::Official.check(keyword, value);
                let _ = Table::Mini.check(keyword, value);
            }
        }
    }
}
