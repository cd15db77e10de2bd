//! What the central speaks TLS with, and which certificates of agencies it takes.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    ServerConfig, SignatureScheme,
};

use crate::error::PkiError;
use crate::files;
use crate::provider;
use crate::revoked::{CertificateId, revoked_in};
use crate::urn::agency_of;
use crate::words::UtcTime;

/// The central's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CentralFiles {
    /// Its certificate, and those that vouch for it, if there are some in between.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities whose certificates agencies may show.
    pub agencies_ca: PathBuf,
    /// The authorities' lists of revoked certificates.
    pub revoked: Option<PathBuf>,
}

/// What the central speaks TLS with.
#[derive(Clone, Debug)]
pub struct CentralConfig {
    /// For every new connection.
    pub tls: Arc<ServerConfig>,
    /// Until when its own certificate is valid.
    pub until: UtcTime,
    /// The certificates that are revoked.
    pub revoked: HashSet<CertificateId>,
}

/// Reads the central's files. A certificate that can't be used is refused here, not at the first
/// agency's connection.
///
/// # Errors
/// The first file that can't be used, and why.
pub fn central_config(files: &CentralFiles, now: UnixTime) -> Result<CentralConfig, PkiError> {
    let chain = files::certificates(&files.certificate)?;
    let until = {
        let certificate = files::parsed(&files.certificate, &chain[0])?;
        files::valid_until(&files.certificate, &certificate, now)?
    };
    let key = files::key(&files.key)?;
    let authorities = files::certificates(&files.agencies_ca)?;
    let roots = Arc::new(roots_of(&files.agencies_ca, &authorities)?);
    let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let mut revoked = HashSet::new();
    if let Some(path) = &files.revoked {
        let lists = files::revocations(path)?;
        for list in &lists {
            revoked.extend(revoked_in(path, list, &files.agencies_ca, &authorities)?);
        }
        // An agency's own certificate; whoever vouches for it is not revoked by a list of its own.
        verifier = verifier.with_crls(lists).only_check_end_entity_revocation();
    }
    let webpki = verifier.build().map_err(|error| files::unusable(&files.agencies_ca, error))?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites for TLS 1.3")
        .with_client_cert_verifier(Arc::new(AgencyVerifier { webpki }));
    let mut tls = builder
        .with_single_cert(chain, key)
        .map_err(|error| own_error(error, &files.certificate, &files.key))?;
    // A ticket would let a certificate in that was revoked meanwhile.
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    Ok(CentralConfig { tls: Arc::new(tls), until, revoked })
}

pub(crate) fn roots_of(
    path: &std::path::Path,
    authorities: &[CertificateDer<'static>],
) -> Result<RootCertStore, PkiError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|error| files::unusable(path, error))?;
    }
    Ok(roots)
}

/// What is wrong with an own certificate and key.
pub(crate) fn own_error(
    error: Error,
    certificate: &std::path::Path,
    key: &std::path::Path,
) -> PkiError {
    match error {
        Error::InconsistentKeys(_) => {
            PkiError::OtherKey { key: key.to_owned(), certificate: certificate.to_owned() }
        }
        other => files::unusable(key, other),
    }
}

/// Takes what the authorities vouch for, if it is an agency's.
#[derive(Debug)]
struct AgencyVerifier {
    webpki: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for AgencyVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.webpki.verify_client_cert(end_entity, intermediates, now)?;
        match agency_of(end_entity) {
            Ok(_) => Ok(verified),
            Err(fault) => Err(CertificateError::Other(OtherError(Arc::new(fault))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
