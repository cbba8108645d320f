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
