//! The certificate that an agency showed when it connected.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};

use crate::files;
use crate::urn::{AgencyFault, agency_in};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// A certificate with those that vouch for it, as they were shown. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate(Arc<Chain>);

#[derive(Debug, PartialEq, Eq)]
struct Chain {
    /// The agency's own first; at least one.
    certificates: Vec<CertificateDer<'static>>,
    /// The ends of their validity.
    ends: Vec<UnixTime>,
}

impl PeerCertificate {
    /// What was shown, and the agency that it is for.
    ///
    /// # Errors
    /// When it is for none.
    pub fn of(shown: &[CertificateDer<'_>]) -> Result<(Self, u32), AgencyFault> {
        let parsed = |der| X509Certificate::from_der(der).map_err(|_| AgencyFault::Unreadable);
        let first = shown.first().ok_or(AgencyFault::Unreadable)?;
        let agency = agency_in(&parsed(first)?.1)?;
        let ends = shown.iter().map(|der| Ok(files::utc(parsed(der)?.1.validity().not_after).0));
        let ends = ends.collect::<Result<_, AgencyFault>>()?;
        let certificates = shown.iter().map(|der| der.clone().into_owned()).collect();
        Ok((Self(Arc::new(Chain { certificates, ends })), agency))
    }

    /// When the next of its certificates expires.
    #[must_use]
    pub fn next_end(&self, now: UnixTime) -> Option<UnixTime> {
        self.0.ends.iter().copied().filter(|end| *end >= now).min()
    }

    /// Whether one of its certificates has expired.
    #[must_use]
    pub fn has_ended(&self, now: UnixTime) -> bool {
        self.0.ends.iter().any(|end| *end < now)
    }

    pub(crate) fn certificates(&self) -> (&CertificateDer<'static>, &[CertificateDer<'static>]) {
        self.0.certificates.split_first().expect("at least one, by of")
    }
}
