//! Which addresses may be called.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The addresses an operator allows besides the public internet.
#[derive(Clone, Debug, Default)]
pub struct EgressPolicy {
    /// Special ranges that may be called all the same.
    pub allow: Vec<IpNet>,
}

/// The allow-list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadEgressPolicy {
    /// The entry that is neither an address nor a range.
    pub entry: String,
}

impl fmt::Display for BadEgressPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not an address or a range like 10.0.0.0/8; separate entries with commas",
            self.entry
        )
    }
}

impl std::error::Error for BadEgressPolicy {}

/// What no public service lives at: this network, private, CGNAT (and Alibaba's metadata in it), loopback, link-local
/// (and most clouds' metadata in it), protocol assignments, documentation, 6to4 relays, benchmarks, multicast,
/// reserved, broadcast, and Azure's metadata, which hides in public space.
const SPECIAL_V4: [([u8; 4], u8); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([168, 63, 129, 16], 32),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Inside 2000::/3, the only global unicast space there is: benchmarks, ORCHID, ORCHIDv2, documentation (twice).
const SPECIAL_V6: [([u16; 2], u8); 5] = [
    ([0x2001, 0x2], 48),
    ([0x2001, 0x10], 28),
    ([0x2001, 0x20], 28),
    ([0x2001, 0xdb8], 32),
    ([0x3fff, 0], 20),
];

impl EgressPolicy {
    /// Reads the operator's list: ranges and addresses with commas or blanks between.
    ///
    /// # Behavior
    /// - Unset: loopback is allowed if `default_loopback` says so, nothing else.
    /// - Set but empty: nothing but the public internet.
    pub fn parse(text: Option<&str>, default_loopback: bool) -> Result<Self, BadEgressPolicy> {
        let Some(text) = text else {
            let mut allow = Vec::new();
            if default_loopback {
                allow.push(IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)));
                allow.push(IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)));
            }
            return Ok(Self { allow });
        };
        let entries = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|e| !e.is_empty());
        let allow = entries.map(parse_entry).collect::<Result<_, _>>()?;
        Ok(Self { allow })
    }

    /// Whether a connection to the address may be opened.
    pub fn allows(&self, ip: IpAddr) -> bool {
        if self.allow.iter().any(|net| net.contains(&ip)) {
            return true;
        }
        match ip {
            IpAddr::V4(v4) => !is_special_v4(v4),
            IpAddr::V6(v6) => match inner_v4(v6) {
                Some(inner) => inner.into_iter().all(|v4| self.allows(IpAddr::V4(v4))),
                None => !is_special_v6(v6),
            },
        }
    }
}

fn parse_entry(entry: &str) -> Result<IpNet, BadEgressPolicy> {
    let bad = || BadEgressPolicy { entry: entry.to_owned() };
    if entry.contains('/') {
        entry.parse::<IpNet>().map(|net| net.trunc()).map_err(|_| bad())
    } else {
        entry.parse::<IpAddr>().map(IpNet::from).map_err(|_| bad())
    }
}

fn is_special_v4(ip: Ipv4Addr) -> bool {
    let bits = u32::from(ip);
    SPECIAL_V4.iter().any(|(net, prefix)| {
        let net = u32::from_be_bytes(*net);
        (bits ^ net) >> (32 - u32::from(*prefix)) == 0
    })
}

fn is_special_v6(ip: Ipv6Addr) -> bool {
    let [first, second, third, ..] = ip.segments();
    if first >> 13 != 1 {
        return true;
    }
    SPECIAL_V6.iter().any(|(net, prefix)| {
        let bits = u64::from(first) << 32 | u64::from(second) << 16 | u64::from(third);
        let net = u64::from(net[0]) << 32 | u64::from(net[1]) << 16;
        (bits ^ net) >> (48 - u32::from(*prefix)) == 0
    })
}

/// The IPv4 addresses that packets to this IPv6 address may really go to.
fn inner_v4(ip: Ipv6Addr) -> Option<Vec<Ipv4Addr>> {
    let s = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match s {
        // The unspecified address and loopback only look like IPv4-compatible ones.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // IPv4-compatible, IPv4-mapped, IPv4-translated (RFC 2765) and NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff, a, b]
        | [0, 0, 0, 0, 0xffff, 0, a, b]
        | [0x64, 0xff9b, 0, 0, 0, 0, a, b] => Some(vec![v4(a, b)]),
        // 6to4.
        [0x2002, a, b, ..] => Some(vec![v4(a, b)]),
        // Teredo: the server, and the client with its bits turned.
        [0x2001, 0, a, b, _, _, c, d] => Some(vec![v4(a, b), v4(!c, !d)]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(policy: &EgressPolicy, ip: &str) -> bool {
        policy.allows(ip.parse().unwrap())
    }

    #[test]
    fn special_addresses_are_refused_in_every_dress() {
        let policy = EgressPolicy::default();
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "168.63.129.16",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
        ];
        for ip in special {
            assert!(!allows(&policy, ip), "{ip}");
            let v4: Ipv4Addr = ip.parse().unwrap();
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for dress in [
                format!("::ffff:{ip}"),
                format!("::ffff:0:{high:x}:{low:x}"),
                format!("64:ff9b::{high:x}:{low:x}"),
                format!("2002:{high:x}:{low:x}::1"),
                format!("2001:0:{high:x}:{low:x}::f7f7:f7f7"),
                format!("2001:0:808:808::{:x}:{:x}", !high, !low),
            ] {
                assert!(!allows(&policy, &dress), "{dress}");
            }
        }
        for ip in [
            "::",
            "::1",
            "::7f00:1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "100::1",
            "64:ff9b:1::1",
            "2001:db8::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "3fff::1",
            "5f00::1",
            "4000::1",
        ] {
            assert!(!allows(&policy, ip), "{ip}");
        }
    }

    #[test]
    fn the_internet_is_allowed() {
        let policy = EgressPolicy::default();
        for ip in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2001:4860:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(allows(&policy, ip), "{ip}");
        }
    }

    #[test]
    fn the_operators_list_opens_what_it_names() {
        let policy = EgressPolicy::parse(Some("10.1.0.0/16, 192.168.1.7\nfd12::/16"), true).unwrap();
        for ip in ["10.1.2.3", "192.168.1.7", "fd12::5", "::ffff:10.1.2.3", "64:ff9b::a01:203"] {
            assert!(allows(&policy, ip), "{ip}");
        }
        for ip in ["10.2.0.1", "192.168.1.8", "fd13::5", "127.0.0.1"] {
            assert!(!allows(&policy, ip), "{ip}");
        }
    }

    #[test]
    fn unset_and_empty_differ() {
        assert!(allows(&EgressPolicy::parse(None, true).unwrap(), "127.0.0.1"));
        assert!(allows(&EgressPolicy::parse(None, true).unwrap(), "::1"));
        assert!(!allows(&EgressPolicy::parse(None, true).unwrap(), "10.0.0.1"));
        assert!(!allows(&EgressPolicy::parse(None, false).unwrap(), "127.0.0.1"));
        assert!(!allows(&EgressPolicy::parse(Some(" "), true).unwrap(), "127.0.0.1"));
        for bad in ["10.0.0.0/33", "localhost", "10.0.0"] {
            assert_eq!(EgressPolicy::parse(Some(bad), true).unwrap_err().entry, bad);
        }
    }
}
