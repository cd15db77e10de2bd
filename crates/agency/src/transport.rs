//! What a connection's bytes pass through: the socket alone, or TLS on it.
//!
//! Invariants: bytes that were deciphered are read before the socket is; what was enciphered is
//! written before more is taken.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection, InvalidMessage};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::error::{Loss, Speaks};
use crate::limits::TLS_WRITE_LEN_MAX;

/// What an agency speaks TLS with.
#[derive(Clone, Debug)]
pub struct Tls {
    /// With the agency's certificate, and the authorities of the central's.
    pub config: Arc<ClientConfig>,
    /// The name that the central's certificate must be for.
    pub name: ServerName<'static>,
}

/// The way of a connection's bytes.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    first: First,
}

/// The first bytes that came, by which what sent them can be told.
#[derive(Debug, Default)]
struct First {
    bytes: [u8; 4],
    len: usize,
}

impl Transport {
    /// With TLS, it is agreed on first. Whether the central takes the certificate is told later.
    pub(crate) async fn over(stream: TcpStream, tls: Option<&Tls>) -> Result<Self, Loss> {
        let Some(Tls { config, name }) = tls else {
            return Ok(Self { stream, tls: None, first: First::default() });
        };
        let connection = ClientConnection::new(Arc::clone(config), name.clone());
        let connection = connection.map_err(Loss::Tls)?;
        let mut transport =
            Self { stream, tls: Some(Box::new(connection)), first: First::default() };
        transport.agree().await?;
        Ok(transport)
    }

    /// Waits until it can be read, or also written.
    pub(crate) async fn ready(&mut self, writes: bool) -> io::Result<()> {
        if self.has_read_ahead() {
            return Ok(());
        }
        let interest = if writes || self.wants_write() {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        self.stream.ready(interest).await.map(drop)
    }

    /// Takes some of `bytes` to be written.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { stream, tls: Some(tls), .. } = self else { return self.stream.try_write(bytes) };
        flush(tls, stream)?;
        let len = tls.writer().write(&bytes[..bytes.len().min(TLS_WRITE_LEN_MAX)])?;
        match flush(tls, stream) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(len),
        }
    }

    /// Reads as much as there is room for; zero at the end.
    pub(crate) fn try_read(&mut self, room: &mut [u8]) -> Result<usize, Loss> {
        let Self { stream, tls: Some(tls), first } = self else {
            return Source { stream: &self.stream, first: &mut self.first }
                .read(room)
                .map_err(Loss::Io);
        };
        loop {
            match tls.reader().read(room) {
                Ok(len) => return Ok(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A message has its own end, so nothing passes for whole.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(Loss::Io(error)),
            }
            receive(tls, stream, first)?;
        }
    }

    /// What sent the first bytes, if they are not those of a central as it is expected.
    pub(crate) fn speaks(&self) -> Option<Speaks> {
        self.first.speaks(self.tls.is_some())
    }

    /// Whether there is something to read that no socket tells of; an error is read too.
    fn has_read_ahead(&mut self) -> bool {
        self.tls.as_mut().is_some_and(|tls| match tls.process_new_packets() {
            Ok(state) => state.plaintext_bytes_to_read() > 0 || state.peer_has_closed(),
            Err(_) => true,
        })
    }

    fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    async fn agree(&mut self) -> Result<(), Loss> {
        loop {
            let Self { stream, tls: Some(tls), .. } = self else { return Ok(()) };
            match flush(tls, stream) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Err(Loss::Io(error));
                }
                _ if !tls.is_handshaking() => return Ok(()),
                _ => {}
            }
            self.ready(false).await.map_err(Loss::Io)?;
            let Self { stream, tls: Some(tls), first } = self else { return Ok(()) };
            match receive(tls, stream, first) {
                Ok(0) => return Err(Loss::TlsClosed),
                Err(Loss::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => {
                    received?;
                }
            }
        }
    }
}

/// Takes once what the socket has, and deciphers it. Zero: the end.
fn receive(
    tls: &mut ClientConnection,
    stream: &TcpStream,
    first: &mut First,
) -> Result<usize, Loss> {
    let len = tls.read_tls(&mut Source { stream, first }).map_err(Loss::Io)?;
    if let Err(error) = tls.process_new_packets() {
        let _ = flush(tls, stream);
        return Err(first.speaks(true).map_or(Loss::Tls(error), Loss::Other));
    }
    Ok(len)
}

/// Writes what was enciphered.
fn flush(tls: &mut ClientConnection, stream: &TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(&mut Sink(stream))?;
    }
    Ok(())
}

impl First {
    fn speaks(&self, by_tls: bool) -> Option<Speaks> {
        Speaks::of(&self.bytes[..self.len], by_tls)
    }
}

/// The socket as it is read: without waiting. Keeps the first bytes that come.
struct Source<'a> {
    stream: &'a TcpStream,
    first: &'a mut First,
}

impl Read for Source<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read_len = self.stream.try_read(bytes)?;
        let First { bytes: first, len } = &mut *self.first;
        let kept_len = read_len.min(first.len() - *len);
        first[*len..*len + kept_len].copy_from_slice(&bytes[..kept_len]);
        *len += kept_len;
        Ok(read_len)
    }
}

/// The socket as TLS writes it: without waiting.
struct Sink<'a>(&'a TcpStream);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether another attempt would fail the same way: the two don't trust each other, or the central
/// does not speak TLS there.
pub(crate) fn is_for_good(error: &rustls::Error) -> bool {
    use AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => true,
        rustls::Error::AlertReceived(alert) => matches!(
            alert,
            Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::CertificateRequired
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::DecryptError
        ),
        _ => false,
    }
}
