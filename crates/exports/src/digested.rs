//! A writer that counts and hashes, so that a manifest describes what was written, not what was
//! read back.

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

/// Passes bytes on; counts and hashes them.
pub struct Digested<W> {
    out: W,
    len: u64,
    sha256: Sha256,
}

/// The length and digest of what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The number of bytes.
    pub len: u64,
    /// Their SHA-256 in hexadecimal, as printed by sha256sum.
    pub sha256: String,
}

impl<W: Write> Digested<W> {
    /// Wraps a writer.
    pub fn new(out: W) -> Self {
        Self { out, len: 0, sha256: Sha256::new() }
    }

    /// Returns the summary and the inner writer.
    pub fn finish(self) -> (Summary, W) {
        let digest = self.sha256.finalize();
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        (Summary { len: self.len, sha256 }, self.out)
    }
}

impl<W: Write> Write for Digested<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.sha256.update(&bytes[..len]);
        self.len += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts at most three bytes per write.
    struct Slow(Vec<u8>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend_from_slice(&bytes[..bytes.len().min(3)]);
            Ok(bytes.len().min(3))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_written_bytes_count() {
        let mut digested = Digested::new(Slow(Vec::new()));
        digested.write_all(b"hello world\n").unwrap();
        let (summary, out) = digested.finish();
        assert_eq!(out.0, b"hello world\n");
        let sha256 = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447".to_owned();
        assert_eq!(summary, Summary { len: 12, sha256 });
    }
}
