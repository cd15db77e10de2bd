//! Certificates: a private authority in a folder, and what each side of TLS asks of the other's.
//!
//! ```text
//! authority    the authority's folder: issue, revoke, list
//! ca_key       its key, as it is on disk: plain, or encrypted with a passphrase
//! urn          which agency a certificate is for
//! central      what the central speaks TLS with, and which certificates it takes
//! revoked      which certificates are revoked
//! shown        the certificate that an agency showed
//! agency       what an agency speaks TLS with
//! files        PEM files: reading, and writing without overwriting
//! words        what TLS says went wrong, in words for people
//! ```
//!
//! An agency is what its certificate says: one URI `urn:bolillero:agency:N` among its subject's
//! alternative names.
//!
//! Invariants:
//! - a key's file is made for its owner alone, and never overwritten without being asked to;
//! - TLS 1.3 only, and no resumption: every connection shows its certificate, so that one revoked
//!   does not come back by a ticket;
//! - one provider of cryptography, named wherever one is needed.
//!
//! Deliberately absent: sockets, and any other crate of ours; an agency's number is a `u32` here.

mod agency;
mod authority;
mod ca_key;
mod central;
mod error;
mod files;
pub mod limits;
mod peer_certificate;
mod revoked;
mod text;
mod urn;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use agency::{AgencyFiles, agency_config};
pub use authority::{Authority, Issued, Kind, Listed, Subject, list};
pub use ca_key::{Passphrase, is_encrypted};
pub use central::{CentralConfig, CentralFiles, End, EndOf, central_config};
pub use error::PkiError;
pub use peer_certificate::PeerCertificate;
pub use text::{UtcTime, describe};
pub use urn::{AGENCY_URN, AgencyFault, agency_of};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
