//! `bolillero audit`: prints who did what in a ledger, when and why.
//!
//! Prints every event except batches, one per line, in the words of [`lottery::Description`], with
//! the names of draws beside their numbers.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use lottery::text::shown;
use lottery::{Act, DrawId, Event, Timestamp};

use super::{ledger_args, progress};
use crate::exit::{Ending, printed};

const EXAMPLES: &str = "\
Examples:
  bolillero audit --data ./data
  bolillero audit --data ./data | grep ana

While the central runs, prints what is in the ledger up to its last whole decision.";

/// The ledger to audit.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AuditArgs {
    /// Folder of the ledger. Its central may be running.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR")]
    data: PathBuf,
}

/// Prints the audit log.
pub(crate) fn run(args: &AuditArgs) -> Result<(), Ending> {
    let archive = ledger_args::open(&args.data)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let bar = progress::counter("records verified");
    let mut draws = Draws::default();
    let read = archive.read(|entry| {
        bar.inc(1);
        if matches!(entry.event, Event::BatchAccepted(_)) {
            return Ok(());
        }
        let line = draws.line(entry.sequence, entry.at, entry.event);
        writeln!(out, "{}", shown(&line)).context("can't write the audit log")
    });
    bar.finish_and_clear();
    let printed_all = match read {
        Ok(summary) => {
            ledger_args::tell_reach(&summary);
            out.flush().context("can't write the audit log")
        }
        Err(error) => Err(error.context(ledger_args::in_folder(&args.data))),
    };
    Ok(printed(printed_all)?)
}

/// The names of the draws seen so far.
#[derive(Default)]
struct Draws {
    names: BTreeMap<DrawId, String>,
    last: u32,
}

impl Draws {
    fn line(&mut self, sequence: u64, at: Timestamp, event: &Event) -> String {
        let it = event.describe();
        let named = self.learn(event);
        let draw = named.or(it.draw).map(|draw| format!(" {}", self.name(draw)));
        // The draw's name is already printed beside its number.
        let others = it.arguments.iter().filter(|(name, _)| named.is_none() || *name != "name");
        let arguments = others.map(|(name, it)| format!(", {} {it}", name.replace('_', " ")));
        let (by, verb) = (&it.by, it.verb);
        let (draw, arguments) = (draw.unwrap_or_default(), arguments.collect::<String>());
        let why = if it.why.is_empty() { String::new() } else { format!(" ({})", it.why) };
        format!("{at} {sequence:>8} {by}: {verb}{draw}{arguments}{why}")
    }

    /// Records the draw's name if the event is the first one of that draw.
    fn learn(&mut self, event: &Event) -> Option<DrawId> {
        let (draw, terms) = match event {
            Event::DrawOpened { draw, terms, .. } => (*draw, terms),
            Event::Acted(recorded) => match &recorded.act {
                Act::Announce { terms, .. } => (DrawId(self.last + 1), terms),
                _ => return None,
            },
            _ => return None,
        };
        self.last = draw.0;
        self.names.insert(draw, terms.name.to_string());
        Some(draw)
    }

    fn name(&self, draw: DrawId) -> String {
        let name = self.names.get(&draw).map_or("", String::as_str);
        format!("draw {draw} \"{name}\"")
    }
}

#[cfg(test)]
mod tests {
    use lottery::{
        Actor, Agencies, AuditedAction, BetsSearch, DrawName, DrawTerms, Label, NumberRange,
        OperatorsChange, Reason, RecordedAct, Role, Schedule,
    };

    use super::*;

    fn by_ana(act: Act) -> Event {
        let by = Actor::Operator(Label::new("ana").unwrap());
        Event::Acted(Box::new(RecordedAct::new(by, Reason::new("es la hora").unwrap(), act)))
    }

    #[test]
    fn lines_say_who_did_what_and_why_and_never_the_number_entered() {
        let terms = DrawTerms {
            name: DrawName::new("nocturna").unwrap(),
            agencies: Agencies::first(5).unwrap(),
            numbers: NumberRange::default(),
        };
        let draw = DrawId(1);
        let mut draws = Draws::default();
        let announce = Act::Announce { terms, schedule: Schedule::default() };
        let line = draws.line(0, Timestamp(0), &by_ana(announce));
        assert_eq!(
            line,
            "1970-01-01T00:00:00.000Z        0 ana: announced draw 1 \"nocturna\", \
             agencies 1-5, numbers 0-9999 (es la hora)"
        );
        let entry = by_ana(Act::EnterNumber { draw, number: 7574 });
        let line = draws.line(1, Timestamp(0), &entry);
        assert!(line.contains("entered a number of draw 1 \"nocturna\""), "{line}");
        assert!(!line.contains("7574"), "{line}");
        let made = Event::DrawMade { draw, attempt: 1, number: 7574 };
        let line = draws.line(2, Timestamp(0), &made);
        let expected = "the central: made draw 1 \"nocturna\", winning number 7574, attempt 1";
        assert!(line.ends_with(expected), "{line}");
        let (document, number) = (Some(Label::new("30904465").unwrap()), Some(7));
        let search = BetsSearch { draw, document, number, agency: None, after: 0 };
        let search = by_ana(Act::Audited(AuditedAction::SearchBets(search)));
        let line = draws.line(3, Timestamp(0), &search);
        let expected = "searched bets of draw 1 \"nocturna\", document \"30904465\", number 7";
        assert!(line.contains(expected), "{line}");
        let add = OperatorsChange::Add { name: Label::new("eva").unwrap(), role: Role::Admin };
        let not_added = by_ana(Act::Audited(AuditedAction::OperatorsNotChanged(add)));
        let line = draws.line(4, Timestamp(0), &not_added);
        let expected =
            "could not change the operators' file, change operator-added, name \"eva\", role";
        assert!(line.contains(expected), "{line}");
    }
}
