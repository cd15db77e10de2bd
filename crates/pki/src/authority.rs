//! A private certificate authority in a folder.
//!
//! ```text
//! ca.crt, ca.key          the authority's certificate and key
//! issued/SERIAL.crt       every certificate that it issued
//! crl.pem                 the signed list of revoked serial numbers
//! agency-N.crt, .key      for an agency, with ca.crt
//! central.crt, .key       for the central, with ca.crt and crl.pem
//! ```
//!
//! Invariants: a certificate is recorded in `issued/` before it is handed out, so that it can be
//! revoked; the list of revoked ones only grows and is replaced atomically.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose as Purpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, DnsName, UnixTime};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::ca_key::{self, KEY_FILE, Passphrase};
use crate::error::PkiError;
use crate::files::{self, Readers};
use crate::limits::EARLIER_SECS;
use crate::provider;
use crate::text::UtcTime;
use crate::urn::{AGENCY_URN, agency_in};

const CERTIFICATE_FILE: &str = "ca.crt";
const REVOKED_FILE: &str = "crl.pem";
const ISSUED_FOLDER: &str = "issued";

/// An authority and its key.
pub struct Authority {
    folder: PathBuf,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    /// Prevents concurrent use of the folder.
    _lock: File,
}

/// The subject of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An agency's number.
    Agency(u32),
    /// The central's host names and addresses.
    Central(Vec<String>),
}

/// A new certificate.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Issued {
    /// The path of the certificate.
    pub certificate: PathBuf,
    /// The path of its key.
    pub key: PathBuf,
    pub serial: String,
    pub until: UtcTime,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An agency, by number.
    Agency(u32),
    /// The central.
    Central,
    /// Neither, or both.
    Other,
}

/// An issued certificate.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Listed {
    /// The serial number, in hexadecimal.
    pub serial: String,
    /// The subject's alternative names.
    pub subject: String,
    pub kind: Kind,
    pub from: UtcTime,
    pub until: UtcTime,
    pub revoked: Option<UtcTime>,
}

