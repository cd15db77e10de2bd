//! What goes wrong with certificates and their files, for people.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::text::UtcTime;
use crate::urn::AgencyFault;

/// Why something could not be done with certificates.
#[derive(Debug, Error)]
pub enum PkiError {
    /// A file or folder could not be read.
    #[error("can't read {}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file or folder could not be written.
    #[error("can't write {}: {error}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file that would have to be overwritten.
    #[error("{} is there already and was left as it is; {remedy}", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// A folder or key that others on this machine may get at.
    #[error("others on this machine may get at {}: run `{remedy}` on it", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// The command that mends it.
        remedy: &'static str,
    },
    /// A folder without an authority.
    #[error("there is no authority in {}: make one with `bolillero pki init`", path.display())]
    NoAuthority {
        /// The folder.
        path: PathBuf,
    },
    /// A file does not hold what it should.
    #[error("{} holds no {what} in PEM form{hint}", path.display())]
    NotPem {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What else may be said.
        hint: &'static str,
    },
    /// A certificate or list that can't be understood.
    #[error("{} can't be used: {why}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A certificate that is not valid any more.
    #[error("the certificate in {} expired at {at}: have a new one issued", path.display())]
    Expired {
        /// Which file.
        path: PathBuf,
        /// When.
        at: UtcTime,
    },
    /// A certificate that is not valid yet.
    #[error(
        "the certificate in {} is valid from {at} only: is the clock of this host right?",
        path.display()
    )]
    NotYetValid {
        /// Which file.
        path: PathBuf,
        /// When.
        at: UtcTime,
    },
    /// A certificate for something else than an agency.
    #[error("the certificate in {} is not an agency's: {fault}", path.display())]
    NotAnAgency {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        fault: AgencyFault,
    },
    /// A certificate that agencies would not take for the central's.
    #[error(
        "the certificate in {} is not the central's: {why}; `bolillero pki central HOST` issues \
         one",
        path.display()
    )]
    NotACentral {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate of another agency.
    #[error(
        "the certificate in {} is that of agency {certified}, not of agency {agency}",
        path.display()
    )]
    OtherAgency {
        /// Which file.
        path: PathBuf,
        /// Whose certificate it is.
        certified: u32,
        /// Whose it should be.
        agency: u32,
    },
    /// The certificate is for another key.
    #[error("the key in {} is not that of the certificate in {}", key.display(),
        certificate.display())]
    OtherKey {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// The authority's key is encrypted, and nothing was given to decrypt it.
    #[error(
        "the authority's key is encrypted: give its passphrase on a terminal or as \
         BOLILLERO_CA_PASSPHRASE"
    )]
    PassphraseNeeded,
    /// The passphrase does not decrypt the authority's key.
    #[error("the passphrase is not that of the authority's key")]
    WrongPassphrase,
    /// A passphrase that is too easily found out.
    #[error("a passphrase of at least {} characters is needed", crate::limits::PASSPHRASE_LEN_MIN)]
    ShortPassphrase,
    /// A name that no central can have.
    #[error("'{0}' is neither a host's name nor an IP address")]
    NotAHost(String),
    /// Nothing was issued under this serial number.
    #[error("nothing was issued under serial number {0}; `bolillero pki list` shows what was")]
    UnknownSerial(String),
    /// No certificate of this agency is left to revoke.
    #[error("agency {0} has no certificate that is not revoked")]
    NothingToRevoke(u32),
    /// Cryptography refused something that was made here.
    #[error("can't make the certificate: {0}")]
    Making(String),
}

impl PkiError {
    /// Whether what was given is at fault, and not the machine.
    #[must_use]
    pub fn is_wrong_input(&self) -> bool {
        !matches!(self, Self::Write { .. } | Self::Making(_))
    }
}
