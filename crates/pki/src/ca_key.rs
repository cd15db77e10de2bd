//! The authority's key on disk: PKCS#8, plain or encrypted with a passphrase (PBES2: scrypt and
//! AES-256, which openssl reads too).

use std::fmt;
use std::path::Path;

use pkcs8::der::pem::PemLabel as _;
use pkcs8::pkcs5::pbes2;
use pkcs8::pkcs5::scrypt::Params;
use pkcs8::{EncryptedPrivateKeyInfoOwned, LineEnding, PrivateKeyInfoRef, SecretDocument};
use rcgen::KeyPair;
use zeroize::Zeroizing;

use crate::error::PkiError;
use crate::files;
use crate::limits::{PASSPHRASE_LEN_MIN, SCRYPT_LOG_N, SCRYPT_P, SCRYPT_R};
use crate::provider;

/// The file of the key, in the authority's folder.
pub(crate) const KEY_FILE: &str = "ca.key";

/// The passphrase of the authority's key. Hidden from `Debug`, wiped from memory on drop.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Wraps an existing passphrase.
    #[must_use]
    pub fn given(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Validates a new passphrase.
    ///
    /// # Errors
    /// When it is too short.
    pub fn chosen(text: String) -> Result<Self, PkiError> {
        let chosen = Self::given(text);
        let long_enough = chosen.0.chars().count() >= PASSPHRASE_LEN_MIN;
        if long_enough { Ok(chosen) } else { Err(PkiError::ShortPassphrase) }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// Whether the key of the authority in a folder is encrypted.
///
/// # Errors
/// When there is no authority, or it can't be read.
pub fn is_encrypted(folder: &Path) -> Result<bool, PkiError> {
    let path = folder.join(KEY_FILE);
    if !path.exists() {
        return Err(PkiError::NoAuthority { path: folder.to_owned() });
    }
    let text = files::read_own(&path)?;
    let label = files::ENCRYPTED_KEY.as_bytes();
    Ok(text.windows(label.len()).any(|window| window == label))
}

pub(crate) fn write(
    key: &KeyPair,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<String>, PkiError> {
    let Some(Passphrase(passphrase)) = passphrase else {
        return Ok(Zeroizing::new(key.serialize_pem()));
    };
    let making = |error: &dyn fmt::Display| PkiError::Making(error.to_string());
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    let random = provider().secure_random;
    let filled = random.fill(&mut salt).and_then(|()| random.fill(&mut iv));
    filled.map_err(|_| making(&"no random bytes"))?;
    let cost = Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P).expect("sound parameters");
    let how = pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt, iv);
    let how = how.map_err(|error| making(&error))?;
    let key = PrivateKeyInfoRef::try_from(key.serialized_der()).map_err(|error| making(&error))?;
    let encrypted = key.encrypt_with_params(how, passphrase.as_bytes());
    let encrypted = encrypted.map_err(|error| making(&error))?;
    encrypted.to_pem(files::ENCRYPTED_KEY, LineEnding::LF).map_err(|error| making(&error))
}

/// Reads a key that [`write()`] or openssl wrote.
pub(crate) fn read(path: &Path, passphrase: Option<&Passphrase>) -> Result<KeyPair, PkiError> {
    let text = files::read_own(path)?;
    let unusable = |why: &dyn fmt::Display| files::unusable(path, why);
    let text = std::str::from_utf8(&text).map_err(|error| unusable(&error))?;
    if !text.contains(files::ENCRYPTED_KEY) {
        return KeyPair::from_pem(text).map_err(|error| unusable(&error));
    }
    let Passphrase(passphrase) = passphrase.ok_or(PkiError::PassphraseNeeded)?;
    let (label, document) = SecretDocument::from_pem(text).map_err(|error| unusable(&error))?;
    EncryptedPrivateKeyInfoOwned::validate_pem_label(label).map_err(|error| unusable(&error))?;
    let encrypted: EncryptedPrivateKeyInfoOwned =
        document.decode_msg().map_err(|error| unusable(&error))?;
    let key = encrypted.decrypt(passphrase.as_bytes()).map_err(|_| PkiError::WrongPassphrase)?;
    KeyPair::try_from(key.as_bytes()).map_err(|_| PkiError::WrongPassphrase)
}
