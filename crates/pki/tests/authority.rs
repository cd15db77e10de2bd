//! Tests of an authority's folder, and of the TLS configurations made from it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use pki::{
    AgencyFiles, Authority, CentralConfig, CentralFiles, EndOf, Kind, Passphrase, PeerCertificate,
    PkiError, Subject, UtcTime, agency_config, central_config, is_encrypted, list,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};

const DAY_SECS: u64 = 86_400;

fn at(days: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000 + days * DAY_SECS))
}

fn authority(folder: &Path) -> Authority {
    Authority::create(folder, "Lotería de prueba", 100, None, at(0)).unwrap()
}

fn central_files(folder: &Path) -> CentralFiles {
    CentralFiles {
        certificate: folder.join("central.crt"),
        key: folder.join("central.key"),
        agencies_ca: folder.join("ca.crt"),
        revoked: Some(folder.join("crl.pem")),
    }
}

fn agency_files(folder: &Path, agency: u32) -> AgencyFiles {
    AgencyFiles {
        ca: folder.join("ca.crt"),
        certificate: folder.join(format!("agency-{agency}.crt")),
        key: folder.join(format!("agency-{agency}.key")),
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn issued_certificates_are_listed_and_their_keys_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = authority(folder);
    let agency = authority.issue(&Subject::Agency(7), 30, false, at(1)).unwrap();
    let hosts = ["central.example", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let central = authority.issue(&Subject::Central(hosts), 1000, false, at(2)).unwrap();
    for key in ["ca.key", "agency-7.key", "central.key"] {
        assert_eq!(mode(&folder.join(key)), 0o600, "{key}");
    }
    let listed = list(folder).unwrap();
    let kinds: Vec<_> = listed.iter().map(|it| (it.kind, it.subject.as_str())).collect();
    assert_eq!(
        kinds,
        [
            (Kind::Agency(7), "urn:bolillero:agency:7"),
            (Kind::Central, "central.example, 127.0.0.1, ::1"),
        ]
    );
    assert_eq!([&listed[0].serial, &listed[1].serial], [&agency.serial, &central.serial]);
    assert_eq!(listed[0].until, UtcTime(at(31)));
    assert_eq!(listed[1].until, UtcTime(at(100)), "not after its authority");
    central_config(&central_files(folder), None, at(3)).unwrap();
    agency_config(&agency_files(folder, 7), 7, at(3)).unwrap();
}

#[test]
fn nothing_is_overwritten_without_replace() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let first = authority(folder);
    let second = Authority::create(folder, "other", 100, None, at(0));
    assert!(matches!(second, Err(PkiError::Exists { .. })));
    let (agency, read) = (Subject::Agency(1), || std::fs::read(folder.join("agency-1.key")));
    first.issue(&agency, 30, false, at(1)).unwrap();
    let key = read().unwrap();
    let refused = first.issue(&agency, 30, false, at(1)).unwrap_err();
    assert!(refused.to_string().contains("--replace"), "{refused}");
    assert_eq!(read().unwrap(), key);
    first.issue(&agency, 30, true, at(2)).unwrap();
    assert_ne!(read().unwrap(), key);
    assert_eq!(mode(&folder.join("agency-1.key")), 0o600);
    assert_eq!(list(folder).unwrap().len(), 2, "the one before can still be revoked");
}

#[test]
fn certificates_are_revoked_by_serial_number_or_agency() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = authority(folder);
    let first = authority.issue(&Subject::Agency(1), 30, false, at(1)).unwrap();
    authority.issue(&Subject::Agency(1), 30, true, at(2)).unwrap();
    authority.issue(&Subject::Agency(2), 30, false, at(3)).unwrap();
    let central = Subject::Central(vec!["localhost".to_owned()]);
    authority.issue(&central, 30, false, at(4)).unwrap();
    let revoked = || central_config(&central_files(folder), None, at(5)).unwrap().revoked;
    assert_eq!(revoked(), 0);
    let colons = first.serial.to_uppercase();
    let colons: Vec<_> = colons.as_bytes().chunks(2).map(String::from_utf8_lossy).collect();
    assert!(authority.revoke_serial(&colons.join(":"), at(3)).unwrap());
    assert!(!authority.revoke_serial(&first.serial, at(4)).unwrap(), "revoked before");
    assert_eq!(authority.revoke_agency(1, at(5)).unwrap().len(), 1);
    let nothing = authority.revoke_agency(1, at(5)).unwrap_err();
    assert_eq!(nothing.to_string(), "agency 1 has no certificate to revoke");
    assert!(matches!(authority.revoke_serial("77", at(5)), Err(PkiError::UnknownSerial(_))));
    let listed: Vec<_> = list(folder).unwrap().into_iter().map(|it| it.revoked).collect();
    assert_eq!(listed, [Some(UtcTime(at(3))), Some(UtcTime(at(5))), None, None]);
    assert_eq!(revoked(), 2);
}