impl Authority {
    /// Creates an authority in a folder, which is created if needed.
    ///
    /// # Errors
    /// When there is one already, or the folder can't be written.
    pub fn create(
        folder: &Path,
        name: &str,
        days: u32,
        passphrase: Option<&Passphrase>,
        now: UnixTime,
    ) -> Result<Self, PkiError> {
        let make = |folder: &Path| {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| PkiError::Write { path: folder.to_owned(), error })
        };
        make(folder)?;
        files::check_private(folder)?;
        make(&folder.join(ISSUED_FOLDER))?;
        check_issued(folder)?;
        let key = new_key()?;
        let mut params = params(days, now)?;
        // Certificates refer to their authority by name: the mark distinguishes authorities of
        // equal name.
        let serial = params.serial_number.as_ref().map(SerialNumber::to_bytes);
        let mark = serial_text(&serial.unwrap_or_default()[..4]);
        params.distinguished_name.push(DnType::CommonName, format!("{name} {mark}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(making)?;
        let remedy = "an authority is created once: use another folder for another one";
        let text = ca_key::write(&key, passphrase)?;
        files::write_new(&folder.join(KEY_FILE), Readers::Owner, &text, remedy)?;
        let path = folder.join(CERTIFICATE_FILE);
        files::write_new(&path, Readers::Everybody, &certificate.pem(), remedy)?;
        let authority = Self::of(folder, certificate.der().clone(), key)?;
        authority.write_revoked(&[], 1, now)?;
        Ok(authority)
    }

    /// Opens the authority in a folder.
    ///
    /// # Errors
    /// When there is none, it can't be read, or the passphrase is missing or wrong.
    pub fn open(folder: &Path, passphrase: Option<&Passphrase>) -> Result<Self, PkiError> {
        let path = folder.join(CERTIFICATE_FILE);
        if !path.exists() {
            return Err(PkiError::NoAuthority { path: folder.to_owned() });
        }
        let mut certificates = files::certificates(&path)?;
        let key = ca_key::read(&folder.join(KEY_FILE), passphrase)?;
        Self::of(folder, certificates.swap_remove(0), key)
    }

    /// Issues a certificate with a new key. Existing files are only overwritten with `replace`.
    ///
    /// # Errors
    /// When the authority's certificate is not valid, or a file exists or can't be written.
    pub fn issue(
        &self,
        subject: &Subject,
        days: u32,
        replace: bool,
        now: UnixTime,
    ) -> Result<Issued, PkiError> {
        let authority = files::parsed(&self.folder.join(CERTIFICATE_FILE), &self.certificate)?;
        let authority_until =
            files::valid_until(&self.folder.join(CERTIFICATE_FILE), &authority, now)?;
        let key = new_key()?;
        let mut params = params(days, now)?;
        // A certificate is not valid after its authority's.
        params.not_after = params.not_after.min(date_time(authority_until.0)?);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        subject.describe(&mut params)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(making)?;
        let serial = serial_of(&certificate)?;
        let name = subject.file_name();
        let issued = Issued {
            certificate: self.folder.join(format!("{name}.crt")),
            key: self.folder.join(format!("{name}.key")),
            until: UtcTime(unix(params.not_after)),
            serial,
        };
        let key = zeroize::Zeroizing::new(key.serialize_pem());
        let remedy = "--replace creates a new key and certificate (the old one stays \
                      valid until it is revoked)";
        if replace {
            files::replace(&issued.key, Readers::Owner, &key)?;
        } else {
            files::write_new(&issued.key, Readers::Owner, &key, remedy)?;
        }
        let record = self.folder.join(ISSUED_FOLDER).join(format!("{}.crt", issued.serial));
        files::write_new(&record, Readers::Everybody, &certificate.pem(), remedy)?;
        files::replace(&issued.certificate, Readers::Everybody, &certificate.pem())?;
        Ok(issued)
    }

    /// Revokes a certificate; returns `false` if it was revoked before.
    ///
    /// # Errors
    /// When none was issued with this serial number, or the list can't be written.
    pub fn revoke_serial(&self, serial: &str, now: UnixTime) -> Result<bool, PkiError> {
        let wanted = normalize_serial(serial);
        let listed = list(&self.folder)?.into_iter().find(|it| it.serial == wanted);
        let listed = listed.ok_or_else(|| PkiError::UnknownSerial(serial.to_owned()))?;
        let is_new = listed.revoked.is_none();
        if is_new {
            self.revoke(&[listed], now)?;
        }
        Ok(is_new)
    }

    /// Revokes all certificates of an agency; returns their serial numbers.
    ///
    /// # Errors
    /// When there is nothing to revoke, or the list can't be written.
    pub fn revoke_agency(&self, agency: u32, now: UnixTime) -> Result<Vec<String>, PkiError> {
        let of_agency = |it: &Listed| it.kind == Kind::Agency(agency) && it.revoked.is_none();
        let valid: Vec<_> = list(&self.folder)?.into_iter().filter(of_agency).collect();
        if valid.is_empty() {
            return Err(PkiError::NothingToRevoke(agency));
        }
        self.revoke(&valid, now)?;
        Ok(valid.into_iter().map(|it| it.serial).collect())
    }

    fn of(
        folder: &Path,
        certificate: CertificateDer<'static>,
        key: KeyPair,
    ) -> Result<Self, PkiError> {
        let path = folder.join(CERTIFICATE_FILE);
        files::check_private(folder)?;
        check_issued(folder)?;
        let locked = File::open(&path).and_then(|file| file.lock().map(|()| file));
        let lock = locked.map_err(|error| PkiError::Read { path, error })?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(making)?;
        Ok(Self { folder: folder.to_owned(), certificate, issuer, _lock: lock })
    }

    fn revoke(&self, more: &[Listed], now: UnixTime) -> Result<(), PkiError> {
        let (mut revoked, number) = revoked_in(&self.folder)?;
        revoked.extend(more.iter().map(|it| (it.serial.clone(), UtcTime(now))));
        self.write_revoked(&revoked, number + 1, now)
    }

    fn write_revoked(
        &self,
        revoked: &[(String, UtcTime)],
        number: u64,
        now: UnixTime,
    ) -> Result<(), PkiError> {
        let authority = files::parsed(&self.folder.join(CERTIFICATE_FILE), &self.certificate)?;
        let entries = revoked.iter().map(|(serial, at)| {
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&bytes_of(serial)),
                revocation_time: date_time(at.0)?,
                reason_code: None,
                invalidity_date: None,
            })
        });
        let params = CertificateRevocationListParams {
            this_update: date_time(now)?,
            // A list is only replaced when something is revoked, so it must not expire earlier.
            next_update: date_time(files::utc(authority.validity().not_after).0)?,
            crl_number: number.into(),
            issuing_distribution_point: None,
            revoked_certs: entries.collect::<Result<_, PkiError>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).map_err(making)?;
        let text = list.pem().map_err(making)?;
        files::replace(&self.folder.join(REVOKED_FILE), Readers::Everybody, &text)
    }
}

