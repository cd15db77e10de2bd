//! A connection of the load: in plain text, or by TLS as an agency.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pki::{AgencyFiles, Authority, Subject};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{ClientConnection, StreamOwned};

/// A connection.
pub(super) enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Certificates made for a bench: the central's, and those of agencies from 1 on.
pub(super) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes them.
    pub(super) fn make(folder: &Path, agencies: u32) -> anyhow::Result<Self> {
        let (folder, now) = (folder.join("pki"), UnixTime::now());
        let authority = Authority::create(&folder, "bench", 1, None, now)?;
        let central = Subject::Central(vec!["127.0.0.1".to_owned()]);
        let agencies = (1..=agencies).map(Subject::Agency);
        for subject in std::iter::once(central).chain(agencies) {
            authority.issue(&subject, 1, false, now)?;
        }
        Ok(Self { folder })
    }

    /// What the central is told of them.
    pub(super) fn for_central(&self) -> [String; 8] {
        let file = |name: &str| self.folder.join(name).display().to_string();
        [
            ("--tls-cert", file("central.crt")),
            ("--tls-key", file("central.key")),
            ("--tls-agencies-ca", file("ca.crt")),
            ("--tls-revoked", file("crl.pem")),
        ]
        .map(|(flag, file)| [flag.to_owned(), file])
        .concat()
        .try_into()
        .expect("four flags with a file each")
    }

    /// Removes them.
    pub(super) fn remove(self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(self.folder).context("can't remove the certificates")
    }

    /// Connects as an agency; TLS is agreed on with the first bytes.
    pub(super) fn connect(&self, address: &str, agency: u32) -> anyhow::Result<Line> {
        let files = AgencyFiles {
            ca: self.folder.join("ca.crt"),
            certificate: self.folder.join(format!("agency-{agency}.crt")),
            key: self.folder.join(format!("agency-{agency}.key")),
        };
        let config = pki::agency_config(&files, agency, UnixTime::now())?;
        let name = ServerName::try_from("127.0.0.1").context("an address is a name")?;
        let connection = ClientConnection::new(config, name)?;
        let stream = connected(address)?;
        Ok(Line::Tls(Box::new(StreamOwned::new(connection, stream))))
    }
}

impl Line {
    /// Connects in plain text.
    pub(super) fn plain(address: &str) -> anyhow::Result<Self> {
        connected(address).map(Self::Plain)
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => &tls.sock,
        }
    }
}

fn connected(address: &str) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).context("can't connect")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Read for Line {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(bytes),
            Self::Tls(tls) => tls.read(bytes),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}
