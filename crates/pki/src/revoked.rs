//! Lists of revoked certificates: the newest of each authority applies.
//!
//! The newest has the greatest CRL number (RFC 5280, 5.2.3). Lists without a number are older than
//! those with one; among equals, the one issued later is newer.

use std::path::Path;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::error::PkiError;
use crate::files;
use crate::text::UtcTime;

#[derive(Clone, Debug)]
pub(crate) struct Revocations {
    pub(crate) issuer: String,
    pub(crate) count: usize,
    pub(crate) until: Option<UtcTime>,
    pub(crate) der: CertificateRevocationListDer<'static>,
    /// The encoded subject and public key of the authority.
    authority: Vec<u8>,
    rank: Rank,
}

/// Orders an authority's lists by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// The CRL number: its length, then its bytes.
    number: Option<(usize, Vec<u8>)>,
    issued: i64,
}

impl Revocations {
    /// Parses a list, which must be signed by one of the authorities.
    fn read(
        path: &Path,
        der: CertificateRevocationListDer<'static>,
        agencies_ca: &Path,
        authorities: &[CertificateDer<'_>],
    ) -> Result<Self, PkiError> {
        let (_, list) = CertificateRevocationList::from_der(&der)
            .map_err(|error| files::unusable(path, error))?;
        for authority in authorities {
            let authority = files::parsed(agencies_ca, authority)?;
            if authority.subject() != list.issuer()
                || list.verify_signature(authority.public_key()).is_err()
            {
                continue;
            }
            let number = list.crl_number().map(x509_parser::num_bigint::BigUint::to_bytes_be);
            return Ok(Self {
                issuer: name_of(&authority),
                count: list.iter_revoked_certificates().count(),
                until: list.next_update().map(files::utc),
                authority: authority_id(&authority),
                rank: Rank {
                    number: number.map(|bytes| (bytes.len(), bytes)),
                    issued: list.last_update().timestamp(),
                },
                der,
            });
        }
        let why = format!(
            "a list by {} is not signed by an authority in {}",
            list.issuer(),
            agencies_ca.display()
        );
        Err(files::unusable(path, why))
    }

    pub(crate) fn is_of(&self, authority: &X509Certificate<'_>) -> bool {
        self.authority == authority_id(authority)
    }
}

/// Selects the newest list of each authority, from a file and those used `before`; also returns
/// warnings.
pub(crate) fn newest(
    path: &Path,
    agencies_ca: &Path,
    authorities: &[CertificateDer<'_>],
    before: &[Revocations],
    now: UnixTime,
) -> Result<(Vec<Revocations>, Vec<String>), PkiError> {
    let mut newest: Vec<Revocations> = Vec::new();
    for der in files::revocations(path)? {
        let list = Revocations::read(path, der, agencies_ca, authorities)?;
        match newest.iter_mut().find(|it| it.authority == list.authority) {
            Some(other) if other.rank < list.rank => *other = list,
            Some(_) => {}
            None => newest.push(list),
        }
    }
    let mut warnings = Vec::new();
    for authority in authorities {
        let authority = files::parsed(agencies_ca, authority)?;
        let in_file = newest.iter_mut().find(|it| it.is_of(&authority));
        let used = before.iter().find(|it| it.is_of(&authority));
        let (name, path) = (name_of(&authority), path.display());
        match (in_file, used) {
            (Some(list), Some(used)) if list.rank < used.rank => {
                warnings.push(format!(
                    "{path} has an older revocation list by {name} than the one loaded before, \
                     which stays in use: put the newest one there"
                ));
                *list = used.clone();
            }
            (Some(_), _) => {}
            (None, Some(used)) => {
                warnings.push(format!(
                    "{path} no longer has a revocation list by {name}; the one loaded before \
                     stays in use until the central stops: put the newest one there"
                ));
                newest.push(used.clone());
            }
            (None, None) => warnings.push(format!(
                "{path} has no revocation list by {name}: agencies with its certificates are \
                 rejected"
            )),
        }
    }
    for list in &newest {
        if let Some(until) = list.until.filter(|until| until.0 < now) {
            warnings.push(format!(
                "the revocation list by {} in {} expired at {until}: certificates revoked since \
                 are still accepted; put a newer one there and send SIGHUP",
                list.issuer,
                path.display()
            ));
        }
    }
    Ok((newest, warnings))
}

fn authority_id(authority: &X509Certificate<'_>) -> Vec<u8> {
    [authority.subject().as_raw(), authority.public_key().raw].concat()
}

/// Returns the name of an authority.
pub(crate) fn name_of(authority: &X509Certificate<'_>) -> String {
    authority.subject().to_string()
}
