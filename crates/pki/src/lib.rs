//! Certificates: a private authority in a folder, and the TLS configuration of both sides.
//!
//! ```text
//! authority         an authority's folder: issue, revoke, list
//! ca_key            the authority's key on disk, plain or encrypted
//! urn               the agency that a certificate names
//! central           the central's TLS configuration and verification of agencies
//! revoked           lists of revoked certificates
//! peer_certificate  the certificate that an agency presented
//! agency            an agency's TLS configuration
//! client            that of a client without a certificate
//! files             PEM files: reading, and writing without overwriting
//! text              TLS errors and times for people
//! ```
//!
//! An agency's certificate has one URI `urn:bolillero:agency:N` among its subject's alternative
//! names.
//!
//! Invariants:
//! - a key file is readable by its owner only and never overwritten unasked;
//! - TLS 1.3 without resumption: every connection presents its certificate, so a revoked one can't
//!   return with a ticket;
//! - one cryptography provider, passed explicitly.
//!
//! Deliberately absent: sockets, and other crates of this workspace; an agency's number is a `u32`.

mod agency;
mod authority;
mod ca_key;
mod central;
mod client;
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
pub use client::http_client_config;
pub use error::PkiError;
pub use files::read_own;
pub use peer_certificate::PeerCertificate;
pub use text::{UtcTime, describe};
pub use urn::{AGENCY_URN, AgencyFault, agency_of};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