#[test]
fn an_encrypted_key_needs_its_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let given = |text: &str| Passphrase::given(text.to_owned());
    assert!(matches!(Passphrase::chosen("short".to_owned()), Err(PkiError::ShortPassphrase)));
    let passphrase = Passphrase::chosen("a long enough one".to_owned()).unwrap();
    drop(Authority::create(folder, "Lotería", 100, Some(&passphrase), at(0)).unwrap());
    assert!(is_encrypted(folder).unwrap());
    let key = std::fs::read_to_string(folder.join("ca.key")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{key}");
    let refused = |passphrase: Option<&Passphrase>| Authority::open(folder, passphrase).err();
    assert!(matches!(refused(None), Some(PkiError::PassphraseNeeded)));
    assert!(matches!(refused(Some(&given("another one"))), Some(PkiError::WrongPassphrase)));
    let opened = Authority::open(folder, Some(&passphrase)).unwrap();
    opened.issue(&Subject::Agency(1), 30, false, at(1)).unwrap();
    agency_config(&agency_files(folder, 1), 1, at(2)).unwrap();
}

#[test]
fn errors_name_the_unusable_file_and_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = authority(folder);
    for agency in [1, 2] {
        authority.issue(&Subject::Agency(agency), 30, false, at(1)).unwrap();
    }
    authority.issue(&Subject::Central(vec!["localhost".to_owned()]), 30, false, at(1)).unwrap();
    let refused = |files: &AgencyFiles, agency, days| {
        agency_config(files, agency, at(days)).unwrap_err().to_string()
    };
    let files = agency_files(folder, 1);
    let says = |words: &str, expected: &str| assert!(words.contains(expected), "{words}");
    says(&refused(&files, 2, 2), "agency-1.crt belongs to agency 1, not to agency 2");
    says(&refused(&files, 1, 40), "agency-1.crt expired at 2027-02-15");
    says(&refused(&files, 1, 0), "agency-1.crt is valid from");
    let other_key = AgencyFiles { key: folder.join("agency-2.key"), ..files.clone() };
    says(&refused(&other_key, 1, 2), "agency-2.key does not match the certificate in");
    let no_key = AgencyFiles { key: folder.join("ca.crt"), ..files.clone() };
    says(&refused(&no_key, 1, 2), "ca.crt has no private key");
    let missing = AgencyFiles { ca: folder.join("none"), ..files.clone() };
    says(&refused(&missing, 1, 2), "none: No such file");
    let central = AgencyFiles { certificate: folder.join("central.crt"), ..files };
    says(&refused(&central, 1, 2), "central.crt is not an agency's: it names no agency");

    let other = tempfile::tempdir().unwrap();
    drop(Authority::create(other.path(), "other", 100, None, at(0)).unwrap());
    let mut files = central_files(folder);
    files.revoked = Some(other.path().join("crl.pem"));
    let refused = central_config(&files, None, at(2)).unwrap_err().to_string();
    says(&refused, "crl.pem can't be used: a list by CN=other");
    says(&refused, " is not signed by an authority in");
    assert!(matches!(list(&other.path().join("x")), Err(PkiError::NoAuthority { .. })));
    let not_a_host = Subject::Central(vec!["not a host".to_owned()]);
    let refused = authority.issue(&not_a_host, 30, true, at(1)).unwrap_err();
    assert!(matches!(refused, PkiError::NotAHost(_)));
}

