//! The TLS configuration of an agency.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::UnixTime;

use crate::central::{is_for, own_error};
use crate::client::client_trusting;
use crate::error::PkiError;
use crate::files;
use crate::urn::agency_in;

/// The paths of an agency's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgencyFiles {
    /// The authorities trusted to certify the central.
    pub ca: PathBuf,
    /// The agency's certificate, followed by intermediate ones, if any.
    pub certificate: PathBuf,
    /// The agency's private key.
    pub key: PathBuf,
}

/// Builds an agency's TLS configuration. Refuses what the central would refuse, with a clearer
/// error.
///
/// # Errors
/// The first file that can't be used.
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
            let why = "it is not for TLS clients, and the central rejects it";
            return Err(files::unusable(path, why));
        }
        files::valid_until(path, &certificate, now)?;
    }
    let key = files::key(&files.key)?;
    let mut tls = client_trusting(&files.ca)?
        .with_client_auth_cert(chain, key)
        .map_err(|error| own_error(error, &files.certificate, &files.key))?;
    tls.resumption = Resumption::disabled();
    Ok(Arc::new(tls))
}
