//! Certificates made by openssl: an authority with an intermediate, RSA and elliptic curves, and
//! keys in every format that it writes. Skipped without openssl.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::tools::has_openssl;
use crate::support::{Process, agency, bolillero, str, text};

/// Runs openssl in a folder and checks that it succeeds.
fn openssl(folder: &Path, args: &[&str]) {
    let output = Command::new("openssl").args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "openssl {args:?}: {}", text(&output.stderr));
}

/// Makes a key and a certificate `NAME.crt`, signed by `by`, with these extensions.
fn certificate(folder: &Path, name: &str, algorithm: &[&str], by: &str, extensions: &str) {
    let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
    let (extension_file, certificate) = (format!("{name}.ext"), format!("{name}.crt"));
    std::fs::write(folder.join(&extension_file), extensions).unwrap();
    openssl(folder, &[&["genpkey", "-out", &key], algorithm].concat());
    let subject = format!("/CN={name}");
    openssl(folder, &["req", "-new", "-key", &key, "-subj", &subject, "-out", &request]);
    let (by_certificate, by_key) = (format!("{by}.crt"), format!("{by}.key"));
    let mut sign =
        vec!["x509", "-req", "-in", &request, "-days", "30", "-extfile", &extension_file];
    if by == name {
        sign.extend(["-signkey", &key]);
    } else {
        sign.extend(["-CA", &by_certificate, "-CAkey", &by_key, "-CAcreateserial"]);
    }
    openssl(folder, &[&sign[..], &["-out", &certificate]].concat());
}

const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
const ED25519: &[&str] = &["-algorithm", "ED25519"];

const AUTHORITY: &str = "basicConstraints=critical,CA:true\nkeyUsage=keyCertSign,cRLSign\n";
const CENTRAL: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n";

fn of_agency(agency: u32) -> String {
    format!("subjectAltName=URI:urn:bolillero:agency:{agency}\nextendedKeyUsage=clientAuth\n")
}

/// Writes the certificate and its intermediate into one file.
fn chain(folder: &Path, name: &str) {
    let read = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.crt"))).unwrap();
    let chain = read(name) + &read("between");
    std::fs::write(folder.join(format!("{name}.crt")), chain).unwrap();
}

#[test]
fn certificates_made_by_openssl_serve_as_well() {
    if !has_openssl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificate(folder, "ca", RSA, "ca", AUTHORITY);
    certificate(folder, "between", P384, "ca", AUTHORITY);
    certificate(folder, "central", RSA, "between", CENTRAL);
    let agencies = [RSA, P256, P384, ED25519];
    for (agency, algorithm) in (1..).zip(agencies) {
        let name = format!("agency-{agency}");
        certificate(folder, &name, algorithm, "between", &of_agency(agency));
        chain(folder, &name);
    }
    chain(folder, "central");
    // The formats PKCS#1 and SEC1, besides the PKCS#8 of the others.
    for key in ["central.key", "agency-2.key"] {
        openssl(folder, &["pkey", "-in", key, "-traditional", "-out", "old.key"]);
        std::fs::rename(folder.join("old.key"), folder.join(key)).unwrap();
    }
    let key = |name| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(key("central.key").contains("BEGIN RSA PRIVATE KEY"));
    assert!(key("agency-2.key").contains("BEGIN EC PRIVATE KEY"));
    assert!(key("agency-4.key").contains("BEGIN PRIVATE KEY"));

    let path = |name: &str| str(&folder.join(name)).to_owned();
    let (data, ca) = (path("data"), path("ca.crt"));
    let (central_crt, central_key) = (path("central.crt"), path("central.key"));
    let args = ["serve", "--data", &data, "--agencies", "4", "--tls-listen", "127.0.0.1:0"];
    let files = ["--tls-cert", &central_crt, "--tls-key", &central_key, "--tls-agencies-ca", &ca];
    let mut process = Process::start(&[&args[..], &files].concat());
    let line = process.wait_for("tls: true");
    let address = line.split("address: ").nth(1).unwrap().split(' ').next().unwrap();
    let bets = folder.join("bets.csv");
    std::fs::write(&bets, "Ana,Paz,30904465,1999-03-17,7574\n").unwrap();
    let running = [1, 2, 3, 4].map(|id| {
        let (crt, key) = (path(&format!("agency-{id}.crt")), path(&format!("agency-{id}.key")));
        agency(id, address, &bets, &["--tls-ca", &ca, "--tls-cert", &crt, "--tls-key", &key])
    });
    for running in running {
        let ended = running.ended();
        assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
        assert_eq!(ended.stdout, "30904465\n");
    }
    speaks_tls_1_3_only(folder, address);
}

/// Checks that openssl's own client connects with TLS 1.3 and not with TLS 1.2.
fn speaks_tls_1_3_only(folder: &Path, address: &str) {
    let client = |version| {
        let args = ["s_client", "-connect", address, "-CAfile", "ca.crt", "-verify_return_error"];
        let shown = ["-cert", "agency-1.crt", "-cert_chain", "between.crt", "-key", "agency-1.key"];
        let mut command = Command::new("openssl");
        command.args(args).args(shown).arg(version).current_dir(folder).stdin(Stdio::null());
        text(&command.output().unwrap().stdout)
    };
    let newest = client("-tls1_3");
    assert!(newest.contains("Verification: OK") && newest.contains("TLSv1.3"), "{newest}");
    let old = client("-tls1_2");
    assert!(old.contains("Cipher is (NONE)"), "{old}");
}

#[test]
fn an_authority_made_here_is_read_by_openssl_its_encrypted_key_and_list_too() {
    if !has_openssl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let pki = |args: &[&str]| {
        let mut command = bolillero();
        command.env("BOLILLERO_CA_PASSPHRASE", "a long enough one").arg("pki").args(args);
        let output = command.current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    };
    pki(&["init", "--encrypt"]);
    pki(&["agency", "7"]);
    pki(&["agency", "8"]);
    pki(&["revoke", "--agency", "8"]);
    let folder = folder.join("pki");
    openssl(&folder, &["pkey", "-in", "ca.key", "-passin", "pass:a long enough one", "-noout"]);
    let verify = ["verify", "-CAfile", "ca.crt", "-CRLfile", "crl.pem", "-crl_check"];
    openssl(&folder, &[&verify[..], &["-purpose", "sslclient", "agency-7.crt"]].concat());
    let mut revoked = Command::new("openssl");
    let revoked = revoked.args(verify).arg("agency-8.crt").current_dir(&folder).output().unwrap();
    assert!(text(&revoked.stderr).contains("certificate revoked"), "{}", text(&revoked.stderr));
}
