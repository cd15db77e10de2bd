//! The writer: decides requests in order, and makes what they decide durable group by group.
//!
//! One [`Engine`] owns the rules' state and the end of the log. A turn takes all requests that are
//! pending, decides each against the state as the ones before left it, encodes the events into one
//! buffer, writes that durably, publishes what it changed, and only then answers them all, refusals
//! and queries included: what an answer says can no longer be undone, and is in the published view.
//! It has no thread of its own; see [`crate::ledger`].
//!
//! After a write that failed nobody knows what is on disk: the engine is poisoned, answers
//! everything with the reason, and writes nothing more.

use std::io;
use std::sync::Arc;

use lottery::planted::{Bug, planted};
use lottery::{
    ActError, Acted, AgencyId, AgencyProgress, AppendError, Appended, Batch, Done, DrawId,
    DrawTerms, Draws, Event, FinishError, Finished, Judge, OpenDrawError, ProgressError, Publisher,
    Ruling, SealedNumber, Signed, StoreFault, Timestamp, View,
};

use crate::block_buffer::BlockBuffer;
use crate::body::Body;
use crate::contents::Contents;
use crate::disk::DiskFile;
use crate::groups::Groups;
use crate::limits::{BLOCK_LEN, FOLLOWING_LEN_MAX, GROUP_LEN_MAX, RECORDS_OFFSET};
use crate::record::{self, Chain, Fingerprint, LedgerId, Place};
use crate::recovery::Recovered;
use crate::segment::SegmentHeader;
use crate::segments::{Segment, Segments};

/// What is asked of the engine, each with what runs with the outcome.
pub(crate) enum Request {
    OpenDraw(DrawTerms, SealedNumber, Timestamp, Done<Result<DrawId, OpenDrawError>>),
    Append(Batch, Timestamp, Done<Result<Appended, AppendError>>),
    Finish(DrawId, AgencyId, Timestamp, Done<Result<Finished, FinishError>>),
    Progress(DrawId, AgencyId, Done<Result<AgencyProgress, ProgressError>>),
    Act(Box<Signed>, Judge, Timestamp, Done<Result<Acted, ActError>>),
    Check(Done<Result<(), StoreFault>>),
}

impl Request {
    /// Answers without deciding anything.
    pub(crate) fn refuse(self, fault: StoreFault) {
        match self {
            Self::OpenDraw(_, _, _, done) => done(Err(fault.into())),
            Self::Append(_, _, done) => done(Err(fault.into())),
            Self::Finish(_, _, _, done) => done(Err(fault.into())),
            Self::Progress(_, _, done) => done(Err(fault.into())),
            Self::Act(_, _, _, done) => done(Err(fault.into())),
            Self::Check(done) => done(Err(fault)),
        }
    }
}

/// Where new segments come from and full ones go.
pub(crate) trait SegmentSource: Send {
    /// The file for the segment with this number: as long as a segment, all zeros, its name
    /// durable.
    fn next(&mut self, number: u64) -> Result<Box<dyn DiskFile>, StoreFault>;

    /// Waits until what is kept in store is complete, or can't be.
    fn stock_up(&mut self);

    /// Takes a segment that nothing more is written to, to give it its index. The next one holds
    /// something durable: whoever finds a sealed segment knows that records are to follow it.
    fn seal(&mut self, segment: Arc<Segment>);

    /// Is told of each group that was written, and how many bytes it took.
    fn written(&self, _len: usize) {}

    /// Why nothing more may be written, if something was found that forbids it.
    fn alarm(&self) -> Option<String>;

    /// See [`Disk::check_place`](crate::disk::Disk::check_place).
    fn check_place(&self) -> io::Result<()>;

    /// Whether there is room again after it was wanted in vain; what failed for want of it is tried
    /// again.
    fn check_room(&mut self) -> Result<(), StoreFault> {
        Ok(())
    }
}

