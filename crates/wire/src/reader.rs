//! The receive buffer of both sides: bytes in any pieces become whole frames.
//!
//! ```text
//! 0        start            end             buffer.len()
//! | taken  | received       | to read into  |
//! ```
//!
//! Invariants:
//! - `start <= end <= buffer.len() <= frame_len_max + READ_LEN_MAX`;
//! - taking a frame moves no bytes: only making room does, at most once a read, and what it moves
//!   is the piece of one frame when all the whole ones were taken before;
//! - the room for a read doubles while reads come in full and halves while they come nearly empty,
//!   so that memory follows what a peer really sends, never what a header announces;
//! - a buffer found empty is given back. An idle connection holds none, as long as room is only
//!   asked for once the socket is readable.

use crate::frame::{Frame, FrameError, Header, Sender, header};
use crate::limits::{READ_LEN_LEAST, READ_LEN_MAX, assert_frame_len_max};
use std::ops::Range;

/// Cuts what one side sends into frames.
#[derive(Debug)]
pub struct FrameReader {
    sender: Sender,
    frame_len_max: u32,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    read_len: usize,
}

/// Where a frame that was taken lies, until room is made for more.
#[derive(Debug)]
pub(crate) struct Taken {
    id: u16,
    payload: Range<usize>,
}

impl FrameReader {
    /// Reads what `sender` sends, in frames of at most `frame_len_max` bytes, header included.
    ///
    /// # Panics
    ///
    /// If `limits::check_frame_len_max` refuses `frame_len_max`.
    pub fn new(sender: Sender, frame_len_max: u32) -> Self {
        assert_frame_len_max(frame_len_max);
        let read_len = READ_LEN_LEAST;
        Self { sender, frame_len_max, buffer: Vec::new(), start: 0, end: 0, read_len }
    }

    /// Room to read into. Only empty while a whole frame waits to be taken.
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

    /// The first `n` bytes of [`Self::space`] were read into.
    ///
    /// # Panics
    ///
    /// If there was no room for `n` bytes.
    pub fn filled(&mut self, n: usize) {
        assert!(n <= self.buffer.len() - self.end, "{n} bytes read, more than there was room for");
        self.end += n;
        if n >= self.read_len {
            self.read_len = (self.read_len * 2).min(READ_LEN_MAX);
        } else if n < self.read_len / 4 {
            self.read_len = (self.read_len / 2).max(READ_LEN_LEAST);
        }
    }

    /// Takes the next frame; `None` while it is not whole.
    ///
    /// # Errors
    ///
    /// What is wrong with its header. The reader stays where it is: asked again, it says it again.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let taken = self.take()?;
        Ok(taken.map(|taken| self.frame(taken)))
    }

    /// Whether [`Self::next_frame`] would give something: a frame, or the reason there is none.
    pub fn has_next(&self) -> bool {
        match self.header() {
            Ok(Some(header)) => header.len <= self.received().len(),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// Whether a frame has begun to arrive and is not whole.
    pub fn is_mid_frame(&self) -> bool {
        !self.received().is_empty() && !self.has_next()
    }

    /// Forgets what was received, and gives the memory back.
    pub fn clear(&mut self) {
        self.buffer = Vec::new();
        self.start = 0;
        self.end = 0;
    }

    /// Memory held.
    pub fn memory_len(&self) -> usize {
        self.buffer.capacity()
    }

    /// The most memory that this reader ever holds.
    pub fn memory_len_max(&self) -> usize {
        self.frame_len_max as usize + READ_LEN_MAX
    }

    /// Takes the next frame without borrowing it yet: see [`Self::frame`].
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

    /// The frame just taken.
    pub(crate) fn frame(&self, taken: Taken) -> Frame<'_> {
        Frame { id: taken.id, payload: &self.buffer[taken.payload] }
    }

    /// Gives the memory back if nothing is in it.
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
    fn a_frame_is_given_once_it_is_whole() {
        let mut reader = reader();
        for byte in [0, 12, 0, 3, b'2', b'&'] {
            feed(&mut reader, &[byte]);
            assert_eq!(reader.next_frame(), Ok(None));
            assert!(reader.is_mid_frame() && !reader.has_next());
        }
        feed(&mut reader, b"7");
        assert!(reader.has_next() && !reader.is_mid_frame());
        assert_eq!(reader.next_frame(), Ok(Some(Frame { id: 12, payload: b"2&7" })));
        assert!(!reader.has_next() && !reader.is_mid_frame());
    }

    #[test]
    fn many_frames_of_one_read_are_taken_where_they_lie() {
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
    fn an_empty_reader_holds_no_memory() {
        let mut reader = reader();
        assert_eq!(reader.memory_len(), 0);
        feed(&mut reader, &[0, 14, 0, 0, 0, 1]);
        assert!(reader.memory_len() > 0);
        reader.next_frame().expect("known").expect("whole");
        assert_eq!(reader.next_frame(), Ok(None));
        assert_eq!(reader.memory_len(), 0);
    }

    #[test]
    fn room_follows_what_is_received_not_what_is_announced() {
        let mut reader = reader();
        feed(&mut reader, &[0, 12, 0x1f, 0xfc]);
        for _ in 0..100 {
            feed(&mut reader, b"1");
            assert_eq!(reader.next_frame(), Ok(None));
        }
        assert!(reader.memory_len() <= 2 * READ_LEN_LEAST);
    }

    #[test]
    fn room_grows_while_reads_come_in_full_and_never_past_the_bound() {
        let mut reader = reader();
        while !reader.space().is_empty() {
            let n = reader.space().len();
            reader.filled(n);
            assert!(reader.memory_len() <= LIMIT as usize + READ_LEN_MAX);
        }
        assert_eq!(reader.memory_len(), reader.memory_len_max());
    }

    #[test]
    fn room_is_left_for_a_large_read_behind_the_longest_piece_of_a_frame() {
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
    fn room_shrinks_again_when_little_is_received() {
        let mut reader = reader();
        reader.read_len = READ_LEN_MAX;
        for _ in 0..4 {
            feed(&mut reader, &[0, 14, 0, 0, 0, 1]);
            while reader.next_frame().expect("known").is_some() {}
        }
        assert_eq!(reader.space().len(), READ_LEN_LEAST);
    }

    #[test]
    fn a_refused_header_is_refused_again() {
        let mut reader = reader();
        feed(&mut reader, &[0, 99]);
        assert_eq!(reader.next_frame(), Err(FrameError::UnknownId(99)));
        assert_eq!(reader.next_frame(), Err(FrameError::UnknownId(99)));
        assert!(reader.has_next() && !reader.is_mid_frame());
    }
}
