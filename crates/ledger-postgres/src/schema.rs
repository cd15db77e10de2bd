//! Creates and migrates the tables, by plain SQL: `schema/N.sql` leads from version N - 1 to N.
//!
//! Several may do it at the same time: whoever has the lock goes on, and the others find it done.

use std::sync::Arc;

use engine::{Chain, LedgerId};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::error::StoreError;
use crate::limits::READING_TIME_MAX;
use crate::operators::Document;
use crate::primary::{self, Primary, Seen};
use crate::session::{AskError, Session, runtime};
use crate::target::Target;

/// The version of the tables that this program reads and writes.
pub const VERSION: i32 = 1;

const MIGRATIONS: [&str; 1] = [include_str!("schema/1.sql")];

const RIGHTS: &str = include_str!("schema/rights.sql");

/// Held while the tables are created or migrated: "bolillero" as a number.
const LOCK: i64 = 0x0062_6f6c_696c_6c65;

/// What creating the tables did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// They were created, with a ledger of this id.
    Created(LedgerId),
    /// They were migrated from this version.
    Migrated(i32),
    /// They were there.
    Nothing,
}

/// Creates the tables, or migrates them, and grants the roles their rights. Blocks.
///
/// # Errors
/// When no server can be written to, or the user of the URL may not do it.
pub fn init(target: &Target, id: LedgerId) -> Result<Made, StoreError> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut primary = primary::find(target, &Seen::default(), false).await?;
        let host = primary.host;
        let failed =
            |error: AskError| StoreError::Unsuitable(format!("{host}: {error}{}", advice(&error)));
        make(&mut primary.session, id).await.map_err(failed)
    })
}

fn advice(error: &AskError) -> &'static str {
    if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        "; run this as the owner of the database, once a superuser has run: CREATE ROLE \
         bolillero_central; CREATE ROLE bolillero_reader; CREATE ROLE bolillero_auditor"
    } else {
        ""
    }
}

async fn make(session: &mut Session, id: LedgerId) -> Result<Made, AskError> {
    let asked = session.ask_within(READING_TIME_MAX, async |client| {
        client.batch_execute("BEGIN").await?;
        client.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        let is_there = "SELECT to_regclass('public.ledger') IS NOT NULL";
        let is_there: bool = client.query_one(is_there, &[]).await?.try_get(0)?;
        let from: i32 = match is_there {
            false => 0,
            true => {
                let version = "SELECT schema_version FROM ledger";
                client.query_one(version, &[]).await?.try_get(0)?
            }
        };
        let done = usize::try_from(from).unwrap_or(usize::MAX).min(MIGRATIONS.len());
        for migration in &MIGRATIONS[done..] {
            client.batch_execute(migration).await?;
        }
        if from == 0 {
            let first = Chain::first(id);
            let nobody = Document::of(Arc::default());
            let begin = "INSERT INTO ledger (id, schema_version, events, chain, touched, operators) \
                         VALUES ($1, $2, 0, $3, 0, $4)";
            let (id, chain, digest) = (&id.0[..], &first.0[..], &nobody.digest[..]);
            client.execute(begin, &[&id, &VERSION, &chain, &digest]).await?;
            let begin = "INSERT INTO operators (document) VALUES ($1)";
            client.execute(begin, &[&nobody.text]).await?;
        } else if from < VERSION {
            client.execute("UPDATE ledger SET schema_version = $1", &[&VERSION]).await?;
        }
        client.batch_execute(RIGHTS).await?;
        client.batch_execute("COMMIT").await?;
        Ok(from)
    });
    Ok(match asked.await? {
        0 => Made::Created(id),
        VERSION.. => Made::Nothing,
        from => Made::Migrated(from),
    })
}

/// Connects to the server to write to, which must have a ledger of the version of this program.
pub(crate) async fn opened(target: &Target) -> Result<(Primary, LedgerId), StoreError> {
    let mut primary = primary::find(target, &Seen::default(), false).await?;
    let id = check(&mut primary.session, &primary.host).await?;
    Ok((primary, id))
}

/// Checks that the database has a ledger of the version of this program, and returns its id.
pub(crate) async fn check(session: &mut Session, host: &str) -> Result<LedgerId, StoreError> {
    let question = "SELECT id, schema_version FROM ledger";
    let asked = session.ask(async |client| client.query_opt(question, &[]).await);
    let no_ledger = || {
        StoreError::Unsuitable(format!(
            "{host}: the database has no ledger: run `bolillero store init` as its owner"
        ))
    };
    let row = match asked.await {
        Ok(row) => row.ok_or_else(no_ledger)?,
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Err(no_ledger()),
        Err(error) => return Err(StoreError::of(host, &error)),
    };
    let (id, version) = read(&row).map_err(StoreError::Damaged)?;
    match version.cmp(&VERSION) {
        std::cmp::Ordering::Equal => Ok(id),
        std::cmp::Ordering::Less => Err(StoreError::Unsuitable(format!(
            "{host}: the tables have version {version} and this program needs {VERSION}: run \
             `bolillero store init` as their owner"
        ))),
        std::cmp::Ordering::Greater => Err(StoreError::Unsuitable(format!(
            "{host}: the tables have version {version} and this program knows {VERSION}: use the \
             newer program that made them"
        ))),
    }
}

fn read(row: &Row) -> Result<(LedgerId, i32), String> {
    let text = |error: tokio_postgres::Error| error.to_string();
    let id: &[u8] = row.try_get(0).map_err(text)?;
    let id = id.try_into().map_err(|_| "a ledger's id of another length than 16 bytes")?;
    let id = LedgerId(id);
    let version = row.try_get(1).map_err(text)?;
    Ok((id, version))
}
