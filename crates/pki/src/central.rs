//! The TLS configuration of the central, and its verification of agencies' certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    ServerConfig, SignatureScheme,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName};

use crate::error::PkiError;
use crate::files;
use crate::peer_certificate::PeerCertificate;
use crate::provider;
use crate::revoked::{Revocations, name_of, newest};
use crate::text::UtcTime;
use crate::urn::{AgencyFault, agency_in, agency_of};

/// The paths of the central's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CentralFiles {
    /// The central's certificate, followed by intermediate ones, if any.
    pub certificate: PathBuf,
    /// The central's private key.
    pub key: PathBuf,
    /// The authorities trusted to certify agencies.
    pub agencies_ca: PathBuf,
    /// Their lists of revoked certificates.
    pub revoked: Option<PathBuf>,
}

/// The central's TLS configuration.
#[derive(Clone, Debug)]
pub struct CentralConfig {
    /// The configuration for new connections.
    pub tls: Arc<ServerConfig>,
    /// When the central's certificate chain expires.
    pub until: UtcTime,
    /// The number of revoked certificates.
    pub revoked: usize,
    /// Problems that do not prevent operation.
    pub warnings: Vec<String>,
    /// What expires and when.
    pub ends: Vec<End>,
    verifier: Arc<AgencyVerifier>,
    lists: Vec<Revocations>,
}

/// Something that the central uses and that expires.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct End {
    pub of: EndOf,
    /// The authority's name, or the path of the central's certificate.
    pub name: String,
    pub at: UtcTime,
}

/// The kind of what expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOf {
    /// The central's certificate or an intermediate one: agencies will refuse the central.
    Central,
    /// An authority's certificate.
    Authority,
    /// A list of revoked certificates: newer revocations are not known.
    Revocations,
}

impl CentralConfig {
    /// Verifies that an agency with this certificate may connect now.
    ///
    /// # Errors
    /// The reason to refuse it; format it with [`describe`](crate::describe).
    pub fn admits(&self, shown: &PeerCertificate, now: UnixTime) -> Result<(), Error> {
        let (own, others) = shown.certificates();
        self.verifier.verify_client_cert(own, others, now).map(drop)
    }
}

/// Builds the central's TLS configuration. Refuses unusable certificates now, not at the first
/// connection. Of each authority, uses the newest list of revoked certificates from the file and
/// from `before`.
///
/// # Errors
/// The first file that can't be used.
pub fn central_config(
    files: &CentralFiles,
    before: Option<&CentralConfig>,
    now: UnixTime,
) -> Result<CentralConfig, PkiError> {
    let mut warnings = Vec::new();
    let chain = files::certificates(&files.certificate)?;
    let until = own_until(&files.certificate, &chain, &mut warnings, now)?;
    let central = files.certificate.display().to_string();
    let mut ends = vec![End { of: EndOf::Central, name: central, at: until }];
    let key = files::key(&files.key)?;
    let authorities = files::certificates(&files.agencies_ca)?;
    for authority in &authorities {
        let authority = files::parsed(&files.agencies_ca, authority)?;
        let (name, at) = (name_of(&authority), files::utc(authority.validity().not_after));
        if at.0 < now {
            let path = files.agencies_ca.display();
            warnings.push(format!(
                "the authority {name} in {path} expired at {at}, but its certificates are still \
                 accepted: issue new ones by another authority, and remove this one"
            ));
        }
        ends.push(End { of: EndOf::Authority, name, at });
    }
    let roots = Arc::new(roots_of(&files.agencies_ca, &authorities)?);
    let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let mut lists = Vec::new();
    if let Some(path) = &files.revoked {
        let before = before.map_or(&[][..], |before| &before.lists);
        let (newest, more) = newest(path, &files.agencies_ca, &authorities, before, now)?;
        (lists, warnings) = (newest, [warnings, more].concat());
        // Revocation is checked for the agency's own certificate, not for intermediate ones.
        let ders = lists.iter().map(|list| list.der.clone());
        verifier = verifier.with_crls(ders).only_check_end_entity_revocation();
    }
    ends.extend(lists.iter().filter_map(|list| {
        let name = list.issuer.clone();
        list.until.map(|at| End { of: EndOf::Revocations, name, at })
    }));
    let webpki = verifier.build().map_err(|error| files::unusable(&files.agencies_ca, error))?;
    let verifier = Arc::new(AgencyVerifier { webpki });
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites for TLS 1.3")
        .with_client_cert_verifier(Arc::clone(&verifier) as Arc<dyn ClientCertVerifier>);
    let mut tls = builder
        .with_single_cert(chain, key)
        .map_err(|error| own_error(error, &files.certificate, &files.key))?;
    // A ticket would admit a certificate that was revoked meanwhile.
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    let revoked = lists.iter().map(|list| list.count).sum();
    Ok(CentralConfig { tls: Arc::new(tls), until, revoked, warnings, ends, verifier, lists })
}

/// Rejects certificates that agencies would refuse; returns when the chain expires.
fn own_until(
    path: &Path,
    chain: &[CertificateDer<'_>],
    warnings: &mut Vec<String>,
    now: UnixTime,
) -> Result<UtcTime, PkiError> {
    let own = files::parsed(path, &chain[0])?;
    let not_a_central = |why: String| PkiError::NotACentral { path: path.to_owned(), why };
    match agency_in(&own) {
        Ok(agency) => return Err(not_a_central(format!("it belongs to agency {agency}"))),
        Err(AgencyFault::None) => {}
        Err(fault) => return Err(not_a_central(fault.to_string())),
    }
    if own.is_ca() {
        return Err(not_a_central("it is an authority's".to_owned()));
    }
    if !is_for(&own, |purposes| purposes.server_auth) {
        return Err(not_a_central("it is not for TLS servers".to_owned()));
    }
    if !names_a_host(&own) {
        warnings.push(format!(
            "the certificate in {} names no host, and agencies reject it: issue one for the host \
             names and addresses that they connect to",
            path.display()
        ));
    }
    let mut until = files::valid_until(path, &own, now)?;
    for vouching in &chain[1..] {
        let end = files::valid_until(path, &files::parsed(path, vouching)?, now)?;
        until = if end.0 < until.0 { end } else { until };
    }
    Ok(until)
}

/// Whether a certificate may be used for a purpose. Without listed purposes, all are allowed.
pub(crate) fn is_for(
    certificate: &X509Certificate<'_>,
    purpose: impl Fn(&ExtendedKeyUsage<'_>) -> bool,
) -> bool {
    let purposes = certificate.extended_key_usage().ok().flatten();
    purposes.is_none_or(|purposes| purpose(purposes.value))
}

fn names_a_host(certificate: &X509Certificate<'_>) -> bool {
    let names = certificate.subject_alternative_name().ok().flatten();
    names.is_some_and(|names| {
        let names = &names.value.general_names;
        names.iter().any(|it| matches!(it, GeneralName::DNSName(_) | GeneralName::IPAddress(_)))
    })
}

pub(crate) fn roots_of(
    path: &Path,
    authorities: &[CertificateDer<'static>],
) -> Result<RootCertStore, PkiError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|error| files::unusable(path, error))?;
    }
    Ok(roots)
}

pub(crate) fn own_error(error: Error, certificate: &Path, key: &Path) -> PkiError {
    match error {
        Error::InconsistentKeys(_) => {
            PkiError::OtherKey { key: key.to_owned(), certificate: certificate.to_owned() }
        }
        other => files::unusable(key, other),
    }
}

/// Accepts certificates of the trusted authorities that name an agency.
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
