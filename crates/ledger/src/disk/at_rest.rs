//! A cache of open files that are no longer written to. It keeps only the most recently read ones
//! open, so that descriptors are bounded for any number of segments.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::Stat;

use crate::limits::FILES_AT_REST_MAX;

/// A file's identity, independent of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    number: u64,
}

/// The cache, in order of use.
#[derive(Debug, Default)]
pub(super) struct AtRest {
    /// The most recently read comes last.
    opened: Mutex<VecDeque<(FileId, Arc<File>)>>,
}

impl FileId {
    pub(super) const fn of(found: &Stat) -> Self {
        Self { device: found.st_dev, number: found.st_ino }
    }
}

impl AtRest {
    /// Returns the file from the cache, or opens it with `open`.
    pub(super) fn file(
        &self,
        id: FileId,
        open: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<Arc<File>> {
        let mut opened = self.opened.lock();
        let at = opened.iter().position(|(of, _)| *of == id);
        let file = match at.and_then(|at| opened.remove(at)) {
            Some((_, file)) => file,
            None => {
                let file = Arc::new(open()?);
                if opened.len() == FILES_AT_REST_MAX {
                    opened.pop_front();
                }
                file
            }
        };
        opened.push_back((id, Arc::clone(&file)));
        Ok(file)
    }
}
