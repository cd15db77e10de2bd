//! A backup in a bucket of an object store that speaks the protocol of Amazon S3.
//!
//! The piece with number N is the object `PREFIX/piece-0000000N.bolb`. The name has nothing but the
//! number, and an object is stored only if there is none of its name: so of two runs at once, one
//! stores the next piece, and the other one ends. There is no lock that a killed run would leave.
//!
//! A piece is stored with one request, all of it or nothing, so it is in memory until it is
//! complete: [`PIECE_LEN_MAX`].

use std::fmt;
use std::future::Future;
use std::io::{self, Cursor, Read, Write};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key, S3ConditionalPut};
use object_store::path::Path;
use object_store::{
    ClientOptions, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutPayloadMut, RetryConfig,
};
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;
use url::{Host, Url};

use super::piece::{self, Piece};
use super::place::{self, PieceName, Place};
use crate::exit::Ending;

/// Bytes of a piece, all of which are in memory until it is stored.
const PIECE_LEN_MAX: u64 = 64 << 20;
/// Longest time to connect.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest time for one request, with all that is sent or received.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(600);
/// Longest wait for the next part of an answer, with all repetitions.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// How often a request is repeated, and for how long.
const RETRIES_MAX: usize = 3;
const RETRY_TIME_MAX: Duration = Duration::from_secs(15);
/// How much is told of what a store answers, in characters.
const CAUSE_CHARS_MAX: usize = 300;
/// This machine, as the exceptions of proxies have it.
const HERE: &str = "127.0.0.0/8,::1,localhost";
/// Who may do something.
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";
const REGION: &str = "AWS_REGION";

/// A bucket, or the objects in it whose names begin with a prefix.
struct Bucket {
    name: String,
    prefix: Path,
    /// The URL of the store.
    endpoint: String,
    store: AmazonS3,
    runtime: Runtime,
}

/// Opens the bucket of an address, `BUCKET/PREFIX`, as the environment says. Nothing is asked yet.
pub(super) fn open(address: &str) -> Result<Box<dyn Place>, Ending> {
    let wrong = |why: String| Ending::wrong(format!("s3://{address}: {why}"));
    let (name, prefix) = address.split_once('/').unwrap_or((address, ""));
    let prefix = Path::parse(prefix).map_err(|why| wrong(why.to_string()))?;
    if name.is_empty() {
        return Err(wrong("it has no bucket: give s3://BUCKET/PREFIX".to_owned()));
    }
    let builder = AmazonS3Builder::from_env().with_bucket_name(name);
    check_names(&builder, name).map_err(wrong)?;
    let endpoint = endpoint(&builder);
    let mut options =
        ClientOptions::new().with_connect_timeout(CONNECT_TIME_MAX).with_timeout(REQUEST_TIME_MAX);
    if is_plain(&endpoint).map_err(wrong)? {
        // Without a proxy that the environment may have: what is not encrypted stays here.
        options = options.with_allow_http(true).with_proxy_url(&endpoint).with_proxy_excludes(HERE);
    }
    let retry = RetryConfig {
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIME_MAX,
        ..RetryConfig::default()
    };
    let builder = builder
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_client_options(options)
        .with_retry(retry);
    let store = builder.build().map_err(|error| {
        let cause = root_cause(&error);
        wrong(format!("{cause}; authorities are those of the system, or of a file SSL_CERT_FILE"))
    })?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(Box::new(Bucket { name: name.to_owned(), prefix, endpoint, store, runtime }))
}

/// Checks what becomes part of a header or of a URL, which the library takes for granted.
fn check_names(builder: &AmazonS3Builder, bucket: &str) -> Result<(), String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !bucket.bytes().all(is_name) {
        return Err("the name of a bucket has letters, digits, '.', '-' and '_' only".to_owned());
    }
    let is_set = |key| builder.get_config_value(&key).is_some_and(|value| !value.is_empty());
    if !is_set(Key::AccessKeyId) || !is_set(Key::SecretAccessKey) {
        return Err(format!("set {KEY_ID} and {SECRET} in the environment"));
    }
    for (key, variable) in [
        (Key::AccessKeyId, KEY_ID),
        (Key::SecretAccessKey, SECRET),
        (Key::Token, TOKEN),
        (Key::Region, REGION),
    ] {
        let value = builder.get_config_value(&key).unwrap_or_default();
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{variable} has a space, a line's end or a letter that is not ASCII"
            ));
        }
    }
    Ok(())
}

/// Returns the URL of the store, as the library finds it.
fn endpoint(builder: &AmazonS3Builder) -> String {
    let of = |key| builder.get_config_value(&key);
    of(Key::S3Endpoint).or_else(|| of(Key::Endpoint)).unwrap_or_else(|| {
        let region = of(Key::Region).unwrap_or_else(|| "us-east-1".to_owned());
        format!("https://s3.{region}.amazonaws.com")
    })
}

/// Returns whether a store is asked without TLS, which only one on this machine may be.
fn is_plain(endpoint: &str) -> Result<bool, String> {
    let not_one = || "AWS_ENDPOINT_URL is no URL such as https://minio.example:9000".to_owned();
    let url = Url::parse(endpoint).map_err(|_| not_one())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("AWS_ENDPOINT_URL has a user: keys are in {KEY_ID} and {SECRET}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(not_one());
    }
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(false),
        "http" if is_here => Ok(true),
        "http" => Err(format!(
            "{endpoint} is another host, and a backup has numbers that nobody may see and digests \
             of passwords: use https:// in AWS_ENDPOINT_URL"
        )),
        _ => Err(not_one()),
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.name, self.prefix)
    }
}

