//! The file of bets, guaranteed to be unchanged each time it is read.
//!
//! The file is opened once and read from the beginning as often as needed, by any number of
//! readers. Its length and
//! modification time are checked after every read; if either changed, reading fails.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use crate::error::{AgencyError, RowFault, RowReason};
use crate::form::Form;
use crate::limits::READ_LEN;
use crate::looks::Looks;
use crate::rows::Rows;

/// The file of bets.
#[derive(Clone, Debug)]
pub(crate) struct BetsFile {
    path: Arc<Path>,
    form: Form,
    file: Arc<File>,
    stamp: Stamp,
    stop: CancellationToken,
}

/// A reader that fails once the file has changed or the run is stopped.
#[derive(Debug)]
pub(crate) struct Unchanged {
    file: BetsFile,
    /// The position of the next read.
    at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: SystemTime,
}

/// The error of reading a file that changed.
#[derive(Debug)]
struct FileChanged;

impl BetsFile {
    /// Opens the file, which is written in `form`. Cancelling `stop` aborts every read.
    ///
    /// # Errors
    /// When the file can't be opened or is not a regular file.
    pub(crate) fn open(
        path: &Path,
        form: Form,
        stop: CancellationToken,
    ) -> Result<Self, AgencyError> {
        let open_error = |source| AgencyError::Open { file: path.to_owned(), source };
        // Check before opening: opening a pipe would block until it has a writer.
        if !fs::metadata(path).map_err(open_error)?.is_file() {
            return Err(AgencyError::NotRegular { file: path.to_owned() });
        }
        let file = File::open(path).map_err(open_error)?;
        let metadata = file.metadata().map_err(open_error)?;
        Ok(Self {
            path: path.into(),
            form,
            file: Arc::new(file),
            stamp: Stamp::of(&metadata).map_err(open_error)?,
            stop,
        })
    }

    /// Returns the rows from the first one on.
    pub(crate) fn rows(&self) -> Rows<Unchanged> {
        self.rows_in(self.form)
    }

    /// Returns the header row, parsed like any other row; `None` if the form has no header or the
    /// file has no row.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn header(&self) -> io::Result<Option<Rows<Unchanged>>> {
        if !self.form.header {
            return Ok(None);
        }
        let mut rows = self.rows_in(Form { header: false, ..self.form });
        Ok(rows.advance()?.then_some(rows))
    }

    /// Guesses the form of the file, where it differs from the one in which it is read.
    pub(crate) fn looks(&self) -> Looks {
        let mut head = vec![0; READ_LEN];
        // Only a hint: a file that can't be read gives none.
        let len = self.file.read_at(&mut head, 0).unwrap_or(0);
        Looks::of(&head[..len], self.form)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn rows_in(&self, form: Form) -> Rows<Unchanged> {
        Rows::new(Unchanged { file: self.clone(), at: 0 }, form)
    }

    /// Returns the same file for readers that do not stop with the others.
    pub(crate) fn unstoppable(&self) -> Self {
        Self { stop: CancellationToken::new(), ..self.clone() }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Returns the fault of a row of this file.
    pub(crate) fn row_fault(&self, line: u64, reason: RowReason) -> RowFault {
        RowFault { file: Arc::clone(&self.path), line, reason }
    }

    /// Converts an error of reading into the error of the run.
    pub(crate) fn read_error(&self, source: io::Error) -> AgencyError {
        let changed =
            source.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<FileChanged>);
        if changed {
            self.changed()
        } else {
            AgencyError::Read { file: self.path.to_path_buf(), source }
        }
    }

    /// Returns the error for a file that changed after it was checked.
    pub(crate) fn changed(&self) -> AgencyError {
        AgencyError::Changed { file: self.path.to_path_buf() }
    }
}

impl Read for Unchanged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self { file: BetsFile { file, stamp, stop, .. }, at } = self;
        if stop.is_cancelled() {
            return Err(io::Error::other("stopped"));
        }
        let len = file.read_at(buffer, *at)?;
        *at += len as u64;
        if Stamp::of(&file.metadata()?)? != *stamp {
            return Err(io::Error::other(FileChanged));
        }
        Ok(len)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> io::Result<Self> {
        Ok(Self { len: metadata.len(), modified: metadata.modified()? })
    }
}

impl fmt::Display for FileChanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the file changed")
    }
}

impl std::error::Error for FileChanged {}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const ROW: &str = "Ana,Paz,7,2000-01-01,22\n";

    fn open(path: &Path) -> Result<BetsFile, AgencyError> {
        BetsFile::open(path, Form::default(), CancellationToken::new())
    }

    fn count(rows: &mut Rows<Unchanged>) -> io::Result<usize> {
        let mut count = 0;
        while rows.advance()? {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn a_file_is_read_from_its_beginning_each_time() {
        let mut written = tempfile::NamedTempFile::new().unwrap();
        written.write_all(ROW.repeat(3).as_bytes()).unwrap();
        let file = open(written.path()).unwrap();
        assert!(file.rows().advance().unwrap());
        assert_eq!(count(&mut file.rows()).unwrap(), 3);
        assert_eq!(count(&mut file.rows()).unwrap(), 3);
    }

    #[test]
    fn a_file_that_grew_can_be_read_no_more() {
        let mut written = tempfile::NamedTempFile::new().unwrap();
        written.write_all(ROW.as_bytes()).unwrap();
        let file = open(written.path()).unwrap();
        assert_eq!(count(&mut file.rows()).unwrap(), 1);
        let before = written.as_file().metadata().unwrap().modified().unwrap();
        written.write_all(ROW.as_bytes()).unwrap();
        // Simulates a file system with coarse timestamps.
        written.as_file().set_modified(before).unwrap();
        let error = count(&mut file.rows()).unwrap_err();
        assert!(matches!(file.read_error(error), AgencyError::Changed { .. }));
    }

    #[test]
    fn a_file_written_over_in_place_can_be_read_no_more() {
        let mut written = tempfile::NamedTempFile::new().unwrap();
        written.write_all(ROW.as_bytes()).unwrap();
        let file = open(written.path()).unwrap();
        let later = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
        written.as_file().set_modified(later).unwrap();
        let error = count(&mut file.rows()).unwrap_err();
        assert!(matches!(file.read_error(error), AgencyError::Changed { .. }));
    }

    #[test]
    fn only_a_regular_file_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let not_regular = open(directory.path());
        assert!(matches!(not_regular, Err(AgencyError::NotRegular { .. })));
        let missing = open(&directory.path().join("none"));
        assert!(matches!(missing, Err(AgencyError::Open { .. })));
    }

    #[test]
    fn reading_ends_when_stopped() {
        let mut written = tempfile::NamedTempFile::new().unwrap();
        written.write_all(ROW.as_bytes()).unwrap();
        let stop = CancellationToken::new();
        let file = BetsFile::open(written.path(), Form::default(), stop.clone()).unwrap();
        stop.cancel();
        assert!(count(&mut file.rows()).is_err());
    }
}
