//! Moves a connection's bytes through the socket, in plain text or over TLS.
//!
//! Invariants:
//! - decrypted bytes are returned before the socket is read again;
//! - encrypted bytes are written before more are accepted.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::error::{Loss, Speaks};
use crate::limits::TLS_WRITE_LEN_MAX;

/// The TLS settings of an agency.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The configuration, with the agency's certificate and the central's certificate authorities.
    pub config: Arc<ClientConfig>,
    /// The name that the central's certificate must be for.
    pub name: ServerName<'static>,
}

/// The transport of one connection.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    first: First,
}

/// The first bytes received, which identify the peer's protocol.
#[derive(Debug, Default)]
struct First {
    bytes: [u8; 4],
    len: usize,
}

impl Transport {
    /// Wraps the socket, performing the TLS handshake first if TLS is used. Whether the central
    /// accepts the agency's certificate is only known later.
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

    /// Waits until the transport is readable, or also writable if `writes`.
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

    /// Writes some of `bytes` and returns how many were accepted.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { stream, tls: Some(tls), .. } = self else { return self.stream.try_write(bytes) };
        flush(tls, stream)?;
        let len = tls.writer().write(&bytes[..bytes.len().min(TLS_WRITE_LEN_MAX)])?;
        match flush(tls, stream) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(len),
        }
    }

    /// Reads up to the length of `room`; returns zero at the end of the stream.
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
                // Messages have their length, so a truncated one is never taken for complete.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(Loss::Io(error)),
            }
            receive(tls, stream, first)?;
        }
    }

    /// Returns the peer's protocol, if it is not the one expected of a central.
    pub(crate) fn speaks(&self) -> Option<Speaks> {
        self.first.speaks(self.tls.is_some())
    }

    /// Returns whether there are decrypted bytes, an end or an error to read without the socket.
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

/// Reads once from the socket and decrypts the bytes. Returns zero at the end of the stream.
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

/// Writes the encrypted bytes to the socket.
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

/// Non-blocking reads from the socket, keeping the first bytes received.
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

/// Non-blocking writes of TLS to the socket.
struct Sink<'a>(&'a TcpStream);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
