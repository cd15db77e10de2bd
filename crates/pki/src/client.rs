//! The TLS configuration of a client that has no certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::client::{Resumption, WantsClientCert};
use rustls::{ClientConfig, ConfigBuilder};

use crate::central::roots_of;
use crate::error::PkiError;
use crate::files;
use crate::provider;

/// Builds the TLS configuration of a client over HTTP/1.1 that trusts the authorities in a file.
///
/// # Errors
/// When the file can't be used.
pub fn http_client_config(ca: &Path) -> Result<Arc<ClientConfig>, PkiError> {
    let mut tls = client_trusting(ca)?.with_no_client_auth();
    tls.resumption = Resumption::disabled();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(tls))
}

/// Begins the TLS configuration of a client that trusts the authorities in a file.
pub(crate) fn client_trusting(
    ca: &Path,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, PkiError> {
    let roots = roots_of(ca, &files::certificates(ca)?)?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites for TLS 1.3");
    Ok(builder.with_root_certificates(roots))
}
