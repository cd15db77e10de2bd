//! The limits of certificates.

/// Default validity of an authority's certificate, in days. It limits the certificates that it
/// issues.
pub const AUTHORITY_DAYS: u32 = 3650;

/// Default validity of an issued certificate, in days: a year, and a month to renew it.
pub const ISSUED_DAYS: u32 = 396;

/// Longest validity that can be requested, in days.
pub const DAYS_MAX: u32 = 36_500;

/// How long before its creation a certificate is valid, for hosts whose clocks are slow.
pub(crate) const EARLIER_SECS: u64 = 3600;

/// Longest name of an authority, in bytes. With the mark added to it, it fits X.509.
pub const AUTHORITY_NAME_LEN_MAX: usize = 55;

/// Shortest passphrase for the authority's key, in characters.
pub const PASSPHRASE_LEN_MIN: usize = 12;

/// The cost of deriving the key from the passphrase: scrypt with N = 2^14, r = 8, p = 5 (16 MiB),
/// the most that openssl accepts by default.
pub(crate) const SCRYPT_LOG_N: u8 = 14;
/// See [`SCRYPT_LOG_N`].
pub(crate) const SCRYPT_R: u32 = 8;
/// See [`SCRYPT_LOG_N`].
pub(crate) const SCRYPT_P: u32 = 5;

// Relations between the limits.
const _: () = {
    assert!(ISSUED_DAYS <= AUTHORITY_DAYS && AUTHORITY_DAYS <= DAYS_MAX);
    // With a space and eight digits; X.509 takes 64 characters.
    assert!(AUTHORITY_NAME_LEN_MAX + 9 <= 64);
};
