//! Numbers and amounts in words. Everything is done on decimal digits: money is not counted in binary.

use minijinja::value::{StringInput, Value};
use minijinja::{Error, State};

use super::super::arguments::{Arguments, Given, invalid};

/// Symbols of currencies, and how many decimals an amount has if not two.
const CURRENCIES: [(&str, &str, usize); 24] = [
    ("AUD", "A$", 2),
    ("BRL", "R$", 2),
    ("CAD", "CA$", 2),
    ("CLP", "CLP ", 0),
    ("CNY", "¥", 2),
    ("EUR", "€", 2),
    ("GBP", "£", 2),
    ("HKD", "HK$", 2),
    ("IDR", "Rp ", 2),
    ("INR", "₹", 2),
    ("ISK", "ISK ", 0),
    ("JPY", "JP¥", 0),
    ("KRW", "₩", 0),
    ("KWD", "KWD ", 3),
    ("MOP", "MOP$", 2),
    ("MYR", "RM ", 2),
    ("NZD", "NZ$", 2),
    ("PHP", "₱", 2),
    ("RUB", "₽", 2),
    ("SGD", "S$", 2),
    ("THB", "฿", 2),
    ("TWD", "NT$", 2),
    ("USD", "$", 2),
    ("VND", "₫", 0),
];

/// `number(decimals=none, group=",", point=".")`. Without decimals there are as many as the value has. What is cut off
/// is rounded, halves away from zero.
pub(super) fn number(state: &State<'_, '_>, value: &Value, given: Given) -> Result<String, Error> {
    let arguments = Arguments::bind(state, &["decimals", "group", "point"], given)?;
    let mut number = Decimal::read(state, value)?;
    if arguments.get(0).is_some() {
        number.round(decimals(&arguments, 0, 0)?);
    } else if value.is_number() && number.rest == "0" {
        // A float that is whole.
        number.rest.clear();
    }
    Ok(number.write("", arguments.text(1, ",")?, arguments.text(2, ".")?))
}

/// `currency(code="CNY", decimals=none)`: with the currency's symbol, and as many decimals as it has.
pub(super) fn currency(state: &State<'_, '_>, value: &Value, given: Given) -> Result<String, Error> {
    let arguments = Arguments::bind(state, &["code", "decimals"], given)?;
    let code = arguments.text(0, "CNY")?;
    if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(arguments.wrong(0, "the three letters of a currency, like CNY"));
    }
    let unknown = format!("{code} ");
    let known = CURRENCIES.iter().find(|(known, ..)| *known == code);
    let (symbol, usual) = known.map_or((unknown.as_str(), 2), |(_, symbol, usual)| (symbol, *usual));
    let mut amount = Decimal::read(state, value)?;
    amount.round(decimals(&arguments, 1, usual)?);
    Ok(amount.write(symbol, ",", "."))
}

/// Whether a text is a number as `number` and `currency` write it: `900.00`, `-¥1,234.50`.
pub(super) fn is_amount(text: &str) -> bool {
    let amount = text.strip_prefix('-').unwrap_or(text);
    let (symbol, number) = amount.split_at(amount.find(|c: char| c.is_ascii_digit()).unwrap_or(0));
    let is_code = |symbol: &str| {
        symbol
            .strip_suffix(' ')
            .is_some_and(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()))
    };
    let is_symbol =
        symbol.is_empty() || is_code(symbol) || CURRENCIES.iter().any(|(_, known, _)| *known == symbol);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let is_grouped = groups.all(|group| group.len() == 3 && is_digits(group) && first.len() <= 3);
    is_symbol && is_digits(first) && is_grouped && is_digits(rest)
}

fn decimals(arguments: &Arguments, at: usize, default: usize) -> Result<usize, Error> {
    const MOST: usize = 30;
    let decimals = arguments.count(at, default)?;
    if decimals > MOST { Err(arguments.wrong(at, "at most 30")) } else { Ok(decimals) }
}

/// A number as its digits.
#[derive(Debug, PartialEq)]
struct Decimal {
    negative: bool,
    /// Without leading zeros, but never empty.
    whole: String,
    /// After the point.
    rest: String,
}

