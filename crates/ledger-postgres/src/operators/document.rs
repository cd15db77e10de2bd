//! The document of operators, and how it is replaced.

use std::sync::Arc;

use ::operators::People;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio_postgres::Row;

use crate::error::StoreError;
use crate::rows;
use crate::session::{AskError, Session};

/// The digest of a document of operators.
pub(crate) type DocumentDigest = [u8; 32];

/// A document of operators, as it is stored.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) digest: DocumentDigest,
    pub(crate) text: String,
    pub(super) people: Arc<People>,
}

impl Document {
    pub(crate) fn of(people: Arc<People>) -> Self {
        let text = people.document();
        Self { digest: Sha256::digest(&text).into(), text, people }
    }

    /// Reads a row of [`READ`].
    pub(super) fn read(row: &Row) -> Result<Self, String> {
        let failed = |error: tokio_postgres::Error| error.to_string();
        let digest = rows::digest(row.try_get(0).map_err(failed)?)?;
        let text: String = row.try_get(1).map_err(failed)?;
        if digest != <[u8; 32]>::from(Sha256::digest(&text)) {
            return Err("the operators in the store are not those that were stored: restore the \
                        database from a good copy"
                .to_owned());
        }
        let people = People::of_document(&text);
        let people = people.map_err(|why| format!("the operators in the store: {why}"))?;
        Ok(Self { digest, text, people: Arc::new(people) })
    }
}

/// The digest of the operators.
pub(super) const DIGEST: &str = "SELECT operators FROM ledger";
/// The operators, with their digest.
pub(super) const READ: &str = "SELECT ledger.operators, document FROM ledger, operators";

/// Replaces the operators, if they are those of the digest `$1`; otherwise it fails, and with it the
/// transaction.
pub(crate) const REPLACE: &str = "\
WITH changed AS (UPDATE ledger SET operators = $2 WHERE operators = $1 RETURNING 1) \
UPDATE operators SET document = $3 WHERE 1 / (SELECT count(*) FROM changed) = 1";

/// Why a change was not made.
#[derive(Debug, Error)]
pub enum OperatorsChangeError<E: std::error::Error + 'static> {
    /// The change was refused.
    #[error(transparent)]
    Refused(E),
    /// The operators could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Replaces the operators in a transaction of its own, with the lock of all turns.
pub(super) async fn replace<E: std::error::Error + 'static>(
    session: &mut Session,
    change: impl FnOnce(&People) -> Result<People, E>,
) -> Result<(), OperatorsChangeError<E>> {
    let failed = |error: AskError| StoreError::Away(error.to_string());
    let locked = session.ask(async |client| {
        client.batch_execute("BEGIN; SELECT FROM ledger FOR UPDATE").await?;
        client.query_one(READ, &[]).await
    });
    let row = locked.await.map_err(failed)?;
    let document = Document::read(&row).map_err(StoreError::Damaged)?;
    let changed = change(&document.people).map_err(OperatorsChangeError::Refused)?;
    let changed = Document::of(Arc::new(changed));
    session.take_notices();
    let replaced = session.ask(async |client| {
        let (before, after) = (&document.digest[..], &changed.digest[..]);
        let replaced = client.execute(REPLACE, &[&before, &after, &changed.text]).await?;
        client.batch_execute("COMMIT").await?;
        Ok(replaced)
    });
    let not_known = |why: String| {
        StoreError::Away(format!("whether the change is made is not known, look again: {why}"))
    };
    let replaced = replaced.await.map_err(|error| not_known(error.to_string()))?;
    match session.take_notices().first() {
        Some(notice) => Err(not_known(notice.message().to_owned()).into()),
        None if replaced == 1 => Ok(()),
        None => Err(StoreError::Away("the operators were not replaced".to_owned()).into()),
    }
}
