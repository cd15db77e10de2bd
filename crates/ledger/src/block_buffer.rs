//! A buffer aligned in memory for direct writes.

use crate::limits::BLOCK_LEN;

/// A buffer of fixed capacity for whole blocks, of which the first `len` bytes are filled.
pub(crate) struct BlockBuffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl BlockBuffer {
    /// Returns an empty buffer for `capacity` bytes, rounded up to whole blocks.
    pub(crate) fn new(capacity: usize) -> Self {
        // Allocated once and never grown, so that the address and `start` stay valid.
        let bytes = vec![0; capacity.next_multiple_of(BLOCK_LEN) + BLOCK_LEN];
        let start = bytes.as_ptr().align_offset(BLOCK_LEN);
        assert!(start < BLOCK_LEN, "bytes can be aligned to any power of two");
        Self { bytes, start, len: 0 }
    }

    /// Returns how many bytes are filled.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Extends the filled part by `len` bytes and returns them, with any content, for the caller to
    /// write.
    pub(crate) fn extend(&mut self, len: usize) -> &mut [u8] {
        let from = self.start + self.len;
        self.len += len;
        assert!(self.len <= self.bytes.len() - BLOCK_LEN, "a group is ended before it is too long");
        &mut self.bytes[from..from + len]
    }

    /// Returns the filled bytes, padded with zeros to whole blocks.
    pub(crate) fn blocks(&mut self) -> &[u8] {
        let blocks = &mut self.bytes[self.start..][..self.len.next_multiple_of(BLOCK_LEN)];
        blocks[self.len..].fill(0);
        blocks
    }

    /// Empties the buffer.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Moves the last block, if it is partly filled, to the front and drops the rest.
    pub(crate) fn keep_partial_block(&mut self) {
        let kept = self.len % BLOCK_LEN;
        let filled = self.start..self.start + self.len;
        self.bytes.copy_within(filled.end - kept..filled.end, self.start);
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
        assert_eq!(buffer.blocks(), []);
        buffer.extend(1).fill(7);
        assert!(buffer.blocks()[0] == 7 && buffer.blocks()[1..].iter().all(|&byte| byte == 0));
        assert_eq!(buffer.blocks().as_ptr() as usize % BLOCK_LEN, 0);
    }
}
