//! An agency: sends its file over any connection it gets, finishes and asks for its winners.
//!
//! Its file is the only state that survives a crash. It reports every reply to the auditor. A
//! reply that a correct central never sends fails the run: a refusal not caused by the central's
//! own troubles, other bets than the file's, or fewer chunks stored than were acknowledged.

use wire::{AgencyEvent, AgencySession, DrawName, DrawState, ErrorCode, Mode, Welcome};

use crate::limits::{AWAY_TIME, PAUSE_TIME};
use crate::network::{End, Link, Read};
use crate::setting::{DRAW_NAMES, File};
use crate::world::World;
use crate::wrong::{Wrong, wrong};

/// The state of one agency; see the module documentation.
pub(crate) struct Agency<'a> {
    file: &'a File,
    frame_len_max: u32,
    connection: Option<Connection>,
    /// The agency does nothing before this tick.
    wakes_at: u64,
    /// Chunks `0..confirmed` are known to be stored.
    confirmed: usize,
    finished: bool,
    /// Whether FINISH is to be sent once more.
    repeats_finish: bool,
    /// Set once the central has asked which draw is meant. From then on the agency says so: by
    /// name or, if its mode has no names, by connecting to the address bound to the draw.
    says_which: bool,
    done: bool,
}

struct Connection {
    link: Link,
    session: AgencySession,
    welcomed: bool,
    /// The chunk to send next.
    next: usize,
    documents: Vec<String>,
}

/// Whether to keep the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Stay,
    Leave,
}

impl<'a> Agency<'a> {
    pub(crate) fn new(file: &'a File, frame_len_max: u32) -> Self {
        Self {
            file,
            frame_len_max,
            connection: None,
            wakes_at: 0,
            confirmed: 0,
            finished: false,
            repeats_finish: false,
            says_which: false,
            done: false,
        }
    }

    /// Returns whether the agency has its winners or gave up.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Returns whether the agency has nothing left to do except wait for a draw.
    pub(crate) fn only_waits(&self) -> bool {
        self.done || (self.finished && !self.repeats_finish)
    }

    /// Crashes the agency, which loses all state except its file.
    pub(crate) fn crash(&mut self, world: &mut World) {
        world.note("an agency crashes", [self.file.agency.into(), self.confirmed as u64]);
        world.faults.agency_crashes += 1;
        let agency = self.file.agency;
        world.network.lose_agency(&mut world.rng, world.now, agency, &mut world.faults);
        if self.file.gives_up && world.auditor.gives_up(self.file.key()) {
            world.faults.given_up += 1;
            self.connection = None;
            self.done = true;
            return;
        }
        let away = world.rng.u64(AWAY_TIME);
        *self = Self { wakes_at: world.now + away, ..Self::new(self.file, self.frame_len_max) };
    }

    pub(crate) fn step(&mut self, world: &mut World) -> Result<(), Wrong> {
        // No agency sends bets for a draw that is not open yet.
        if self.done || world.now < self.wakes_at || self.file.draw >= world.draws_open {
            return Ok(());
        }
        let Some(mut connection) = self.connection.take() else {
            self.connection = Some(self.connect(world));
            return Ok(());
        };
        let mut verdict = self.listen(&mut connection, world)?;
        if verdict == Verdict::Stay {
            verdict = self.talk(&mut connection, world)?;
        }
        let bytes = connection.session.outgoing();
        let from = (connection.link, End::Agency);
        world.network.send(&mut world.rng, world.now, from, bytes, &mut world.faults);
        connection.session.sent(bytes.len());
        if verdict == Verdict::Leave {
            world.network.close(connection.link, End::Agency);
            self.wakes_at = world.now + world.rng.u64(PAUSE_TIME);
        } else {
            self.connection = Some(connection);
        }
        Ok(())
    }

    fn connect(&self, world: &mut World) -> Connection {
        let (agency, mode) = (self.file.agency, self.file.mode);
        world.note("an agency connects", [agency.into(), self.confirmed as u64]);
        let names = world.rng.bool() || self.says_which;
        let name = if names { DRAW_NAMES[self.file.draw] } else { "" };
        let name = DrawName::new(name).expect("a short name");
        let up = world.central_up;
        let link =
            world.network.connect(&mut world.rng, world.now, (agency, up), &mut world.faults);
        if self.says_which && mode == Mode::Legacy {
            world.bound.insert(link, self.file.draw);
        }
        Connection {
            link,
            session: AgencySession::new(mode, agency, name, self.frame_len_max),
            welcomed: mode == Mode::Legacy,
            next: self.confirmed,
            documents: Vec::new(),
        }
    }

    fn listen(&mut self, connection: &mut Connection, world: &mut World) -> Result<Verdict, Wrong> {
        if connection.session.wants_input() {
            let by = (connection.link, End::Agency);
            let space = connection.session.space();
            match world.network.read(&mut world.rng, world.now, by, space) {
                Read::Bytes(count) => connection.session.filled(count),
                Read::Nothing => {}
                Read::Ended | Read::Broken => return Ok(Verdict::Leave),
            }
        }
        loop {
            match connection.session.next_event() {
                Ok(None) => return Ok(Verdict::Stay),
                Ok(Some(event)) => {
                    if self.hear(event, connection, world)? == Verdict::Leave {
                        return Ok(Verdict::Leave);
                    }
                }
                Err(violation) => {
                    return wrong(format!("agency {} was told {violation}", self.file.agency));
                }
            }
        }
    }

