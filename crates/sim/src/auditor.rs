//! The auditor: records what agencies sent and were told, reads the durable bytes whenever the
//! central ends or has recovered, and compares the two.
//!
//! Invariants:
//! - it never asks the central and shares no code with it or with the rules of [`lottery`]: what
//!   an agency must get is computed here from the agency's own file;
//! - it reads the ledger only from outside, with [`ledger::Archive`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::Record;
use ledger::disk::simulated::SimulatedDisk;
use ledger::{Archive, Fault};
use lottery::{DrawId, DrawState, Event, View};

use crate::setting::{DRAW_NAMES, Key, Setting};
use crate::wrong::{Wrong, wrong};

/// The state of the auditor; see the module documentation.
#[derive(Debug)]
pub(crate) struct Auditor {
    accounts: BTreeMap<Key, Account>,
    draws: usize,
    winning_number: u32,
}

/// What is known of one agency in one draw, across all its crashes.
#[derive(Debug, Default)]
struct Account {
    /// The bets of each chunk of the agency's file.
    file: Vec<String>,
    sent: BTreeSet<u32>,
    acknowledged: BTreeSet<u32>,
    finish_sent: bool,
    finish_acknowledged: bool,
    got_winners: bool,
    gave_up: bool,
}

/// Totals of what the ledger holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) batches: u64,
    pub(crate) bets: u64,
    pub(crate) segments: u64,
}

/// The contents of the ledger, as read so far.
#[derive(Default)]
struct Reading {
    stored: BTreeSet<(Key, u32)>,
    finished: BTreeSet<Key>,
    /// The draws that were opened, by index.
    draws: Vec<OfDraw>,
}

/// The events read of one draw.
#[derive(Debug, Default)]
struct OfDraw {
    bets: u64,
    closed: u64,
    drawn: u64,
    published: u64,
}

impl Auditor {
    pub(crate) fn new(setting: &Setting) -> Self {
        let accounts = setting.files.iter().map(|file| {
            let chunks = file.chunks.iter().map(|chunk| chunk.text.clone()).collect();
            (file.key(), Account { file: chunks, ..Account::default() })
        });
        let (draws, winning_number) = (setting.draws(), setting.winning_number);
        Self { accounts: accounts.collect(), draws, winning_number }
    }

    pub(crate) fn sent(&mut self, agency: Key, chunk: u32) {
        self.account(agency).sent.insert(chunk);
    }

    pub(crate) fn acknowledged(&mut self, agency: Key, chunk: u32) -> Result<(), Wrong> {
        let account = self.account(agency);
        account.acknowledged.insert(chunk);
        if account.sent.contains(&chunk) {
            return Ok(());
        }
        wrong(format!("chunk {chunk} of agency {agency} was acknowledged and never sent"))
    }

    /// Lets an agency that never sent FINISH give up for good; returns whether it did. Once one
    /// has, no draw takes place.
    pub(crate) fn gives_up(&mut self, agency: Key) -> bool {
        let account = self.account(agency);
        account.gave_up = !account.finish_sent;
        account.gave_up
    }

    /// Returns whether an agency gave up, so that its draw can't take place.
    pub(crate) fn someone_gave_up(&self) -> bool {
        self.accounts.values().any(|account| account.gave_up)
    }

    /// Returns whether all agencies of a draw have sent FINISH.
    pub(crate) fn all_sent_finish(&self, draw: DrawId) -> bool {
        let mut of_draw = self.accounts.iter().filter(|(key, _)| key.draw == place(draw));
        of_draw.all(|(_, account)| account.finish_sent)
    }

    /// Returns an acknowledged chunk of the agency, if there is one.
    pub(crate) fn acknowledged_chunk(&self, agency: Key) -> Option<u32> {
        self.accounts.get(&agency)?.acknowledged.first().copied()
    }

    /// Returns whether the agency knows that it has finished.
    pub(crate) fn has_finished(&self, agency: Key) -> bool {
        self.accounts.get(&agency).is_some_and(|account| account.finish_acknowledged)
    }