/// See the module's documentation.
pub(crate) struct Engine {
    draws: Draws,
    publisher: Publisher,
    segments: Segments,
    source: Box<dyn SegmentSource>,
    segment_len: u64,
    next_sequence: u64,
    ledger: LedgerId,
    chain: Chain,
    /// Sequence of the first record that is not durable yet.
    group: u64,
    active: Option<Active>,
    /// Records that are not durable yet, behind the part of their first block that is.
    buffer: BlockBuffer,
    answers: Vec<Answer>,
    groups: Arc<Groups>,
    /// How often it was checked that everything is in its place.
    checks: usize,
    poison: Option<StoreFault>,
}

/// The segment being written.
struct Active {
    segment: Arc<Segment>,
    /// Where the buffer's first byte goes.
    buffer_offset: u64,
    /// The segment before, until something is durable in this one.
    left: Option<Arc<Segment>>,
}

/// Answers a request, once it is known whether what was decided is durable.
type Answer = Box<dyn FnOnce(Result<(), StoreFault>) + Send>;

impl Engine {
    /// Goes on where a folder's content ends.
    pub(crate) fn new(
        recovered: Recovered,
        source: Box<dyn SegmentSource>,
        segment_len: u64,
        new_id: LedgerId,
    ) -> Result<Self, crate::error::Fault> {
        let Recovered { draws, segments, next_sequence, end, .. } = recovered;
        let (ledger, chain) = end.unwrap_or((new_id, Chain::first(new_id)));
        let mut buffer = BlockBuffer::new(GROUP_LEN_MAX + BLOCK_LEN);
        let mut in_use = segments.snapshot();
        let active = match in_use.pop() {
            None => None,
            Some(segment) => Some(Active::resume(segment, in_use.pop(), &mut buffer)?),
        };
        Ok(Self {
            publisher: Publisher::of(&draws),
            draws,
            segments,
            source,
            segment_len,
            next_sequence,
            ledger,
            chain,
            group: next_sequence,
            active,
            buffer,
            answers: Vec::new(),
            groups: Arc::default(),
            checks: 0,
            poison: None,
        })
    }

    /// What is published of what is durable.
    pub(crate) fn view(&self) -> &View {
        self.publisher.view()
    }

    /// Counts the groups that it writes.
    pub(crate) fn groups(&self) -> &Arc<Groups> {
        &self.groups
    }

    /// Makes sure that there is a segment to write to, and others ready behind it, so that nothing
    /// need be prepared beside the intake for a while.
    pub(crate) fn start(&mut self) -> Result<(), StoreFault> {
        self.source.stock_up();
        if self.active.is_none() {
            self.rotate()?;
            self.source.stock_up();
        }
        Ok(())
    }

    /// Decides the requests in order, and answers them all once what they decided is durable.
    pub(crate) fn turn(&mut self, requests: impl Iterator<Item = Request>) {
        if let (None, Some(why)) = (&self.poison, self.source.alarm()) {
            self.poison = Some(StoreFault::Failed(why));
        }
        for request in requests {
            self.decide(request);
        }
        self.flush();
    }

    fn decide(&mut self, request: Request) {
        match request {
            Request::OpenDraw(terms, number, at, done) => {
                let ruling = self.draws.decide_open(terms, number);
                self.follow(ruling, None, at, done);
            }
            Request::Append(batch, at, done) => {
                let ruling = self.draws.decide_append(&batch, at);
                self.follow(ruling, Some(&batch), at, done);
            }
            Request::Finish(draw, agency, at, done) => {
                let ruling = self.draws.decide_finish(draw, agency);
                self.follow(ruling, None, at, done);
            }
            Request::Progress(draw, agency, done) => {
                let progress = self.draws.progress(draw, agency);
                self.answer_when_durable(progress, done);
            }
            Request::Act(signed, judge, at, done) => {
                let ruling = self.draws.decide_act(&signed, judge, at);
                self.follow(ruling, None, at, done);
            }
            Request::Check(done) => {
                if self.poison.is_none()
                    && let Err(error) = self.check_places()
                {
                    self.poison = Some(StoreFault::Failed(error.to_string()));
                }
                let room = self.source.check_room();
                self.answer_when_durable(room, done);
            }
        }
    }

