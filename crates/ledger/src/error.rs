//! Errors of opening and reading a ledger.

use std::fmt;
use std::io;

use rustix::io::Errno;
use thiserror::Error;

/// Why a ledger could not be opened or read.
#[derive(Debug, Error)]
pub enum Fault {
    /// Another process is using the folder.
    #[error("another process is using the data folder; stop it first, or use another folder")]
    InUse,
    /// The folder does not exist.
    #[error("there is no such folder; check the path")]
    NoFolder,
    /// The folder holds no ledger.
    #[error("there is no ledger in this folder; check the path")]
    NoLedger,
    /// Data on disk differs from what was written.
    #[error(
        "the ledger is damaged: {0}; keep a copy of the folder, and restore the file from a \
         good copy"
    )]
    Damage(Damage),
    /// The file has a newer format version.
    #[error(
        "{file} has format version {version} and this program knows {known}; use the newer program \
         that wrote it"
    )]
    NewerFormat {
        /// The file's name.
        file: String,
        /// The file's format version.
        version: u32,
        /// The newest version that this program supports.
        known: u32,
    },
    /// The file has a format version from before the first release.
    #[error(
        "{file} has format version {version}, from before the first release, and this program \
         knows {known}; use the program that wrote it"
    )]
    OlderFormat {
        /// The file's name.
        file: String,
        /// The file's format version.
        version: u32,
        /// The version that this program supports.
        known: u32,
    },
    /// The file may hold kinds of events that only newer programs know.
    #[error(
        "{file} was written by a newer version: it needs feature {feature} and this program knows \
         {known}; use the newer program that wrote it"
    )]
    NewerFeature {
        /// The file's name.
        file: String,
        /// The feature that the file needs.
        feature: u32,
        /// The newest feature that this program supports.
        known: u32,
    },
    /// The ledger has other records than the reader knows.
    #[error("it is another ledger or has another history: record {0} does not follow here")]
    OtherHistory(u64),
    /// An IO operation failed.
    #[error("{doing}: {error}{}", remedy(error))]
    Io {
        /// The operation and the file.
        doing: String,
        /// The system's error.
        error: io::Error,
    },
    /// The segment length option is invalid.
    #[error("the segment length {0} is not a multiple of 4096 from 98304 to 1073741824")]
    SegmentLen(u64),
}

/// A place where data on disk differs from what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file's name in the data folder.
    pub file: String,
    /// The offset in the file, in bytes.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

impl Damage {
    pub(crate) fn new(file: &str, offset: u64, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), offset, what: what.into() }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.file, self.offset, self.what)
    }
}

/// Returns advice on how to fix an IO error, or an empty string.
fn remedy(error: &io::Error) -> String {
    if let Some(what) = want_of(error) {
        return format!("; {what}");
    }
    let what = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; give the user that runs this access to the folder and its files, or use another folder"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; choose a folder that can be written to",
        io::ErrorKind::NotADirectory => "; choose a folder",
        io::ErrorKind::Unsupported => {
            "; choose a folder on a disk of this machine: network file systems can't be locked so \
             that no other central uses them"
        }
        _ => "",
    };
    what.to_owned()
}

/// Returns advice if the error only means a lack of a resource, such as space, memory or
/// descriptors, which may pass while the process runs.
///
/// Use it only for errors of preparing or reading. After a record's write or sync has failed, with
/// whatever error, the content on disk is unknown.
pub(crate) fn want_of(error: &io::Error) -> Option<&'static str> {
    match (error.kind(), Errno::from_io_error(error)) {
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _) => {
            Some("make room in the data folder")
        }
        (io::ErrorKind::FileTooLarge, _) => {
            Some("raise the limit on the length of files (RLIMIT_FSIZE), or make segments shorter")
        }
        (_, Some(Errno::MFILE | Errno::NFILE)) => {
            Some("raise the limit of open files (RLIMIT_NOFILE)")
        }
        (io::ErrorKind::OutOfMemory | io::ErrorKind::WouldBlock, _) => {
            Some("give the machine more memory, or end other programs")
        }
        _ => None,
    }
}

impl Fault {
    /// Returns whether the path is not a folder, or is a folder without a ledger.
    #[must_use]
    pub fn is_of_no_folder(&self) -> bool {
        match self {
            Self::NoFolder | Self::NoLedger => true,
            Self::Io { error, .. } => error.kind() == io::ErrorKind::NotADirectory,
            _ => false,
        }
    }

    /// Converts an error in opening a file of the data folder.
    pub(crate) fn opening(name: &str, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::InUse,
            _ => Self::io("opening", name, error),
        }
    }

    pub(crate) fn io(doing: &str, file: &str, error: io::Error) -> Self {
        Self::Io { doing: format!("{doing} {file}"), error }
    }
}
