//! Group commit: decides pending requests in order, stores them as one durable group, publishes and
//! answers.
//!
//! 1. Begin: apply what other engines appended.
//! 2. Decide: first what the clock has due, then each request against the current state.
//! 3. Commit the group to the log.
//! 4. Publish the group to the view.
//! 5. Answer all requests, refusals and queries included. An answer can no longer be undone.
//!
//! When the log stores nothing, the state is rolled back:
//! - log unreachable: the requests are decided again later;
//! - log full: requests that need space are refused, the others decided again;
//! - log failed: all requests are refused from then on.

use std::collections::VecDeque;
use std::sync::Arc;

use lottery::{Batch, Draws, Event, Publisher, StoreFault, Timestamp, View};

use crate::clock::Clock;
use crate::groups::Groups;
use crate::limits::{ACT_LEN_MAX, AWAY_RETRY_TIME, GROUP_REQUESTS_MAX};
use crate::log::{Entry, Gone, Log, News, Recovered, Tip};
use crate::requests::{Deciding, Request};
use crate::sync::mpsc::{Receiver, RecvTimeoutError};
use crate::sync::receive_within;

/// The group committer of an engine.
pub struct Committer {
    log: Box<dyn Log>,
    clock: Arc<dyn Clock>,
    draws: Draws,
    publisher: Publisher,
    /// The position of the next event, updated when a group begins.
    tip: Tip,
    requests: Receiver<Request>,
    /// Received and not decided yet, in order.
    waiting: VecDeque<Request>,
    group: Group,
    groups: Arc<Groups>,
    /// The view shows a history that the log no longer has.
    view_is_stale: bool,
    /// Set when the log was full during this commit.
    full: Option<StoreFault>,
    poison: Option<StoreFault>,
}

#[derive(Default)]
struct Group {
    entries: Vec<Entry>,
    len: usize,
    room: usize,
    decided: Vec<Decided>,
}

struct Decided {
    request: Request,
    made_event: bool,
}

/// Whether to continue with this commit.
#[derive(PartialEq, Eq)]
enum Next {
    Continue,
    /// The waiting requests are decided in a later commit.
    Stop,
}

impl Committer {
    pub(crate) fn new(
        mut log: Box<dyn Log>,
        clock: Arc<dyn Clock>,
        requests: Receiver<Request>,
    ) -> Result<Self, Gone> {
        let Recovered { draws, tip } = log.recover()?;
        // Recovered events may be readable but not durable yet.
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

    /// Commits groups until the engine is dropped.
    pub(crate) fn run(mut self) {
        loop {
            if self.waiting.is_empty() {
                match self.requests.recv() {
                    Ok(first) => self.waiting.push_back(first),
                    Err(_) => return,
                }
            } else {
                // The log was unreachable.
                match receive_within(&self.requests, AWAY_RETRY_TIME) {
                    Ok(next) => self.waiting.push_back(next),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            self.commit_group();
        }
    }

    /// Commits all pending requests, in one or more groups; returns whether there were any.
    pub fn commit_group(&mut self) -> bool {
        let more = GROUP_REQUESTS_MAX.saturating_sub(self.waiting.len());
        self.waiting.extend(self.requests.try_iter().take(more));
        if self.waiting.is_empty() {
            return false;
        }
        self.full = None;
        while !self.waiting.is_empty() && self.poison.is_none() {
            self.groups.begin();
            if self.begin() == Next::Stop {
                return true;
            }
            self.decide();
            if self.commit() == Next::Stop {
                return true;
            }
        }
        if let Some(fault) = &self.poison {
            self.waiting.drain(..).for_each(|request| request.refuse(fault.clone()));
        }
        true
    }

    fn begin(&mut self) -> Next {
        let (draws, publisher) = (&mut self.draws, &mut self.publisher);
        let mut forbidden = None;
        let begun = self.log.begin(&mut |event, at| match draws.replay(event, at) {
            Ok(()) => publisher.note(event, false),
            Err(why) => forbidden = forbidden.or(Some(why)),
        });
        let begun = match forbidden {
            None => begun,
            Some(why) => {
                Err(Gone::Failed(format!("the log holds an event that the rules forbid: {why}")))
            }
        };
        let recovered = match begun {
            Ok(News::UpTo(tip)) => {
                self.tip = tip;
                return Next::Continue;
            }
            Ok(News::OtherHistory) => self.log.recover(),
            Err(gone) => Err(gone),
        };
        match recovered {
            Ok(Recovered { draws, tip }) => {
                (self.draws, self.tip) = (draws, tip);
                self.view_is_stale = true;
                Next::Continue
            }
            Err(Gone::Failed(why)) => self.fail(why),
            Err(Gone::Away | Gone::Full(_)) => Next::Stop,
        }
    }

    /// Decides due acts of the clock and waiting requests, up to one group.
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

    /// Returns the next request. New requests may join the group, but not while the log is full:
    /// callers that retry at once would never let it end.
    fn next_request(&mut self) -> Option<&Request> {
        let may_join = self.full.is_none() && self.group.decided.len() < GROUP_REQUESTS_MAX;
        if self.waiting.is_empty() && may_join {
            self.waiting.extend(self.requests.try_recv());
        }
        self.waiting.front()
    }

    /// Applies an event and all that follows from it; adds them to the group.
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

    fn commit(&mut self) -> Next {
        match self.log.commit(&self.group.entries) {
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
                Next::Continue
            }
            Err(gone) => self.roll_back(gone),
        }
    }

    fn publish(&mut self) {
        if std::mem::take(&mut self.view_is_stale) {
            self.publisher.replace(&self.draws);
        }
        self.group.entries.iter().for_each(|entry| self.publisher.note(&entry.event, true));
        self.publisher.publish(&self.draws);
    }

    fn roll_back(&mut self, gone: Gone) -> Next {
        self.draws.undo();
        let Group { decided, entries, .. } = std::mem::take(&mut self.group);
        match gone {
            Gone::Away => {
                self.put_back(decided);
                Next::Stop
            }
            // Nothing can be published until there is room, not even an empty group.
            Gone::Full(_) if entries.is_empty() => {
                self.put_back(decided);
                Next::Stop
            }
            Gone::Full(why) => {
                let full = StoreFault::Full(why);
                let (need_room, others): (Vec<_>, Vec<_>) =
                    decided.into_iter().partition(|decided| decided.made_event);
                self.put_back(others);
                need_room.into_iter().for_each(|decided| decided.request.refuse(full.clone()));
                self.full = Some(full);
                Next::Continue
            }
            Gone::Failed(why) => {
                self.put_back(decided);
                self.fail(why)
            }
        }
    }

    fn put_back(&mut self, decided: Vec<Decided>) {
        let undecided = decided.into_iter().rev().map(|decided| decided.request);
        undecided.for_each(|request| self.waiting.push_front(request));
    }

    fn fail(&mut self, why: String) -> Next {
        self.poison = Some(StoreFault::Failed(why));
        Next::Continue
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
