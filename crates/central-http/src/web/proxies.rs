//! Trusted proxies, and the addresses of the clients that they forward requests for.
//!
//! Anybody can send the header that holds the client's address, so:
//! - it counts only if the connection comes from a trusted proxy;
//! - each proxy appends the address that it was reached from, so the client's address is the last
//!   one that is not a trusted proxy;
//! - if an entry can't be parsed, the request is attributed to the proxy that added the entry.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Proxies that are trusted to report their clients' addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies {
    /// The proxies' addresses.
    pub networks: Vec<Network>,
    /// The header in which they report the client.
    pub header: ClientHeader,
}

/// An address, or all addresses with a common prefix: `10.0.0.5`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    first: IpAddr,
    prefix_len: u8,
}

/// Error for text that is not a [`Network`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is neither an address nor a network such as 10.0.0.5, 10.0.0.0/8 or fd00::/8; it must \
     have no bits set after the prefix, and the prefix must not be empty"
)]
pub struct NetworkError(String);

/// A header in which proxies report their client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClientHeader {
    /// `X-Forwarded-For: 203.0.113.7, 10.0.0.5`
    XForwardedFor,
    /// `X-Real-IP: 203.0.113.7`
    XRealIp,
    /// `Forwarded: for=203.0.113.7, for="[2001:db8::7]:4711"` (RFC 7239)
    Forwarded,
}

/// Error for text that is not a [`ClientHeader`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{0}' is none of x-forwarded-for, x-real-ip and forwarded")]
pub struct ClientHeaderError(String);

impl Proxies {
    /// Returns the client's address: the one that a trusted proxy reports, or else the peer's.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let lines = headers.get_all(self.header.name()).iter().map(|line| line.to_str());
        let Ok(lines) = lines.collect::<Result<Vec<_>, _>>() else { return peer };
        match self.header {
            ClientHeader::XForwardedFor => {
                let entries = lines.iter().rev().flat_map(|line| line.rsplit(','));
                self.last_untrusted(peer, entries.map(|entry| address(entry.trim())))
            }
            ClientHeader::XRealIp => match lines[..] {
                [line] => address(line.trim()).unwrap_or(peer),
                _ => peer,
            },
            ClientHeader::Forwarded => {
                let nodes = forwarded(&lines.join(",")).unwrap_or_default();
                self.last_untrusted(peer, nodes.iter().rev().map(|node| address(node)))
            }
        }
    }

    /// Walks the entries backwards from the peer, for as long as they are trusted proxies, and
    /// returns the first address that is not, or else the last one that was read.
    fn last_untrusted(
        &self,
        peer: IpAddr,
        backwards: impl Iterator<Item = Option<IpAddr>>,
    ) -> IpAddr {
        let mut nearest = peer;
        for address in backwards.map_while(|address| address) {
            nearest = address;
            if !self.trusts(address) {
                break;
            }
        }
        nearest
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        (bits(address) ^ bits(self.first)) & self.mask() == 0
    }

    /// Returns the mask of the bits that all addresses of the network share.
    fn mask(&self) -> u128 {
        let len = if self.first.is_ipv4() { 96 + self.prefix_len } else { self.prefix_len };
        u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0)
    }
}

/// Returns the address as 128 bits; an IPv4 address is equal to its IPv6-mapped form.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl ClientHeader {
    fn name(self) -> HeaderName {
        HeaderName::from_static(self.as_str())
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::XRealIp => "x-real-ip",
            Self::Forwarded => "forwarded",
        }
    }
}

/// Parses an address as proxies write it: alone, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    text.parse().ok().or_else(in_brackets).or_else(with_port).map(|it: IpAddr| it.to_canonical())
}

