//! Which agency a certificate is for: the one URI `urn:bolillero:agency:N` among its subject's
//! alternative names, N in plain decimal.

use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// What every agency's URI begins with.
pub const AGENCY_URN: &str = "urn:bolillero:agency:";

/// Why a certificate is no agency's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AgencyFault {
    /// It can't be understood at all.
    #[error("it can't be read")]
    Unreadable,
    /// It names no agency.
    #[error("it names no agency: a URI {AGENCY_URN}N is missing")]
    None,
    /// It names more than one, or one twice.
    #[error("it names {0} agencies, and may name one only")]
    Many(usize),
    /// What should be an agency's number is none.
    #[error("'{0}' does not end in an agency's number")]
    NotANumber(String),
}

/// The agency that a certificate is for.
///
/// # Errors
/// When it does not say so in exactly one way.
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

/// Whether it is meant as an agency's: also when it is not written quite as it should be.
fn is_urn(uri: &str) -> bool {
    uri.get(..AGENCY_URN.len()).is_some_and(|start| start.eq_ignore_ascii_case(AGENCY_URN))
}

/// The number, written in the one way that there is: no sign, no leading zero.
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
    fn one_urn_names_the_agency_whatever_other_uris_there_are() {
        let uris = ["https://example.com/", "urn:bolillero:agency:7", "urn:other:agency:8"];
        assert_eq!(agency_of(&certificate_with(&uris)), Ok(7));
        let most = format!("{AGENCY_URN}4294967295");
        assert_eq!(agency_of(&certificate_with(&[&most])), Ok(u32::MAX));
    }

    #[test]
    fn none_two_or_one_that_is_not_a_number_are_refused() {
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
        fn every_number_is_read_back_and_in_one_way_only(number: u32, text in "[ -~]{0,14}") {
            prop_assert_eq!(number_in(&format!("{AGENCY_URN}{number}")), Some(number));
            let urn = format!("{AGENCY_URN}{text}");
            if let Some(number) = number_in(&urn) {
                prop_assert_eq!(format!("{AGENCY_URN}{number}"), urn);
            }
        }

        #[test]
        fn whatever_bytes_come_it_does_not_panic(
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
