//! A central with operators, as a browser finds it.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::{Bets, Central, free_address, str, with_input};

/// Everybody's.
pub(crate) const PASSWORD: &str = "una clave bien larga";

/// `ana` is an admin there, `eva` an operator.
pub(crate) struct Setting {
    pub(crate) central: Central,
    pub(crate) http: String,
    pub(crate) data: PathBuf,
    pub(crate) bets: Bets,
    /// Holds the data and the bets.
    pub(crate) folder: TempDir,
}

impl Setting {
    pub(crate) fn start(bets: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let bets = Bets::generated(&folder.path().join("bets"), bets);
        for (name, role) in [("ana", "admin"), ("eva", "operator")] {
            let add = ["operator", "add", name, "--role", role, "--data", str(&data)];
            let added =
                with_input(&[&add[..], &["--password-stdin"]].concat(), &format!("{PASSWORD}\n"));
            assert!(added.status.success(), "{added:?}");
        }
        // Said, so that the browser's forms are held against where they come from.
        let http = free_address();
        let reached = ["--http", &http, "--http-origin", &format!("http://{http}")];
        let central = Central::start(&data, "127.0.0.1:0", &reached);
        Self { central, http, data, bets, folder }
    }
}