/// Returns the `for` value of each element of a `Forwarded` header, in order. Returns `None` if the
/// header violates RFC 7239: a quote that a client left open would hide what follows.
fn forwarded(text: &str) -> Option<Vec<String>> {
    let mut nodes = Vec::new();
    let mut rest = text;
    loop {
        let mut node = String::new();
        loop {
            let (name, value, after) = pair(rest.trim_start())?;
            if name.eq_ignore_ascii_case("for") {
                node = value;
            }
            rest = after.trim_start();
            match rest.strip_prefix(';') {
                Some(next) => rest = next,
                None => break,
            }
        }
        nodes.push(node);
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return rest.is_empty().then_some(nodes),
        }
    }
}

/// Parses a leading `name=value`; returns it and the rest of the text.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = token(text)?;
    let rest = rest.strip_prefix('=')?;
    let Some(quoted) = rest.strip_prefix('"') else {
        let (value, rest) = token(rest)?;
        return Some((name, value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((name, value, &quoted[at + 1..])),
            (_, '\\') => value.push(characters.next()?.1),
            (_, character) => value.push(character),
        }
    }
}

/// Splits off a leading HTTP token; returns it and the rest of the text.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let len = text.bytes().take_while(|byte| is_of_token(*byte)).count();
    (len > 0).then(|| text.split_at(len))
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        network(text).ok_or_else(|| NetworkError(text.to_owned()))
    }
}

fn network(text: &str) -> Option<Network> {
    let (first, prefix_len) = match text.split_once('/') {
        Some((first, len)) => (first.parse().ok()?, Some(len.parse().ok()?)),
        None => (text.parse().ok()?, None),
    };
    let len_max = if IpAddr::is_ipv4(&first) { 32 } else { 128 };
    let network = Network { first, prefix_len: prefix_len.unwrap_or(len_max) };
    let is_some_network = (1..=len_max).contains(&network.prefix_len);
    (is_some_network && bits(first) & !network.mask() == 0).then_some(network)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_len)
    }
}

impl FromStr for ClientHeader {
    type Err = ClientHeaderError;

    fn from_str(text: &str) -> Result<Self, ClientHeaderError> {
        let all = [Self::XForwardedFor, Self::XRealIp, Self::Forwarded];
        let named = all.into_iter().find(|it| it.as_str().eq_ignore_ascii_case(text));
        named.ok_or_else(|| ClientHeaderError(text.to_owned()))
    }
}

impl fmt::Display for ClientHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! in_files_as_text {
    ($($value:ty: $error:ty),*) => {$(
        impl TryFrom<String> for $value {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$value> for String {
            fn from(value: $value) -> Self {
                value.to_string()
            }
        }
    )*};
}

in_files_as_text!(Network: NetworkError, ClientHeader: ClientHeaderError);

#[cfg(test)]
mod tests {
    use ClientHeader::{Forwarded, XForwardedFor, XRealIp};
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.5";

