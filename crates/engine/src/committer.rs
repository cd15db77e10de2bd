//! Taking turns: what is pending is decided in order, stored as one group, published and answered.
//!
//! A turn begins with what others appended, and with what is due by the clock. Each request is then
//! decided against the state as the ones before left it. The group goes to the log; once that has
//! it, the view has it, and only then all are answered, refusals and questions included: what an
//! answer says can no longer be undone.
//!
//! What the log did not store is undone in the state. If it was away, the requests stay and are
//! decided anew; if it had no room, those that need some are refused, the others decided anew.
//! A log that failed takes nothing more: all are refused from then on.

use std::collections::VecDeque;
use std::sync::Arc;

use lottery::planted::{Bug, planted};
use lottery::{Batch, Draws, Event, Publisher, StoreFault, Timestamp, View};

use crate::clock::Clock;
use crate::groups::Groups;
use crate::limits::{ACT_LEN_MAX, AWAY_RETRY_TIME, GROUP_REQUESTS_MAX};
use crate::log::{Entry, Gone, Log, News, Recovered, Tip};
use crate::requests::{Deciding, Request};
use crate::sync::mpsc::{Receiver, RecvTimeoutError};
use crate::sync::receive_within;

/// See the module's documentation.
pub struct Committer {
    log: Box<dyn Log>,
    clock: Arc<dyn Clock>,
    draws: Draws,
    publisher: Publisher,
    /// Where the next event goes; begun anew with each turn.
    tip: Tip,
    requests: Receiver<Request>,
    /// Taken, in order, and not decided yet.
    waiting: VecDeque<Request>,
    group: Group,
    groups: Arc<Groups>,
    /// The view is of another history than the state.
    view_is_stale: bool,
    /// The log had no room in this turn.
    full: Option<StoreFault>,
    poison: Option<StoreFault>,
}

/// What was decided and is not stored yet.
#[derive(Default)]
struct Group {
    entries: Vec<Entry>,
    len: usize,
    room: usize,
    decided: Vec<Decided>,
}

/// A request, to be answered once the group is stored.
struct Decided {
    request: Request,
    made_event: bool,
}

/// Whether a turn goes on.
#[derive(PartialEq, Eq)]
enum Goes {
    On,
    /// What waits is decided in a later turn.
    Nowhere,
}

impl Committer {
    pub(crate) fn new(
        mut log: Box<dyn Log>,
        clock: Arc<dyn Clock>,
        requests: Receiver<Request>,
    ) -> Result<Self, Gone> {
        let Recovered { draws, tip } = log.recover()?;
        // What is there may be readable and not durable yet.
        log.commit(&[])?;
        Ok(Self {
            publisher: Publisher::of(&draws),
            log,
            clock,
            draws,
            tip,
            requests,
            waiting: VecDeque::new(),
            group: Group::default(),
            groups: Arc::default(),
            view_is_stale: false,
            full: None,
            poison: None,
        })
    }

    pub(crate) fn view(&self) -> &View {
        self.publisher.view()
    }

    pub(crate) fn groups(&self) -> &Arc<Groups> {
        &self.groups
    }

    pub(crate) fn log(&self) -> &dyn Log {
        &*self.log
    }

