//! The people as a running central sees them: read again when the file changed.
//!
//! A look at the file's date and number for each request, so that what a command changed beside
//! the central holds from the next request on.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::file::{ChangeError, FileError, OperatorsFile, Stamp};
use crate::people::People;

/// The people of a data folder, as they are now.
#[derive(Debug)]
pub struct Roster {
    file: OperatorsFile,
    read: Mutex<Option<(Option<Stamp>, Arc<People>)>>,
}

impl Roster {
    /// Those of a data folder. Nothing is read yet.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self { file: OperatorsFile::in_folder(folder), read: Mutex::default() }
    }

    /// The people now.
    ///
    /// # Errors
    /// When the file can't be read. Nobody is let in then.
    pub fn people(&self) -> Result<Arc<People>, FileError> {
        // What is kept is replaced whole: a thread that ended meanwhile left it sound.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Changes the people, durably. Blocks.
    ///
    /// # Errors
    /// See [`OperatorsFile::change`].
    pub fn change<T, E: std::error::Error + 'static>(
        &self,
        change: impl FnOnce(&mut People) -> Result<T, E>,
    ) -> Result<T, ChangeError<E>> {
        self.file.change(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Name, Password, Role};

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
    }
}
