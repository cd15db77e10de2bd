//! The files that commands write where a person says.
//!
//! - A file is complete or not at all: it is written beside its place and renamed into it. One that
//!   is there is replaced only with `--force`.
//! - A link is followed and stays: what it leads to is written as if it had been named itself.
//! - A pipe, a socket, a terminal or another device is written into, `/dev/stdout` and a shell's
//!   `>(gzip)` too; a disk only with `--force`.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::NamedTempFile;

use crate::exit::Ending;

/// As many links in a row as Linux follows.
const LINKS_MAX: usize = 40;

/// What is at a path.
enum Target {
    Nothing,
    File,
    Folder,
    /// A block device: as a file, it holds what was written before.
    Disk,
    Socket,
    /// What another side reads as it is written: a pipe, a terminal, an open file of this process.
    Open,
}

/// How files are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// What is there may be overwritten.
    pub(crate) force: bool,
    /// The mode of a new file, less the mask of the process.
    pub(crate) mode: u32,
    /// It survives a loss of power.
    pub(crate) durable: bool,
}

/// A file that is being written.
pub(crate) struct Output {
    path: PathBuf,
    len: u64,
    place: Place,
}

enum Place {
    /// Renamed when complete.
    Beside { file: BufWriter<NamedTempFile>, to: PathBuf, how: How },
    /// Written into as it is.
    Into(BufWriter<File>),
}

impl Output {
    /// Begins to write where a person said.
    pub(crate) fn create(path: &Path, how: How) -> Result<Self, Ending> {
        let cant = || cant_write(path);
        let to = followed(path).with_context(cant)?;
        let place = match Target::of(&to).with_context(cant)? {
            Target::Folder => {
                let path = path.display();
                return Err(Ending::wrong(format!("{path} is a folder: name a file in it")));
            }
            Target::File | Target::Disk if !how.force => {
                return Err(Ending::wrong(format!(
                    "{} is there already and was left as it is: --force overwrites it",
                    path.display()
                )));
            }
            Target::Nothing | Target::File => beside(to, how),
            Target::Disk => OpenOptions::new().write(true).open(to).map(into),
            // At the end of what a shell opened to append to.
            Target::Open => OpenOptions::new().append(true).open(to).map(into),
            Target::Socket => UnixStream::connect(to).map(|it| into(File::from(OwnedFd::from(it)))),
        };
        Ok(Self { path: path.to_owned(), len: 0, place: place.with_context(cant)? })
    }

    /// All is written; gives how many bytes.
    pub(crate) fn finish(self) -> anyhow::Result<u64> {
        kept(self.place).with_context(|| cant_write(&self.path))?;
        Ok(self.len)
    }
}

/// Says what was written where.
#[expect(clippy::print_stderr, reason = "standard output may be what was written")]
pub(crate) fn tell(path: &Path, rows: u64, len: u64) {
    eprintln!("wrote {}: {rows} rows, {len} bytes", path.display());
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = match &mut self.place {
            Place::Beside { file, .. } => file.write(bytes),
            Place::Into(file) => file.write(bytes),
        };
        let len = len.map_err(as_a_failure)?;
        self.len += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = match &mut self.place {
            Place::Beside { file, .. } => file.flush(),
            Place::Into(file) => file.flush(),
        };
        flushed.map_err(as_a_failure)
    }
}

/// A reader that was named should have had all of it, unlike one at the end of a pipeline.
fn as_a_failure(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::other("whoever read it ended before it was whole"),
        _ => error,
    }
}

fn kept(place: Place) -> io::Result<()> {
    match place {
        Place::Into(mut file) => file.flush().map_err(as_a_failure),
        Place::Beside { file, to, how } => {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            if how.durable {
                file.as_file().sync_all()?;
            }
            if how.force { file.persist(to) } else { file.persist_noclobber(to) }?;
            Ok(())
        }
    }
}

fn beside(to: PathBuf, how: How) -> io::Result<Place> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mode = Permissions::from_mode(how.mode);
    let file =
        tempfile::Builder::new().permissions(mode).tempfile_in(folder.unwrap_or(Path::new(".")))?;
    Ok(Place::Beside { file: BufWriter::new(file), to, how })
}

fn into(file: File) -> Place {
    Place::Into(BufWriter::new(file))
}

impl Target {
    fn of(path: &Path) -> io::Result<Self> {
        if is_open_descriptor(path) {
            return Ok(Self::Open);
        }
        let kind = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) => return Err(error),
        };
        Ok(match kind {
            kind if kind.is_dir() => Self::Folder,
            kind if kind.is_file() => Self::File,
            kind if kind.is_block_device() => Self::Disk,
            kind if kind.is_socket() => Self::Socket,
            _ => Self::Open,
        })
    }
}

/// Where a path leads: through links, but not through those of open descriptors, which lead to
/// what is open and not to a name.
fn followed(path: &Path) -> io::Result<PathBuf> {
    // A link that the system does not follow, one of another user in /tmp, is not followed here.
    match fs::metadata(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        if is_open_descriptor(&path) {
            return Ok(path);
        }
        match fs::read_link(&path) {
            // A link that is relative is so to its own folder.
            Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("it leads through too many links"))
}

/// Whether a path is one of this process's open files: /dev/fd/63, /proc/self/fd/1.
fn is_open_descriptor(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    folder.is_some_and(|folder| folder.starts_with("/proc") && folder.ends_with("fd"))
}

fn cant_write(path: &Path) -> String {
    format!("can't write {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_ends_early_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let how = How { force: false, mode: 0o600, durable: true };
        let mut output = Output::create(&path, how).unwrap();
        drop(listener);
        output.write_all(b"bets").unwrap();
        let failed = crate::exit::printed(output.finish().map(drop)).unwrap_err();
        assert!(format!("{failed:#}").contains("ended before it was whole"), "{failed:#}");
    }
}
