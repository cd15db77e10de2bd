//! Output files of commands.
//!
//! - A regular file is written to a temporary file beside it and renamed when complete. An existing
//!   file is replaced only with `--force`.
//! - A symbolic link is followed and kept: its target is written.
//! - A pipe, socket, terminal or other device is written directly, including `/dev/stdout` and a
//!   shell's `>(gzip)`; a disk only with `--force`.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use agency::Language;
use anyhow::Context as _;
use lottery::text::counted;
use tempfile::NamedTempFile;

use crate::exit::Ending;

/// The limit of links that Linux follows.
const LINKS_MAX: usize = 40;

/// What exists at a path.
enum Target {
    Nothing,
    File,
    Folder,
    /// A block device, which keeps what was written before, like a file.
    Disk,
    Socket,
    /// A pipe, a terminal or an open file of this process: written directly.
    Open,
}

/// Options for writing a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// Whether an existing file may be overwritten.
    pub(crate) force: bool,
    /// The mode of a new file, before the umask is applied.
    pub(crate) mode: u32,
    /// Whether the file is synced to disk.
    pub(crate) durable: bool,
}

/// A file being written.
pub(crate) struct Output {
    path: PathBuf,
    len: u64,
    place: Place,
}

/// Why an output can't be opened.
pub(crate) enum Unopened {
    /// A folder is at the path.
    Folder,
    /// A file is at the path, and must not be overwritten.
    Exists,
    Io(io::Error),
}

enum Place {
    /// A temporary file that is renamed when complete.
    Beside { file: BufWriter<NamedTempFile>, to: PathBuf, how: How },
    /// A target that is written directly.
    Into(BufWriter<File>),
}

impl Output {
    /// Opens the output at the path the user gave. Errors are in English.
    pub(crate) fn create(path: &Path, how: How) -> Result<Self, Ending> {
        Self::open(path, how).map_err(|unopened| unopened.ending(path, Language::English))
    }

    /// Opens the output at the path the user gave.
    pub(crate) fn open(path: &Path, how: How) -> Result<Self, Unopened> {
        let to = followed(path)?;
        let place = match Target::of(&to)? {
            Target::Folder => return Err(Unopened::Folder),
            Target::File | Target::Disk if !how.force => return Err(Unopened::Exists),
            Target::Nothing | Target::File => beside(to, how),
            Target::Disk => OpenOptions::new().write(true).open(to).map(into),
            // Appends, so that a file opened by a shell with `>>` is kept.
            Target::Open => OpenOptions::new().append(true).open(to).map(into),
            Target::Socket => UnixStream::connect(to).map(|it| into(File::from(OwnedFd::from(it)))),
        };
        Ok(Self { path: path.to_owned(), len: 0, place: place? })
    }

    /// Completes the file and returns its length in bytes.
    pub(crate) fn finish(self) -> anyhow::Result<u64> {
        kept(self.place).with_context(|| cant_write(&self.path))?;
        Ok(self.len)
    }
}

impl Unopened {
    /// Returns the ending of a command that can't write to `path`.
    pub(crate) fn ending(self, path: &Path, language: Language) -> Ending {
        let path = path.display();
        match self {
            Self::Folder => Ending::wrong(format!(
                "{path} {}",
                language.t(
                    "es una carpeta: nombre un archivo en ella",
                    "is a folder: name a file in it"
                )
            )),
            Self::Exists => Ending::wrong(format!(
                "{path} {}",
                language.t(
                    "ya existe y no se modificó: --force lo reemplaza",
                    "already exists and was not changed: --force overwrites it"
                )
            )),
            Self::Io(error) => {
                let cant = language.t("no se puede escribir", "can't write");
                anyhow::Error::new(error).context(format!("{cant} {path}")).into()
            }
        }
    }
}

impl From<io::Error> for Unopened {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Prints how much was written and where.
#[expect(clippy::print_stderr, reason = "standard output may be what was written")]
pub(crate) fn tell(path: &Path, rows: u64, len: u64) {
    let (rows, len) = (counted(rows, "row", "rows"), counted(len, "byte", "bytes"));
    eprintln!("wrote {}: {rows}, {len}", path.display());
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

/// Turns a broken pipe into a failure: a reader named by the user should get the whole output,
/// unlike the next command of a pipeline.
fn as_a_failure(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => {
            io::Error::other("the reader closed it before everything was written")
        }
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

/// Resolves symbolic links, except those of open descriptors, which refer to an open file instead
/// of a name.
fn followed(path: &Path) -> io::Result<PathBuf> {
    // A link that the system refuses to follow, such as another user's in /tmp, is not followed
    // here.
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
            // A relative link is relative to its own folder.
            Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Returns whether a path is an open file of this process: /dev/fd/63, /proc/self/fd/1.
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
        assert!(
            format!("{failed:#}").contains("closed it before everything was written"),
            "{failed:#}"
        );
    }
}
