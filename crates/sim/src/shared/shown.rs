//! The contents of a view, and the contents expected from the events, computed without the rules.

use std::collections::BTreeMap;

use lottery::{Act, Actor, DrawId, DrawName, DrawState, DrawTerms, Event, Label, View};

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
    pub(super) name: DrawName,
    pub(super) state: DrawState,
    pub(super) published: bool,
    /// Who voided the present result first.
    pub(super) void_by: Option<Label>,
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
                name: status.terms.name,
                state: status.state,
                published: status.life.published_at.is_some(),
                void_by: status.life.void_by,
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
            Event::DrawOpened { terms, .. } => {
                self.draws.push(ShownDraw::new(terms, DrawState::Open));
            }
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
                Act::Announce { terms, .. } => {
                    self.draws.push(ShownDraw::new(terms, DrawState::Announced));
                }
                Act::Edit { draw, terms, .. } => self.draw(*draw).name = terms.name.clone(),
                Act::Cancel(draw) => self.draw(*draw).state = DrawState::Cancelled,
                Act::Reopen { draw, agency } => {
                    self.draw(*draw).agencies.entry(agency.0).or_default().finished = false;
                }
                Act::Void(draw) => self.draw(*draw).void(&recorded.by),
                Act::Open(draw) => self.draw(*draw).state = DrawState::Open,
                Act::Register(it) => {
                    self.register.insert(it.agency.0, it.enabled);
                }
                Act::Close(_)
                | Act::EnterNumber { .. }
                | Act::CorrectNumber { .. }
                | Act::Publish(_)
                | Act::Audited(_) => {}
            },
        }
    }
}

impl ShownDraw {
    fn new(terms: &DrawTerms, state: DrawState) -> Self {
        let (name, agencies) = (terms.name.clone(), BTreeMap::new());
        Self { name, state, published: false, void_by: None, bets: 0, agencies }
    }

    fn void(&mut self, by: &Actor) {
        if self.void_by.take().is_some() {
            self.state = DrawState::Closed;
        } else {
            self.void_by = by.operator().cloned();
        }
    }
}
