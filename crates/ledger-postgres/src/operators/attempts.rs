//! Attempts to log in as rows: when those with a name, from an address, or both, are paid off.

use std::net::IpAddr;
use std::time::Duration;

use ::operators::attempts::{RATE_OF_ADDRESS, RATE_OF_NAME, RATE_OF_PAIR, Rate};
use ::operators::limits::ATTEMPTS_REMEMBERED_MAX;
use tokio_postgres::{Client, Error};

/// Held while an attempt is counted: "attempts" as a number.
const LOCK: i64 = 0x6174_7465_6d70_7473;

/// Most keys, of the three kinds.
const KEPT_MAX: i64 = 3 * ATTEMPTS_REMEMBERED_MAX as i64;

/// Counts an attempt; or returns how long to wait, if there were too many. In a transaction.
pub(super) async fn begin(
    client: &Client,
    name: &str,
    address: IpAddr,
) -> Result<Option<Duration>, Error> {
    let limited = [
        (pair_key(name, address), RATE_OF_PAIR),
        (format!("address {address}"), RATE_OF_ADDRESS),
        (format!("name {name}"), RATE_OF_NAME),
    ];
    let keys: Vec<_> = limited.iter().map(|(key, _)| key.as_str()).collect();
    client.batch_execute("SET LOCAL lock_timeout = 1000").await?;
    // One attempt is counted after another.
    client.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    client.batch_execute("DELETE FROM attempt WHERE paid_at <= clock_timestamp()").await?;
    let found = "SELECT key, (extract(epoch FROM paid_at - clock_timestamp()) * 1000000)::bigint \
                 FROM attempt WHERE key = ANY($1)";
    let mut unpaid = vec![Duration::ZERO; keys.len()];
    for row in client.query(found, &[&keys]).await? {
        let (key, micros): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        if let Some(at) = keys.iter().position(|it| *it == key) {
            unpaid[at] = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        }
    }
    let waits = limited.iter().zip(&unpaid).filter_map(|((_, rate), it)| rate.wait(*it));
    let mut wait = waits.max();
    if unpaid.contains(&Duration::ZERO) {
        // When there is room for another key, if there is none.
        let full = "SELECT (extract(epoch FROM min(paid_at) - clock_timestamp()) * 1000000)::bigint \
                    FROM attempt HAVING count(*) >= $1";
        let full = client.query_opt(full, &[&KEPT_MAX]).await?;
        if let Some(row) = full {
            let micros: i64 = row.try_get(0)?;
            let room_in = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
            wait = wait.max(Some(room_in));
        }
    }
    if wait.is_none() {
        let paid_in = |(at, (_, rate)): (usize, &(String, Rate))| {
            i64::try_from((unpaid[at] + rate.price).as_micros()).unwrap_or(i64::MAX)
        };
        let paid_in: Vec<_> = limited.iter().enumerate().map(paid_in).collect();
        let count = "INSERT INTO attempt (key, paid_at) \
                     SELECT key, clock_timestamp() + micros * interval '1 microsecond' \
                     FROM unnest($1::text[], $2::bigint[]) AS counted(key, micros) \
                     ON CONFLICT (key) DO UPDATE SET paid_at = excluded.paid_at";
        client.execute(count, &[&keys, &paid_in]).await?;
    }
    Ok(wait)
}

/// Forgets the attempts for this name and address.
pub(super) async fn reset(client: &Client, name: &str, address: IpAddr) -> Result<(), Error> {
    let key = pair_key(name, address);
    client.execute("DELETE FROM attempt WHERE key = $1", &[&key]).await.map(drop)
}

fn pair_key(name: &str, address: IpAddr) -> String {
    format!("pair {address} {name}")
}
