//! Files that nothing more is written to. Any number of them would take as many descriptors, so
//! only those read last are open.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::Stat;

use crate::limits::FILES_AT_REST_MAX;

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    number: u64,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct AtRest {
    /// Read last comes last.
    opened: Mutex<VecDeque<(FileId, Arc<File>)>>,
}

impl FileId {
    pub(super) const fn of(found: &Stat) -> Self {
        Self { device: found.st_dev, number: found.st_ino }
    }
}

impl AtRest {
    /// The file, which `open` opens when it is not.
    pub(super) fn file(
        &self,
        id: FileId,
        open: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<Arc<File>> {
        // Nothing can panic while it is locked and a file is out.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
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
