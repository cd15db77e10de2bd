//! Sessions as rows, by the digest of their secret.

use std::time::Duration;

use ::operators::limits::{SESSION_IDLE_TIME_MAX, SESSION_TIME_MAX, SESSIONS_PER_OPERATOR_MAX};
use ::operators::{Digest, Name, SessionUser};
use tokio_postgres::{Client, Error};

use crate::connections::Connection;
use crate::limits::SESSION_USE_TIME;

/// Begins a session, after those that are over and the operator's oldest above the limit are ended.
pub(super) async fn begin(
    client: &Client,
    user: &SessionUser,
    session: Digest,
) -> Result<(), Error> {
    let over = "DELETE FROM session WHERE NOT (used_at > clock_timestamp() - $1::text::interval \
                AND begun_at > clock_timestamp() - $2::text::interval)";
    let (idle, whole) = (seconds(SESSION_IDLE_TIME_MAX), seconds(SESSION_TIME_MAX));
    client.execute(over, &[&idle, &whole]).await?;
    let (name, generation) = (user.name.as_str(), i64::from(user.generation));
    let kept = i64::try_from(SESSIONS_PER_OPERATOR_MAX - 1).unwrap_or(0);
    let oldest = "DELETE FROM session WHERE digest IN (SELECT digest FROM session \
                  WHERE name = $1 ORDER BY used_at DESC OFFSET $2)";
    client.execute(oldest, &[&name, &kept]).await?;
    let begin = "INSERT INTO session (digest, name, generation) VALUES ($1, $2, $3)";
    client.execute(begin, &[&session.bytes(), &name, &generation]).await.map(drop)
}

/// Returns the operator of a valid session, and whether its use is to be noted.
pub(super) fn user_of(
    connection: &mut Connection,
    session: Digest,
) -> Result<Option<(SessionUser, bool)>, String> {
    let found = connection.query(
        "SELECT name, generation, used_at < clock_timestamp() - $4::text::interval FROM session \
         WHERE digest = $1 AND used_at > clock_timestamp() - $2::text::interval \
         AND begun_at > clock_timestamp() - $3::text::interval",
        &[
            &session.bytes(),
            &seconds(SESSION_IDLE_TIME_MAX),
            &seconds(SESSION_TIME_MAX),
            &seconds(SESSION_USE_TIME),
        ],
    )?;
    let Some(row) = found.first() else { return Ok(None) };
    let failed = |error: Error| error.to_string();
    let name: String = row.try_get(0).map_err(failed)?;
    let generation: i64 = row.try_get(1).map_err(failed)?;
    let is_due: bool = row.try_get(2).map_err(failed)?;
    let generation = u32::try_from(generation).map_err(|error| error.to_string())?;
    let name = Name::new(name).map_err(|error| error.to_string())?;
    Ok(Some((SessionUser { name, generation }, is_due)))
}

/// Notes that a session is used.
pub(super) async fn note_use(client: &Client, session: Digest) -> Result<(), Error> {
    let used = "UPDATE session SET used_at = clock_timestamp() WHERE digest = $1";
    client.execute(used, &[&session.bytes()]).await.map(drop)
}

/// Ends a session; returns whether it existed.
pub(super) async fn end(client: &Client, session: Digest) -> Result<bool, Error> {
    let end = "DELETE FROM session WHERE digest = $1";
    Ok(client.execute(end, &[&session.bytes()]).await? > 0)
}

/// Ends all sessions of an operator.
pub(super) async fn end_all_of(client: &Client, name: &Name) -> Result<(), Error> {
    client.execute("DELETE FROM session WHERE name = $1", &[&name.as_str()]).await.map(drop)
}

fn seconds(time: Duration) -> String {
    format!("{} seconds", time.as_secs())
}
