//! Errors of certificates and their files.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::text::UtcTime;
use crate::urn::AgencyFault;

/// Why an operation on certificates failed.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum PkiError {
    #[error("can't read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("can't write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
    #[error("{} already exists and was not changed; {remedy}", path.display())]
    Exists { path: PathBuf, remedy: &'static str },
    #[error("other users of this machine can access {}: run `{remedy}` on it", path.display())]
    Exposed { path: PathBuf, remedy: &'static str },
    #[error("there is no authority in {}: create one with `bolillero pki init`", path.display())]
    NoAuthority { path: PathBuf },
    #[error("{} has no {what} in PEM format{hint}", path.display())]
    NotPem { path: PathBuf, what: &'static str, hint: &'static str },
    #[error("{} can't be used: {why}", path.display())]
    Unusable { path: PathBuf, why: String },
    #[error("the certificate in {} expired at {at}: issue a new one", path.display())]
    Expired { path: PathBuf, at: UtcTime },
    #[error(
        "the certificate in {} is valid from {at} only: check the clock of this host",
        path.display()
    )]
    NotYetValid { path: PathBuf, at: UtcTime },
    #[error("the certificate in {} is not an agency's: {fault}", path.display())]
    NotAnAgency { path: PathBuf, fault: AgencyFault },
    #[error(
        "the certificate in {} is not the central's: {why}; `bolillero pki central HOST` issues \
         one",
        path.display()
    )]
    NotACentral { path: PathBuf, why: String },
    #[error(
        "the certificate in {} belongs to agency {certified}, not to agency {agency}",
        path.display()
    )]
    OtherAgency { path: PathBuf, certified: u32, agency: u32 },
    #[error("the key in {} does not match the certificate in {}", key.display(),
        certificate.display())]
    OtherKey { key: PathBuf, certificate: PathBuf },
    #[error(
        "the authority's key is encrypted: type its passphrase on a terminal, or set \
         BOLILLERO_CA_PASSPHRASE"
    )]
    PassphraseNeeded,
    #[error("wrong passphrase of the authority's key")]
    WrongPassphrase,
    #[error("the passphrase must have at least {} characters", crate::limits::PASSPHRASE_LEN_MIN)]
    ShortPassphrase,
    #[error("'{0}' is neither a host name nor an IP address")]
    NotAHost(String),
    #[error("there is no certificate with serial number {0}; see `bolillero pki list`")]
    UnknownSerial(String),
    #[error("agency {0} has no certificate to revoke")]
    NothingToRevoke(u32),
    #[error("can't create the certificate: {0}")]
    Making(String),
}

impl PkiError {
    /// Whether the input is at fault rather than the machine.
    #[must_use]
    pub fn is_wrong_input(&self) -> bool {
        !matches!(self, Self::Write { .. } | Self::Making(_))
    }
}
