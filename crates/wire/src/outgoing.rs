//! The outgoing bytes of a session.
//!
//! Memory is released when all is sent. Sent bytes never outweigh the rest by more than a few kB,
//! so a connection that always has something to send does not grow.

/// Below this, moving the rest to the front is not worth it.
const COMPACT_LEN_MIN: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Marks the first `n` bytes of [`Self::pending`] as sent.
    pub(crate) fn sent(&mut self, n: usize) {
        assert!(n <= self.pending().len(), "{n} bytes sent, more than there were");
        self.sent += n;
        if self.sent == self.bytes.len() {
            *self = Self::default();
        } else if self.sent >= COMPACT_LEN_MIN && self.sent >= self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Returns the buffer to append whole messages to.
    pub(crate) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn memory_len(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_sent_once_and_in_order() {
        let mut outgoing = Outgoing::default();
        outgoing.end().extend_from_slice(b"abc");
        outgoing.sent(1);
        outgoing.end().extend_from_slice(b"de");
        assert_eq!(outgoing.pending(), b"bcde");
        outgoing.sent(4);
        assert_eq!((outgoing.pending(), outgoing.memory_len()), (&b""[..], 0));
    }

    #[test]
    fn a_buffer_that_is_never_empty_does_not_grow() {
        let mut outgoing = Outgoing::default();
        outgoing.end().push(0);
        for _ in 0..10_000 {
            outgoing.end().extend_from_slice(&[1; 100]);
            outgoing.sent(100);
            assert_eq!(outgoing.pending().len(), 1);
        }
        assert!(outgoing.memory_len() <= 4 * COMPACT_LEN_MIN);
    }
}
