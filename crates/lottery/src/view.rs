//! The published view: what readers see of draws, their agencies and the register.
//!
//! A [`Publisher`] notes each event applied to [`Draws`] and publishes the changes of a group once
//! it is durable and before its requests are answered. So readers never see what a crash could
//! undo, and a caller that was answered sees its own change.
//!
//! Invariants:
//! - one read of a draw, its state and its agencies' totals, is a snapshot of one group;
//! - publishing costs as much as what changed; memory grows with the agencies that have bet or
//!   finished, not with those that may;
//! - a lock is held for one group, or while a reader copies at most [`VIEW_PAGE_MAX`] rows, and
//!   nothing is rendered, awaited or called meanwhile but the filter of [`View::find_draws`] and,
//!   while news are published, the followers;
//! - followers receive changes once they are in the view, and nothing that was recovered.
//!
//! Deliberately absent: what only the rules need ([`Draws::progress`]), bets and winners.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::iter::from_fn;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::act::{Act, Actor, Registration};
use crate::agencies::AgencyId;
use crate::draw::{DrawId, DrawName, DrawState};
use crate::draws::{AgencyTotals, Draws};
use crate::event::Event;
use crate::lifecycle::DrawStatus;
use crate::limits::VIEW_PAGE_MAX;
use crate::text;

/// A reader's handle on the view. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct View {
    published: Arc<Published>,
}

#[derive(Debug, Default)]
struct Published {
    draws: RwLock<DrawList>,
    /// By agency number.
    register: RwLock<Vec<Arc<Registration>>>,
    events: AtomicU64,
    followers: RwLock<Followers>,
}

#[derive(Debug, Default)]
struct DrawList {
    /// By draw number, from 1.
    by_number: Vec<Arc<RwLock<DrawTotals>>>,
    /// By [`text::form`] of their names; older draws may share one.
    by_name: HashMap<String, Vec<DrawId>>,
    /// Those that are open.
    open: BTreeSet<DrawId>,
}

#[derive(Default)]
struct Followers(Vec<Box<dyn Fn(News) + Send + Sync>>);

/// A published change that others may act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A draw is new or changed.
    Draw(DrawId),
    /// A draw was made by this engine's decision.
    Drawn(DrawId),
    /// The clock acted, by this engine's decision.
    ByTheClock(Act),
    /// An agency's registration changed.
    Registration(AgencyId),
    /// There are more events.
    Events,
}

#[derive(Debug)]
struct DrawTotals {
    status: DrawStatus,
    /// The agencies that have bet or finished.
    begun: BTreeMap<AgencyId, AgencyTotals>,
}

/// A page of a draw's agencies and the draw's status, as one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The draw's status.
    pub status: DrawStatus,
    /// The agencies' totals, by number.
    pub agencies: Vec<AgencyTotals>,
}

/// The writing end, owned by the part that knows what is durable.
#[derive(Debug)]
pub struct Publisher {
    view: View,
    changed: Vec<Change>,
    news: Vec<News>,
}

/// Something to publish again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    /// A draw and, if any, one of its agencies.
    Draw(DrawId, Option<AgencyId>),
    Registration(AgencyId),
}

impl View {
    /// Returns a draw's status.
    #[must_use]
    pub fn draw(&self, id: DrawId) -> Option<DrawStatus> {
        self.find(id).map(|draw| read(&draw).status.clone())
    }

