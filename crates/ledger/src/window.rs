//! Reads records that are near one another with few reads of the file.

use std::cell::RefCell;
use std::io;

use crate::disk::DiskFile;
use crate::limits::WINDOW_LEN;
use crate::segment::SegmentHeader;

/// What records are read from.
pub(crate) trait ReadAt {
    /// Fills `buffer` with the bytes at `offset`.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for dyn DiskFile + '_ {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        DiskFile::read_at(self, offset, buffer)
    }
}

/// The records of a segment, of which the last [`WINDOW_LEN`] bytes that were read are in memory.
pub(crate) struct Window<'a> {
    file: &'a dyn DiskFile,
    /// The segment's length.
    end: u64,
    held: RefCell<Held>,
}

#[derive(Default)]
struct Held {
    offset: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(crate) fn of(file: &'a dyn DiskFile, segment: &SegmentHeader) -> Self {
        Self { file, end: segment.len, held: RefCell::default() }
    }
}

impl ReadAt for Window<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut held = self.held.borrow_mut();
        if let Some(bytes) = held.range(offset, buffer.len()) {
            buffer.copy_from_slice(bytes);
            return Ok(());
        }
        let len = WINDOW_LEN.min(usize::try_from(self.end.saturating_sub(offset)).unwrap_or(0));
        if buffer.len() > len {
            return self.file.read_at(offset, buffer);
        }
        // Holds nothing if the read fails.
        let mut bytes = std::mem::take(&mut *held).bytes;
        bytes.resize(len, 0);
        self.file.read_at(offset, &mut bytes)?;
        buffer.copy_from_slice(&bytes[..buffer.len()]);
        *held = Held { offset, bytes };
        Ok(())
    }
}

impl Held {
    /// Returns the bytes at `offset` if they are held.
    fn range(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        self.bytes.get(from..from.checked_add(len)?)
    }
}

#[cfg(test)]
mod tests {
    use engine::{Chain, LedgerId};
    use proptest::prelude::*;

    use super::*;
    use crate::disk::Disk as _;
    use crate::disk::simulated::SimulatedDisk;

    const LEN: usize = 3 * WINDOW_LEN + 100;

    proptest! {
        #[test]
        fn what_is_read_through_a_window_is_what_the_file_holds(
            reads in prop::collection::vec((0..LEN, 0..2 * WINDOW_LEN), 1..30),
        ) {
            let file = SimulatedDisk::new().create("segment").unwrap();
            let bytes: Vec<u8> = (0..LEN).map(|at| (at % 251).to_le_bytes()[0]).collect();
            file.write_at(0, &bytes).unwrap();
            let segment = SegmentHeader {
                number: 1,
                first_sequence: 0,
                len: LEN as u64,
                chain: Chain([0; 32]),
                ledger: LedgerId([7; 16]),
                feature: 0,
            };
            let window = Window::of(&*file, &segment);
            for (offset, len) in reads {
                let mut buffer = vec![0; len];
                let read = window.read_at(offset as u64, &mut buffer);
                prop_assert_eq!(read.is_ok(), offset + len <= LEN);
                if read.is_ok() {
                    prop_assert_eq!(&buffer, &bytes[offset..offset + len]);
                }
            }
        }
    }
}