    pub(crate) fn finish_sent(&mut self, agency: Key) {
        self.account(agency).finish_sent = true;
    }

    pub(crate) fn finish_acknowledged(&mut self, agency: Key) -> Result<(), Wrong> {
        let account = self.account(agency);
        account.finish_acknowledged = true;
        if account.finish_sent {
            return Ok(());
        }
        wrong(format!("FINISH of agency {agency} was acknowledged and never sent"))
    }

    /// Checks a WELCOME: how many chunks it reports as stored, and whether the agency, or the whole
    /// draw, has finished.
    pub(crate) fn welcomed(
        &mut self,
        agency: Key,
        chunks_stored: u64,
        finished: bool,
    ) -> Result<(), Wrong> {
        let account = self.account(agency);
        let kept = (0..).zip(&account.acknowledged).take_while(|(at, chunk)| at == *chunk).count();
        if chunks_stored < kept as u64 {
            return wrong(format!(
                "{kept} chunks of agency {agency} were acknowledged, now {chunks_stored} are stored"
            ));
        }
        if (0..)
            .zip(&account.file)
            .any(|(chunk, _)| u64::from(chunk) < chunks_stored && !account.sent.contains(&chunk))
        {
            return wrong(format!("of agency {agency} a chunk is stored that was never sent"));
        }
        if account.finish_acknowledged && !finished {
            return wrong(format!("FINISH of agency {agency} was acknowledged, and forgotten"));
        }
        if finished && !account.finish_sent {
            return wrong(format!("agency {agency} never sent FINISH, and is said to have"));
        }
        // As good as an acknowledgement of FINISH, which may have been lost.
        account.finish_acknowledged |= finished;
        Ok(())
    }

    pub(crate) fn got_winners(&mut self, agency: Key, documents: &[String]) -> Result<(), Wrong> {
        let mut of_draw = self.accounts.iter().filter(|(key, _)| key.draw == agency.draw);
        if let Some((late, _)) = of_draw.find(|(_, account)| !account.finish_sent) {
            return wrong(format!("agency {agency} got winners before agency {late} finished"));
        }
        let number = self.winning_number.to_string();
        let account = self.account(agency);
        account.got_winners = true;
        let mut expected = account.winners(&number);
        // Winners come in the order in which the chunks were stored, which differs from the file's
        // order when a chunk was refused for a while.
        let mut documents = documents.to_vec();
        expected.sort_unstable();
        documents.sort_unstable();
        if documents == expected {
            return Ok(());
        }
        wrong(format!("agency {agency} got the winners {documents:?} and not {expected:?}"))
    }

    /// Compares the durable contents of a disk with what was acknowledged and with the last view of
    /// the central's readers. Called whenever the central ends.
    pub(crate) fn check_durable(&self, disk: &SimulatedDisk, view: &View) -> Result<(), Wrong> {
        let (reading, _) = self.read(disk)?;
        reading.check_error(view)
    }

    /// Compares the durable contents of a disk with what was acknowledged, after a recovery of the
    /// central: no torn tail may be left.
    pub(crate) fn check_recovered(&self, disk: &SimulatedDisk) -> Result<(), Wrong> {
        match self.read(disk)?.1 {
            0 => Ok(()),
            bytes => wrong(format!("after a recovery {bytes} bytes of a torn tail are left")),
        }
    }

    /// Reads and checks the contents of a disk; also returns the length of its torn tail.
    fn read(&self, disk: &SimulatedDisk) -> Result<(Reading, u64), Wrong> {
        let mut reading = Reading::default();
        let torn_bytes = match Archive::open_on(Arc::new(disk.clone())) {
            Err(Fault::NoLedger) => 0,
            archive => {
                let archive = archive.map_err(Wrong::from)?;
                archive.check(|record| self.take(&record, &mut reading))?.torn_bytes
            }
        };
        self.check_kept(&reading)?;
        self.check_whole(&reading)?;
        Ok((reading, torn_bytes))
    }

