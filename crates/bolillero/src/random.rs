//! Random bytes from the system, suitable for secrets.

use anyhow::Context as _;

/// Returns unpredictable random bytes.
pub(crate) fn secret_bytes<const LEN: usize>() -> anyhow::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes).context("the system returns no random bytes")?;
    Ok(bytes)
}
