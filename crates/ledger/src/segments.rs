//! The segments of an open ledger, shared between its writer and its readers.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};

use crate::disk::DiskFile;
use crate::error::Fault;
use crate::index::{self, Index};
use crate::segment::{Image, SegmentHeader};
use crate::sync::{AtomicU64, RwLock};

/// A segment in use.
pub(crate) struct Segment {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) header: SegmentHeader,
    /// Set once the segment is sealed and its index is durable.
    pub(crate) index: OnceLock<Index>,
    /// Where its durable records end.
    end: AtomicU64,
}

/// All segments in use, in order.
#[derive(Clone, Default)]
pub(crate) struct Segments {
    list: Arc<RwLock<Vec<Arc<Segment>>>>,
}

impl Segment {
    pub(crate) fn new(
        file: Box<dyn DiskFile>,
        header: SegmentHeader,
        index: Option<Index>,
        end: u64,
    ) -> Self {
        let index = index.map_or_else(OnceLock::new, OnceLock::from);
        Self { file, header, index, end: AtomicU64::new(end) }
    }

    /// Where its durable records end, in bytes from its start.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Says that records up to `end` are durable.
    pub(crate) fn extend(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// Reads its durable records.
    pub(crate) fn image(&self) -> Result<Image, Fault> {
        Image::read(&*self.file, self.header, Some(self.end()))
    }

    /// Reads the segment back whole, and gives it its index.
    pub(crate) fn seal(&self) -> Result<(), Fault> {
        let built = index::build(&Image::read(&*self.file, self.header, None)?)?;
        index::write(&*self.file, &self.header, &built)?;
        if let Some((index, _)) = index::read(&*self.file, &self.header)? {
            self.index.get_or_init(|| index);
        }
        Ok(())
    }
}

impl Segments {
    /// A list to read without holding anything up.
    pub(crate) fn snapshot(&self) -> Vec<Arc<Segment>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn push(&self, segment: Arc<Segment>) {
        self.list.write().unwrap_or_else(PoisonError::into_inner).push(segment);
    }
}