    /// Returns the number of events that are in the view.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.published.events.load(Ordering::Acquire)
    }

    /// Returns the number of draws; they are numbered from 1.
    #[must_use]
    pub fn draw_count(&self) -> usize {
        read(&self.published.draws).by_number.len()
    }

    /// Returns the draw with this exact name, or else with the same normalised name.
    #[must_use]
    pub fn draw_named(&self, name: &str) -> Option<DrawStatus> {
        let ids = read(&self.published.draws).by_name.get(&*text::form(name)).cloned();
        let alike: Vec<_> = ids?.into_iter().filter_map(|id| self.draw(id)).collect();
        DrawName::find(&alike, name, |draw| &draw.terms.name).cloned()
    }

    /// Returns the open draws, in order of creation.
    #[must_use]
    pub fn open_draws(&self) -> Vec<DrawStatus> {
        let open: Vec<_> = read(&self.published.draws).open.iter().copied().collect();
        let draws = open.into_iter().filter_map(|id| self.draw(id));
        draws.filter(|it| it.state == DrawState::Open).collect()
    }

    /// Returns the draws that `is_wanted`, in order of creation. It runs while a lock is held.
    pub fn find_draws(&self, is_wanted: impl Fn(&DrawStatus) -> bool) -> Vec<DrawStatus> {
        let mut found = Vec::new();
        for passed in (0..self.draw_count()).step_by(VIEW_PAGE_MAX) {
            let page = page_of(&read(&self.published.draws).by_number, passed, VIEW_PAGE_MAX);
            for draw in page {
                let draw = read(&draw);
                found.extend(is_wanted(&draw.status).then(|| draw.status.clone()));
            }
        }
        found
    }

    /// Calls `follower` with each change from now on: on the deciding thread, once the change is in
    /// the view and before requests are answered. It must be short and must not block.
    pub fn follow(&self, follower: impl Fn(News) + Send + Sync + 'static) {
        write(&self.published.followers).0.push(Box::new(follower));
    }

    /// Returns at most `limit` and [`VIEW_PAGE_MAX`] draws above `after`, in order of creation.
    #[must_use]
    pub fn draws(&self, after: Option<DrawId>, limit: usize) -> Vec<DrawStatus> {
        let passed = after.map_or(0, |after| after.0 as usize);
        let page = page_of(&read(&self.published.draws).by_number, passed, limit);
        page.iter().map(|draw| read(draw).status.clone()).collect()
    }

    /// Iterates over all draws, page by page.
    pub fn all_draws(&self) -> impl Iterator<Item = DrawStatus> + '_ {
        paged(|after: Option<&DrawStatus>| self.draws(after.map(|it| it.id), VIEW_PAGE_MAX))
    }

    /// Returns the totals of at most `limit` and [`VIEW_PAGE_MAX`] agencies above `after`; `None`
    /// when there is no such draw.
    #[must_use]
    pub fn agencies(&self, id: DrawId, after: Option<AgencyId>, limit: usize) -> Option<Totals> {
        self.find(id).map(|draw| read(&draw).agencies(after, limit))
    }

    /// As [`View::agencies`], for those that have bet or finished.
    #[must_use]
    pub fn begun(&self, id: DrawId, after: Option<AgencyId>, limit: usize) -> Option<Totals> {
        self.find(id).map(|draw| read(&draw).begun(after, limit))
    }

    /// Iterates over all agencies of a draw, page by page; empty for an unknown draw.
    pub fn all_agencies(&self, id: DrawId) -> impl Iterator<Item = AgencyTotals> + '_ {
        let page = move |after| self.agencies(id, after, VIEW_PAGE_MAX);
        paged(move |after: Option<&AgencyTotals>| rows(page(after.map(|it| it.agency))))
    }

    /// As [`View::all_agencies`], for those that have bet or finished.
    pub fn all_begun(&self, id: DrawId) -> impl Iterator<Item = AgencyTotals> + '_ {
        let page = move |after| self.begun(id, after, VIEW_PAGE_MAX);
        paged(move |after: Option<&AgencyTotals>| rows(page(after.map(|it| it.agency))))
    }

    /// Returns an agency's registration.
    #[must_use]
    pub fn registration(&self, agency: AgencyId) -> Option<Arc<Registration>> {
        let register = read(&self.published.register);
        let place = place_in(&register, agency).ok()?;
        Some(Arc::clone(&register[place]))
    }

    /// Returns the number of registered agencies.
    #[must_use]
    pub fn registered_count(&self) -> usize {
        read(&self.published.register).len()
    }

    /// Returns at most `limit` and [`VIEW_PAGE_MAX`] registrations above `after`, by number.
    #[must_use]
    pub fn registrations(&self, after: Option<AgencyId>, limit: usize) -> Vec<Arc<Registration>> {
        let register = read(&self.published.register);
        let passed = after.map_or(0, |after| register.partition_point(|it| it.agency <= after));
        page_of(&register, passed, limit)
    }

    /// Returns at most `limit` and [`VIEW_PAGE_MAX`] registrations after the first `passed`.
    #[must_use]
    pub fn registrations_behind(&self, passed: usize, limit: usize) -> Vec<Arc<Registration>> {
        page_of(&read(&self.published.register), passed, limit)
    }

    /// Iterates over all registrations, page by page.
    pub fn all_registrations(&self) -> impl Iterator<Item = Arc<Registration>> + '_ {
        let page = |after| self.registrations(after, VIEW_PAGE_MAX);
        paged(move |after: Option<&Arc<Registration>>| page(after.map(|it| it.agency)))
    }

    fn find(&self, id: DrawId) -> Option<Arc<RwLock<DrawTotals>>> {
        let place = usize::try_from(id.0.checked_sub(1)?).ok()?;
        read(&self.published.draws).by_number.get(place).map(Arc::clone)
    }
}

impl DrawTotals {
    fn of(draws: &Draws, id: DrawId) -> Self {
        let status = draws.status(id).expect("the caller found the draw");
        let begun = draws.begun(id).map(|totals| (totals.agency, totals));
        Self { status, begun: begun.collect() }
    }