impl Subject {
    fn file_name(&self) -> String {
        match self {
            Self::Agency(agency) => format!("agency-{agency}"),
            Self::Central(_) => "central".to_owned(),
        }
    }

    fn describe(&self, params: &mut CertificateParams) -> Result<(), PkiError> {
        let name = &mut params.distinguished_name;
        match self {
            Self::Agency(agency) => {
                name.push(DnType::CommonName, format!("agency {agency}"));
                let urn = format!("{AGENCY_URN}{agency}").try_into().map_err(making)?;
                params.subject_alt_names = vec![SanType::URI(urn)];
                params.extended_key_usages = vec![Purpose::ClientAuth];
            }
            Self::Central(hosts) => {
                name.push(DnType::CommonName, "central");
                let hosts = hosts.iter().map(|host| san_of(host));
                params.subject_alt_names = hosts.collect::<Result<_, _>>()?;
                params.extended_key_usages = vec![Purpose::ServerAuth];
            }
        }
        Ok(())
    }
}

/// Lists the certificates that the authority in a folder issued, oldest first.
///
/// # Errors
/// When there is no authority, or it can't be read.
pub fn list(folder: &Path) -> Result<Vec<Listed>, PkiError> {
    if !folder.join(CERTIFICATE_FILE).exists() {
        return Err(PkiError::NoAuthority { path: folder.to_owned() });
    }
    let (revoked, _) = revoked_in(folder)?;
    let issued = folder.join(ISSUED_FOLDER);
    let read_error = |error: io::Error| PkiError::Read { path: issued.clone(), error };
    let mut listed = Vec::new();
    for entry in fs::read_dir(&issued).map_err(read_error)? {
        let path = entry.map_err(read_error)?.path();
        if path.extension().is_none_or(|extension| extension != "crt") {
            continue;
        }
        let der = files::certificates(&path)?;
        listed.push(Listed::of(&files::parsed(&path, &der[0])?, &revoked));
    }
    listed.sort_by_key(|it| (it.from.0, it.serial.clone()));
    Ok(listed)
}

impl Listed {
    fn of(certificate: &X509Certificate<'_>, revoked: &[(String, UtcTime)]) -> Self {
        let serial = serial_text(certificate.raw_serial());
        let purposes = certificate.extended_key_usage().ok().flatten().map(|it| it.value);
        let (client, server) =
            purposes.map_or((false, false), |it| (it.client_auth, it.server_auth));
        let kind = match agency_in(certificate) {
            Ok(agency) if client && !server => Kind::Agency(agency),
            Err(_) if server && !client => Kind::Central,
            _ => Kind::Other,
        };
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.map_or(&[][..], |it| &it.value.general_names);
        let names: Vec<_> = names.iter().map(name_text).collect();
        let revoked = revoked.iter().find(|(of, _)| *of == serial).map(|(_, at)| *at);
        let validity = certificate.validity();
        let (from, until) = (files::utc(validity.not_before), files::utc(validity.not_after));
        Self { subject: names.join(", "), serial, kind, from, until, revoked }
    }
}

