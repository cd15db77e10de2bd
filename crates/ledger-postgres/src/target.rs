//! The URL of a store: `postgres://USER[:PASSWORD]@HOST[:PORT][,HOST[:PORT]..]/DATABASE[?SETTINGS]`.
//!
//! The settings are those of PostgreSQL's own programs. `sslmode` is `verify-full`, which needs
//! `sslrootcert`, or `disable`: the modes between encrypt for whoever answers. Without it, servers
//! on this machine are reached in plain text, and others are refused.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio_postgres::config::{Host, SslMode};

/// Where a store is, and how it is reached.
#[derive(Clone)]
pub struct Target {
    /// One for each host.
    pub(crate) hosts: Vec<HostTarget>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    shown: String,
}

/// One host of a store.
#[derive(Clone)]
pub(crate) struct HostTarget {
    pub(crate) name: String,
    pub(crate) config: tokio_postgres::Config,
}

/// Why a text is not the URL of a store.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum TargetError {
    #[error("a store's URL begins with postgres:// and names a host, a user and a database")]
    NotAUrl,
    #[error("the store's URL: {0}")]
    Unreadable(String),
    #[error("the store's URL names no {0}")]
    Missing(&'static str),
    #[error(
        "sslmode={0} does not verify the server: use sslmode=verify-full with sslrootcert=FILE, or \
         sslmode=disable on a network that nobody else can reach"
    )]
    Unverified(String),
    #[error("sslmode=verify-full requires sslrootcert=FILE, the authority of the servers")]
    NoAuthority,
    #[error("sslrootcert has no effect with sslmode={0}")]
    UnusedAuthority(&'static str),
    #[error(
        "{0} is another machine and would be reached in plain text: set sslmode=verify-full and \
         sslrootcert=FILE, or sslmode=disable"
    )]
    Plaintext(String),
    #[error("{}: {why}", .path.display())]
    Authority { path: PathBuf, why: String },
}

#[derive(Default)]
struct Tls {
    mode: Option<String>,
    authority: Option<PathBuf>,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(TargetError::NotAUrl);
        }
        let (url, tls) = without_tls(url);
        let all: tokio_postgres::Config = url.parse().map_err(|error: tokio_postgres::Error| {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            TargetError::Unreadable(why.unwrap_or_else(|| error.to_string()))
        })?;
        let missing = TargetError::Missing;
        let user = all.get_user().ok_or(missing("user"))?.to_owned();
        let database = all.get_dbname().ok_or(missing("database"))?.to_owned();
        let hosts = hosts_of(&all)?;
        if hosts.is_empty() {
            return Err(missing("host"));
        }
        let tls = tls.config(&hosts)?;
        let hosts = hosts.into_iter().map(|(host, port)| {
            let mut config = tokio_postgres::Config::new();
            config.host(&host).port(port).user(&user).dbname(&database);
            if let Some(password) = all.get_password() {
                config.password(password);
            }
            config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
            config.application_name("bolillero");
            HostTarget { name: format!("{host}:{port}"), config }
        });
        let hosts: Vec<_> = hosts.collect();
        let names: Vec<_> = hosts.iter().map(|host| host.name.as_str()).collect();
        let shown = format!("postgres://{user}@{}/{database}", names.join(","));
        Ok(Self { hosts, tls, shown })
    }
}

/// Takes the settings of TLS, which the driver knows in part only, out of a URL.
fn without_tls(url: &str) -> (String, Tls) {
    let mut tls = Tls::default();
    let Some((address, query)) = url.split_once('?') else { return (url.to_owned(), tls) };
    let mut others = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "sslmode" => tls.mode = Some(value.into_owned()),
            "sslrootcert" => tls.authority = Some(PathBuf::from(value.into_owned())),
            _ => {
                others.append_pair(&name, &value);
            }
        }
    }
    (format!("{address}?{}", others.finish()), tls)
}

fn hosts_of(config: &tokio_postgres::Config) -> Result<Vec<(String, u16)>, TargetError> {
    let ports = config.get_ports();
    let port_of = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| match host {
        Host::Tcp(host) => Ok((host.clone(), port_of(at))),
        Host::Unix(path) => Ok((path.display().to_string(), port_of(at))),
    });
    hosts.collect()
}

impl Tls {
    fn config(self, hosts: &[(String, u16)]) -> Result<Option<Arc<ClientConfig>>, TargetError> {
        match (self.mode.as_deref(), self.authority) {
            (Some("verify-full"), Some(path)) => trusting(path).map(Some),
            (Some("verify-full"), None) => Err(TargetError::NoAuthority),
            (Some("disable"), Some(_)) => Err(TargetError::UnusedAuthority("disable")),
            (Some("disable"), None) => Ok(None),
            (Some(other), _) => Err(TargetError::Unverified(other.to_owned())),
            (None, Some(path)) => trusting(path).map(Some),
            (None, None) => match hosts.iter().find(|(host, _)| !is_this_machine(host)) {
                Some((host, _)) => Err(TargetError::Plaintext(host.clone())),
                None => Ok(None),
            },
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    host.starts_with('/')
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn trusting(path: PathBuf) -> Result<Arc<ClientConfig>, TargetError> {
    let failed = |why: String| TargetError::Authority { path: path.clone(), why };
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(&path).map_err(|error| failed(error.to_string()))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("it has no certificate in PEM".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| failed(error.to_string()))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// The URL without its password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> TargetError {
        url.parse::<Target>().expect_err(url)
    }

    #[test]
    fn a_url_names_hosts_user_and_database_and_is_shown_without_its_password() {
        let url = "postgres://lottery:s%40cret@127.0.0.1:5433,localhost,[::1]:5434/bolillero";
        let target: Target = url.parse().unwrap();
        let names: Vec<_> = target.hosts.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["127.0.0.1:5433", "localhost:5432", "::1:5434"]);
        assert_eq!(target.hosts[0].config.get_password(), Some(&b"s@cret"[..]));
        assert!(!format!("{target} {target:?}").contains("cret"));
    }

    #[test]
    fn a_url_that_can_not_be_used_is_refused_with_what_to_do() {
        assert_eq!(refused("./data"), TargetError::NotAUrl);
        assert_eq!(refused("postgres://127.0.0.1/db"), TargetError::Missing("user"));
        assert_eq!(refused("postgres://u@127.0.0.1"), TargetError::Missing("database"));
        assert_eq!(refused("postgres://u@/db"), TargetError::Missing("host"));
        assert!(matches!(refused("postgres://u@h:x/db"), TargetError::Unreadable(_)));
        let plain = TargetError::Plaintext("10.0.0.7".to_owned());
        assert_eq!(refused("postgres://u@127.0.0.1,10.0.0.7/db"), plain);
        let unverified = TargetError::Unverified("require".to_owned());
        assert_eq!(refused("postgres://u@10.0.0.7/db?sslmode=require"), unverified);
        assert_eq!(refused("postgres://u@h/db?sslmode=verify-full"), TargetError::NoAuthority);
        let missing = "postgres://u@h/db?sslrootcert=/nowhere/ca.crt&sslmode=verify-full";
        assert!(matches!(refused(missing), TargetError::Authority { .. }));
        assert!("postgres://u@10.0.0.7/db?sslmode=disable".parse::<Target>().is_ok());
    }
}
