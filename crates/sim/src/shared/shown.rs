//! The contents of a view, and the contents expected from the events, computed without the rules.

use std::collections::BTreeMap;

use lottery::{Act, DrawId, DrawState, Event, View};

/// The contents of a view; see the module documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) draws: Vec<ShownDraw>,
    /// Whether each registered agency is enabled.
    pub(super) register: BTreeMap<u32, bool>,
}

/// A draw in a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShownDraw {
    pub(super) state: DrawState,
    pub(super) published: bool,
    pub(super) bets: u64,
    pub(super) agencies: BTreeMap<u32, ShownAgency>,
}

/// An agency in a draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ShownAgency {
    pub(super) batches: u64,
    pub(super) bets: u64,
    pub(super) finished: bool,
}

impl Shown {
    pub(super) fn of(view: &View) -> Self {
        let draws = view.all_draws().map(|status| {
            let agencies = view.all_begun(status.id).map(|it| {
                let (batches, bets, finished) = (it.batches, it.bets, it.finished);
                (it.agency.0, ShownAgency { batches, bets, finished })
            });
            ShownDraw {
                state: status.state,
                published: status.life.published_at.is_some(),
                bets: status.bets,
                agencies: agencies.collect(),
            }
        });
        let register = view.all_registrations().map(|it| (it.agency.0, it.enabled));
        Self { draws: draws.collect(), register: register.collect() }
    }

    pub(super) fn draw(&mut self, draw: DrawId) -> &mut ShownDraw {
        &mut self.draws[draw.0 as usize - 1]
    }

    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::DrawOpened { .. } => self.draws.push(ShownDraw::new(DrawState::Open)),
            Event::BatchAccepted(batch) => {
                let draw = self.draw(batch.draw);
                draw.bets += u64::from(batch.bets);
                let agency = draw.agencies.entry(batch.agency.0).or_default();
                agency.batches += 1;
                agency.bets += u64::from(batch.bets);
            }
            Event::AgencyFinished { draw, agency } => {
                self.draw(*draw).agencies.entry(agency.0).or_default().finished = true;
            }
            Event::DrawClosed { draw, .. } => self.draw(*draw).state = DrawState::Closed,
            Event::DrawMade { draw, number, .. } => {
                self.draw(*draw).state = DrawState::Drawn { number: *number };
            }
            Event::DrawPublished { draw } => self.draw(*draw).published = true,
            Event::Acted(recorded) => match &recorded.act {
                Act::Announce { .. } => self.draws.push(ShownDraw::new(DrawState::Announced)),
                Act::Open(draw) => self.draw(*draw).state = DrawState::Open,
                Act::Register(it) => {
                    self.register.insert(it.agency.0, it.enabled);
                }
                Act::Close(_) | Act::EnterNumber { .. } | Act::Publish(_) | Act::Audited(_) => {}
            },
        }
    }
}

impl ShownDraw {
    fn new(state: DrawState) -> Self {
        Self { state, published: false, bets: 0, agencies: BTreeMap::new() }
    }
}