fn name_text(name: &x509_parser::extensions::GeneralName<'_>) -> String {
    use x509_parser::extensions::GeneralName as Name;
    match name {
        Name::DNSName(text) | Name::URI(text) => (*text).to_owned(),
        Name::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or(v6).map_or_else(|_| name.to_string(), |address| address.to_string())
        }
        other => other.to_string(),
    }
}

/// Returns the revoked serial numbers and the list's number.
fn revoked_in(folder: &Path) -> Result<(Vec<(String, UtcTime)>, u64), PkiError> {
    let path = folder.join(REVOKED_FILE);
    let lists = files::revocations(&path)?;
    let (_, list) = CertificateRevocationList::from_der(&lists[0])
        .map_err(|error| files::unusable(&path, error))?;
    let revoked = list.iter_revoked_certificates();
    let revoked = revoked.map(|it| (serial_text(it.raw_serial()), files::utc(it.revocation_date)));
    let number = list.crl_number().and_then(|number| number.try_into().ok());
    Ok((revoked.collect(), number.unwrap_or(0)))
}

/// Rejects a folder of issued certificates that is a link or writable by others.
fn check_issued(folder: &Path) -> Result<(), PkiError> {
    let issued = folder.join(ISSUED_FOLDER);
    if issued.is_symlink() {
        return Err(files::unusable(&issued, "it is a link: put a folder in its place"));
    }
    files::check_private(&issued)
}

fn new_key() -> Result<KeyPair, PkiError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(making)
}

fn params(days: u32, now: UnixTime) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    let until = Duration::from_secs(now.as_secs() + u64::from(days) * 86_400);
    let from = Duration::from_secs(now.as_secs().saturating_sub(EARLIER_SECS));
    params.not_before = date_time(UnixTime::since_unix_epoch(from))?;
    params.not_after = date_time(UnixTime::since_unix_epoch(until))?;
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(new_serial()?);
    Ok(params)
}

/// 16 random bytes; the first one keeps the encoded length fixed.
fn new_serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; 16];
    let filled = provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| PkiError::Making("no random bytes".to_owned()))?;
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn serial_of(certificate: &Certificate) -> Result<String, PkiError> {
    let (_, parsed) = X509Certificate::from_der(certificate.der()).map_err(making)?;
    Ok(serial_text(parsed.raw_serial()))
}

/// Formats a serial number for people and file names.
fn serial_text(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    normalize_serial(&hex)
}

/// Normalises a serial number written with capitals, colons or leading zeros.
fn normalize_serial(text: &str) -> String {
    let text = text.replace(':', "").to_ascii_lowercase();
    let text = text.trim_start_matches('0');
    if text.len().is_multiple_of(2) { text.to_owned() } else { format!("0{text}") }
}

fn bytes_of(serial: &str) -> Vec<u8> {
    let digits = serial.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(|pair| byte(pair).expect("pairs of hexadecimal digits, by serial_text")).collect()
}

fn san_of(host: &str) -> Result<SanType, PkiError> {
    if let Ok(address) = host.parse() {
        return Ok(SanType::IpAddress(address));
    }
    let not_a_host = || PkiError::NotAHost(host.to_owned());
    DnsName::try_from(host).map_err(|_| not_a_host())?;
    Ok(SanType::DnsName(host.try_into().map_err(|_| not_a_host())?))
}

fn date_time(time: UnixTime) -> Result<OffsetDateTime, PkiError> {
    let secs = i64::try_from(time.as_secs()).map_err(making)?;
    OffsetDateTime::from_unix_timestamp(secs).map_err(making)
}

fn unix(date_time: OffsetDateTime) -> UnixTime {
    let secs = u64::try_from(date_time.unix_timestamp()).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_secs(secs))
}

fn making(error: impl ToString) -> PkiError {
    PkiError::Making(error.to_string())
}