    /// Takes turns until the engine is dropped.
    pub(crate) fn run(mut self) {
        loop {
            if self.waiting.is_empty() {
                match self.requests.recv() {
                    Ok(first) => self.waiting.push_back(first),
                    Err(_) => return,
                }
            } else {
                // The log was away.
                match receive_within(&self.requests, AWAY_RETRY_TIME) {
                    Ok(next) => self.waiting.push_back(next),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            self.commit_group();
        }
    }

    /// Takes a turn, if something is pending; says whether something was.
    pub fn commit_group(&mut self) -> bool {
        let more = GROUP_REQUESTS_MAX.saturating_sub(self.waiting.len());
        self.waiting.extend(self.requests.try_iter().take(more));
        if self.waiting.is_empty() {
            return false;
        }
        self.full = None;
        while !self.waiting.is_empty() && self.poison.is_none() {
            if self.begin() == Goes::Nowhere {
                return true;
            }
            self.decide();
            if self.commit() == Goes::Nowhere {
                return true;
            }
        }
        if let Some(fault) = &self.poison {
            self.waiting.drain(..).for_each(|request| request.refuse(fault.clone()));
        }
        true
    }

    fn begin(&mut self) -> Goes {
        let (draws, publisher) = (&mut self.draws, &mut self.publisher);
        let mut forbidden = None;
        let begun = self.log.begin(&mut |event, at| match draws.replay(event, at) {
            Ok(()) if planted(Bug::OthersNotFolded) => {}
            Ok(()) => publisher.note(event, false),
            Err(why) => forbidden = forbidden.or(Some(why)),
        });
        let begun = match forbidden {
            None => begun,
            Some(why) => {
                Err(Gone::Failed(format!("the log holds an event that the rules forbid: {why}")))
            }
        };
        if planted(Bug::ToldBeforeCovered) {
            self.publisher.publish(&self.draws);
        }
        let recovered = match begun {
            Ok(News::UpTo(tip)) => {
                self.tip = tip;
                return Goes::On;
            }
            Ok(News::OtherHistory) => self.log.recover(),
            Err(gone) => Err(gone),
        };
        match recovered {
            Ok(Recovered { draws, tip }) => {
                (self.draws, self.tip) = (draws, tip);
                self.view_is_stale = true;
                Goes::On
            }
            Err(Gone::Failed(why)) => self.fail(why),
            Err(Gone::Away | Gone::Full(_)) => Goes::Nowhere,
        }
    }

    /// Decides what is due and what waits, as much as goes into one group.
    fn decide(&mut self) {
        let now = self.clock.now().max(self.tip.at);
        self.group.room = self.log.room_for(ACT_LEN_MAX);
        while self.full.is_none()
            && self.group.has_room(ACT_LEN_MAX)
            && let Some(event) = self.draws.due_by_the_clock(now)
        {
            self.write(event, None, now);
        }
        while let Some(len_max) = self.next_request().map(Request::len_max)
            && (self.group.entries.is_empty() || self.group.has_room(len_max))
        {
            if self.group.entries.is_empty() {
                self.group.room = self.log.room_for(len_max);
            }
            let mut request = self.waiting.pop_front().expect("it is in front");
            let full = self.full.as_ref();
            let mut deciding = Deciding { draws: &self.draws, now, full, log: &mut *self.log };
            let decided = request.decide(&mut deciding);
            let made_event = decided.is_some();
            match (decided, &self.full) {
                (Some(_), Some(full)) => {
                    request.refuse(full.clone());
                    continue;
                }
                (Some((event, batch)), None) => self.write(event, batch, now),
                (None, _) => {}
            }
            self.group.decided.push(Decided { request, made_event });
        }
    }

    /// What is decided next. Whoever asks while others are decided still joins their group; not
    /// while there is no room, as those who ask again when they are refused would keep it going.
    fn next_request(&mut self) -> Option<&Request> {
        let may_join = self.full.is_none() && self.group.decided.len() < GROUP_REQUESTS_MAX;
        if self.waiting.is_empty() && may_join {
            self.waiting.extend(self.requests.try_recv());
        }
        self.waiting.front()
    }

    /// Takes an event, and all that follows from it, into the state and the group.
    fn write(&mut self, event: Event, batch: Option<Arc<Batch>>, at: Timestamp) {
        let following = self.draws.carry_out(&event, at);
        let mut left = u16::try_from(following.len()).expect("little follows from an event");
        self.push(event, batch, at, left);
        for event in following {
            left -= 1;
            self.push(event, None, at, left);
        }
    }

    fn push(&mut self, event: Event, batch: Option<Arc<Batch>>, at: Timestamp, left: u16) {
        let entry = Entry::new(self.tip, at, left, event, batch);
        self.tip = entry.tip();
        self.group.len += entry.len();
        self.group.entries.push(entry);
    }

    fn commit(&mut self) -> Goes {
        if planted(Bug::ToldBeforeDurable) {
            self.publish();
        }
        if planted(Bug::AcknowledgedBeforeSync) {
            self.group.decided.drain(..).for_each(|decided| decided.request.answer());
        }
        let committed = self.log.commit(&self.group.entries);
        match committed {
            Ok(()) => {
                self.draws.settle();
                if !self.group.entries.is_empty() {
                    self.groups.add(self.group.entries.len() as u64);
                }
                self.publish();
                let Group { entries, len, decided, .. } = &mut self.group;
                entries.clear();
                *len = 0;
                decided.drain(..).for_each(|decided| decided.request.answer());
                Goes::On
            }
            Err(gone) => self.leave(gone),
        }
    }

    fn publish(&mut self) {
        if std::mem::take(&mut self.view_is_stale) {
            self.publisher.replace(&self.draws);
        }
        self.group.entries.iter().for_each(|entry| self.publisher.note(&entry.event, true));
        self.publisher.publish(&self.draws);
    }

    /// Nothing of the group was stored: it leaves no trace.
    fn leave(&mut self, gone: Gone) -> Goes {
        if planted(Bug::UndoLeftOut) {
            self.draws.settle();
        }
        self.draws.undo();
        let Group { decided, entries, .. } = std::mem::take(&mut self.group);
        match gone {
            Gone::Away => {
                self.put_back(decided);
                Goes::Nowhere
            }
            // Not even for what takes none: nothing can be told until there is.
            Gone::Full(_) if entries.is_empty() => {
                self.put_back(decided);
                Goes::Nowhere
            }
            Gone::Full(why) => {
                let full = StoreFault::Full(why);
                let (need_room, others): (Vec<_>, Vec<_>) =
                    decided.into_iter().partition(|decided| decided.made_event);
                self.put_back(others);
                need_room.into_iter().for_each(|decided| decided.request.refuse(full.clone()));
                self.full = Some(full);
                Goes::On
            }
            Gone::Failed(why) => {
                self.put_back(decided);
                self.fail(why)
            }
        }
    }

    /// What was decided waits again, in its order, before all that came after.
    fn put_back(&mut self, decided: Vec<Decided>) {
        let undecided = decided.into_iter().rev().map(|decided| decided.request);
        undecided.for_each(|request| self.waiting.push_front(request));
    }

    fn fail(&mut self, why: String) -> Goes {
        self.poison = Some(StoreFault::Failed(why));
        Goes::On
    }
}

impl Group {
    fn has_room(&self, len: usize) -> bool {
        self.len + len <= self.room
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        let waiting = self.waiting.drain(..).chain(self.requests.try_iter());
        waiting.for_each(|request| request.refuse(StoreFault::Closed));
    }
}
