//! The central that is followed: what it is asked, and what it answers.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use engine::Tip;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use operators::Secret;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::address::Address;
use crate::limits::{
    CONNECT_TIME_MAX, DOCUMENT_LEN_MAX, DOCUMENT_TIME_MAX, REFUSAL_CHARS_MAX, SILENCE_TIME_MAX,
};
use crate::state::{Failure, FollowError};

/// The number of records that the central has when it begins to answer.
const RECORDS: &str = "bolillero-records";

/// The central, and how it is asked.
#[derive(Clone)]
pub struct Source {
    /// Where it is.
    pub address: Address,
    /// The authorities that certify it, for an encrypted address.
    pub tls: Option<Arc<ClientConfig>>,
    /// A token of a standby.
    pub token: Secret,
}

/// The body of an answer.
pub(crate) struct Answer {
    body: Incoming,
    /// The connection, which ends with this.
    _connection: DropGuard,
}

/// An error as the central tells it.
#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    detail: String,
    #[serde(default)]
    remedy: String,
}

impl Source {
    /// Asks for the records behind the end of the copy. Returns how many records the central has,
    /// and a record stream.
    pub(crate) async fn records(&self, end: Option<Tip>) -> Result<(u64, Answer), Failure> {
        let path = match end {
            None => "/api/v1/ledger/records?from=0".to_owned(),
            Some(Tip { sequence, chain, .. }) => {
                format!("/api/v1/ledger/records?from={sequence}&chain={chain}")
            }
        };
        let (response, answer) = self.ask(&path).await?;
        let records = response.get(RECORDS).and_then(|it| it.to_str().ok()?.parse().ok());
        let unlike = || Failure::Passing("it does not answer as a central does".to_owned());
        Ok((records.ok_or_else(unlike)?, answer))
    }

    /// Asks for the operators, once they have another version than this.
    pub(crate) async fn operators(&self, after: Option<u64>) -> Result<String, Failure> {
        let after = after.map_or_else(String::new, |version| format!("?after={version}"));
        let (_, answer) = self.ask(&format!("/api/v1/ledger/operators{after}")).await?;
        answer.document().await
    }

    async fn ask(&self, path: &str) -> Result<(header::HeaderMap, Answer), Failure> {
        let asking = async {
            let stream = self.connected().await?;
            let Some(tls) = &self.tls else { return self.send(stream, path).await };
            let name = ServerName::try_from(self.address.name().to_owned());
            let name = name.map_err(|_| io::Error::other("its name is none for a certificate"))?;
            let agreeing = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
            let stream = within(CONNECT_TIME_MAX, agreeing).await.map_err(|error| {
                let remedy = "check --ca, and that its certificate is for the name in --from";
                io::Error::other(format!("can't agree on TLS: {error}; {remedy}"))
            })?;
            self.send(stream, path).await
        };
        let asked: io::Result<_> = asking.await;
        let (response, connection) = asked.map_err(|error| Failure::Passing(error.to_string()))?;
        let (head, body) = response.into_parts();
        let answer = Answer { body, _connection: connection };
        if head.status == StatusCode::OK {
            return Ok((head.headers, answer));
        }
        let said = answer.document().await.unwrap_or_default();
        Err(refusal(&self.address, head.status, &said))
    }

    async fn connected(&self) -> io::Result<TcpStream> {
        let connecting = TcpStream::connect((self.address.name(), self.address.port()));
        let stream = within(CONNECT_TIME_MAX, connecting).await;
        let stream = stream.map_err(|error| io::Error::other(format!("can't connect: {error}")))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn send(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        path: &str,
    ) -> io::Result<(Response<Incoming>, DropGuard)> {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let over = CancellationToken::new();
        let guard = over.clone().drop_guard();
        // An error of the connection is one of the request or of the body, too.
        tokio::spawn(async move { over.run_until_cancelled(connection).await });
        let request = Request::get(path)
            .header(header::HOST, self.address.authority())
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.text()))
            .body(String::new())
            .map_err(io::Error::other)?;
        let sending = async { sender.send_request(request).await.map_err(io::Error::other) };
        Ok((within(SILENCE_TIME_MAX, sending).await?, guard))
    }
}

