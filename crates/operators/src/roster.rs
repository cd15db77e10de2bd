//! The people as a running central sees them: read again when the file changed.
//!
//! A look at the file's date and number for each request, so that what a command changed beside
//! the central holds from the next request on.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::Unrecorded;
use crate::file::{ChangeError, FileError, OperatorsFile, Stamp};
use crate::people::People;

/// The people of a data folder, as they are now.
#[derive(Debug)]
pub struct Roster {
    file: OperatorsFile,
    read: Mutex<Option<(Option<Stamp>, Arc<People>)>>,
    /// The people as a change that is being made leaves them.
    coming: Mutex<Option<Arc<People>>>,
}

impl Roster {
    /// Those of a data folder. Nothing is read yet.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            file: OperatorsFile::in_folder(folder),
            read: Mutex::default(),
            coming: Mutex::default(),
        }
    }

    /// The people now.
    ///
    /// # Errors
    /// When the file can't be read. Nobody is let in then.
    pub fn people(&self) -> Result<Arc<People>, FileError> {
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

    /// The people as somebody who acts now is judged by: as they are, and as a change that is being
    /// made leaves them. Whoever is on record as disabled acts no more, before the file says so.
    ///
    /// # Errors
    /// When the file can't be read. Nobody may do anything then.
    pub fn judging(&self) -> Result<Vec<Arc<People>>, FileError> {
        // In this order: a change that is no longer coming is in the file.
        let coming = self.coming.lock().clone();
        Ok(coming.into_iter().chain([self.people()?]).collect())
    }

    /// Changes the people, durably, with `record` run once the change is known to be allowed and
    /// before it is made. Blocks.
    ///
    /// # Errors
    /// See [`OperatorsFile::change`].
    pub fn change<T, E: std::error::Error + 'static>(
        &self,
        change: impl FnOnce(&mut People) -> Result<T, E>,
        record: impl FnOnce() -> Result<(), E>,
    ) -> Result<T, ChangeError<E>> {
        let mut ours = None;
        let changed = self.file.change(|people| {
            let changed = change(people)?;
            let coming = Arc::new(people.clone());
            ours = Some(Arc::clone(&coming));
            self.set_coming(|_| Some(coming));
            record()?;
            Ok(changed)
        });
        // The next change may have begun: that one's stay.
        let is_ours = |it: &Arc<People>| ours.as_ref().is_some_and(|ours| Arc::ptr_eq(it, ours));
        self.set_coming(|coming| coming.filter(|it| !is_ours(it)));
        changed
    }

    /// Has `record` record each change that was made on the command line, oldest first, unless all
    /// are recorded. A change is passed to it again if the central ends, or the file can't be
    /// written, before it is removed from the file. Blocks.
    ///
    /// # Errors
    /// When `record` fails, or the file can't be read or written.
    pub fn record_changes<E: std::error::Error + 'static>(
        &self,
        record: impl FnMut(&Unrecorded) -> Result<(), E>,
    ) -> Result<(), ChangeError<E>> {
        if self.people()?.unrecorded().is_empty() {
            return Ok(());
        }
        self.file.record_changes(record)
    }

    fn set_coming(&self, next: impl FnOnce(Option<Arc<People>>) -> Option<Arc<People>>) {
        let mut coming = self.coming.lock();
        *coming = next(coming.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Name, Password, PeopleError, Role};

    #[test]
    fn what_others_change_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let roster = Roster::in_folder(folder.path());
        let ana = Name::new("ana").unwrap();
        assert!(roster.people().unwrap().operator(&ana).is_none());

        let beside = OperatorsFile::in_folder(folder.path());
        let hash = Password::given("a long password".to_owned()).hash(&ana, [1; 16]).unwrap();
        beside.change(|people| people.add(ana.clone(), Role::Viewer, hash)).unwrap();
        let people = roster.people().unwrap();
        assert!(!people.operator(&ana).unwrap().disabled);
        assert!(Arc::ptr_eq(&people, &roster.people().unwrap()), "not read again");

        beside.change(|people| people.disable(&ana)).unwrap();
        assert!(roster.people().unwrap().operator(&ana).unwrap().disabled);

        std::fs::write(folder.path().join("operators.json"), "{").unwrap();
        assert!(roster.people().is_err());
        assert!(roster.judging().is_err());
    }

    #[test]
    fn whose_disabling_is_being_recorded_is_judged_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let roster = Roster::in_folder(folder.path());
        let names = ["ana", "eva"].map(|name| Name::new(name).unwrap());
        for name in names.clone() {
            let hash = Password::given("a long password".to_owned()).hash(&name, [1; 16]).unwrap();
            let add = |people: &mut People| people.add(name, Role::Admin, hash);
            roster.change(add, || Ok(())).unwrap();
        }
        let [ana, eva] = &names;
        let allowed = |name| {
            let all = roster.judging().unwrap();
            all.iter().all(|people| !people.operator(name).unwrap().disabled)
        };
        for recorded in [Err(PeopleError::TooMany), Ok(())] {
            let is_recorded = recorded.is_ok();
            let changed = roster.change(
                |people| people.disable(ana),
                || {
                    assert!(!allowed(ana) && allowed(eva));
                    recorded
                },
            );
            assert_eq!(changed.is_ok(), is_recorded);
            assert_eq!(allowed(ana), !is_recorded);
        }
    }
}
