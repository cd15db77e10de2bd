//! Where randomness enters: the system's, fit for secrets.

use anyhow::Context as _;

/// Bytes that nobody can foretell.
pub(crate) fn secret_bytes<const LEN: usize>() -> anyhow::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes)
}