fn shown(folder: &Path, agency: u32) -> PeerCertificate {
    let pem = folder.join(format!("agency-{agency}.crt"));
    PeerCertificate::of(&[CertificateDer::from_pem_file(pem).unwrap()]).unwrap().0
}

/// An authority with certificates for the central and agencies 1 and 2.
fn issued(folder: &Path) -> Authority {
    let authority = authority(folder);
    authority.issue(&Subject::Central(vec!["localhost".to_owned()]), 90, false, at(0)).unwrap();
    for agency in [1, 2] {
        authority.issue(&Subject::Agency(agency), 90, false, at(0)).unwrap();
    }
    authority
}

#[test]
fn the_newest_list_of_each_authority_applies_even_if_an_older_one_comes_later() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (folder, other) = (folder.path(), other.path());
    let authority = issued(folder);
    drop(Authority::create(other, "other", 10, None, at(0)).unwrap());
    let read = |folder: &Path, name| std::fs::read_to_string(folder.join(name)).unwrap();
    let older = read(folder, "crl.pem");
    // Both are issued in the same second: the number decides, not the time.
    authority.revoke_agency(1, at(0)).unwrap();
    let newer = read(folder, "crl.pem");
    let files = central_files(folder);
    let write = |lists: &[&str]| std::fs::write(folder.join("crl.pem"), lists.concat()).unwrap();
    let (revoked, served) = (shown(folder, 1), shown(folder, 2));
    for lists in [[&*older, &*newer], [&*newer, &*older]] {
        write(&lists);
        let config = central_config(&files, None, at(1)).unwrap();
        assert_eq!((config.revoked, config.warnings.len()), (1, 0));
        assert!(config.admits(&revoked, at(1)).is_err() && config.admits(&served, at(1)).is_ok());
    }
    let before = central_config(&files, None, at(1)).unwrap();
    let says = |config: &CentralConfig, expected: &[&str]| {
        let warnings = &config.warnings;
        assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
        assert!(warnings.iter().zip(expected).all(|(it, part)| it.contains(part)), "{warnings:#?}");
    };
    write(&[&older]);
    let after = central_config(&files, Some(&before), at(1)).unwrap();
    assert!(after.admits(&revoked, at(1)).is_err());
    says(&after, &["an older revocation list by CN=Loter"]);

    let both = [read(folder, "ca.crt"), read(other, "ca.crt")].concat();
    std::fs::write(folder.join("ca.crt"), both).unwrap();
    write(&[&read(other, "crl.pem")]);
    let after = central_config(&files, Some(&before), at(1)).unwrap();
    assert!(after.admits(&revoked, at(1)).is_err() && after.admits(&served, at(1)).is_ok());
    says(&after, &["no longer has a revocation list by CN=Loter"]);
    write(&[&newer]);
    let without = central_config(&files, None, at(1)).unwrap();
    says(&without, &["no revocation list by CN=other"]);

    write(&[&newer, &read(other, "crl.pem")]);
    let late = central_config(&files, None, at(20)).unwrap();
    says(&late, &["the authority CN=other", "the revocation list by CN=other"]);
    let ends: Vec<_> = late.ends.iter().map(|end| (end.of, end.at)).collect();
    let (soon, later) = (UtcTime(at(10)), UtcTime(at(100)));
    assert_eq!(
        ends,
        [
            (EndOf::Central, UtcTime(at(90))),
            (EndOf::Authority, later),
            (EndOf::Authority, soon),
            (EndOf::Revocations, later),
            (EndOf::Revocations, soon),
        ]
    );
}

