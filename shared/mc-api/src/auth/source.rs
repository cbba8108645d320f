//! Where a request comes from: the address of its connection, or what a trusted proxy says in `X-Forwarded-For`.
//!
//! Anybody can write that header, so it counts only on connections from proxies that the configuration names, and of it
//! only the last entry that is not such a proxy itself: everything before that came from the caller. Behind API Gateway
//! the connection's address is the one in the event's request context, which no caller can write.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::request::Parts;
use ipnet::IpNet;

/// Some networks.
#[derive(Clone, Debug, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Reads addresses and ranges; answers the first that is neither.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let read = |entry: &'a str| network(entry).ok_or_else(|| entry.to_owned());
        entries.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them holds the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

/// `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`.
pub fn network(text: &str) -> Option<IpNet> {
    match text.contains('/') {
        true => text.parse::<IpNet>().ok().map(|network| network.trunc()),
        false => text.parse::<IpAddr>().ok().map(|address| address.to_canonical().into()),
    }
}

/// The address of the connection, if the server tells.
pub(crate) fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip().to_canonical())
}

/// Where the request came from. Nothing if a trusted proxy says what cannot be read.
pub(crate) fn of(parts: &Parts, proxies: &Networks) -> Option<IpAddr> {
    let peer = peer(parts)?;
    if !proxies.contains(peer) {
        return Some(peer);
    }
    let said = parts.headers.get_all("x-forwarded-for").iter();
    let said: Vec<&str> = said.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).collect();
    let mut source = peer;
    for entry in said.into_iter().rev() {
        source = address(entry.trim())?;
        if !proxies.contains(source) {
            break;
        }
    }
    Some(source)
}

/// An address as proxies write it, some with a port.
fn address(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn source(peer: &str, forwarded: &[&str], proxies: &[&str]) -> Option<String> {
        let mut request = Request::new(());
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        for value in forwarded {
            request.headers_mut().append("x-forwarded-for", value.parse().unwrap());
        }
        let proxies = Networks::parse(proxies.iter().copied()).unwrap();
        of(&request.into_parts().0, &proxies).map(|address| address.to_string())
    }

    #[test]
    fn a_stranger_cannot_say_where_it_comes_from() {
        assert_eq!(source("192.0.2.7", &["10.0.0.1"], &[]).as_deref(), Some("192.0.2.7"));
        assert_eq!(source("192.0.2.7", &["10.0.0.1"], &["127.0.0.1"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(source("::ffff:192.0.2.7", &[], &[]).as_deref(), Some("192.0.2.7"));
    }

    #[test]
    fn of_a_trusted_proxy_the_last_strange_entry_counts() {
        let table: [(&[&str], Option<&str>); 7] = [
            (&["192.0.2.7"], Some("192.0.2.7")),
            (&["10.9.9.9, 192.0.2.7"], Some("192.0.2.7")),
            (&["192.0.2.7, 127.0.0.2"], Some("192.0.2.7")),
            (&["10.9.9.9", "192.0.2.7, 127.0.0.2"], Some("192.0.2.7")),
            (&["[2001:db8::1]:443"], Some("2001:db8::1")),
            (&[], Some("127.0.0.1")),
            (&["unknown"], None),
        ];
        for (forwarded, expected) in table {
            assert_eq!(
                source("127.0.0.1", forwarded, &["127.0.0.0/8"]).as_deref(),
                expected,
                "{forwarded:?}"
            );
        }
    }

    #[test]
    fn what_is_no_network_is_named() {
        assert_eq!(Networks::parse(["10.0.0.0/8", "10.0.0.0/33"]).unwrap_err(), "10.0.0.0/33");
        assert!(Networks::parse(["192.0.2.9/24"]).unwrap().contains("::ffff:192.0.2.1".parse().unwrap()));
    }
}
