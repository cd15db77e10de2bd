//! Agencies that come by TLS.

use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;

use anyhow::Context as _;
use pki::{AgencyFiles, Authority, Subject};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{ClientConnection, StreamOwned};

use crate::speech::Stream;

/// Certificates: the central's, and those of agencies from 1 on.
pub(crate) struct Certificates {
    folder: PathBuf,
}

/// A connection by TLS.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Certificates {
    /// Makes them in a new folder.
    pub(crate) fn make(folder: PathBuf, agencies: u32) -> anyhow::Result<Self> {
        let now = UnixTime::now();
        let authority = Authority::create(&folder, "bench", 1, None, now)?;
        let central = Subject::Central(vec!["127.0.0.1".to_owned()]);
        let agencies = (1..=agencies).map(Subject::Agency);
        for subject in std::iter::once(central).chain(agencies) {
            authority.issue(&subject, 1, false, now)?;
        }
        Ok(Self { folder })
    }

    /// The central's arguments that name them.
    pub(crate) fn for_central(&self) -> Vec<String> {
        let flags = [
            ("--tls-cert", "central.crt"),
            ("--tls-key", "central.key"),
            ("--tls-agencies-ca", "ca.crt"),
            ("--tls-revoked", "crl.pem"),
        ];
        let path = |name| self.folder.join(name).display().to_string();
        flags.into_iter().flat_map(|(flag, name)| [flag.to_owned(), path(name)]).collect()
    }

    /// TLS as an agency, on a connection; it is agreed on with the first bytes.
    pub(crate) fn connect(&self, stream: TcpStream, agency: u32) -> anyhow::Result<Tls> {
        let files = AgencyFiles {
            ca: self.folder.join("ca.crt"),
            certificate: self.folder.join(format!("agency-{agency}.crt")),
            key: self.folder.join(format!("agency-{agency}.key")),
        };
        let config = pki::agency_config(&files, agency, UnixTime::now())?;
        let name = ServerName::try_from("127.0.0.1").context("an address is a name")?;
        Ok(StreamOwned::new(ClientConnection::new(config, name)?, stream))
    }
}

impl Stream for Tls {
    fn socket(&self) -> BorrowedFd<'_> {
        self.sock.as_fd()
    }
}