    /// Compares the ledger with all that is known, at the end of a run.
    pub(crate) fn judge(&self, disk: &SimulatedDisk) -> Result<Holdings, Wrong> {
        let archive = Archive::open_on(Arc::new(disk.clone())).map_err(Wrong::from)?;
        let mut reading = Reading::default();
        let summary = archive.check(|record| self.take(&record, &mut reading))?;
        let made = u64::from(!self.someone_gave_up());
        let is_over = |draw: &OfDraw| (draw.closed, draw.drawn) == (made, made);
        let draws_over = reading.draws.iter().filter(|draw| is_over(draw)).count();
        if (summary.torn_bytes, reading.draws.len(), draws_over) != (0, self.draws, self.draws) {
            return wrong(format!(
                "the ledger ends with {} torn bytes, {} draws opened and {draws_over} at their end",
                summary.torn_bytes,
                reading.draws.len()
            ));
        }
        self.check_kept(&reading)?;
        for (agency, account) in self.accounts.iter().filter(|(_, account)| !account.gave_up) {
            let stored = |chunk: &u32| reading.stored.contains(&(*agency, *chunk));
            if (0..).zip(&account.file).any(|(chunk, _)| !stored(&chunk)) {
                return wrong(format!("of agency {agency} a chunk never came to be stored"));
            }
            let draw_made = made == 1;
            if !reading.finished.contains(agency) || account.got_winners != draw_made {
                return wrong(format!("agency {agency} did not come to its end"));
            }
        }
        let batches = reading.stored.len() as u64;
        let bets = reading.draws.iter().map(|draw| draw.bets).sum();
        Ok(Holdings { batches, bets, segments: summary.segments })
    }

    /// Checks that everything acknowledged is stored.
    fn check_kept(&self, reading: &Reading) -> Result<(), Wrong> {
        for (agency, account) in &self.accounts {
            let lost = account
                .acknowledged
                .iter()
                .find(|chunk| !reading.stored.contains(&(*agency, **chunk)));
            if let Some(chunk) = lost {
                return wrong(format!(
                    "chunk {chunk} of agency {agency} was acknowledged, and is not durable"
                ));
            }
            if account.finish_acknowledged && !reading.finished.contains(agency) {
                return wrong(format!(
                    "FINISH of agency {agency} was acknowledged, and is not durable"
                ));
            }
            let drawn = reading.draws.get(agency.draw).map(|draw| draw.drawn);
            if account.got_winners && drawn != Some(1) {
                return wrong(format!("agency {agency} got winners, and the draw is not durable"));
            }
        }
        Ok(())
    }

    /// Checks that a draw is closed, drawn and published exactly when its last FINISH is stored.
    fn check_whole(&self, reading: &Reading) -> Result<(), Wrong> {
        for (id, draw) in (1..).map(DrawId).zip(&reading.draws) {
            let over = u64::from(self.all_finished(id, reading));
            if [draw.closed, draw.drawn, draw.published] != [over; 3] {
                return wrong(format!(
                    "draw {id} is between its last FINISH and its end: {draw:?}"
                ));
            }
        }
        Ok(())
    }

    fn take(&self, record: &Record<'_>, reading: &mut Reading) -> Result<(), Wrong> {
        match record.event {
            Event::DrawOpened { terms, .. } => {
                let expected = DRAW_NAMES[..self.draws].get(reading.draws.len());
                if expected != Some(&terms.name.as_str()) {
                    return wrong(format!("a draw '{}' was opened", terms.name));
                }
                reading.draws.push(OfDraw::default());
            }
            Event::BatchAccepted(batch) => {
                let key = Key { draw: place(batch.draw), agency: batch.agency.0 };
                self.take_batch((key, batch.chunk.0), record.text, reading)?;
            }
            Event::AgencyFinished { draw, agency } => {
                let agency = Key { draw: place(*draw), agency: agency.0 };
                let known = self.accounts.get(&agency);
                if !known.is_some_and(|account| account.finish_sent) {
                    return wrong(format!("agency {agency} never sent FINISH, and finished"));
                }
                if !reading.finished.insert(agency) {
                    return wrong(format!("agency {agency} finished twice"));
                }
            }
            Event::DrawClosed { draw, bets, .. } => {
                let found = reading.of(*draw);
                found.closed += 1;
                if *bets != found.bets {
                    return wrong(format!("the draw was closed with {bets} bets"));
                }
                if !self.all_finished(*draw, reading) {
                    return wrong("the draw was closed before the last FINISH");
                }
            }
            Event::DrawMade { draw, attempt, number } => {
                reading.of(*draw).drawn += 1;
                if (*number, *attempt) != (self.winning_number, 1) {
                    return wrong(format!("the draw was made with {number}, result {attempt}"));
                }
                if !self.all_finished(*draw, reading) {
                    return wrong("the draw was made before the last FINISH");
                }
            }
            Event::DrawPublished { draw } => {
                let found = reading.of(*draw);
                found.published += 1;
                if found.drawn != 1 {
                    return wrong("the draw was published before it was made");
                }
            }
            Event::Acted(_) => return wrong("somebody acted, and there are no operators"),
        }
        Ok(())
    }

