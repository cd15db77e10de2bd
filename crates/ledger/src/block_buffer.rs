//! A buffer that starts at an address that direct writes accept.

use crate::limits::BLOCK_LEN;

/// A fixed room for whole blocks, of which the first `len` bytes are filled; the rest is zeros.
pub(crate) struct BlockBuffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl BlockBuffer {
    /// An empty buffer for `capacity` bytes, rounded up to whole blocks.
    pub(crate) fn new(capacity: usize) -> Self {
        // Allocated once and never grown: the address, and with it `start`, stays.
        let bytes = vec![0; capacity.next_multiple_of(BLOCK_LEN) + BLOCK_LEN];
        let start = bytes.as_ptr().align_offset(BLOCK_LEN);
        assert!(start < BLOCK_LEN, "bytes can be aligned to any power of two");
        Self { bytes, start, len: 0 }
    }

    /// How many bytes are filled.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Fills `len` bytes more and gives them to be written, zeros for now.
    pub(crate) fn extend(&mut self, len: usize) -> &mut [u8] {
        let from = self.start + self.len;
        self.len += len;
        assert!(self.len <= self.bytes.len() - BLOCK_LEN, "a group is ended before it is too long");
        &mut self.bytes[from..from + len]
    }

    /// The filled bytes, and zeros up to the end of the last block.
    pub(crate) fn blocks(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len.next_multiple_of(BLOCK_LEN)]
    }

    /// Empties it.
    pub(crate) fn clear(&mut self) {
        self.bytes[self.start..self.start + self.len].fill(0);
        self.len = 0;
    }

    /// Keeps the bytes of the last block if it is not full, at the front, and empties the rest.
    pub(crate) fn keep_partial_block(&mut self) {
        let kept = self.len % BLOCK_LEN;
        let filled = self.start..self.start + self.len;
        self.bytes.copy_within(filled.end - kept..filled.end, self.start);
        self.bytes[self.start + kept..filled.end].fill(0);
        self.len = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_block_is_kept_and_padded_with_zeros() {
        let mut buffer = BlockBuffer::new(3 * BLOCK_LEN);
        for len in [10, BLOCK_LEN, BLOCK_LEN - 20] {
            buffer.extend(len).fill(9);
        }
        assert_eq!(buffer.blocks().len(), 2 * BLOCK_LEN);
        buffer.keep_partial_block();
        assert_eq!(buffer.len(), BLOCK_LEN - 10);
        assert!(buffer.blocks()[..BLOCK_LEN - 10].iter().all(|&byte| byte == 9));
        assert!(buffer.blocks()[BLOCK_LEN - 10..].iter().all(|&byte| byte == 0));
        buffer.extend(10).fill(8);
        buffer.keep_partial_block();
        assert_eq!(buffer.len(), 0);
        assert!(buffer.extend(BLOCK_LEN).iter().all(|&byte| byte == 0));
        assert_eq!(buffer.blocks().as_ptr() as usize % BLOCK_LEN, 0);
    }
}
