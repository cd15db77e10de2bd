//! The bytes of a connection: the socket alone, or TLS on it.
//!
//! TLS is a state machine beside the socket (`rustls::ServerConnection`): only [`Transport::ready`]
//! and [`Transport::accept`] wait. A connection in plain text costs one branch more.
//!
//! Invariants:
//! - encrypted bytes are at most [`TLS_WRITE_LEN_MAX`] ahead of the socket;
//! - bytes are received [`TLS_READ_LEN_MAX`] at a time, and decrypted at most a record ahead of
//!   reading: unread bytes wait in the socket;
//! - nothing is read from a connection before its handshake succeeded.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read as _, Write};
use std::mem::{MaybeUninit, take};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use lottery::AgencyId;
use pki::PeerCertificate;
use rustls::{ServerConfig, ServerConnection};
use socket2::SockRef;
use thiserror::Error;
use tokio::io::{AsyncRead as _, Interest, ReadBuf, Ready};
use tokio::net::TcpStream;

use crate::limits::{TLS_READ_LEN_MAX, TLS_WRITE_LEN_MAX};

/// See the module's documentation.
pub(super) struct Transport {
    stream: TcpStream,
    tls: Option<Box<Tls>>,
}

struct Tls {
    connection: ServerConnection,
    /// Bytes decrypted and not read yet.
    read_ahead: usize,
    /// Bytes received and not decrypted yet.
    received: Vec<u8>,
    /// The agency closed its sending side.
    ended: bool,
}

/// Why TLS failed.
#[derive(Debug, Error)]
pub(super) enum TlsFault {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error("{}", pki::describe(.0))]
    Tls(#[from] rustls::Error),
    #[error("it closed the connection during the TLS handshake")]
    Closed,
    #[error("the TLS handshake took too long")]
    TimedOut,
    #[error("its certificate names no agency")]
    NoAgency,
}

impl Transport {
    /// Plain text.
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self { stream, tls: None }
    }

    /// TLS, before the handshake.
    pub(super) fn tls(stream: TcpStream, config: Arc<ServerConfig>) -> Result<Self, TlsFault> {
        let connection = ServerConnection::new(config)?;
        let tls = Tls { connection, read_ahead: 0, received: Vec::new(), ended: false };
        Ok(Self { stream, tls: Some(Box::new(tls)) })
    }

    /// Makes the handshake. Returns the agency of the certificate, and the certificate.
    pub(super) async fn accept(&mut self) -> Result<(AgencyId, PeerCertificate), TlsFault> {
        let Self { stream, tls: Some(tls) } = self else { return Err(TlsFault::NoAgency) };
        poll_fn(|context| tls.poll_handshake(stream, context)).await?;
        let shown = tls.connection.peer_certificates().unwrap_or_default();
        let (shown, agency) = PeerCertificate::of(shown).map_err(|_| TlsFault::NoAgency)?;
        Ok((AgencyId(agency), shown))
    }

    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.stream.ready(interest).await
    }

    /// Whether encrypted bytes wait to be written.
    pub(super) fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.connection.wants_write())
    }

    /// Whether there is something to read without the socket being readable.
    pub(super) fn has_read_ahead(&self) -> bool {
        self.tls
            .as_ref()
            .is_some_and(|tls| tls.read_ahead > 0 || !tls.received.is_empty() || tls.ended)
    }

    /// Writes some of `bytes`, and returns how many. Zero: only earlier bytes were written.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => not_zero(self.stream.try_write(bytes)?),
            Some(tls) => tls.try_write(&self.stream, bytes),
        }
    }

    /// Reads once, as much as fits. Zero: the end.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.tls {
            // Unlike try_read, it knows that a short read emptied the socket, and saves the next one.
            None => poll_socket(&mut self.stream, context, &mut ReadBuf::new(room)),
            Some(tls) => tls.poll_read(&mut self.stream, context, room),
        }
    }

    /// Closes the sending side, without waiting for the peer.
    pub(super) fn end(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.connection.send_close_notify();
            let _ = tls.flush(&self.stream);
        }
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.stream
    }
}