    /// Finds whether the folder, the segment being written and, in turn, one of all segments are
    /// where they are looked for at the next opening.
    fn check_places(&mut self) -> io::Result<()> {
        self.source.check_place()?;
        if let Some(active) = &self.active {
            active.segment.file.check_place()?;
        }
        let turn = self.segments.in_turn(self.checks);
        self.checks = self.checks.wrapping_add(1);
        turn.map_or(Ok(()), |segment| segment.file.check_place())
    }

    fn follow<T: Send + 'static, E: From<StoreFault> + Send + 'static>(
        &mut self,
        ruling: Result<Ruling<T>, E>,
        batch: Option<&Batch>,
        at: Timestamp,
        done: Done<Result<T, E>>,
    ) {
        let outcome = ruling.and_then(|Ruling { outcome, event }| {
            event.map_or(Ok(()), |event| self.write(&event, batch, at))?;
            Ok(outcome)
        });
        self.answer_when_durable(outcome, done);
    }

    fn answer_when_durable<T: Send + 'static, E: From<StoreFault> + Send + 'static>(
        &mut self,
        outcome: Result<T, E>,
        done: Done<Result<T, E>>,
    ) {
        self.answers.push(Box::new(move |durable| {
            done(durable.map_err(E::from).and(outcome));
        }));
    }

    /// Puts an event, and all that follows from it, behind the others and into the state; they are
    /// durable, together, after the next flush.
    fn write(
        &mut self,
        event: &Event,
        batch: Option<&Batch>,
        at: Timestamp,
    ) -> Result<(), StoreFault> {
        let body = Body::of(event, batch);
        let following_len = if batch.is_some() { 0 } else { FOLLOWING_LEN_MAX };
        self.make_room(body.record_len() + following_len)?;
        let following = self.draws.carry_out(event, at);
        let bodies = following.iter().map(|event| (event, Body::of(event, None)));
        let bodies: Vec<_> = bodies.collect();
        let followed_len = bodies.iter().map(|(_, body)| body.record_len()).sum::<usize>();
        assert!(followed_len <= following_len, "a decision is in one group and one segment");
        let mut left = u16::try_from(bodies.len()).expect("little follows from an event");
        self.encode(event, &body, batch, at, left);
        for (event, body) in bodies {
            left -= 1;
            self.encode(event, &body, None, at, left);
        }
        Ok(())
    }

    /// Makes sure that so many bytes go into the group and the segment; if they did not, what is in
    /// the group is made durable.
    fn make_room(&mut self, len: usize) -> Result<(), StoreFault> {
        if self.buffer.len() + len > GROUP_LEN_MAX {
            self.flush();
        }
        if self.room_left() < len as u64 {
            self.flush();
            if self.poison.is_none() {
                self.rotate()?;
            }
        }
        self.poison.clone().map_or(Ok(()), Err)
    }

    fn encode(
        &mut self,
        event: &Event,
        body: &Body<'_>,
        batch: Option<&Batch>,
        at: Timestamp,
        left: u16,
    ) {
        let active = self.active.as_ref().expect("rotate() left a segment with room");
        let place = Place {
            sequence: self.next_sequence,
            group: self.group,
            at_ms: at.0,
            left,
            segment: active.segment.header.number,
            chain: self.chain,
        };
        let offset = active.buffer_offset + self.buffer.len() as u64;
        let offset = usize::try_from(offset).expect("a segment fits memory");
        let record = self.buffer.extend(body.record_len());
        let header = record::encode(body, &place, record);
        let mut contents = active.segment.contents();
        match (event, batch) {
            (Event::BatchAccepted(summary), Some(batch)) => {
                contents.add_batch(offset, *summary, batch.bets.keys());
            }
            _ => {
                let body = &record[record::HEADER_LEN..][..header.body_len()];
                contents.add_event(offset, Fingerprint::of(&header, body));
            }
        }
        drop(contents);
        self.chain = header.chain;
        self.next_sequence += 1;
        self.publisher.note(event);
    }

