//! A parser for a payload's fields.

use thiserror::Error;

/// A whole frame has an invalid payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// It does not match the message's layout.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// A text is not UTF-8.
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
}

/// The rest of a payload, with its message's name for errors.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    message: &'static str,
}

impl<'a> Fields<'a> {
    pub(super) fn new(payload: &'a [u8], message: &'static str) -> Self {
        Self { rest: payload, message }
    }

    pub(super) fn u8(&mut self) -> Result<u8, PayloadError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, PayloadError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, PayloadError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, PayloadError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads a byte that is 0 or 1.
    pub(super) fn flag(&mut self) -> Result<bool, PayloadError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.malformed()),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PayloadError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(self.malformed())?;
        self.rest = rest;
        Ok(*array)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, PayloadError> {
        let text = str::from_utf8(self.rest).map_err(|_| PayloadError::NotUtf8(self.message))?;
        self.rest = &[];
        Ok(text)
    }

    pub(super) fn end(&self) -> Result<(), PayloadError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed()) }
    }

    pub(super) fn malformed(&self) -> PayloadError {
        PayloadError::Malformed(self.message)
    }
}
