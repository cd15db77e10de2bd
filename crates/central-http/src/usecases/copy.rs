//! Copies of the ledger for standbys: its records as they become durable, and the operators.
//!
//! A standby asks again and again: each answer has what is durable and what becomes so within
//! [`COPY_WAIT_TIME_MAX`]. Between two answers, it counts as there for [`STANDBY_GONE_TIME`].

use std::collections::BTreeMap;
use std::io::{self, BufWriter};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use engine::{Chain, StreamStart, StreamWriter};
use operators::{Name, People, Permission};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::access::state::blocking;
use crate::limits::{COPY_WAIT_TIME_MAX, EXPORT_PART_LEN, OPERATORS_LOOK_TIME, STANDBY_GONE_TIME};
use crate::usecases::app::App;
use crate::usecases::export::{Buffered, Recipient, Written, written_to};
use crate::web::stream_body::{self, StreamBody};

const NEEDED: Permission = Permission::CopyLedger;

/// The standbys that copy the ledger, by the operator whose token they use.
#[derive(Default)]
pub(crate) struct Standbys {
    known: Mutex<BTreeMap<Name, Standby>>,
}

#[derive(Default)]
struct Standby {
    /// How many copies were asked for.
    asked: u64,
    /// How many of them are under way.
    under_way: usize,
    /// How many records of the ledger it has been sent.
    sent: u64,
}

/// A copy under way.
struct Copying {
    app: App,
    name: Name,
    next: u64,
    writer: StreamWriter<Buffered>,
    over: CancellationToken,
}

/// Starts to stream the records from number `from` on, for as long as the caller keeps the
/// permission. `chain` is that before the first of them; nothing is sent if it is another one.
pub(crate) async fn records(
    app: &App,
    to: Recipient,
    client: IpAddr,
    from: u64,
    chain: Option<Chain>,
) -> Result<StreamBody, Refusal> {
    to.who.must(NEEDED)?;
    let place = app.copies.take(client);
    let place = place.map_err(|why| Refusal::TooMuchAtOnce("copies of the ledger", why))?;
    let here = chain_before(app, from).await?;
    let here = here.filter(|here| chain.is_none_or(|chain| chain == *here));
    let chain = here.ok_or_else(|| Refusal::other_history(from))?;
    let over = app.stopping.child_token();
    let (writer, body) = stream_body::channel(over.clone(), app.limits.export_wait_max);
    let (app, name) = (Arc::clone(app), to.who.name.clone());
    let start = StreamStart { id: app.service.ledger(), sequence: from, chain };
    let out = BufWriter::with_capacity(EXPORT_PART_LEN, writer);
    let writer = StreamWriter::start(out, start)
        .map_err(|_| Refusal::unavailable("the copy could not be started"))?;
    app.standbys.begin(&name, from, app.service.view().events());
    let copying = Copying {
        app: Arc::clone(&app),
        name: name.clone(),
        next: from,
        writer,
        over: over.clone(),
    };
    tokio::spawn(async move {
        let writing = async { tokio::task::spawn_blocking(|| copying.write()).await? };
        let copied = written_to(&to, &app, NEEDED, &over, writing).await;
        drop(place);
        let error = copied.err().map(|error| error.to_string());
        // The central does not wait for who may come back.
        let standbys = Arc::clone(&app.standbys);
        drop(app);
        standbys.end(&name, error).await;
    });
    Ok(body)
}

/// Returns the operators once they have another version than `after`, or as they are after
/// [`COPY_WAIT_TIME_MAX`].
pub(crate) async fn operators(
    app: &App,
    who: &Caller,
    after: Option<u64>,
) -> Result<Arc<People>, Refusal> {
    let end = Instant::now() + COPY_WAIT_TIME_MAX;
    loop {
        // Who was disabled meanwhile does not get what is new.
        app.access.must_still(who, Some(NEEDED)).await?;
        let people = app.access.people().await?;
        if after != Some(people.version()) || Instant::now() >= end {
            return Ok(people);
        }
        if app.stopping.run_until_cancelled(sleep(OPERATORS_LOOK_TIME)).await.is_none() {
            return Ok(people);
        }
    }
}

/// Returns the chain before a record; `None` if the ledger does not reach up to there.
async fn chain_before(app: &App, record: u64) -> Result<Option<Chain>, Refusal> {
    let Some(last) = record.checked_sub(1) else {
        return Ok(Some(Chain::first(app.service.ledger())));
    };
    let service = Arc::clone(&app.service);
    let read = blocking("reading the ledger broke off", move || {
        let mut chain = None;
        let read = service.records(last, &mut |record| {
            chain = Some(record.chain);
            ControlFlow::Break(())
        });
        read.map(|()| chain)
    });
    Ok(read.await??)
}

impl Copying {
    /// Writes what is durable and what becomes so in time, and the end of the stream. Blocks.
    fn write(mut self) -> Written {
        let mut events = self.app.service.events();
        let mut end = None;
        loop {
            // Before the reading: what becomes durable meanwhile is read at once.
            events.mark_unchanged();
            self.write_durable()?;
            self.writer.flush()?;
            let end = *end.get_or_insert_with(|| Instant::now() + COPY_WAIT_TIME_MAX);
            let more = self.over.run_until_cancelled(timeout_at(end, events.changed()));
            match Handle::current().block_on(more) {
                Some(Ok(Ok(()))) => {}
                Some(Err(_)) => break,
                Some(Ok(Err(_))) | None => {
                    return Err(io::Error::other("the copy was ended").into());
                }
            }
        }
        let out = self.writer.finish()?;
        Ok(out.into_inner().map_err(io::IntoInnerError::into_error)?.end()?)
    }

    fn write_durable(&mut self) -> Written {
        let Self { app, name, next, writer, .. } = self;
        let mut written = Ok(());
        app.service.records(*next, &mut |record| {
            written = writer.add(&record);
            *next = record.sequence + 1;
            app.standbys.sent(name, *next);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(written?)
    }
}

impl Standbys {
    /// Returns how many records each standby has not been sent yet, of this many.
    pub(crate) fn behind(&self, records: u64) -> Vec<(Name, u64)> {
        let known = self.known.lock();
        known.iter().map(|(name, it)| (name.clone(), records.saturating_sub(it.sent))).collect()
    }

    fn begin(&self, name: &Name, from: u64, records: u64) {
        let mut known = self.known.lock();
        let standby = known.entry(name.clone()).or_default();
        standby.asked += 1;
        standby.under_way += 1;
        standby.sent = from;
        if standby.asked == 1 {
            let behind = records.saturating_sub(from);
            tracing::info!(action = "standby", result = "success", operator = %name, behind);
        }
    }

    fn sent(&self, name: &Name, records: u64) {
        if let Some(standby) = self.known.lock().get_mut(name) {
            standby.sent = standby.sent.max(records);
        }
    }

    /// Notes the end of a copy. Unless the standby asks for another one in time, it is gone; at
    /// once after an error.
    async fn end(&self, name: &Name, error: Option<String>) {
        let asked = {
            let mut known = self.known.lock();
            let Some(standby) = known.get_mut(name) else { return };
            standby.under_way -= 1;
            standby.asked
        };
        if error.is_none() {
            sleep(STANDBY_GONE_TIME).await;
        }
        let mut known = self.known.lock();
        let is_gone = |it: &Standby| it.under_way == 0 && it.asked == asked;
        if known.get(name).is_some_and(is_gone) {
            known.remove(name);
            let error = error.as_deref().unwrap_or("it does not ask for more records");
            tracing::warn!(action = "standby", result = "fail", operator = %name, error);
        }
    }
}
