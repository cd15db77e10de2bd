//! The certificate that an agency presented.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};

use crate::files;
use crate::urn::{AgencyFault, agency_in};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// A certificate chain as presented. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate(Arc<Chain>);

#[derive(Debug, PartialEq, Eq)]
struct Chain {
    /// The agency's certificate first; at least one.
    certificates: Vec<CertificateDer<'static>>,
    ends: Vec<UnixTime>,
}

impl PeerCertificate {
    /// Parses what was presented; returns the agency it names.
    ///
    /// # Errors
    /// When it names no agency.
    pub fn of(shown: &[CertificateDer<'_>]) -> Result<(Self, u32), AgencyFault> {
        let parsed = |der| X509Certificate::from_der(der).map_err(|_| AgencyFault::Unreadable);
        let first = shown.first().ok_or(AgencyFault::Unreadable)?;
        let agency = agency_in(&parsed(first)?.1)?;
        let ends = shown.iter().map(|der| Ok(files::utc(parsed(der)?.1.validity().not_after).0));
        let ends = ends.collect::<Result<_, AgencyFault>>()?;
        let certificates = shown.iter().map(|der| der.clone().into_owned()).collect();
        Ok((Self(Arc::new(Chain { certificates, ends })), agency))
    }

    /// Returns when the next certificate of the chain expires.
    #[must_use]
    pub fn next_end(&self, now: UnixTime) -> Option<UnixTime> {
        self.0.ends.iter().copied().filter(|end| *end >= now).min()
    }

    /// Whether a certificate of the chain has expired.
    #[must_use]
    pub fn has_ended(&self, now: UnixTime) -> bool {
        self.0.ends.iter().any(|end| *end < now)
    }

    pub(crate) fn certificates(&self) -> (&CertificateDer<'static>, &[CertificateDer<'static>]) {
        self.0.certificates.split_first().expect("at least one, by of")
    }
}