    fn agencies(&self, after: Option<AgencyId>, limit: usize) -> Totals {
        let agencies = self.status.terms.agencies.iter_after(after);
        let of = |agency| {
            self.begun.get(&agency).copied().unwrap_or_else(|| AgencyTotals::nothing_of(agency))
        };
        let agencies = agencies.take(limit.min(VIEW_PAGE_MAX)).map(of).collect();
        Totals { status: self.status.clone(), agencies }
    }

    fn begun(&self, after: Option<AgencyId>, limit: usize) -> Totals {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.begun.range((from, Bound::Unbounded));
        let agencies = rest.take(limit.min(VIEW_PAGE_MAX)).map(|(_, totals)| *totals);
        Totals { agencies: agencies.collect(), status: self.status.clone() }
    }

    fn refresh(&mut self, draws: &Draws, agency: Option<AgencyId>) {
        let totals = agency.and_then(|agency| draws.totals(self.status.id, agency));
        self.begun.extend(totals.map(|totals| (totals.agency, totals)));
    }
}

impl Publisher {
    /// Publishes a state that is durable as a whole, such as a recovered one.
    #[must_use]
    pub fn of(draws: &Draws) -> Self {
        let mut publisher = Self { view: View::default(), changed: Vec::new(), news: Vec::new() };
        publisher.replace(draws);
        publisher
    }

    /// Returns the readers' end.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Notes an event applied to the state; `own` if this engine decided it.
    pub fn note(&mut self, event: &Event, own: bool) {
        if own
            && let Event::Acted(signed) = event
            && signed.by == Actor::Clock
            // What is recorded for others is no act of the clock.
            && !matches!(signed.act, Act::Audited(_))
        {
            self.news.push(News::ByTheClock(signed.act.clone()));
        }
        self.news.extend(News::of(event, own));
        let change = match event {
            // New draws are recognised by the count.
            Event::DrawOpened { .. } => return,
            Event::BatchAccepted(batch) => Change::Draw(batch.draw, Some(batch.agency)),
            Event::AgencyFinished { draw, agency } => Change::Draw(*draw, Some(*agency)),
            Event::DrawClosed { draw, .. }
            | Event::DrawMade { draw, .. }
            | Event::DrawPublished { draw } => Change::Draw(*draw, None),
            Event::Acted(signed) => match &signed.act {
                Act::Register(registration) => Change::Registration(registration.agency),
                Act::Reopen { draw, agency } => Change::Draw(*draw, Some(*agency)),
                act => match act.draw() {
                    Some(draw) => Change::Draw(draw, None),
                    None => return,
                },
            },
        };
        // An agency often sends many batches in a row.
        if self.changed.last() != Some(&change) {
            self.changed.push(change);
        }
    }

    /// Publishes the noted changes. All of the state must be durable.
    pub fn publish(&mut self, draws: &Draws) {
        let known = self.view.draw_count();
        self.changed.sort_unstable();
        let same_draw = |one: &Change, other: &Change| match (one, other) {
            (Change::Draw(one, _), Change::Draw(other, _)) => one == other,
            _ => false,
        };
        for changes in self.changed.chunk_by(same_draw) {
            match changes[0] {
                // New draws are published whole, below.
                Change::Draw(id, _) if id.0 as usize > known => {}
                Change::Draw(id, _) => self.publish_draw(draws, id, changes),
                Change::Registration(agency) => self.publish_registration(draws, agency),
            }
        }
        self.changed.clear();
        if draws.count() > known {
            let id = |place: usize| DrawId(u32::try_from(place + 1).expect("it has a number"));
            let new = (known..draws.count()).map(|place| DrawTotals::of(draws, id(place)));
            let new: Vec<_> = new.collect();
            let mut draws = write(&self.view.published.draws);
            for draw in new {
                if let Some(name) = listed_name(&draw.status) {
                    let form = text::form(name.as_str()).into_owned();
                    draws.by_name.entry(form).or_default().push(draw.status.id);
                }
                self.news.push(News::Draw(draw.status.id));
                if draw.status.state == DrawState::Open {
                    draws.open.insert(draw.status.id);
                }
                draws.by_number.push(Arc::new(RwLock::new(draw)));
            }
        }
        if self.view.published.events.swap(draws.events(), Ordering::AcqRel) != draws.events() {
            self.news.push(News::Events);
        }
        if !self.news.is_empty() {
            let followers = read(&self.view.published.followers);
            for news in self.news.drain(..) {
                followers.0.iter().for_each(|follower| follower(news.clone()));
            }
        }
    }

