//! What can go wrong when a ledger is opened or read.

use std::fmt;
use std::io;

use rustix::io::Errno;
use thiserror::Error;

/// Why a ledger could not be opened or read.
#[derive(Debug, Error)]
pub enum Fault {
    /// Another process has the folder.
    #[error("another process is using the data folder; stop it first, or give another folder")]
    InUse,
    /// Nothing is there.
    #[error("there is no such folder; check the path")]
    NoFolder,
    /// The folder has no ledger.
    #[error("there is no ledger in this folder; check the path")]
    NoLedger,
    /// Something on disk is not what was written there.
    #[error(
        "the ledger is damaged: {0}; keep a copy of the folder as it is, and go on with a good \
         copy of the file"
    )]
    Damage(Damage),
    /// Written by a newer version.
    #[error(
        "{file} has format version {version} and this program knows {known}; use the newer program \
         that wrote it"
    )]
    NewerFormat {
        /// Which file.
        file: String,
        /// Its format version.
        version: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// Written by a version from before the first release.
    #[error(
        "{file} has format version {version}, from before the first release, and this program \
         knows {known}; use the program that wrote it"
    )]
    OlderFormat {
        /// Which file.
        file: String,
        /// Its format version.
        version: u32,
        /// The one that is known here.
        known: u32,
    },
    /// Written by a newer version, with events that this one does not know.
    #[error(
        "{file} was written by a newer version: it needs feature {feature} and this program knows \
         {known}; use the newer program that wrote it"
    )]
    NewerFeature {
        /// Which file.
        file: String,
        /// The feature that it needs.
        feature: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// The system refused something.
    #[error("{doing}: {error}{}", remedy(error))]
    Io {
        /// What was being done, to which file.
        doing: String,
        /// What the system said.
        error: io::Error,
    },
    /// An option that can't be.
    #[error("the segment length {0} is not a multiple of 4096 from 98304 to 1073741824")]
    SegmentLen(u64),
}

/// Where something on disk is not what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, by its name in the data folder.
    pub file: String,
    /// From the start of the file, in bytes.
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

/// What to do about what the system refuses, where that is known.
fn remedy(error: &io::Error) -> String {
    if let Some(what) = want_of(error) {
        return format!("; {what}");
    }
    let what = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; give the user that runs this access to the folder and its files, or another folder"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; give a folder that can be written to",
        io::ErrorKind::NotADirectory => "; give a folder",
        io::ErrorKind::Unsupported => {
            "; give a folder on a disk of this machine: network file systems can't be locked so \
             that no other central uses them"
        }
        _ => "",
    };
    what.to_owned()
}

/// What there is too little of, by what is to be done about it, when that is all that an error
/// says: it may pass while the process runs.
///
/// To be asked of what was only prepared or read. A record's write or sync that fails, with
/// whatever error, leaves it unknown what is on disk.
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
    /// Whether what was given is no folder, or none that has a ledger or could have one.
    #[must_use]
    pub fn is_of_no_folder(&self) -> bool {
        match self {
            Self::NoFolder | Self::NoLedger => true,
            Self::Io { error, .. } => error.kind() == io::ErrorKind::NotADirectory,
            _ => false,
        }
    }

    /// Of a file of the data folder that was to be opened.
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
