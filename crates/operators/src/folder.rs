//! The operators of one central: those of the file in its data folder, read again when it changed,
//! with sessions and attempts in memory.
//!
//! A look at the file's date and number for each request, so that what a command changed beside
//! the central holds from the next request on.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lottery::Judge;
use parking_lot::Mutex;
use thiserror::Error;

use crate::file::{ChangeError, FileError, OperatorsFile, Stamp};
use crate::{
    Attempts, Digest, MakeChange, Name, OperatorStore, OperatorsError, People, SessionUser,
    Sessions, Unrecorded,
};

/// The operators of a data folder, for the central that uses it.
pub struct OperatorsFolder {
    file: OperatorsFile,
    read: Mutex<Option<(Option<Stamp>, Arc<People>)>>,
    /// The people as a change that is being made leaves them.
    coming: Mutex<Option<Arc<People>>>,
    sessions: Mutex<Sessions>,
    attempts: Mutex<Attempts>,
    moment: fn() -> Instant,
}

/// A change was not allowed, or not recorded.
#[derive(Debug, Error)]
#[error("the change is not made")]
struct NotMade;

impl OperatorsFolder {
    /// Those of a data folder, with a monotonic clock. Nothing is read yet.
    #[must_use]
    pub fn new(folder: &Path, moment: fn() -> Instant) -> Self {
        Self {
            file: OperatorsFile::in_folder(folder),
            read: Mutex::default(),
            coming: Mutex::default(),
            sessions: Mutex::default(),
            attempts: Mutex::default(),
            moment,
        }
    }

    fn set_coming(&self, next: impl FnOnce(Option<Arc<People>>) -> Option<Arc<People>>) {
        let mut coming = self.coming.lock();
        *coming = next(coming.take());
    }
}

impl OperatorStore for OperatorsFolder {
    fn people(&self) -> Result<Arc<People>, OperatorsError> {
        let mut read = self.read.lock();
        let now = self.file.stamp()?;
        if let Some((then, people)) = &*read
            && *then == now
        {
            return Ok(Arc::clone(people));
        }
        let (people, stamp) = self.file.read_stamped()?;
        let people = Arc::new(people);
        *read = Some((stamp, Arc::clone(&people)));
        Ok(people)
    }

    /// As they are, and as a change that is being made leaves them. Whoever is on record as disabled
    /// acts no more, before the file says so.
    fn judging(&self, session: Option<Digest>) -> Result<Option<Vec<Arc<People>>>, OperatorsError> {
        let now = (self.moment)();
        if session.is_some_and(|it| self.sessions.lock().user(it, false, now).is_none()) {
            return Ok(None);
        }
        // In this order: a change that is no longer coming is in the file.
        let coming = self.coming.lock().clone();
        Ok(Some(coming.into_iter().chain([self.people()?]).collect()))
    }

    /// The file stays locked while the change is recorded, and is written then.
    fn change(
        &self,
        change: MakeChange,
        record: &mut dyn FnMut(Judge) -> bool,
    ) -> Result<bool, OperatorsError> {
        let mut ours = None;
        let changed = self.file.change(|people| {
            let version = people.version();
            if !change(people) {
                return Err(NotMade);
            }
            let coming = Arc::new(people.clone());
            ours = Some(Arc::clone(&coming));
            self.set_coming(|_| Some(coming));
            if record(Box::new(move || Some(version))) { Ok(()) } else { Err(NotMade) }
        });
        // The next change may have begun: that one's stay.
        let is_ours = |it: &Arc<People>| ours.as_ref().is_some_and(|ours| Arc::ptr_eq(it, ours));
        self.set_coming(|coming| coming.filter(|it| !is_ours(it)));
        match changed {
            Ok(()) => Ok(true),
            Err(ChangeError::Refused(NotMade)) => Ok(false),
            Err(ChangeError::File(error)) => Err(error.into()),
        }
    }

    fn record_changes(
        &self,
        record: &mut dyn FnMut(&Unrecorded) -> bool,
    ) -> Result<(), OperatorsError> {
        if self.people()?.unrecorded().is_empty() {
            return Ok(());
        }
        Ok(self.file.record_changes(record)?)
    }

    fn begin_session(&self, user: SessionUser, session: Digest) -> Result<(), OperatorsError> {
        self.sessions.lock().begin(user, session, (self.moment)());
        Ok(())
    }

    fn session_user(
        &self,
        session: Digest,
        is_use: bool,
    ) -> Result<Option<SessionUser>, OperatorsError> {
        Ok(self.sessions.lock().user(session, is_use, (self.moment)()).cloned())
    }

    fn end_session(&self, session: Digest) -> Result<bool, OperatorsError> {
        Ok(self.sessions.lock().end(session))
    }

    fn end_sessions_of(&self, name: &Name) -> Result<(), OperatorsError> {
        self.sessions.lock().end_all_of(name);
        Ok(())
    }

    fn begin_attempt(
        &self,
        name: &str,
        address: IpAddr,
    ) -> Result<Option<Duration>, OperatorsError> {
        Ok(self.attempts.lock().begin(name, address, (self.moment)()).err())
    }

    fn attempt_succeeded(&self, name: &str, address: IpAddr) -> Result<(), OperatorsError> {
        self.attempts.lock().succeeded(name, address);
        Ok(())
    }
}

impl From<FileError> for OperatorsError {
    fn from(error: FileError) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Password, PasswordHash, Role};

    #[expect(clippy::disallowed_methods, reason = "no time passes that matters")]
    fn store(folder: &Path) -> OperatorsFolder {
        OperatorsFolder::new(folder, Instant::now)
    }

    fn hash(name: &Name) -> PasswordHash {
        Password::given("a long password".to_owned()).hash(name, [1; 16]).unwrap()
    }

    #[test]
    fn what_others_change_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let ana = Name::new("ana").unwrap();
        assert!(store.people().unwrap().operator(&ana).is_none());

        let beside = OperatorsFile::in_folder(folder.path());
        beside.change(|people| people.add(ana.clone(), Role::Viewer, hash(&ana))).unwrap();
        let people = store.people().unwrap();
        assert!(!people.operator(&ana).unwrap().disabled);
        assert!(Arc::ptr_eq(&people, &store.people().unwrap()), "not read again");

        beside.change(|people| people.disable(&ana)).unwrap();
        assert!(store.people().unwrap().operator(&ana).unwrap().disabled);

        std::fs::write(folder.path().join("operators.json"), "{").unwrap();
        assert!(store.people().is_err());
        assert!(store.judging(None).is_err());
    }

    #[test]
    fn whose_disabling_is_being_recorded_is_judged_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let names = ["ana", "eva"].map(|name| Name::new(name).unwrap());
        for name in names.clone() {
            let hash = hash(&name);
            let add = move |people: &mut People| {
                people.add(name.clone(), Role::Admin, hash.clone()).is_ok()
            };
            assert!(store.change(Arc::new(add), &mut |_| true).unwrap());
        }
        let [ana, eva] = &names;
        let allowed = |name| {
            let all = store.judging(None).unwrap().unwrap();
            all.iter().all(|people| !people.operator(name).unwrap().disabled)
        };
        for is_recorded in [false, true] {
            let whom = ana.clone();
            let disable = Arc::new(move |people: &mut People| people.disable(&whom).is_ok());
            let changed = store.change(disable, &mut |judge| {
                assert_eq!(judge(), Some(2), "the version that is changed");
                assert!(!allowed(ana) && allowed(eva));
                is_recorded
            });
            assert_eq!(changed.unwrap(), is_recorded);
            assert_eq!(allowed(ana), !is_recorded);
        }
    }
}