    /// Returns the client of a request from the proxy with these header lines.
    fn client(header: ClientHeader, lines: &[&str]) -> String {
        let networks = ["10.0.0.0/24", "fd00::/8"].map(|it| it.parse().unwrap()).to_vec();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), HeaderValue::from_str(line).unwrap());
        }
        let proxies = Proxies { networks, header };
        proxies.client(PROXY.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_client_is_the_last_before_the_trusted_proxies() {
        for (lines, expected) in [
            (&["203.0.113.7"][..], "203.0.113.7"),
            (&["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
            (&["1.1.1.1,203.0.113.7 , 10.0.0.9"], "203.0.113.7"),
            (&["1.1.1.1", "203.0.113.7", "10.0.0.9,fd00::1"], "203.0.113.7"),
            (&["10.0.0.8, 10.0.0.9"], "10.0.0.8"),
            (&["203.0.113.7:4711"], "203.0.113.7"),
            (&["[2001:db8::7]:4711"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["::ffff:203.0.113.7"], "203.0.113.7"),
            (&["x, 203.0.113.7"], "203.0.113.7"),
            // An entry that can't be parsed counts as the proxy that added it.
            (&["203.0.113.7, x"], PROXY),
            (&["203.0.113.7, x, 10.0.0.9"], "10.0.0.9"),
            (&["203.0.113.7,"], PROXY),
            (&["fe80::1%eth0"], PROXY),
            (&[""], PROXY),
            (&[], PROXY),
        ] {
            assert_eq!(client(XForwardedFor, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_other_headers_are_read_as_well() {
        for (lines, expected) in [
            (&["203.0.113.7"][..], "203.0.113.7"),
            (&["203.0.113.7, 203.0.113.8"], PROXY),
            (&["203.0.113.7", "203.0.113.8"], PROXY),
            (&[], PROXY),
        ] {
            assert_eq!(client(XRealIp, lines), expected, "{lines:?}");
        }
        for (lines, expected) in [
            (&["for=203.0.113.7"][..], "203.0.113.7"),
            (&["For=1.1.1.1, for=203.0.113.7;proto=http;by=\"x;y,z\""], "203.0.113.7"),
            (&["proto=http; for=\"[2001:db8::7]:4711\" , for=10.0.0.9"], "2001:db8::7"),
            (&["for=\"203.0.113\\.7\""], "203.0.113.7"),
            (&["for=1.1.1.1", "for=203.0.113.7"], "203.0.113.7"),
            (&["for=203.0.113.7, for=_hidden"], PROXY),
            (&["for=203.0.113.7, proto=http"], PROXY),
            // A client that leaves a quote open hides nothing of what the proxy adds.
            (&["for=6.6.6.6;x=\"", "for=203.0.113.7"], PROXY),
            (&["for=6.6.6.6;x=\"", "for=203.0.113.7;host=\"y\""], PROXY),
            (&["for=[2001:db8::7]"], PROXY),
            (&["for=203.0.113.7;"], PROXY),
            (&["203.0.113.7"], PROXY),
            (&[], PROXY),
        ] {
            assert_eq!(client(Forwarded, lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn who_is_no_trusted_proxy_speaks_for_itself() {
        let networks = vec!["10.0.0.5".parse().unwrap()];
        let proxies = Proxies { networks, header: XForwardedFor };
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
        for (peer, expected) in [
            ("10.0.0.6", "10.0.0.6"),
            ("2001:db8::1", "2001:db8::1"),
            ("10.0.0.5", "203.0.113.7"),
            ("::ffff:10.0.0.5", "203.0.113.7"),
        ] {
            let client = proxies.client(peer.parse().unwrap(), &headers);
            assert_eq!(client.to_string(), expected);
        }
    }

    #[test]
    fn networks_are_read_as_people_write_them() {
        for (text, written, inside, outside) in [
            ("10.0.0.5", "10.0.0.5/32", "10.0.0.5", "10.0.0.4"),
            ("10.0.0.0/8", "10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("128.0.0.0/1", "128.0.0.0/1", "255.0.0.1", "127.0.0.1"),
            ("::1", "::1/128", "::1", "::2"),
            ("fd00::/8", "fd00::/8", "fdff::1", "fe00::1"),
            ("2001:DB8::/64", "2001:db8::/64", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1"),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), written);
            assert_eq!(written.parse(), Ok(network));
            assert!(network.contains(inside.parse().unwrap()), "{text}");
            assert!(!network.contains(outside.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "proxy",
            "10.0.0",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "0.0.0.0/0",
            "::/0",
            "::1/129",
            "::1/x",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError(text.to_owned())));
        }
        assert_eq!("X-Forwarded-For".parse(), Ok(XForwardedFor));
        assert!("via".parse::<ClientHeader>().is_err());
    }

    proptest! {
        /// Whatever a client sends before it, the result is the address that the proxy adds, or the
        /// proxy's own.
        #[test]
        fn a_client_can_not_be_somebody_else(sent in "[ -~]{0,40}") {
            let added = "203.0.113.7";
            prop_assert_eq!(client(XForwardedFor, &[&sent, added]), added);
            prop_assert_eq!(client(XForwardedFor, &[&format!("{sent}, {added}")]), added);
            let by_proxy = [added, PROXY];
            let found = client(Forwarded, &[&format!("{sent}, for={added}")]);
            prop_assert!(by_proxy.contains(&&*found), "{}", found);
        }
    }
}