#[test]
fn presented_certificates_are_checked_against_time_and_authorities() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop((issued(folder.path()), issued(other.path())));
    let config = central_config(&central_files(folder.path()), None, at(1)).unwrap();
    let own = shown(folder.path(), 1);
    assert!(config.admits(&own, at(90)).is_ok() && !own.has_ended(at(90)));
    let later = UnixTime::since_unix_epoch(Duration::from_secs(at(90).as_secs() + 1));
    assert!(config.admits(&own, later).is_err() && own.has_ended(later));
    assert_eq!((own.next_end(at(1)), own.next_end(later)), (Some(at(90)), None));
    let taken_out = central_config(&central_files(other.path()), None, at(1)).unwrap();
    assert!(taken_out.admits(&own, at(1)).is_err());
}

#[test]
fn a_central_starts_only_with_a_certificate_that_agencies_accept() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = issued(folder);
    let config = |name: &str| {
        let file = |end| folder.join(format!("{name}.{end}"));
        let files =
            CentralFiles { certificate: file("crt"), key: file("key"), ..central_files(folder) };
        central_config(&files, None, at(1))
    };
    for (name, why) in [("agency-1", "it belongs to agency 1"), ("ca", "it is an authority's")] {
        let refused = config(name).unwrap_err();
        assert!(refused.is_wrong_input());
        let refused = refused.to_string();
        assert!(refused.contains(why) && refused.contains("pki central HOST"), "{refused}");
    }
    assert!(config("central").unwrap().warnings.is_empty());
    authority.issue(&Subject::Central(Vec::new()), 90, true, at(0)).unwrap();
    let warnings = config("central").unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("names no host"), "{warnings:?}");
}

#[test]
fn planted_links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, outside) = (folder.path().join("pki"), folder.path().join("outside"));
    let planted = |names: &[&str]| {
        std::fs::write(&outside, "theirs").unwrap();
        std::fs::set_permissions(&outside, Permissions::from_mode(0o600)).unwrap();
        for name in names {
            symlink(&outside, folder.join(name)).unwrap();
        }
    };
    let kept = || {
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "theirs");
        assert_eq!(mode(&outside), 0o600);
    };
    std::fs::create_dir(&folder).unwrap();
    planted(&["crl.pem.new", "crl.pem"]);
    let authority = authority(&folder);
    kept();
    for name in ["agency-1.crt.new", "agency-1.crt", "agency-1.key.new", "agency-1.key"] {
        planted(&[name]);
    }
    authority.issue(&Subject::Agency(1), 30, true, at(0)).unwrap();
    kept();
    planted(&["crl.pem.new"]);
    authority.revoke_agency(1, at(0)).unwrap();
    kept();
    let is_link = |entry: std::fs::DirEntry| entry.file_type().unwrap().is_symlink();
    assert!(!std::fs::read_dir(&folder).unwrap().any(|entry| is_link(entry.unwrap())));
}

#[test]
fn a_folder_or_key_that_others_can_access_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    let create = || Authority::create(folder, "test", 100, None, at(0));
    for shared in [0o777, 0o770, 0o1777, 0o702] {
        set(folder, shared);
        let refused = create().err().unwrap().to_string();
        assert!(refused.contains("chmod go-w"), "{refused}");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "nothing was made");
    }
    set(folder, 0o755);
    drop(create().unwrap());
    assert_eq!(mode(&folder.join("issued")), 0o700);
    for (name, shared, good) in
        [("", 0o775, 0o755), ("issued", 0o777, 0o700), ("ca.key", 0o640, 0o600)]
    {
        let path = folder.join(name);
        set(&path, shared);
        let refused = Authority::open(folder, None).err().unwrap();
        assert!(matches!(refused, PkiError::Exposed { .. }), "{name}: {refused}");
        set(&path, good);
    }
    drop(Authority::open(folder, None).unwrap());
    let issued = folder.join("issued");
    std::fs::rename(&issued, folder.join("elsewhere")).unwrap();
    symlink("elsewhere", &issued).unwrap();
    assert!(Authority::open(folder, None).is_err());
}
