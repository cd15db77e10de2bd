//! TLS errors and times, as text for people.

use std::fmt;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use x509_parser::time::ASN1Time;

/// A time, formatted in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtcTime(pub UnixTime);

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = i64::try_from(self.0.as_secs()).ok();
        match secs.and_then(|secs| ASN1Time::from_timestamp(secs).ok()) {
            Some(time) => {
                let time = time.to_datetime();
                let (date, hour, minute) = (time.date(), time.hour(), time.minute());
                let (month, day) = (u8::from(date.month()), date.day());
                write!(f, "{}-{month:02}-{day:02} {hour:02}:{minute:02} UTC", date.year())
            }
            None => write!(f, "second {} of Unix time", self.0.as_secs()),
        }
    }
}

/// Describes a TLS error; "it" is the peer.
#[must_use]
pub fn describe(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(fault) => describe_certificate_error(fault),
        Error::AlertReceived(alert) => describe_alert(*alert).to_owned(),
        Error::NoCertificatesPresented => "it sent no certificate".to_owned(),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not use TLS".to_owned()
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        ) => "it does not support TLS 1.3".to_owned(),
        other => other.to_string(),
    }
}

fn describe_certificate_error(fault: &CertificateError) -> String {
    use CertificateError as Fault;
    match fault {
        Fault::ExpiredContext { not_after, .. } => {
            format!("its certificate expired at {}", UtcTime(*not_after))
        }
        Fault::NotValidYetContext { not_before, .. } => {
            format!("its certificate is valid from {} only", UtcTime(*not_before))
        }
        Fault::Revoked => "its certificate is revoked".to_owned(),
        Fault::BadSignature => {
            "its certificate is not signed by the authority that it names".to_owned()
        }
        Fault::UnknownIssuer => "its certificate is from an unknown authority".to_owned(),
        Fault::UnknownRevocationStatus => {
            "its certificate's authority has no revocation list here".to_owned()
        }
        Fault::InvalidPurpose | Fault::InvalidPurposeContext { .. } => {
            "its certificate is for another purpose: an agency's, or the central's?".to_owned()
        }
        Fault::NotValidForNameContext { expected, presented } => {
            // They are formatted as `DnsName("central.example")`.
            let bare = |name: &String| name.replace(['(', ')', '"'], " ");
            let presented: Vec<_> = presented.iter().map(bare).collect();
            let presented = presented.join(",");
            let presented = presented.replace("DnsName", "").replace("IpAddress", "");
            let names: Vec<_> = presented.split_whitespace().collect();
            let expected = expected.to_str();
            format!("its certificate is not for {expected} but for {}", names.join(" "))
        }
        Fault::Other(other) => format!("its certificate is invalid: {other}"),
        other => format!("its certificate is invalid: {other}"),
    }
}

fn describe_alert(alert: AlertDescription) -> &'static str {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateExpired => "it reports that our certificate is not valid now",
        Alert::CertificateRevoked => "it reports that our certificate is revoked",
        Alert::UnknownCA => "it does not know the authority of our certificate",
        Alert::UnsupportedCertificate => "it reports that our certificate is for another purpose",
        Alert::CertificateRequired => "it requires a certificate",
        Alert::CertificateUnknown => "it does not accept our certificate as an agency's",
        Alert::BadCertificate => "it rejects our certificate",
        Alert::DecryptError => "it could not verify the signature of our certificate",
        Alert::ProtocolVersion => "it does not support this version of TLS",
        _ => "it ended TLS with an alert",
    }
}
