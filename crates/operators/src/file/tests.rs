use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown};

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use tempfile::TempDir;

use super::*;
use crate::{Name, Password, PeopleError, Role};

fn in_folder() -> (TempDir, OperatorsFile) {
    let folder = tempfile::tempdir().unwrap();
    let file = OperatorsFile::in_folder(folder.path());
    (folder, file)
}

fn add(file: &OperatorsFile, name: &str) -> Result<(), ChangeError<PeopleError>> {
    let name = Name::new(name).unwrap();
    let password = Password::given("a long password".to_owned()).hash(&name, [1; 16]).unwrap();
    file.change(|people| people.add(name, Role::Viewer, password))
}

fn names(file: &OperatorsFile) -> Vec<String> {
    file.read().unwrap().operators().map(|(name, _)| name.to_string()).collect()
}

#[test]
fn a_change_is_visible_to_the_next_reader_and_private() {
    let (folder, file) = in_folder();
    assert_eq!((names(&file), file.read().unwrap().version()), (vec![], 0));
    add(&file, "bea").unwrap();
    add(&file, "ana").unwrap();
    assert_eq!(names(&file), ["ana", "bea"]);
    for name in [NAME, LOCK_NAME] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_refused_change_leaves_the_file_unchanged() {
    let (_folder, file) = in_folder();
    add(&file, "ana").unwrap();
    let (before, version) = (file.stamp().unwrap(), || file.read().unwrap().version());
    assert!(matches!(add(&file, "ana"), Err(ChangeError::Refused(PeopleError::Exists(_)))));
    assert_eq!((file.stamp().unwrap(), version()), (before, 1));
    add(&file, "bea").unwrap();
    assert_ne!(file.stamp().unwrap(), before);
    assert_eq!(version(), 2, "it grows by one with each change");
}

#[test]
fn leftovers_of_a_crash_do_no_harm() {
    let (folder, file) = in_folder();
    add(&file, "ana").unwrap();
    std::fs::write(folder.path().join(NEW_NAME), "half a chan").unwrap();
    assert_eq!(names(&file), ["ana"]);
    add(&file, "bea").unwrap();
    assert_eq!(names(&file), ["ana", "bea"]);
    assert!(!folder.path().join(NEW_NAME).exists());
}

#[test]
fn an_exposed_or_invalid_file_is_refused() {
    let (folder, file) = in_folder();
    add(&file, "ana").unwrap();
    let path = folder.path().join(NAME);
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(file.read(), Err(FileError::Exposed { .. })));
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "{}").unwrap();
    let message = file.read().unwrap_err().to_string();
    assert!(
        message.contains("operators.json is not a valid file of operators: missing"),
        "{message}"
    );
    assert!(matches!(add(&file, "bea"), Err(ChangeError::File(FileError::Unsound { .. }))));
    File::create(&path).unwrap().set_len(FILE_LEN_MAX + 1).unwrap();
    assert!(file.read().unwrap_err().to_string().contains("it has more than"));
}

#[test]
fn concurrent_changes_are_all_made() {
    let (_folder, file) = in_folder();
    std::thread::scope(|scope| {
        for name in ["ana", "bea", "eva", "ida"] {
            let file = &file;
            scope.spawn(move || add(file, name).unwrap());
        }
    });
    assert_eq!(names(&file), ["ana", "bea", "eva", "ida"]);
}

#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (lock, elsewhere) = (folder.path().join(LOCK_NAME), folder.path().join("elsewhere"));
    let file = OperatorsFile::in_folder(folder.path());
    for is_there in [false, true] {
        if is_there {
            std::fs::write(&elsewhere, "another's").unwrap();
        }
        std::os::unix::fs::symlink(&elsewhere, &lock).unwrap();
        let message = add(&file, "ana").unwrap_err().to_string();
        assert!(message.contains("operators.lock is not a regular file"), "{message}");
        assert_eq!(elsewhere.exists(), is_there);
        std::fs::remove_file(&lock).unwrap();
    }
    add(&file, "ana").unwrap();
}

#[test]
fn root_hands_over_only_files_that_it_created() {
    const CENTRAL: u32 = 12_345;
    let folder = tempfile::tempdir().unwrap();
    let owner = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().uid();
    if chown(folder.path(), Some(CENTRAL), Some(CENTRAL)).is_err() {
        return; // Not an administrator.
    }
    let file = OperatorsFile::in_folder(folder.path());
    add(&file, "ana").unwrap();
    assert_eq!((owner(NAME), owner(LOCK_NAME)), (CENTRAL, CENTRAL));
    let lock = folder.path().join(LOCK_NAME);
    std::fs::remove_file(&lock).unwrap();
    // A file of root's, also linked under the lock's name.
    std::fs::write(folder.path().join("private"), "").unwrap();
    std::fs::hard_link(folder.path().join("private"), &lock).unwrap();
    add(&file, "bea").unwrap();
    assert_ne!(owner("private"), CENTRAL);
}

