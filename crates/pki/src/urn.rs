//! The agency that a certificate names: the only URI `urn:bolillero:agency:N` among its subject's
//! alternative names, N in plain decimal.

use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// The start of every agency's URI.
pub const AGENCY_URN: &str = "urn:bolillero:agency:";

/// Why a certificate is not an agency's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum AgencyFault {
    #[error("it can't be read")]
    Unreadable,
    #[error("it names no agency: a URI {AGENCY_URN}N is missing")]
    None,
    #[error("it names {0} agencies, and may name one only")]
    Many(usize),
    #[error("'{0}' does not end in an agency's number")]
    NotANumber(String),
}

/// Returns the agency that a certificate names.
///
/// # Errors
/// When it does not name exactly one agency.
pub fn agency_of(certificate: &[u8]) -> Result<u32, AgencyFault> {
    let (rest, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| AgencyFault::Unreadable)?;
    if !rest.is_empty() {
        return Err(AgencyFault::Unreadable);
    }
    agency_in(&certificate)
}

pub(crate) fn agency_in(certificate: &X509Certificate<'_>) -> Result<u32, AgencyFault> {
    let names = certificate.subject_alternative_name().map_err(|_| AgencyFault::Unreadable)?;
    let names = names.map_or(&[][..], |names| &names.value.general_names);
    let urns = names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) if is_urn(uri) => Some(*uri),
        _ => None,
    });
    let urns: Vec<_> = urns.collect();
    match urns[..] {
        [] => Err(AgencyFault::None),
        [urn] => number_in(urn).ok_or_else(|| AgencyFault::NotANumber(urn.to_owned())),
        _ => Err(AgencyFault::Many(urns.len())),
    }
}

/// Whether it is an agency's URI, possibly misspelled in case.
fn is_urn(uri: &str) -> bool {
    uri.get(..AGENCY_URN.len()).is_some_and(|start| start.eq_ignore_ascii_case(AGENCY_URN))
}

/// Parses the number; rejects signs and leading zeros.
fn number_in(urn: &str) -> Option<u32> {
    let digits = urn.strip_prefix(AGENCY_URN)?;
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate_with(uris: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::new(["central.example".to_owned()]).unwrap();
        let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names.extend(uris);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn one_urn_names_the_agency_among_other_uris() {
        let uris = ["https://example.com/", "urn:bolillero:agency:7", "urn:other:agency:8"];
        assert_eq!(agency_of(&certificate_with(&uris)), Ok(7));
        let most = format!("{AGENCY_URN}4294967295");
        assert_eq!(agency_of(&certificate_with(&[&most])), Ok(u32::MAX));
    }

    #[test]
    fn missing_repeated_and_invalid_urns_are_refused() {
        assert_eq!(agency_of(&certificate_with(&[])), Err(AgencyFault::None));
        let urn = "urn:bolillero:agency:7";
        assert_eq!(agency_of(&certificate_with(&[urn, urn])), Err(AgencyFault::Many(2)));
        let other_case = [urn, "URN:Bolillero:Agency:8"];
        assert_eq!(agency_of(&certificate_with(&other_case)), Err(AgencyFault::Many(2)));
        for tail in ["", "+7", "07", " 7", "7 ", "x", "4294967296", "7/", "7?a", "-1"] {
            let urn = format!("{AGENCY_URN}{tail}");
            let expected = Err(AgencyFault::NotANumber(urn.clone()));
            assert_eq!(agency_of(&certificate_with(&[&urn])), expected);
        }
        assert_eq!(agency_of(b"nothing"), Err(AgencyFault::Unreadable));
    }

    proptest! {
        #[test]
        fn every_number_has_exactly_one_form(number: u32, text in "[ -~]{0,14}") {
            prop_assert_eq!(number_in(&format!("{AGENCY_URN}{number}")), Some(number));
            let urn = format!("{AGENCY_URN}{text}");
            if let Some(number) = number_in(&urn) {
                prop_assert_eq!(format!("{AGENCY_URN}{number}"), urn);
            }
        }

        #[test]
        fn any_bytes_do_not_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            at: prop::sample::Index,
            byte: u8,
        ) {
            let _ = agency_of(&bytes);
            static GOOD: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
            let mut bytes =
                GOOD.get_or_init(|| certificate_with(&["urn:bolillero:agency:7"])).clone();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = agency_of(&bytes);
            bytes.truncate(at);
            prop_assert_eq!(agency_of(&bytes), Err(AgencyFault::Unreadable));
        }
    }
}
