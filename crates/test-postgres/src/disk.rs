//! A disk that is small, in memory, which a test fills and makes room on again.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{Server, other_user, run};

/// Enough for what a test stores.
const LEN: usize = 256 << 20;

/// A file system with one folder of a server.
pub struct Disk {
    filling: PathBuf,
}

/// Returns whether small disks can be made. If not, says so like
/// [`is_installed`](crate::is_installed).
#[must_use]
pub fn has_disks() -> bool {
    let folder = TempDir::new().unwrap();
    let is_made = mount(folder.path()).stderr(Stdio::null()).status();
    let is_made = is_made.is_ok_and(|status| status.success());
    unmount_in(folder.path());
    is_made
        || crate::leave_out(
            "no tmpfs can be mounted here: it takes root with the capability SYS_ADMIN",
        )
}

impl Server {
    /// Moves a folder of its data, such as `pg_wal`, to a disk of its own. The server must be stopped.
    #[must_use]
    pub fn move_to_disk(&self, name: &str) -> Disk {
        assert!(self.process.is_none(), "{} runs", self.name);
        let (folder, before) = (self.data.join(name), self.data.join("before"));
        fs::rename(&folder, &before).unwrap();
        fs::create_dir(&folder).unwrap();
        run(&mut mount(&folder));
        run(Command::new("cp").arg("--archive").arg(before.join(".")).arg(&folder));
        fs::remove_dir_all(before).unwrap();
        Disk { filling: folder.join("filling") }
    }
}

impl Disk {
    /// Leaves no room on it.
    pub fn fill(&self) {
        let mut filling = File::create(&self.filling).unwrap();
        let full = (0..).find_map(|_| filling.write_all(&[0; 64 << 10]).err()).unwrap();
        assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
    }

    /// Makes room on it again.
    pub fn make_room(&self) {
        fs::remove_file(&self.filling).unwrap();
    }
}

fn mount(folder: &Path) -> Command {
    let owner = other_user().map(|(user, group)| format!(",uid={user},gid={group}"));
    let options = format!("size={LEN},mode=700{}", owner.unwrap_or_default());
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(folder);
    mount
}

/// Takes away the disks in a folder.
pub(crate) fn unmount_in(folder: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1).map(Path::new));
    for place in places.filter(|place| place.starts_with(folder)) {
        // Another test may do the same.
        let _ = Command::new("umount").arg("--lazy").arg(place).status();
    }
}
