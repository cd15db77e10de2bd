//! A central with operators, for the browser tests.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::{Bets, Central, free_address, str, with_input};

/// The password of every operator.
pub(crate) const PASSWORD: &str = "una clave bien larga";

/// A running central; `ana` is an admin, `eva` an operator.
pub(crate) struct Setting {
    pub(crate) central: Central,
    pub(crate) http: String,
    pub(crate) data: PathBuf,
    pub(crate) bets: Bets,
    /// The folder with the data and the bets.
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
        // The origin is set, so that the central checks where the browser's forms come from.
        let http = free_address();
        let reached = ["--http", &http, "--http-origin", &format!("http://{http}")];
        let central = Central::start(&data, "127.0.0.1:0", &reached);
        Self { central, http, data, bets, folder }
    }
}