impl Place for Bucket {
    fn names(&self) -> Result<Vec<PieceName>, Ending> {
        let cant = || format!("backup {self}");
        let mut listed = self.store.list(Some(&self.prefix));
        let mut names = Vec::new();
        while let Some(found) = self.wait(ANSWER_TIME_MAX, listed.next()).with_context(cant)? {
            let found = found.map_err(|error| self.refused(&error).context(cant()))?;
            let mut parts = found.location.prefix_match(&self.prefix).into_iter().flatten();
            if let (Some(name), None) = (parts.next(), parts.next()) {
                names.extend(PieceName::of_file(name.as_ref()));
            }
        }
        Ok(names)
    }

    fn open(&self, name: &PieceName) -> anyhow::Result<Box<dyn Read + '_>> {
        let path = self.path(name);
        let found = self.wait(ANSWER_TIME_MAX, self.store.get(&path))?;
        let stream = found.map_err(|error| self.failed(&error))?.into_stream();
        let stream = stream.map(|part| part.map(Vec::from)).boxed();
        Ok(Box::new(Object { bucket: self, stream, part: Cursor::default() }))
    }

    fn begin(&self) -> anyhow::Result<Box<dyn place::NewPiece + '_>> {
        let content = PutPayloadMut::new().with_block_size(piece::BUFFER_LEN);
        Ok(Box::new(NewObject { bucket: self, content }))
    }

    fn piece_len_max(&self) -> u64 {
        PIECE_LEN_MAX
    }
}

impl Bucket {
    fn path(&self, name: &PieceName) -> Path {
        self.prefix.clone().join(name.to_string())
    }

    /// Waits for an answer, but not forever.
    fn wait<T>(&self, time_max: Duration, answer: impl Future<Output = T>) -> anyhow::Result<T> {
        let answered = self.runtime.block_on(async { timeout(time_max, answer).await });
        answered.map_err(|_| {
            let Self { endpoint, .. } = self;
            let seconds = time_max.as_secs();
            anyhow!("{endpoint} has not answered for {seconds} s; check that the store is up")
        })
    }

    /// Says why a request failed: with exit code 2 if the address or the keys are wrong.
    fn refused(&self, error: &Error) -> Ending {
        let is_wrong = code(error).is_some_and(|code| !is_passing(&code));
        Ending::of(is_wrong, self.failed(error))
    }

    /// Says why a request failed, and what to do.
    fn failed(&self, error: &Error) -> anyhow::Error {
        let Self { endpoint, name, .. } = self;
        match code(error).as_deref() {
            Some("NoSuchBucket") => {
                anyhow!("{endpoint} has no bucket {name}; make it, or check the address")
            }
            Some("NoSuchKey") => {
                anyhow!("it is missing; put it back from another copy of the backup")
            }
            Some(code) if is_passing(code) => {
                anyhow!("{endpoint} says {code}; run this again later")
            }
            Some(code) => anyhow!(
                "{endpoint} refuses it: {code}; check {KEY_ID}, {SECRET}, {TOKEN} and {REGION}, \
                 and that this user may list, read and write the bucket"
            ),
            None => {
                let why = root_cause(error);
                let advice = "check AWS_ENDPOINT_URL, AWS_REGION and the network";
                anyhow!("can't reach {endpoint}: {why}; {advice}")
            }
        }
    }
}

/// Returns the code in what the store answered, such as `AccessDenied`.
fn code(error: &Error) -> Option<String> {
    let text = error.to_string();
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code.to_owned())
}

/// Whether a store may answer otherwise later.
fn is_passing(code: &str) -> bool {
    ["InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout"].contains(&code)
}

/// Returns the deepest cause, which has no address and no request in it, or its beginning.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let text = causes.last().map(ToString::to_string).unwrap_or_default();
    text.chars().take(CAUSE_CHARS_MAX).collect()
}

/// An object being read.
struct Object<'a> {
    bucket: &'a Bucket,
    stream: BoxStream<'static, Result<Vec<u8>, Error>>,
    part: Cursor<Vec<u8>>,
}

impl Read for Object<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let len = self.part.read(bytes)?;
            if len > 0 || bytes.is_empty() {
                return Ok(len);
            }
            let next = self.bucket.wait(ANSWER_TIME_MAX, self.stream.next());
            let Some(part) = next.map_err(io::Error::other)? else { return Ok(0) };
            let part = part.map_err(|error| io::Error::other(self.bucket.failed(&error)))?;
            self.part = Cursor::new(part);
        }
    }
}

/// An object being written: in memory until it is stored.
struct NewObject<'a> {
    bucket: &'a Bucket,
    content: PutPayloadMut,
}

impl Write for NewObject<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.content.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl place::NewPiece for NewObject<'_> {
    /// Stores the object, and reads it back. It may be there already: stored by this run, whose
    /// request was repeated after its answer was lost, or by another one.
    fn complete(self: Box<Self>, number: u64, piece: &Piece) -> anyhow::Result<PieceName> {
        let Self { bucket, content } = *self;
        let name = PieceName { number, records: None };
        let path = bucket.path(&name);
        let putting = bucket.store.put_opts(&path, content.freeze(), PutMode::Create.into());
        let is_new = match bucket.wait(REQUEST_TIME_MAX, putting)? {
            Ok(_) => true,
            Err(Error::AlreadyExists { .. }) => false,
            Err(error) => {
                let cant = format!("can't store {name} in the backup {bucket}");
                return Err(bucket.failed(&error).context(cant));
            }
        };
        let place: &dyn Place = bucket;
        let is_same = place.verified(&name)? == *piece;
        ensure!(
            is_same || is_new,
            "backup {bucket}: another backup to it was faster: {name} is there already; run this \
             one again"
        );
        ensure!(is_same, "backup {bucket}: {name} does not read back as it was written");
        Ok(name)
    }
}
