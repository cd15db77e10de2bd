//! A receive buffer that splits a byte stream into frames.
//!
//! ```text
//! 0        start            end             buffer.len()
//! | taken  | received       | to read into  |
//! ```
//!
//! Invariants:
//! - `start <= end <= buffer.len() <= frame_len_max + READ_LEN_MAX`;
//! - Taking a frame moves no bytes. Only `space` does, at most once per read, and at most one
//!   incomplete frame if all whole ones were taken.
//! - The read size doubles while reads fill it and halves while they hardly use it, so memory
//!   follows what a peer sends, not what a header announces.
//! - An empty buffer is released. An idle connection uses no memory if `space` is only called once
//!   the socket is readable.
//!   asked for once the socket is readable.

use crate::frame::{Frame, FrameError, Header, Sender, header};
use crate::limits::{READ_LEN_LEAST, READ_LEN_MAX, assert_frame_len_max};
use std::ops::Range;

/// Splits what one side sends into frames.
#[derive(Debug)]
pub struct FrameReader {
    sender: Sender,
    frame_len_max: u32,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    read_len: usize,
}

/// The position of a taken frame, valid until `space` is called.
#[derive(Debug)]
pub(crate) struct Taken {
    id: u16,
    payload: Range<usize>,
}

impl FrameReader {
    /// Creates a reader for frames from `sender` of at most `frame_len_max` bytes, header included.
    ///
    /// # Panics
    /// When `limits::check_frame_len_max` rejects `frame_len_max`.
    pub fn new(sender: Sender, frame_len_max: u32) -> Self {
        assert_frame_len_max(frame_len_max);
        let read_len = READ_LEN_LEAST;
        Self { sender, frame_len_max, buffer: Vec::new(), start: 0, end: 0, read_len }
    }

    /// Returns space to read into. Empty only while a whole frame waits to be taken.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 && self.buffer.len() - self.end < self.read_len {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let wanted = (self.end + self.read_len).min(self.memory_len_max());
        if wanted > self.buffer.len() {
            self.buffer.reserve_exact(wanted - self.buffer.len());
            self.buffer.resize(wanted, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Marks the first `n` bytes of [`Self::space`] as received.
    ///
    /// # Panics
    /// When there was no space for `n` bytes.
    pub fn filled(&mut self, n: usize) {
        assert!(n <= self.buffer.len() - self.end, "{n} bytes read, more than there was room for");
        self.end += n;
        if n >= self.read_len {
            self.read_len = (self.read_len * 2).min(READ_LEN_MAX);
        } else if n < self.read_len / 4 {
            self.read_len = (self.read_len / 2).max(READ_LEN_LEAST);
        }
    }

    /// Takes the next frame; `None` while it is incomplete.
    ///
    /// # Errors
    /// When its header is invalid; also on every later call.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let taken = self.take()?;
        Ok(taken.map(|taken| self.frame(taken)))
    }

    /// Whether [`Self::next_frame`] would return a frame or an error.
    pub fn has_next(&self) -> bool {
        match self.header() {
            Ok(Some(header)) => header.len <= self.received().len(),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// Whether a frame is incomplete.
    pub fn is_mid_frame(&self) -> bool {
        !self.received().is_empty() && !self.has_next()
    }

    /// Drops what was received and releases the memory.
    pub fn clear(&mut self) {
        self.buffer = Vec::new();
        self.start = 0;
        self.end = 0;
    }

    /// Returns the memory in use, in bytes.
    pub fn memory_len(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns the most memory that this reader ever uses, in bytes.
    pub fn memory_len_max(&self) -> usize {
        self.frame_len_max as usize + READ_LEN_MAX
    }

    /// Takes the next frame without borrowing it: see [`Self::frame`].
    pub(crate) fn take(&mut self) -> Result<Option<Taken>, FrameError> {
        match self.header()? {
            Some(header) if header.len <= self.received().len() => {
                let payload = self.start + header.payload_at..self.start + header.len;
                self.start = payload.end;
                Ok(Some(Taken { id: header.id, payload }))
            }
            _ => {
                self.release_if_empty();
                Ok(None)
            }
        }
    }

    pub(crate) fn frame(&self, taken: Taken) -> Frame<'_> {
        Frame { id: taken.id, payload: &self.buffer[taken.payload] }
    }

    /// Releases the memory if the buffer is empty.
    pub(crate) fn release_if_empty(&mut self) {
        if self.start == self.end {
            self.clear();
        }
    }

    fn received(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn header(&self) -> Result<Option<Header>, FrameError> {
        header(self.sender, self.received(), self.frame_len_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u32 = 8192;

    fn reader() -> FrameReader {
        FrameReader::new(Sender::Agency, LIMIT)
    }

    fn feed(reader: &mut FrameReader, bytes: &[u8]) {
        let space = reader.space();
        space[..bytes.len()].copy_from_slice(bytes);
        reader.filled(bytes.len());
    }

    #[test]
    fn frames_of_one_read_are_not_moved() {
        let mut reader = reader();
        feed(&mut reader, &[0, 12, 0, 3, b'2', b'&', b'7'].repeat(500));
        let mut expected_at = None;
        for _ in 0..500 {
            let frame = reader.next_frame().expect("known").expect("whole");
            let at = frame.payload.as_ptr().addr();
            assert_eq!(at, *expected_at.get_or_insert(at), "a frame was moved");
            expected_at = Some(at + 7);
        }
        assert_eq!(reader.next_frame(), Ok(None));
    }

    #[test]
    fn memory_follows_received_bytes_not_announced_lengths() {
        let mut reader = reader();
        feed(&mut reader, &[0, 12, 0x1f, 0xfc]);
        for _ in 0..100 {
            feed(&mut reader, b"1");
            assert_eq!(reader.next_frame(), Ok(None));
        }
        assert!(reader.memory_len() <= 2 * READ_LEN_LEAST);
    }

    #[test]
    fn the_read_size_grows_with_full_reads_up_to_the_limit() {
        let mut reader = reader();
        while !reader.space().is_empty() {
            let n = reader.space().len();
            reader.filled(n);
            assert!(reader.memory_len() <= LIMIT as usize + READ_LEN_MAX);
        }
        assert_eq!(reader.memory_len(), reader.memory_len_max());
    }

    #[test]
    fn a_large_read_fits_after_the_longest_incomplete_frame() {
        let mut reader = reader();
        let mut longest = vec![b'1'; LIMIT as usize];
        longest[..4].copy_from_slice(&[0, 12, 0x1f, 0xfc]);
        let stream = longest.repeat(100);
        let mut rest = &stream[..];
        let mut taken = 0;
        while !rest.is_empty() {
            let n = reader.space().len().min(rest.len());
            assert!(n > 0);
            feed(&mut reader, &rest[..n]);
            rest = &rest[n..];
            while reader.next_frame().expect("known").is_some() {
                taken += 1;
            }
        }
        assert_eq!((taken, reader.memory_len()), (100, 0));
        assert!(reader.space().len() > READ_LEN_LEAST);
    }

    #[test]
    fn the_read_size_shrinks_after_small_reads() {
        let mut reader = reader();
        reader.read_len = READ_LEN_MAX;
        for _ in 0..4 {
            feed(&mut reader, &[0, 14, 0, 0, 0, 1]);
            while reader.next_frame().expect("known").is_some() {}
        }
        assert_eq!(reader.space().len(), READ_LEN_LEAST);
    }
}
