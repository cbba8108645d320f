//! What addresses look like.

use mc_core::model::{AddressKind, Addresses};

/// What is wrong with an address, if anything.
pub fn problem(kind: AddressKind, address: &str) -> Option<&'static str> {
    let plain = |max: usize, extra: &str| {
        (1..=max).contains(&address.len())
            && address.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
    };
    let ok = match kind {
        AddressKind::Email => return email_problem(address),
        AddressKind::Mobile => {
            let digits = address.strip_prefix('+').unwrap_or(address);
            (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        }
        AddressKind::Wecom => wecom_group(address).unwrap_or_else(|| plain(64, "-_.@")),
        AddressKind::Dingtalk => {
            (1..=64).contains(&address.len())
                && !address.chars().any(|c| c.is_control() || c == ',' || c == '|')
        }
        AddressKind::Wechat => plain(64, "-_"),
        AddressKind::Feishu => plain(128, "-_.@"),
    };
    let problem = match kind {
        AddressKind::Email | AddressKind::Mobile => {
            "a mobile number is 5 to 15 digits, with + for the country code"
        }
        AddressKind::Wecom => {
            "a WeCom user id is 1 to 64 letters, digits and - _ . @; a department is party:2, a tag is tag:3, everybody is @all"
        }
        AddressKind::Dingtalk => "a DingTalk user id is 1 to 64 characters without commas",
        AddressKind::Wechat => "a WeChat openid is 1 to 64 letters, digits and - _",
        AddressKind::Feishu => "a Feishu id is letters, digits and - _ . @",
    };
    (!ok).then_some(problem)
}

/// Whether a department or a tag of WeCom is a number; `None` if it is neither of the two.
fn wecom_group(address: &str) -> Option<bool> {
    let id = address.strip_prefix("party:").or_else(|| address.strip_prefix("tag:"))?;
    Some((1..=18).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()))
}

fn email_problem(address: &str) -> Option<&'static str> {
    let Some((local, domain)) = address.rsplit_once('@') else {
        return Some("an e-mail address has an @ (someone@example.com)");
    };
    if address.len() > 254 || local.len() > 64 {
        return Some("the address is too long (64 characters before the @, 254 in all)");
    }
    if !local.is_ascii() {
        return Some("the part before the @ must be ASCII: mail servers refuse others");
    }
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    if local.is_empty()
        || !local.chars().all(atom)
        || local.starts_with('.')
        || local.ends_with('.')
        || local.contains("..")
    {
        return Some("the part before the @ is not an address");
    }
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.chars().all(|c| c == '-' || c.is_alphanumeric())
    };
    (!domain.split('.').all(label)).then_some("the part after the @ is not a domain")
}

/// The first wrong address, with its kind.
pub fn first_problem(addresses: &Addresses) -> Option<(AddressKind, &'static str)> {
    AddressKind::ALL.into_iter().find_map(|kind| Some((kind, problem(kind, addresses.get(kind)?)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_right_form_pass() {
        for (kind, good) in [
            (AddressKind::Email, "a.b+c@example.com"),
            (AddressKind::Email, "a@localhost"),
            (AddressKind::Email, "a@例子.公司"),
            (AddressKind::Mobile, "+8613800138000"),
            (AddressKind::Mobile, "13800138000"),
            (AddressKind::Wecom, "zhang.san@corp"),
            (AddressKind::Wecom, "@all"),
            (AddressKind::Wecom, "party:2"),
            (AddressKind::Wecom, "tag:12"),
            (AddressKind::Dingtalk, "manager4220"),
            (AddressKind::Feishu, "ou_7d8a6e6df7621556ce0d21922b676706ccs"),
        ] {
            assert_eq!(problem(kind, good), None, "{good}");
        }
    }

    #[test]
    fn others_are_refused_with_a_reason() {
        for (kind, bad) in [
            (AddressKind::Email, "nobody"),
            (AddressKind::Email, "@example.com"),
            (AddressKind::Email, "a@"),
            (AddressKind::Email, "a b@example.com"),
            (AddressKind::Email, "a@example.com\r\nBcc: x@example.com"),
            (AddressKind::Email, "张@example.com"),
            (AddressKind::Email, "a..b@example.com"),
            (AddressKind::Email, "a@-example.com"),
            (AddressKind::Mobile, "12"),
            (AddressKind::Mobile, "+86 138"),
            (AddressKind::Wecom, "a|b"),
            (AddressKind::Wecom, ""),
            (AddressKind::Wecom, "party:"),
            (AddressKind::Wecom, "party:two"),
            (AddressKind::Wecom, "group:2"),
            (AddressKind::Dingtalk, "a,b"),
        ] {
            assert!(problem(kind, bad).is_some(), "{bad}");
        }
    }
}
