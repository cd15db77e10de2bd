//! Every limit of certificates, by name.

/// Days that the authority's own certificate is valid for, unless told otherwise: its end is the
/// end of every certificate that it issued.
pub const AUTHORITY_DAYS: u32 = 3650;

/// Days that a certificate of an agency or of the central is valid for, unless told otherwise: a
/// year, and a month to renew it in.
pub const ISSUED_DAYS: u32 = 396;

/// Most days that may be asked for: more than any of this will be in use.
pub const DAYS_MAX: u32 = 36_500;

/// A certificate is valid from this long before it was issued, for hosts whose clocks are late.
pub(crate) const EARLIER_SECS: u64 = 3600;

/// Longest name of an authority, in bytes: with the mark that tells it from others of that name it
/// is within what X.509 has for names.
pub const AUTHORITY_NAME_LEN_MAX: usize = 55;

/// Shortest passphrase for the authority's key, in characters.
pub const PASSPHRASE_LEN_MIN: usize = 12;

/// What deriving a key from the passphrase takes: scrypt with N = 2^14, r = 8, p = 5: 16 MiB, the
/// most that openssl reads too without being told to.
pub(crate) const SCRYPT_LOG_N: u8 = 14;
/// See [`SCRYPT_LOG_N`].
pub(crate) const SCRYPT_R: u32 = 8;
/// See [`SCRYPT_LOG_N`].
pub(crate) const SCRYPT_P: u32 = 5;