    /// Publishes a durable state that does not continue the previous one. Followers receive all
    /// draws and the registrations that differ.
    pub fn replace(&mut self, draws: &Draws) {
        self.changed.clear();
        // The pending news are of events that may not be in this state.
        self.news.clear();
        let published = &self.view.published;
        *write(&published.draws) = DrawList::default();
        let register: Vec<_> = draws.register().cloned().map(Arc::new).collect();
        let before = std::mem::replace(&mut *write(&published.register), register);
        let is_known = |now: &Registration| {
            place_in(&before, now.agency).is_ok_and(|place| *before[place] == *now)
        };
        let changed = draws.register().filter(|it| !is_known(it)).map(|it| it.agency);
        self.news.extend(changed.map(News::Registration));
        self.publish(draws);
    }

    fn publish_draw(&self, draws: &Draws, id: DrawId, changes: &[Change]) {
        let Some(draw) = self.view.find(id) else { return };
        let mut draw = write(&draw);
        let before = listed_name(&draw.status).cloned();
        let state_before = draw.status.state;
        draws.refresh(&mut draw.status);
        for change in changes {
            if let Change::Draw(_, agency) = change {
                draw.refresh(draws, *agency);
            }
        }
        let now = listed_name(&draw.status).cloned();
        let state = draw.status.state;
        drop(draw);
        if state != state_before {
            let open = &mut write(&self.view.published.draws).open;
            if state == DrawState::Open {
                open.insert(id)
            } else {
                open.remove(&id)
            };
        }
        if before != now {
            self.rename(id, before.as_ref(), now.as_ref());
        }
    }

    /// Lists a draw under another name, or none.
    fn rename(&self, id: DrawId, before: Option<&DrawName>, now: Option<&DrawName>) {
        let by_name = &mut write(&self.view.published.draws).by_name;
        if let Some(before) = before {
            let form = text::form(before.as_str()).into_owned();
            if let Entry::Occupied(mut entry) = by_name.entry(form) {
                entry.get_mut().retain(|it| *it != id);
                if entry.get().is_empty() {
                    entry.remove();
                }
            }
        }
        if let Some(now) = now {
            by_name.entry(text::form(now.as_str()).into_owned()).or_default().push(id);
        }
    }

    fn publish_registration(&self, draws: &Draws, agency: AgencyId) {
        let Some(registration) = draws.registration(agency) else { return };
        let registration = Arc::new(registration.clone());
        let mut register = write(&self.view.published.register);
        match place_in(&register, agency) {
            Ok(place) => register[place] = registration,
            Err(place) => register.insert(place, registration),
        }
    }
}

impl News {
    fn of(event: &Event, own: bool) -> Option<Self> {
        match event {
            Event::BatchAccepted(_) | Event::AgencyFinished { .. } => None,
            // Reported once it is in the view: the event has no number.
            Event::DrawOpened { .. } => None,
            Event::DrawMade { draw, .. } if own => Some(Self::Drawn(*draw)),
            Event::DrawMade { draw, .. } => Some(Self::Draw(*draw)),
            Event::DrawClosed { draw, .. } | Event::DrawPublished { draw } => {
                Some(Self::Draw(*draw))
            }
            Event::Acted(signed) => match &signed.act {
                Act::Register(registration) => Some(Self::Registration(registration.agency)),
                act => act.draw().map(Self::Draw),
            },
        }
    }
}

impl std::fmt::Debug for Followers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Followers").field(&self.0.len()).finish()
    }
}

/// The name that a draw is found by; a cancelled one has none.
fn listed_name(draw: &DrawStatus) -> Option<&DrawName> {
    (draw.state != DrawState::Cancelled).then_some(&draw.terms.name)
}

fn place_in(register: &[Arc<Registration>], agency: AgencyId) -> Result<usize, usize> {
    register.binary_search_by_key(&agency, |it| it.agency)
}

fn page_of<T: Clone>(rows: &[T], passed: usize, limit: usize) -> Vec<T> {
    rows.iter().skip(passed).take(limit.min(VIEW_PAGE_MAX)).cloned().collect()
}

fn rows(page: Option<Totals>) -> Vec<AgencyTotals> {
    page.map_or_else(Vec::new, |page| page.agencies)
}

/// Iterates over the rows of all pages; `page` returns the rows after a given one, or the first.
fn paged<T: Clone>(page: impl Fn(Option<&T>) -> Vec<T>) -> impl Iterator<Item = T> {
    let (mut rows, mut last) = (Vec::new().into_iter(), None);
    from_fn(move || {
        if rows.as_slice().is_empty() {
            rows = page(last.as_ref()).into_iter();
        }
        let row = rows.next()?;
        last = Some(row.clone());
        Some(row)
    })
}

// A poisoned lock is safe: no change of the view can panic half-way.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
