//! PEM files: reading them, and writing without accidental overwrites.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;
use zeroize::Zeroizing;

use crate::error::PkiError;
use crate::text::UtcTime;

/// The PEM label of an encrypted key.
pub(crate) const ENCRYPTED_KEY: &str = "ENCRYPTED PRIVATE KEY";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    Owner,
    Everybody,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everybody => 0o644,
        }
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, PkiError> {
    fs::read(path).map_err(|error| PkiError::Read { path: path.to_owned(), error })
}

/// Reads a key, or another secret; rejects a file that others may read. Checks and reads the same
/// open file.
///
/// # Errors
/// When it can't be read, or others may read it.
pub fn read_own(key: &Path) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let failed = |error| PkiError::Read { path: key.to_owned(), error };
    let mut file = File::open(key).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    check_mode(key, &metadata, 0o077, "chmod 600")?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Reads the certificates in a file: at least one, the own one first.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let found: Vec<CertificateDer<'static>> = all_in(path, "certificate")?;
    for der in &found {
        parsed(path, der)?;
    }
    Ok(found)
}

/// Reads a private key in any unencrypted form that openssl writes.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, PkiError> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        let encrypted = bytes.windows(9).any(|window| window == b"ENCRYPTED");
        let hint = if encrypted { ": it is encrypted; decrypt it first" } else { "" };
        PkiError::NotPem { path: path.to_owned(), what: "private key", hint }
    })
}

/// Reads the lists of revoked certificates in a file: at least one.
pub(crate) fn revocations(
    path: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, PkiError> {
    all_in(path, "revocation list")
}

fn all_in<T: PemObject>(path: &Path, what: &'static str) -> Result<Vec<T>, PkiError> {
    let not_pem = || PkiError::NotPem { path: path.to_owned(), what, hint: "" };
    let found: Result<Vec<T>, _> = T::pem_slice_iter(&read(path)?).collect();
    let found = found.map_err(|_| not_pem())?;
    if found.is_empty() { Err(not_pem()) } else { Ok(found) }
}

pub(crate) fn parsed<'a>(path: &Path, der: &'a [u8]) -> Result<X509Certificate<'a>, PkiError> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(error) => Err(unusable(path, format!("not a certificate: {error}"))),
    }
}

/// Checks that a certificate is valid now; returns when it expires.
pub(crate) fn valid_until(
    path: &Path,
    certificate: &X509Certificate<'_>,
    now: UnixTime,
) -> Result<UtcTime, PkiError> {
    let validity = certificate.validity();
    let (from, until) = (utc(validity.not_before), utc(validity.not_after));
    let path = path.to_owned();
    if now < from.0 {
        return Err(PkiError::NotYetValid { path, at: from });
    }
    if now > until.0 {
        return Err(PkiError::Expired { path, at: until });
    }
    Ok(until)
}

/// Converts a certificate's time; times before 1970 become 1970.
pub(crate) fn utc(time: ASN1Time) -> UtcTime {
    let secs = u64::try_from(time.timestamp()).unwrap_or(0);
    UtcTime(UnixTime::since_unix_epoch(std::time::Duration::from_secs(secs)))
}

pub(crate) fn unusable(path: &Path, why: impl ToString) -> PkiError {
    PkiError::Unusable { path: path.to_owned(), why: why.to_string() }
}

/// Rejects a folder where others may create links or files.
pub(crate) fn check_private(folder: &Path) -> Result<(), PkiError> {
    let metadata = fs::metadata(folder);
    let metadata = metadata.map_err(|error| PkiError::Read { path: folder.to_owned(), error })?;
    check_mode(folder, &metadata, 0o022, "chmod go-w")
}

fn check_mode(
    path: &Path,
    metadata: &Metadata,
    refused: u32,
    remedy: &'static str,
) -> Result<(), PkiError> {
    if metadata.permissions().mode() & refused == 0 {
        return Ok(());
    }
    Err(PkiError::Exposed { path: path.to_owned(), remedy })
}

/// Writes a new file. Does not overwrite; `remedy` goes into the error.
pub(crate) fn write_new(
    path: &Path,
    readers: Readers,
    text: &str,
    remedy: &'static str,
) -> Result<(), PkiError> {
    let written = create(path, readers, text).and_then(|()| sync_folder_of(path));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => PkiError::Exists { path: path.to_owned(), remedy },
        _ => PkiError::Write { path: path.to_owned(), error },
    })
}

/// Writes or replaces a file atomically.
pub(crate) fn replace(path: &Path, readers: Readers, text: &str) -> Result<(), PkiError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let removed = match fs::remove_file(beside) {
        // Left by an interrupted command.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let written = removed
        .and_then(|()| create(beside, readers, text))
        .and_then(|()| fs::rename(beside, path))
        .and_then(|()| sync_folder_of(path));
    written.map_err(|error| PkiError::Write { path: path.to_owned(), error })
}

/// Creates a new file; follows no link.
fn create(path: &Path, readers: Readers, text: &str) -> io::Result<()> {
    let mode = readers.mode();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    // Overrides the process's umask.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