impl Tls {
    /// Polls the handshake. An alert of its failure is sent.
    fn poll_handshake(
        &mut self,
        stream: &mut TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), TlsFault>> {
        loop {
            match self.flush(stream) {
                Ok(true) => {}
                Ok(false) => continue,
                // The agency has to read first.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(stream.poll_write_ready(context))?;
                    continue;
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
            if !self.connection.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            let received = ready!(self.poll_receive(stream, context));
            if let Err(TlsFault::Tls(_)) = received {
                let _ = self.flush(stream);
            }
            if received? == 0 {
                return Poll::Ready(Err(TlsFault::Closed));
            }
        }
    }

    fn poll_read(
        &mut self,
        stream: &mut TcpStream,
        context: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.read_ahead > 0 {
                let len = self.connection.reader().read(room)?;
                self.read_ahead -= len;
                return Poll::Ready(Ok(len));
            }
            if self.ended {
                return Poll::Ready(Ok(0));
            }
            match ready!(self.poll_receive(stream, context)) {
                // Also without close_notify: messages have a length, so none is taken for whole.
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(TlsFault::Socket(error)) => return Poll::Ready(Err(error)),
                Err(fault) => {
                    let _ = self.flush(stream);
                    let error = io::Error::new(io::ErrorKind::InvalidData, fault);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    /// Decrypts bytes received before, or else received now, until there is something to read. Zero:
    /// the end.
    fn poll_receive(
        &mut self,
        stream: &mut TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<Result<usize, TlsFault>> {
        if !self.received.is_empty() {
            let received = take(&mut self.received);
            return Poll::Ready(self.decipher(&received).map(|()| received.len()));
        }
        let mut space = [MaybeUninit::uninit(); TLS_READ_LEN_MAX];
        let mut buffer = ReadBuf::uninit(&mut space);
        let len = ready!(poll_socket(stream, context, &mut buffer))?;
        Poll::Ready(self.decipher(buffer.filled()).map(|()| len))
    }

    /// Decrypts until there is something to read, and keeps the rest.
    fn decipher(&mut self, mut bytes: &[u8]) -> Result<(), TlsFault> {
        while !bytes.is_empty() && self.read_ahead == 0 && !self.ended {
            self.connection.read_tls(&mut bytes)?;
            let state = self.connection.process_new_packets()?;
            self.read_ahead = state.plaintext_bytes_to_read();
            self.ended = state.peer_has_closed();
        }
        self.received = bytes.to_vec();
        Ok(())
    }

    fn try_write(&mut self, stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        if !self.flush(stream)? {
            return Ok(0);
        }
        let bytes = &bytes[..bytes.len().min(TLS_WRITE_LEN_MAX)];
        let len = self.connection.writer().write(bytes)?;
        match self.flush(stream) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(len),
        }
    }

    /// Writes encrypted bytes. Returns whether all were written; blocks if none were.
    fn flush(&mut self, stream: &TcpStream) -> io::Result<bool> {
        let mut written = false;
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Socket(stream)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && written => {
                    return Ok(false);
                }
                result => result?,
            };
            written = true;
        }
        Ok(true)
    }
}

/// The socket for TLS to write to, without waiting.
struct Socket<'a>(&'a TcpStream);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        not_zero(self.0.try_write(bytes)?)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        not_zero(self.0.try_write_vectored(bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the count, or an error for zero: such a socket takes none ever.
fn not_zero(len: usize) -> io::Result<usize> {
    if len == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(len) }
}

fn poll_socket(
    stream: &mut TcpStream,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<usize>> {
    ready!(Pin::new(stream).poll_read(context, buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pki::{AgencyFiles, Authority, CentralFiles, Subject};
    use rustls::ClientConnection;
    use rustls::pki_types::UnixTime;

    use super::*;

    /// An agency and the central's side of its connection, after a handshake in memory.
    fn agreed(folder: &Path) -> (ClientConnection, Tls) {
        let now = UnixTime::now();
        let authority = Authority::create(folder, "test", 1, None, now).unwrap();
        let hosts = Subject::Central(vec!["central.example".to_owned()]);
        for subject in [hosts, Subject::Agency(1)] {
            authority.issue(&subject, 1, false, now).unwrap();
        }
        let file = |name: &str| folder.join(name);
        let (certificate, key) = (file("central.crt"), file("central.key"));
        let files = CentralFiles { certificate, key, agencies_ca: file("ca.crt"), revoked: None };
        let central = pki::central_config(&files, None, now).unwrap().tls;
        let (certificate, key) = (file("agency-1.crt"), file("agency-1.key"));
        let files = AgencyFiles { ca: file("ca.crt"), certificate, key };
        let agency = pki::agency_config(&files, 1, now).unwrap();
        let name = "central.example".try_into().unwrap();
        let mut agency = ClientConnection::new(agency, name).unwrap();
        let connection = ServerConnection::new(central).unwrap();
        let mut tls = Tls { connection, read_ahead: 0, received: Vec::new(), ended: false };
        while agency.is_handshaking() || tls.connection.is_handshaking() {
            tls.decipher(&sent(&mut agency)).unwrap();
            let mut answer = Vec::new();
            while tls.connection.wants_write() {
                tls.connection.write_tls(&mut answer).unwrap();
            }
            let mut answer = &answer[..];
            while !answer.is_empty() {
                agency.read_tls(&mut answer).unwrap();
                agency.process_new_packets().unwrap();
            }
        }
        (agency, tls)
    }

    fn sent(agency: &mut ClientConnection) -> Vec<u8> {
        let mut bytes = Vec::new();
        while agency.wants_write() {
            agency.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn whatever_records_the_bytes_come_in_there_is_room_for_what_they_hold() {
        let folder = tempfile::tempdir().unwrap();
        let (mut agency, mut tls) = agreed(folder.path());
        let bytes: Vec<_> = (0..=255_u8).cycle().take(1_000_000).collect();
        let (mut rest, mut enciphered) = (&bytes[..], Vec::new());
        // Records as long as may be, and short ones behind them.
        for len in [60_000, 700, 3, 16_384, 2_000, 300].into_iter().cycle() {
            let (piece, behind) = rest.split_at(len.min(rest.len()));
            agency.writer().write_all(piece).unwrap();
            enciphered.extend(sent(&mut agency));
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        let mut read = Vec::new();
        // As a socket gives them, and as they come of one that gave less.
        for (at, received) in enciphered.chunks(TLS_READ_LEN_MAX - 5).enumerate() {
            let (first, second) = received.split_at(received.len().min(at * 37));
            for part in [first, second] {
                tls.decipher(part).unwrap();
                while tls.read_ahead > 0 || !tls.received.is_empty() {
                    let mut room = [0; 5_000];
                    if tls.read_ahead > 0 {
                        let len = tls.connection.reader().read(&mut room).unwrap();
                        tls.read_ahead -= len;
                        read.extend_from_slice(&room[..len]);
                    } else {
                        let received = take(&mut tls.received);
                        tls.decipher(&received).unwrap();
                    }
                }
            }
        }
        assert!(read == bytes, "{} bytes of {}", read.len(), bytes.len());
    }
}