async fn within<T>(time_max: Duration, done: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let silent = || io::Error::other(format!("it does not answer within {time_max:?}"));
    timeout(time_max, done).await.unwrap_or_else(|_| Err(silent()))
}

/// What an answer other than 200 means.
fn refusal(from: &Address, status: StatusCode, body: &str) -> Failure {
    let Problem { detail, remedy } = serde_json::from_str(body).unwrap_or_default();
    let short = |text: String| text.chars().take(REFUSAL_CHARS_MAX).collect::<String>();
    let said = match detail.is_empty() {
        true => format!("it answers {status}"),
        false => short(detail),
    };
    let may_pass = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if !status.is_client_error() || may_pass {
        return Failure::Passing(said);
    }
    let remedy = match status {
        StatusCode::UNAUTHORIZED => {
            "give --token-file a token that is valid: `bolillero operator token` creates one"
                .to_owned()
        }
        StatusCode::FORBIDDEN => {
            "give --token-file a token of an operator with the role standby".to_owned()
        }
        _ if remedy.is_empty() => {
            "check that a central of this version or a newer one is at this address".to_owned()
        }
        _ => short(remedy),
    };
    Failure::Final(FollowError::Refused { from: from.clone(), said, remedy })
}

impl Answer {
    /// Returns the next part of the body; `None` at its end.
    pub(crate) async fn part(&mut self) -> Option<Result<Bytes, String>> {
        loop {
            let next = poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            return match timeout(SILENCE_TIME_MAX, next).await {
                Ok(None) => None,
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(part) => Some(Ok(part)),
                    // Trailers, which say nothing here.
                    Err(_) => continue,
                },
                Ok(Some(Err(error))) => Some(Err(format!("its answer broke off: {error}"))),
                Err(_) => Some(Err(format!("it sends nothing for {SILENCE_TIME_MAX:?}"))),
            };
        }
    }

    /// Reads a body that is a document.
    async fn document(mut self) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        let end = Instant::now() + DOCUMENT_TIME_MAX;
        let passing = |why: &str| Failure::Passing(why.to_owned());
        loop {
            let part = timeout_at(end, self.part()).await;
            match part.map_err(|_| passing("its answer takes too long"))? {
                None => break,
                Some(part) => bytes.extend_from_slice(&part.map_err(Failure::Passing)?),
            }
            if bytes.len() > DOCUMENT_LEN_MAX {
                return Err(passing("its answer is too long"));
            }
        }
        String::from_utf8(bytes).map_err(|_| passing("its answer is no text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_does_not() {
        let from: Address = "http://127.0.0.1:8080".parse().unwrap();
        let refusal = |status, body| refusal(&from, StatusCode::from_u16(status).unwrap(), body);
        let problem = r#"{"detail": "no such thing", "remedy": "do this"}"#;
        for status in [408, 429, 500, 502, 503, 302] {
            let found = refusal(status, problem);
            assert!(matches!(found, Failure::Passing(said) if said == "no such thing"), "{status}");
        }
        for (status, part) in [(401, "token"), (403, "standby"), (409, "do this"), (404, "do this")]
        {
            let Failure::Final(FollowError::Refused { said, remedy, .. }) =
                refusal(status, problem)
            else {
                panic!("{status} may pass")
            };
            assert!(said == "no such thing" && remedy.contains(part), "{status}: {remedy}");
        }
        let Failure::Final(FollowError::Refused { said, remedy, .. }) = refusal(404, "<html>")
        else {
            panic!("404 may pass")
        };
        assert!(said.contains("404") && remedy.contains("newer"), "{said}: {remedy}");
    }
}