    fn hear(
        &mut self,
        event: AgencyEvent,
        connection: &mut Connection,
        world: &mut World,
    ) -> Result<Verdict, Wrong> {
        let (agency, key) = (self.file.agency, self.file.key());
        match event {
            AgencyEvent::Welcomed(welcome) => {
                self.resume(&welcome, world)?;
                connection.welcomed = true;
                connection.next = self.confirmed;
            }
            AgencyEvent::Acknowledged { chunk } => {
                world.note("a chunk is acknowledged", [agency.into(), chunk.into()]);
                world.auditor.acknowledged(key, chunk)?;
                self.confirmed = self.confirmed.max(chunk as usize + 1);
            }
            AgencyEvent::Finished => {
                world.note("FINISH is acknowledged", [agency.into(), 0]);
                world.auditor.finish_acknowledged(key)?;
                self.finished = true;
                self.repeats_finish = world.rng.u8(..4) == 0;
                // Existing agencies ask on a new connection.
                if self.file.mode == Mode::Legacy || world.rng.u8(..4) > 0 {
                    return Ok(Verdict::Leave);
                }
            }
            AgencyEvent::NoWinners => {
                world.faults.early_questions += 1;
                if world.rng.bool() {
                    return Ok(Verdict::Leave);
                }
                self.wakes_at = world.now + world.rng.u64(PAUSE_TIME);
            }
            AgencyEvent::Winners { documents, last } => {
                connection.documents.extend(documents.iter().map(str::to_owned));
                if last {
                    let count = connection.documents.len() as u64;
                    world.note("winners are told", [agency.into(), count]);
                    world.auditor.got_winners(key, &connection.documents)?;
                    self.done = true;
                    return Ok(Verdict::Leave);
                }
            }
            AgencyEvent::Refused { error, .. } => {
                let (code, reason) = (error.code(), error.reason());
                if may_pass(code) {
                    return Ok(Verdict::Leave);
                }
                if code == ErrorCode::NoOpenDraw && world.draws_open > 1 && !self.says_which {
                    world.faults.unnamed_refused += 1;
                    self.says_which = true;
                    return Ok(Verdict::Leave);
                }
                return wrong(format!("agency {agency} was refused: {code}: {reason}"));
            }
        }
        Ok(Verdict::Stay)
    }

    /// Validates a WELCOME and resumes from the state that it reports.
    fn resume(&mut self, welcome: &Welcome<'_>, world: &mut World) -> Result<(), Wrong> {
        let agency = self.file.agency;
        world.note("an agency is welcomed", [agency.into(), welcome.chunks_stored]);
        if welcome.draw_name.as_str() != DRAW_NAMES[self.file.draw] {
            return wrong(format!("agency {agency} is welcomed to {:?}", welcome.draw_name));
        }
        let finished = welcome.state != DrawState::Open;
        world.auditor.welcomed(self.file.key(), welcome.chunks_stored, finished)?;
        let stored = usize::try_from(welcome.chunks_stored).unwrap_or(usize::MAX);
        let Some(found) = self.file.chunks.get(..stored) else {
            return wrong(format!("agency {agency} has fewer chunks than the {stored} stored"));
        };
        if self.file.prefix(stored).0 != welcome.prefix_digest {
            return wrong(format!("the first {stored} chunks of agency {agency} are others"));
        }
        if found.iter().map(|chunk| chunk.bets).sum::<u64>() != welcome.bets_stored {
            return wrong(format!("agency {agency} has not {} bets stored", welcome.bets_stored));
        }
        if finished && stored < self.file.chunks.len() {
            return wrong(format!(
                "agency {agency} is said to have finished after {stored} chunks"
            ));
        }
        world.faults.resumed_chunks += stored.saturating_sub(self.confirmed) as u64;
        self.confirmed = stored;
        self.finished = finished;
        Ok(())
    }

    fn talk(&mut self, connection: &mut Connection, world: &mut World) -> Result<Verdict, Wrong> {
        let key = self.file.key();
        let session = &mut connection.session;
        if !connection.welcomed {
            return Ok(Verdict::Stay);
        }
        let idle = !session.awaits_reply();
        // Sometimes the agency asks long before the winners can be known.
        if idle && !self.finished && world.strikes(60) {
            return ask(session, "GET_WINNERS", AgencySession::send_get_winners);
        }
        while session.can_send() > 0
            && session.in_flight().count() < self.file.window
            && let Some(batch) = self.file.chunks.get(connection.next)
        {
            let chunk = u32::try_from(connection.next).expect("a file here is short");
            ask(session, "BETS", |session| session.send_bets(chunk, &batch.frame))?;
            world.auditor.sent(key, chunk);
            connection.next += 1;
        }
        if self.confirmed < self.file.chunks.len() || session.awaits_reply() {
            return Ok(Verdict::Stay);
        }
        if !self.finished || self.repeats_finish {
            self.repeats_finish = false;
            world.auditor.finish_sent(key);
            return ask(session, "FINISH", AgencySession::send_finish);
        }
        ask(session, "GET_WINNERS", AgencySession::send_get_winners)
    }
}

/// Returns whether a refusal is caused by the central's own troubles, so that a retry makes sense.
pub(crate) fn may_pass(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::StorageFull | ErrorCode::StorageFailed | ErrorCode::ShuttingDown)
}

/// Sends a request that the session must accept in its current state.
fn ask(
    session: &mut AgencySession,
    what: &str,
    send: impl FnOnce(&mut AgencySession) -> Result<(), wire::SendError>,
) -> Result<Verdict, Wrong> {
    match send(session) {
        Ok(()) => Ok(Verdict::Stay),
        Err(error) => wrong(format!("{what} could not be sent: {error}")),
    }
}
