//! Test certificates: those of `bolillero pki`, and those that it would never issue.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose as Purpose, Issuer, KeyPair, SanType,
};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};

use crate::support::{run_well, str};

pub(crate) const URN: &str = "urn:bolillero:agency:";

/// An authority's folder, with certificates of the central and of agencies 1 to 4; agency 3's is
/// revoked.
pub(crate) struct Folder {
    _temporary: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

/// The contents of a certificate.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) uris: Vec<String>,
    /// Start and end of validity, in days from now.
    pub(crate) days: Range<i64>,
    pub(crate) self_signed: bool,
}

/// A client's certificate and trusted authority.
pub(crate) struct Client {
    shown: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    authority: CertificateDer<'static>,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Self { path: temporary.path().to_owned(), _temporary: temporary };
        folder.pki(&["init"]);
        folder.pki(&["central", "localhost", "127.0.0.1"]);
        for agency in ["1", "2", "3", "4"] {
            folder.pki(&["agency", agency]);
        }
        folder.revoke(3);
        folder
    }

    pub(crate) fn pki(&self, args: &[&str]) -> String {
        run_well(&[&["pki", "--dir", str(&self.path.join("pki"))], args].concat())
    }

    pub(crate) fn revoke(&self, agency: u32) {
        self.pki(&["revoke", "--agency", &agency.to_string()]);
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join("pki").join(name)
    }

    /// Returns the file arguments of `serve`.
    pub(crate) fn serve_args(&self) -> Vec<String> {
        let files = [
            ("--tls-cert", self.file("central.crt")),
            ("--tls-key", self.file("central.key")),
            ("--tls-agencies-ca", self.file("ca.crt")),
            ("--tls-revoked", self.file("crl.pem")),
            ("--data", self.data()),
        ];
        let files =
            files.iter().flat_map(|(flag, path)| [(*flag).to_owned(), str(path).to_owned()]);
        [vec!["serve".to_owned()], files.collect()].concat()
    }

    /// Returns the file arguments of `agency`.
    pub(crate) fn agency_args(&self, agency: u32) -> Vec<String> {
        let files = [
            ("--tls-ca", self.file("ca.crt")),
            ("--tls-cert", self.file(&format!("agency-{agency}.crt"))),
            ("--tls-key", self.file(&format!("agency-{agency}.key"))),
        ];
        let files =
            files.iter().flat_map(|(flag, path)| [(*flag).to_owned(), str(path).to_owned()]);
        files.collect()
    }

    /// Returns a client with the certificate that the authority issued to an agency.
    pub(crate) fn issued(&self, agency: u32) -> Client {
        self.showing(&self.file(&format!("agency-{agency}.crt")))
    }

    pub(crate) fn central_as_client(&self) -> Client {
        self.showing(&self.file("central.crt"))
    }

    pub(crate) fn without_certificate(&self) -> Client {
        Client { shown: None, authority: self.authority() }
    }

    /// Returns a client with a certificate of this shape, signed by the authority's key.
    pub(crate) fn client(&self, shape: &Shape) -> Client {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        let day = |days| OffsetDateTime::now_utc() + Duration::days(days);
        (params.not_before, params.not_after) = (day(shape.days.start), day(shape.days.end));
        params.distinguished_name.push(DnType::CommonName, "made for a test");
        let uris = shape.uris.iter().map(|uri| SanType::URI(uri.as_str().try_into().unwrap()));
        params.subject_alt_names = uris.collect();
        params.extended_key_usages = vec![Purpose::ClientAuth];
        let certificate = if shape.self_signed {
            params.self_signed(&key)
        } else {
            let authority_key = std::fs::read_to_string(self.file("ca.key")).unwrap();
            let authority_key = KeyPair::from_pem(&authority_key).unwrap();
            let issuer = Issuer::from_ca_cert_der(&self.authority(), authority_key).unwrap();
            params.signed_by(&key, &issuer)
        };
        let certificate = certificate.unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Client { shown: Some((vec![certificate], key)), authority: self.authority() }
    }

    fn showing(&self, certificate: &Path) -> Client {
        let chain = CertificateDer::pem_file_iter(certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(certificate.with_extension("key")).unwrap();
        let chain = chain.map(Result::unwrap).collect();
        Client { shown: Some((chain, key)), authority: self.authority() }
    }

    fn authority(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.file("ca.crt")).unwrap()
    }
}

impl Shape {
    /// Returns the shape of a certificate as the authority issues it.
    pub(crate) fn agency(agency: u32) -> Self {
        Self { uris: vec![format!("{URN}{agency}")], days: -1..30, self_signed: false }
    }
}

impl Client {
    /// Returns the same client, trusting another authority.
    pub(crate) fn trusting(self, folder: &Folder) -> Self {
        Self { authority: folder.authority(), ..self }
    }

    /// Returns the client's TLS configuration.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let builder = builder.with_root_certificates(roots);
        Arc::new(match &self.shown {
            Some((chain, key)) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).unwrap()
            }
            None => builder.with_no_client_auth(),
        })
    }
}
