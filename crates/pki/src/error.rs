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
    #[error("{} is there already and was left as it is; {remedy}", path.display())]
    Exists { path: PathBuf, remedy: &'static str },
    #[error("others on this machine may get at {}: run `{remedy}` on it", path.display())]
    Exposed { path: PathBuf, remedy: &'static str },
    #[error("there is no authority in {}: make one with `bolillero pki init`", path.display())]
    NoAuthority { path: PathBuf },
    #[error("{} holds no {what} in PEM form{hint}", path.display())]
    NotPem { path: PathBuf, what: &'static str, hint: &'static str },
    #[error("{} can't be used: {why}", path.display())]
    Unusable { path: PathBuf, why: String },
    #[error("the certificate in {} expired at {at}: have a new one issued", path.display())]
    Expired { path: PathBuf, at: UtcTime },
    #[error(
        "the certificate in {} is valid from {at} only: is the clock of this host right?",
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
        "the certificate in {} is that of agency {certified}, not of agency {agency}",
        path.display()
    )]
    OtherAgency { path: PathBuf, certified: u32, agency: u32 },
    #[error("the key in {} is not that of the certificate in {}", key.display(),
        certificate.display())]
    OtherKey { key: PathBuf, certificate: PathBuf },
    #[error(
        "the authority's key is encrypted: give its passphrase on a terminal or as \
         BOLILLERO_CA_PASSPHRASE"
    )]
    PassphraseNeeded,
    #[error("the passphrase is not that of the authority's key")]
    WrongPassphrase,
    #[error("a passphrase of at least {} characters is needed", crate::limits::PASSPHRASE_LEN_MIN)]
    ShortPassphrase,
    #[error("'{0}' is neither a host's name nor an IP address")]
    NotAHost(String),
    #[error("nothing was issued under serial number {0}; `bolillero pki list` shows what was")]
    UnknownSerial(String),
    #[error("agency {0} has no certificate that is not revoked")]
    NothingToRevoke(u32),
    #[error("can't make the certificate: {0}")]
    Making(String),
}

impl PkiError {
    /// Whether the input is at fault rather than the machine.
    #[must_use]
    pub fn is_wrong_input(&self) -> bool {
        !matches!(self, Self::Write { .. } | Self::Making(_))
    }
}
