//! What an agency speaks TLS with.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::UnixTime;

use crate::central::{is_for, own_error, roots_of};
use crate::error::PkiError;
use crate::files;
use crate::provider;
use crate::urn::agency_in;

/// An agency's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgencyFiles {
    /// The authorities whose certificate the central may show.
    pub ca: PathBuf,
    /// Its own certificate, and those that vouch for it, if there are some in between.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Reads an agency's files. What the central would refuse is refused here, with more to say.
///
/// # Errors
/// The first file that can't be used, and why.
pub fn agency_config(
    files: &AgencyFiles,
    agency: u32,
    now: UnixTime,
) -> Result<Arc<ClientConfig>, PkiError> {
    let chain = files::certificates(&files.certificate)?;
    {
        let path = &files.certificate;
        let certificate = files::parsed(path, &chain[0])?;
        let certified = agency_in(&certificate)
            .map_err(|fault| PkiError::NotAnAgency { path: path.clone(), fault })?;
        if certified != agency {
            return Err(PkiError::OtherAgency { path: path.clone(), certified, agency });
        }
        if !is_for(&certificate, |purposes| purposes.client_auth) {
            let why = "it is for another purpose than a client's, and the central refuses it";
            return Err(files::unusable(path, why));
        }
        files::valid_until(path, &certificate, now)?;
    }
    let key = files::key(&files.key)?;
    let roots = roots_of(&files.ca, &files::certificates(&files.ca)?)?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites for TLS 1.3")
        .with_root_certificates(roots);
    let mut tls = builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| own_error(error, &files.certificate, &files.key))?;
    tls.resumption = Resumption::disabled();
    Ok(Arc::new(tls))
}
