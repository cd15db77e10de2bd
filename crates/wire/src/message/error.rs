//! ERROR, central -> agency: a refusal and its reason.
//!
//! ```text
//! u16 id = 20, u16 length
//! u16 code
//! u8  has_chunk      1: only this chunk is refused; 0: the connection is closed after this
//! u32 chunk          0 without a chunk
//! u16 count          of the faults, at most 1024
//! count x            u16 position of the bet in its batch, from 0; u16 fault code
//! [0..=512] reason   UTF-8, for people
//! ```
//!
//! Unknown codes are preserved. ERROR ignores `frame_len_max`: with all faults it takes up to 4,621
//! bytes.

use super::fields::{Fields, PayloadError};
use crate::codes::{ErrorCode, FaultCode};
use crate::limits::{FAULTS_MAX, REASON_LEN_MAX};

/// The payload of ERROR, within its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorMessage {
    code: ErrorCode,
    chunk: Option<u32>,
    faults: Vec<Fault>,
    reason: String,
}

/// An invalid bet of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The bet's position in its batch, from 0.
    pub position: u16,
    /// What is wrong with it.
    pub code: FaultCode,
}

impl ErrorMessage {
    /// Creates a refusal that closes the connection. The reason is truncated to 512 bytes.
    pub fn closing(code: ErrorCode, reason: &str) -> Self {
        Self { code, chunk: None, faults: Vec::new(), reason: cut(reason) }
    }

    /// Creates the refusal of one chunk. The reason is truncated to 512 bytes.
    pub fn of_chunk(code: ErrorCode, chunk: u32, reason: &str) -> Self {
        Self { code, chunk: Some(chunk), faults: Vec::new(), reason: cut(reason) }
    }

    /// Adds faults, at most 1024.
    #[must_use]
    pub fn with_faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults = faults.into_iter().take(FAULTS_MAX).collect();
        self
    }

    /// Returns the code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// Returns the refused chunk; `None` if the connection is refused.
    pub fn chunk(&self) -> Option<u32> {
        self.chunk
    }

    /// Returns the invalid bets.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Returns the reason, for people.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(super) fn from_payload(payload: &[u8]) -> Result<Self, PayloadError> {
        let mut fields = Fields::new(payload, "ERROR");
        let code = ErrorCode::from_number(fields.u16()?);
        let chunk = match (fields.flag()?, fields.u32()?) {
            (true, chunk) => Some(chunk),
            (false, 0) => None,
            (false, _) => return Err(fields.malformed()),
        };
        let count = usize::from(fields.u16()?);
        if count > FAULTS_MAX {
            return Err(fields.malformed());
        }
        let mut faults = Vec::with_capacity(count);
        for _ in 0..count {
            let position = fields.u16()?;
            faults.push(Fault { position, code: FaultCode::from_number(fields.u16()?) });
        }
        let reason = fields.text()?;
        if reason.len() > REASON_LEN_MAX {
            return Err(fields.malformed());
        }
        Ok(Self { code, chunk, faults, reason: reason.to_owned() })
    }

    pub(super) fn put_payload(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.code.number().to_be_bytes());
        out.push(u8::from(self.chunk.is_some()));
        out.extend_from_slice(&self.chunk.unwrap_or(0).to_be_bytes());
        let count = u16::try_from(self.faults.len()).expect("at most FAULTS_MAX were taken");
        out.extend_from_slice(&count.to_be_bytes());
        for fault in &self.faults {
            out.extend_from_slice(&fault.position.to_be_bytes());
            out.extend_from_slice(&fault.code.number().to_be_bytes());
        }
        out.extend_from_slice(self.reason.as_bytes());
    }
}

fn cut(reason: &str) -> String {
    reason[..reason.floor_char_boundary(REASON_LEN_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::checks::check_central_message;
    use super::super::{CentralMessage, DecodeError};
    use super::*;

    const MALFORMED: DecodeError = DecodeError::Payload(PayloadError::Malformed("ERROR"));

    fn decode(payload: &[u8]) -> Result<CentralMessage<'_>, DecodeError> {
        let len = u16::try_from(payload.len()).expect("short").to_be_bytes();
        let bytes = [&[0, 20], &len[..], payload].concat();
        CentralMessage::decode(bytes.leak())
    }

    #[test]
    fn an_error_that_closes_has_these_bytes() {
        let error = ErrorMessage::closing(ErrorCode::ShuttingDown, "adiós");
        let bytes = b"\0\x14\0\x0f\0\x14\0\0\0\0\0\0\0adi\xc3\xb3s";
        check_central_message(&CentralMessage::Error(error), bytes);
    }

    #[test]
    fn an_error_of_a_chunk_names_its_faults() {
        let fault = |position, code| Fault { position, code };
        let error = ErrorMessage::of_chunk(ErrorCode::BadBets, 9, "bad").with_faults([
            fault(0, FaultCode::FieldCount),
            fault(258, FaultCode::NumberRange),
            fault(3, FaultCode::Unknown(300)),
        ]);
        let bytes = b"\0\x14\0\x18\0\x0b\x01\0\0\0\x09\0\x03\
            \0\0\0\x01\x01\x02\0\x07\0\x03\x01\x2cbad";
        check_central_message(&CentralMessage::Error(error), bytes);
    }

    #[test]
    fn a_new_error_is_truncated_to_its_limits() {
        let fault = Fault { position: 1, code: FaultCode::Document };
        let reason = format!("x{}", "ñ".repeat(300));
        let error = ErrorMessage::of_chunk(ErrorCode::BadBets, 0, &reason)
            .with_faults(std::iter::repeat_n(fault, 2000));
        assert_eq!((error.faults().len(), error.reason().len()), (1024, 511));
        let mut bytes = Vec::new();
        CentralMessage::Error(error).encode(&mut bytes);
        assert!(bytes.len() <= 4621 && CentralMessage::decode(&bytes).is_ok());
    }

    #[test]
    fn an_error_out_of_its_limits_is_malformed() {
        assert!(decode(&[0, 1, 0, 0, 0, 0, 0, 0, 0]).is_ok());
        assert_eq!(decode(&[0, 1, 2, 0, 0, 0, 0, 0, 0]), Err(MALFORMED), "has_chunk 2");
        assert_eq!(decode(&[0, 1, 0, 0, 0, 0, 1, 0, 0]), Err(MALFORMED), "chunk without has_chunk");
        assert_eq!(decode(&[0, 1, 0, 0, 0, 0, 0, 0, 1]), Err(MALFORMED), "a fault is missing");
        assert_eq!(decode(&[0, 1, 0, 0, 0, 0, 0, 0]), Err(MALFORMED), "too short");
        let faults = [&[0, 1, 0, 0, 0, 0, 0, 4, 1][..], &[0; 4 * 1025]].concat();
        assert_eq!(decode(&faults), Err(MALFORMED), "1025 faults");
        let reason = [&[0, 1, 0, 0, 0, 0, 0, 0, 0][..], &[b'x'; 513]].concat();
        assert_eq!(decode(&reason), Err(MALFORMED), "513 bytes of reason");
        let not_utf8 = Err(DecodeError::Payload(PayloadError::NotUtf8("ERROR")));
        assert_eq!(decode(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0xff]), not_utf8);
    }
}
