//! The origin under which browsers reach the central: scheme, host and port.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;

/// Scheme, host and port, in the form of the header `Origin`: `https://lottery.example`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

/// Error for text that is not an [`Origin`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is not an origin: https:// or http://, a host and an optional port, and nothing else, \
     such as https://lottery.example"
)]
pub struct OriginError(String);

impl Origin {
    /// Returns whether the scheme is `https`.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// Returns the port that browsers connect to.
    pub(crate) fn port(&self) -> u16 {
        let usual_port = if self.is_encrypted() { HTTPS_PORT } else { HTTP_PORT };
        let port = self.0.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        port.unwrap_or(usual_port)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns whether the header `Origin` names the same host and port as the header `Host`.
pub(crate) fn is_of_host(origin: &str, host: &str) -> bool {
    let (authority, usual_port) = match origin.split_once("://") {
        Some(("https", authority)) => (authority, HTTPS_PORT),
        Some(("http", authority)) => (authority, HTTP_PORT),
        _ => return false,
    };
    let without_port = host.strip_suffix(&format!(":{usual_port}")).unwrap_or(host);
    !authority.is_empty() && authority.eq_ignore_ascii_case(without_port)
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        normal(&text.to_ascii_lowercase()).map(Self).ok_or_else(|| OriginError(text.to_owned()))
    }
}

/// Normalizes an origin as browsers write it: without the scheme's default port.
fn normal(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let usual_port = match scheme {
        "https" => HTTPS_PORT,
        "http" => HTTP_PORT,
        _ => return None,
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().ok()?),
        _ => (rest, usual_port),
    };
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => format!("[{}]", address.parse::<Ipv6Addr>().ok()?),
        None if is_name(host) => host.to_owned(),
        None => return None,
    };
    let port = if port == usual_port { String::new() } else { format!(":{port}") };
    Some(format!("{scheme}://{host}{port}"))
}

fn is_name(host: &str) -> bool {
    let fits = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    !host.is_empty() && host.bytes().all(fits)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Origin {
    type Error = OriginError;

    fn try_from(text: String) -> Result<Self, OriginError> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        for (text, written) in [
            ("https://lottery.example", "https://lottery.example"),
            ("HTTPS://Lottery.Example:443", "https://lottery.example"),
            ("https://lottery.example:8443", "https://lottery.example:8443"),
            ("http://10.0.0.5:8080", "http://10.0.0.5:8080"),
            ("http://localhost:80", "http://localhost"),
            ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!(origin.as_str(), written);
            assert_eq!(origin.is_encrypted(), written.starts_with("https"));
            assert_eq!(origin.to_string().parse(), Ok(origin));
        }
    }

    #[test]
    fn the_port_that_browsers_connect_to_is_known() {
        for (text, port) in [
            ("https://lottery.example", 443),
            ("http://10.0.0.5", 80),
            ("https://lottery.example:8443", 8443),
            ("https://[::1]", 443),
            ("http://[::1]:8080", 8080),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().port(), port, "{text}");
        }
    }

    #[test]
    fn an_origin_is_of_a_host_when_its_name_and_port_are() {
        for (origin, host) in [
            ("http://localhost:8080", "localhost:8080"),
            ("https://Lottery.example", "lottery.example"),
            ("https://lottery.example", "lottery.example:443"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://the_central", "the_central:80"),
        ] {
            assert!(is_of_host(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("http://evil.example", "lottery.example"),
            ("http://localhost:8081", "localhost:8080"),
            ("http://localhost", "localhost:8080"),
            ("https://lottery.example", "lottery.example:80"),
            ("https://lottery.example.evil.example", "lottery.example"),
            ("https://lottery.example:443", "lottery.example"),
            ("null", "null"),
            ("file://", ""),
            ("http://", ""),
            ("", ""),
        ] {
            assert!(!is_of_host(origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "lottery.example",
            "ftp://lottery.example",
            "https://",
            "https://:443",
            "https://lottery.example/",
            "https://lottery.example/console",
            "https://ana@lottery.example",
            "https://lottery.example:0443x",
            "https://lottery.example:65536",
            "https://lottery.example:1:2",
            "https://[::1",
            "https://[lottery]",
            "https://lotería.example",
            "https://lottery.example, https://b",
            "null",
        ] {
            let refused = text.parse::<Origin>();
            assert_eq!(refused, Err(OriginError(text.to_owned())));
        }
    }
}
