//! Which certificates are revoked.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::X509Name;

use crate::error::PkiError;
use crate::files;

/// Which certificate one is: its issuer's name and its serial number, as they are encoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateId(Arc<[u8]>);

impl CertificateId {
    /// Of a certificate; none if it can't be read.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        Some(Self::new(certificate.issuer(), certificate.raw_serial()))
    }

    /// A name tells its own length, so that no other name and number give the same bytes.
    fn new(issuer: &X509Name<'_>, serial: &[u8]) -> Self {
        Self([issuer.as_raw(), serial].concat().into())
    }
}

/// What a list revokes; it must be of one of the authorities, and signed by it.
pub(crate) fn revoked_in(
    path: &Path,
    list: &[u8],
    agencies_ca: &Path,
    authorities: &[CertificateDer<'_>],
) -> Result<HashSet<CertificateId>, PkiError> {
    let (_, list) =
        CertificateRevocationList::from_der(list).map_err(|error| files::unusable(path, error))?;
    for authority in authorities {
        let authority = files::parsed(agencies_ca, authority)?;
        if authority.subject() == list.issuer()
            && list.verify_signature(authority.public_key()).is_ok()
        {
            let revoked = list.iter_revoked_certificates();
            let issuer = list.issuer();
            return Ok(revoked.map(|one| CertificateId::new(issuer, one.raw_serial())).collect());
        }
    }
    let why = format!("it is not signed by an authority in {}", agencies_ca.display());
    Err(files::unusable(path, why))
}
