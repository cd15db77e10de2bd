//! Where the central is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;
use thiserror::Error;

/// A central's address over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The host, as in a URL: an IPv6 address is in brackets.
    host: String,
    port: u16,
    is_encrypted: bool,
}

/// Why a text is no address that a copy may come from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum AddressError {
    #[error("'{0}' is no address of a central: give one as in https://central.example")]
    NotAnAddress(String),
    #[error("an address of a central has no path: give https://central.example alone")]
    Path,
    #[error(
        "{0} is another host, and with the ledger go numbers that nobody may see and hashes of \
         passwords: use https://"
    )]
    Plain(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let not_one = || AddressError::NotAnAddress(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| not_one())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(not_one());
        };
        let (is_encrypted, usual) = match scheme {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return Err(not_one()),
        };
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(not_one());
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(AddressError::Path);
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str() == authority.host() => usual,
            None => return Err(not_one()),
        };
        let host = authority.host().to_owned();
        let address = Self { host, port, is_encrypted };
        match is_encrypted || address.is_this_machine() {
            true => Ok(address),
            false => Err(AddressError::Plain(address.host)),
        }
    }
}

impl Address {
    /// Whether it is reached over TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// The host without the brackets of an IPv6 address.
    pub(crate) fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The host and the port.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn is_this_machine(&self) -> bool {
        let is_loopback = self.name().parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
        self.host == "localhost" || is_loopback
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_encrypted_or_of_this_machine() {
        for (text, shown) in [
            ("https://central.example", "https://central.example:443"),
            ("https://10.0.0.7:8443/", "https://10.0.0.7:8443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://localhost", "http://localhost:80"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for text in ["http://10.0.0.7:8080", "http://central.example", "http://localhost.example"] {
            assert!(matches!(text.parse::<Address>(), Err(AddressError::Plain(_))), "{text}");
        }
        for text in
            ["", "central:8080", "/data", "ftp://h", "https://", "https://a:b@h", "https://h:x"]
        {
            let refused = text.parse::<Address>();
            assert!(matches!(refused, Err(AddressError::NotAnAddress(_))), "{text}: {refused:?}");
        }
        for text in ["https://h/api", "https://h/?x=1"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Path), "{text}");
        }
    }
}