impl Decimal {
    /// Reads a number, or a text that is one: `-12.50`, `1e6`.
    fn read(state: &State<'_, '_>, value: &Value) -> Result<Self, Error> {
        let text = StringInput::new(state, value)?;
        Self::parse(text.as_str().trim()).ok_or_else(|| {
            invalid("this is no number; number and currency take one like 1234.5 or \"1234.50\"")
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                (mantissa, exponent.parse::<i32>().ok().filter(|e| (-400..=400).contains(e))?)
            }
            None => (text, 0),
        };
        let negative = mantissa.starts_with('-');
        let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
        let are_digits = whole.bytes().chain(rest.bytes()).all(|b| b.is_ascii_digit());
        if whole.len() + rest.len() == 0 || !are_digits {
            return None;
        }
        // The point moves by the exponent.
        let point = whole.len() as i32 + exponent;
        let mut all = format!("{whole}{rest}");
        let before = usize::try_from(-point).unwrap_or(0);
        all.insert_str(0, &"0".repeat(before));
        let point = usize::try_from(point).unwrap_or(0);
        if all.len() < point {
            all.push_str(&"0".repeat(point - all.len()));
        }
        let (whole, rest) = all.split_at(point);
        let whole = whole.trim_start_matches('0');
        let mut number = Self { negative, whole: whole.to_owned(), rest: rest.to_owned() };
        number.tidy();
        Some(number)
    }

    /// Keeps so many digits after the point.
    fn round(&mut self, decimals: usize) {
        if self.rest.len() <= decimals {
            self.rest.push_str(&"0".repeat(decimals - self.rest.len()));
            return;
        }
        let up = self.rest.as_bytes()[decimals] >= b'5';
        self.rest.truncate(decimals);
        if up {
            let mut digits = format!("0{}{}", self.whole, self.rest).into_bytes();
            for digit in digits.iter_mut().rev() {
                if *digit == b'9' {
                    *digit = b'0';
                } else {
                    *digit += 1;
                    break;
                }
            }
            let digits: String = digits.into_iter().map(char::from).collect();
            let (whole, rest) = digits.split_at(digits.len() - decimals);
            (self.whole, self.rest) = (whole.trim_start_matches('0').to_owned(), rest.to_owned());
        }
        self.tidy();
    }

    fn tidy(&mut self) {
        if self.whole.is_empty() {
            self.whole.push('0');
        }
        // There is no less than nothing of nothing.
        self.negative &= self.whole != "0" || self.rest.bytes().any(|digit| digit != b'0');
    }

    fn write(&self, symbol: &str, group: &str, point: &str) -> String {
        let mut out = String::with_capacity(self.whole.len() * 2 + self.rest.len() + 4);
        if self.negative {
            out.push('-');
        }
        out.push_str(symbol);
        for (i, digit) in self.whole.chars().enumerate() {
            if i > 0 && (self.whole.len() - i).is_multiple_of(3) {
                out.push_str(group);
            }
            out.push(digit);
        }
        if !self.rest.is_empty() {
            out.push_str(point);
            out.push_str(&self.rest);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{Decimal, is_amount};

    fn rounded(text: &str, decimals: usize) -> String {
        let mut number = Decimal::parse(text).expect("a number");
        number.round(decimals);
        number.write("", ",", ".")
    }

    #[test]
    fn what_the_filters_write_is_told_from_other_texts() {
        for text in
            ["7", "900.00", "-0.5", "1,234,567.89", "¥1,234.50", "-€0.50", "RM 3.00", "XYZ 1.00", "₫12"]
        {
            assert!(is_amount(text), "{text}");
        }
        for text in [
            "", "-", "v1", "1.4.2", "10.0.0.1", "12:30", "1,23", "1234,567", "7 ms", "99%", "1.", "¥",
            "xyz 1",
        ] {
            assert!(!is_amount(text), "{text}");
        }
    }

    #[test]
    fn halves_go_away_from_zero() {
        let table = [
            ("1.005", 2, "1.01"),
            ("2.5", 0, "3"),
            ("-2.5", 0, "-3"),
            ("999.995", 2, "1,000.00"),
            ("0.004", 2, "0.00"),
            ("-0.004", 2, "0.00"),
            ("1234567.891", 2, "1,234,567.89"),
            ("1e6", 2, "1,000,000.00"),
            ("12.5e-3", 4, "0.0125"),
            (".5", 1, "0.5"),
            ("007", 1, "7.0"),
            ("99.99", 1, "100.0"),
        ];
        for (text, decimals, wanted) in table {
            assert_eq!(rounded(text, decimals), wanted, "{text} to {decimals}");
        }
        for text in ["", "-", ".", "1.2.3", "1,000", "0x10", "nan", "1e999", "１"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