    fn take_batch(
        &self,
        (agency, chunk): (Key, u32),
        text: &str,
        reading: &mut Reading,
    ) -> Result<(), Wrong> {
        let name = format!("chunk {chunk} of agency {agency}");
        let account = self.accounts.get(&agency);
        let Some(account) = account.filter(|account| account.sent.contains(&chunk)) else {
            return wrong(format!("{name} is stored and was never sent"));
        };
        if account.file.get(chunk as usize).map(String::as_str) != Some(text) {
            return wrong(format!("{name} is stored with other bets: {text}"));
        }
        if reading.finished.contains(&agency) || reading.draws[agency.draw].closed > 0 {
            return wrong(format!("{name} was stored after its agency's FINISH"));
        }
        if !reading.stored.insert((agency, chunk)) {
            return wrong(format!("{name} is stored twice"));
        }
        reading.draws[agency.draw].bets += text.split('&').count() as u64;
        Ok(())
    }

    fn all_finished(&self, draw: DrawId, reading: &Reading) -> bool {
        let mut agencies = self.accounts.keys().filter(|key| key.draw == place(draw));
        agencies.all(|key| reading.finished.contains(key))
    }

    fn account(&mut self, agency: Key) -> &mut Account {
        self.accounts.get_mut(&agency).expect("only the agencies of the setting report")
    }
}

impl Reading {
    /// Returns the events of a draw. An archive yields no events of a draw that was not opened.
    fn of(&mut self, draw: DrawId) -> &mut OfDraw {
        &mut self.draws[place(draw)]
    }

    /// Checks that readers saw nothing that is not durable.
    fn check_error(&self, view: &View) -> Result<(), Wrong> {
        for status in view.all_draws() {
            let (id, at) = (status.id, place(status.id));
            let Some(draw) = self.draws.get(at) else {
                return wrong(format!("draw {id} was seen, and is not durable"));
            };
            let is_closed = status.state >= DrawState::Closed;
            let is_drawn = matches!(status.state, DrawState::Drawn { .. });
            if status.bets > draw.bets
                || u64::from(is_closed) > draw.closed
                || u64::from(is_drawn) > draw.drawn
            {
                return wrong(format!("of draw {id} was seen what is not durable: {status:?}"));
            }
            for totals in view.all_begun(id) {
                let agency = Key { draw: at, agency: totals.agency.0 };
                let stored = self.stored.range((agency, 0)..=(agency, u32::MAX)).count() as u64;
                if totals.batches > stored || (totals.finished && !self.finished.contains(&agency))
                {
                    let seen = format!("{totals:?}");
                    return wrong(format!(
                        "of agency {agency} was seen what is not durable: {seen}"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn place(draw: DrawId) -> usize {
    draw.0 as usize - 1
}

impl Account {
    /// Returns the documents of the bets on `number`, in the order of the file.
    fn winners(&self, number: &str) -> Vec<String> {
        let bets = self.file.iter().flat_map(|text| text.split('&'));
        let fields = bets.map(|bet| bet.split('|').collect::<Vec<_>>());
        let won = fields.filter(|fields| fields.last() == Some(&number));
        won.map(|fields| fields[2].to_owned()).collect()
    }
}