#[test]
fn a_link_or_pipe_in_the_files_place_is_refused_without_blocking() {
    let (folder, file) = in_folder();
    add(&file, "ana").unwrap();
    let (path, elsewhere) = (folder.path().join(NAME), folder.path().join("elsewhere"));
    std::fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    let message = file.read().unwrap_err().to_string();
    assert!(message.contains("operators.json is not a regular file"), "{message}");
    for name in [NAME, LOCK_NAME] {
        let path = folder.path().join(name);
        std::fs::remove_file(&path).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
    }
    assert!(matches!(file.read(), Err(FileError::NotAFile { .. })));
    let refused = add(&file, "bea").unwrap_err().to_string();
    assert!(refused.contains("operators.lock is not a regular file"), "{refused}");
}

#[test]
fn root_repairs_what_a_killed_command_left() {
    const CENTRAL: u32 = 12_345;
    let folder = tempfile::tempdir().unwrap();
    let owner = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().uid();
    if chown(folder.path(), Some(CENTRAL), Some(CENTRAL)).is_err() {
        return; // Not an administrator.
    }
    // Created, but not handed over yet.
    for name in [LOCK_NAME, NEW_NAME] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let file = OperatorsFile::in_folder(folder.path());
    add(&file, "ana").unwrap();
    assert_eq!((owner(NAME), owner(LOCK_NAME)), (CENTRAL, CENTRAL));
    assert!(!folder.path().join(NEW_NAME).exists());
}

/// Whether someone waits for a lock on this inode.
fn is_waited_for(inode: u64) -> bool {
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let of_it = format!(":{inode} ");
    locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&of_it))
}

#[test]
fn a_lock_removed_while_waiting_is_not_taken() {
    let (folder, file) = in_folder();
    let lock = folder.path().join(LOCK_NAME);
    let held = file.lock().unwrap();
    std::thread::scope(|scope| {
        let inode = held.metadata().unwrap().ino();
        let waits = scope.spawn(|| file.lock().unwrap());
        while !is_waited_for(inode) {
            std::thread::yield_now();
        }
        std::fs::remove_file(&lock).unwrap();
        drop(held);
        let taken = waits.join().unwrap();
        assert!(is_at(&lock, &taken).unwrap());
    });
}

#[test]
fn a_file_of_another_user_is_refused_with_advice() {
    const CENTRAL: u32 = 12_345;
    let (folder, file) = in_folder();
    add(&file, "ana").unwrap();
    let path = folder.path().join(NAME);
    if chown(&path, Some(CENTRAL), Some(CENTRAL)).is_err() {
        return; // Not an administrator.
    }
    let message = || file.read().unwrap_err().to_string();
    assert!(
        message().contains(&format!("belongs to user {CENTRAL}: run this as")),
        "{}",
        message()
    );
    chown(&path, Some(CENTRAL + 1), None).unwrap();
    chown(folder.path(), Some(CENTRAL), None).unwrap();
    assert!(message().contains(&format!("`chown {CENTRAL} {}`", path.display())), "{}", message());
}

/// Runs `act` as another user and group.
fn as_user<T: Send>(user: u32, group: u32, act: impl FnOnce() -> T + Send) -> T {
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    let acts = move || {
        // Affects only this thread.
        set_thread_res_gid(group, group, group).unwrap();
        set_thread_res_uid(user, user, user).unwrap();
        act()
    };
    std::thread::scope(|scope| scope.spawn(acts).join().unwrap())
}

#[test]
fn users_keep_their_files_in_a_group_writable_folder_of_root() {
    const CENTRAL: u32 = 12_345;
    const GROUP: u32 = 2_000;
    let folder = tempfile::tempdir().unwrap();
    if chown(folder.path(), Some(ROOT), Some(GROUP)).is_err() {
        return; // Not an administrator.
    }
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o2770)).unwrap();
    let file = OperatorsFile::in_folder(folder.path());
    let (path, lock) = (folder.path().join(NAME), folder.path().join(LOCK_NAME));
    let owner = |path: &Path| std::fs::metadata(path).unwrap().uid();
    let change = |name| as_user(CENTRAL, GROUP, || add(&file, name));
    change("ana").unwrap();
    change("bea").unwrap();
    assert_eq!(as_user(CENTRAL, GROUP, || names(&file)), ["ana", "bea"]);
    // Root takes nothing over.
    let message = add(&file, "eva").unwrap_err().to_string();
    assert!(
        message.contains(&format!("belongs to user {CENTRAL}: run this as that user")),
        "{message}"
    );
    assert_eq!((owner(&path), owner(&lock)), (CENTRAL, CENTRAL));
    change("eva").unwrap();
    // The advice is to hand an unreadable file to the user who must read it.
    for path in [&path, &lock] {
        chown(path, Some(ROOT), None).unwrap();
        let message = change("ida").unwrap_err().to_string();
        assert!(message.contains(&format!("`chown {CENTRAL} {}`", path.display())), "{message}");
        chown(path, Some(CENTRAL), None).unwrap();
    }
    change("ida").unwrap();
}