    /// Makes what is in the buffer durable, publishes it, and answers.
    fn flush(&mut self) {
        if planted(Bug::ToldBeforeDurable) {
            self.publisher.publish(&self.draws);
        }
        if planted(Bug::AcknowledgedBeforeSync) {
            self.answers.drain(..).for_each(|answer| answer(Ok(())));
        }
        if self.poison.is_none()
            && let Some(active) = &mut self.active
            && self.group < self.next_sequence
        {
            match active.write(&mut self.buffer) {
                Ok(len) => {
                    self.groups.add(self.next_sequence - self.group);
                    self.group = self.next_sequence;
                    self.publisher.publish(&self.draws);
                    self.source.written(len);
                    if let Some(left) = active.left.take() {
                        self.source.seal(left);
                    }
                }
                Err(error) => {
                    let name = crate::segment::name(active.segment.header.number);
                    self.poison = Some(StoreFault::Failed(format!("writing {name}: {error}")));
                }
            }
        }
        let durable = self.poison.clone().map_or(Ok(()), Err);
        for answer in self.answers.drain(..) {
            answer(durable.clone());
        }
    }

    fn room_left(&self) -> u64 {
        self.active.as_ref().map_or(0, |active| {
            active.segment.header.len - active.buffer_offset - self.buffer.len() as u64
        })
    }

    /// Goes on to a new segment. Everything written before is durable.
    fn rotate(&mut self) -> Result<(), StoreFault> {
        assert_eq!(self.group, self.next_sequence, "a segment is left only when it is durable");
        let number = self.active.as_ref().map_or(0, |active| active.segment.header.number) + 1;
        let file = self.source.next(number).inspect_err(|fault| {
            if !fault.may_pass() {
                self.poison = Some(fault.clone());
            }
        })?;
        let header = SegmentHeader {
            number,
            first_sequence: self.next_sequence,
            len: self.segment_len,
            chain: self.chain,
            ledger: self.ledger,
        };
        let mut block = BlockBuffer::new(BLOCK_LEN);
        block.extend(BLOCK_LEN).copy_from_slice(&header.to_block());
        let written = if planted(Bug::HeaderNotSynced) {
            file.write_at(0, block.blocks())
        } else {
            file.write_durable(0, block.blocks())
        };
        if let Err(error) = written {
            let name = crate::segment::name(number);
            let fault = StoreFault::Failed(format!("writing the header of {name}: {error}"));
            self.poison = Some(fault.clone());
            return Err(fault);
        }
        let segment =
            Arc::new(Segment::new(file, header, Contents::default(), RECORDS_OFFSET as u64));
        self.segments.push(Arc::clone(&segment));
        let left = self.active.take().map(|full| full.segment);
        self.active = Some(Active { segment, buffer_offset: RECORDS_OFFSET as u64, left });
        self.buffer.clear();
        Ok(())
    }
}

impl Active {
    /// Goes on behind the last record of a segment, taking up the part of its last block that it
    /// fills.
    fn resume(
        segment: Arc<Segment>,
        before: Option<Arc<Segment>>,
        buffer: &mut BlockBuffer,
    ) -> Result<Self, crate::error::Fault> {
        let end = segment.end();
        let partial = end % BLOCK_LEN as u64;
        let buffer_offset = end - partial;
        let kept = buffer.extend(usize::try_from(partial).expect("less than a block"));
        segment.file.read_at(buffer_offset, kept).map_err(|error| {
            crate::error::Fault::io("reading", &crate::segment::name(segment.header.number), error)
        })?;
        let left = before.filter(|before| before.index.get().is_none());
        Ok(Self { segment, buffer_offset, left })
    }

    /// Makes what is in the buffer durable; gives how many bytes were written for it.
    fn write(&mut self, buffer: &mut BlockBuffer) -> io::Result<usize> {
        let file = &self.segment.file;
        let len = buffer.blocks().len();
        let mut written = file.write_durable(self.buffer_offset, buffer.blocks());
        if planted(Bug::FailedSyncRetried) {
            written = written.or_else(|_| file.sync());
        }
        written?;
        let end = self.buffer_offset + buffer.len() as u64;
        self.segment.extend(end);
        buffer.keep_partial_block();
        self.buffer_offset = end - buffer.len() as u64;
        Ok(len)
    }
}
