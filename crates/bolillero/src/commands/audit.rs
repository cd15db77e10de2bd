//! `bolillero audit`: prints who did what in a ledger, when and why.
//!
//! Prints every event except batches, one per line, in the words of [`lottery::Description`], with
//! the names of draws beside their numbers; or as CSV. The ledger is read twice: first to learn
//! which draws were made, as the numbers that operators entered may be told of those.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};

use anyhow::Context as _;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use engine::Record;
use exports::{AuditWriter, Cells};
use lottery::text::{same_as, shown};
use lottery::{
    ACTIONS, Act, AuditFilter, Description, DrawId, DrawStatus, Event, Label, StoredEvent,
    Timestamp, action_named,
};

use super::progress;
use super::stored::StoredIn;
use crate::exit::{Ending, printed};

const EXAMPLES: &str = "\
Examples:
  bolillero audit --data ./data
  bolillero audit --data ./data --by ana --since 2026-11-23T00:00:00-03:00
  bolillero audit --data ./data --draw sorteo --format csv > audit.csv

While the central runs, prints what is in the ledger up to its last whole decision.";

/// The ledger to audit, and the events that are wanted.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    stored: StoredIn,

    /// Only acts of this operator, in person or by a token.
    #[arg(long, value_name = "NAME", value_parser = operator)]
    by: Option<Label>,

    /// Only events of this kind, such as draw-closed.
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(ACTIONS),
        hide_possible_values = true)]
    action: Option<String>,

    /// Only events of the draws of this name.
    #[arg(long, value_name = "NAME")]
    draw: Option<String>,

    /// Only events at this time or later, such as 2026-11-23T21:00:00-03:00.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,

    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,

    /// Output format.
    #[arg(long, env = "BOLILLERO_FORMAT", value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Write CSV cells exactly as they are stored, for programs. By default, cells that a
    /// spreadsheet would evaluate are prefixed with an apostrophe.
    #[arg(long)]
    raw: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One line per event.
    Text,
    /// A header line, then one event per line.
    Csv,
}

/// Prints the audit log.
pub(crate) fn run(args: &AuditArgs) -> Result<(), Ending> {
    let stored = args.stored.open()?;
    let mut printer = Printer::new(args, stored.draws()?)?;
    let bar = progress::counter("records verified");
    let read = stored.read(|record| {
        bar.inc(1);
        printer.print(&record)
    });
    bar.finish_and_clear();
    let printed_all = match read {
        Ok(summary) => {
            summary.tell_reach();
            printer.end()
        }
        Err(error) => Err(error),
    };
    Ok(printed(printed_all)?)
}

fn operator(text: &str) -> Result<Label, String> {
    Label::new(text).map_err(|error| error.to_string())
}

fn time(text: &str) -> Result<Timestamp, String> {
    let parsed = text.parse::<jiff::Timestamp>().ok();
    let ms = parsed.and_then(|at| u64::try_from(at.as_millisecond()).ok());
    let wrong = || format!("'{text}' is not a time such as 2026-11-23T21:00:00-03:00");
    ms.map(Timestamp).ok_or_else(wrong)
}

/// Prints the events that are wanted.
struct Printer {
    filter: AuditFilter,
    /// The draws that are wanted; all if there is none.
    only: Option<Vec<DrawId>>,
    draws: Draws,
    out: Output,
}

type Standard = BufWriter<std::io::StdoutLock<'static>>;

enum Output {
    Text(Standard),
    Csv(Box<AuditWriter<Standard>>),
}

impl Printer {
    fn new(args: &AuditArgs, known: Vec<DrawStatus>) -> Result<Self, Ending> {
        let AuditArgs { by, since, until, .. } = args.clone();
        let action = args.action.as_deref().and_then(action_named);
        let filter = AuditFilter { by, action, draw: None, since, until };
        let only = args.draw.as_ref().map(|name| {
            let is_same = same_as(name);
            let found = known.iter().filter(|it| is_same(it.terms.name.as_str()));
            found.map(|it| it.id).collect::<Vec<_>>()
        });
        if let (Some(name), Some([])) = (&args.draw, only.as_deref()) {
            return Err(Ending::wrong(format!("there is no draw '{name}'")));
        }
        let out = BufWriter::new(std::io::stdout().lock());
        let cells = if args.raw { Cells::Raw } else { Cells::Inert };
        let out = match args.format {
            Format::Text => Output::Text(out),
            Format::Csv => Output::Csv(Box::new(AuditWriter::new(out, cells)?)),
        };
        Ok(Self { filter, only, draws: Draws::of(known), out })
    }

    fn print(&mut self, record: &Record<'_>) -> anyhow::Result<()> {
        if matches!(record.event, Event::BatchAccepted(_)) {
            return Ok(());
        }
        let (it, is_first) = self.draws.describe(record.at, record.event);
        let is_of = |only: &Vec<DrawId>| it.draw.is_some_and(|draw| only.contains(&draw));
        if !self.only.as_ref().is_none_or(is_of)
            || !self.filter.takes(record.at, record.event, it.draw)
        {
            return Ok(());
        }
        let written = match &mut self.out {
            Output::Text(out) => {
                let line = self.draws.line(record.sequence, record.at, &it, is_first);
                writeln!(out, "{}", shown(&line)).map_err(anyhow::Error::from)
            }
            Output::Csv(writer) => {
                let (sequence, at) = (record.sequence, record.at);
                let stored = StoredEvent { sequence, at, event: record.event.clone() };
                writer.add(&stored, &it).map_err(anyhow::Error::from)
            }
        };
        written.context("can't write the audit log")
    }

    fn end(self) -> anyhow::Result<()> {
        let written = match self.out {
            Output::Text(mut out) => out.flush().map_err(anyhow::Error::from),
            Output::Csv(writer) => writer.finish().map(drop).map_err(anyhow::Error::from),
        };
        written.context("can't write the audit log")
    }
}

/// The draws of the ledger.
#[derive(Default)]
struct Draws {
    /// As they are at its end.
    known: Vec<DrawStatus>,
    /// The names of those seen so far.
    names: BTreeMap<DrawId, String>,
    last: u32,
}

impl Draws {
    fn of(known: Vec<DrawStatus>) -> Self {
        Self { known, ..Self::default() }
    }

    /// Describes the next event. Also returns whether it is the first one of a draw.
    fn describe<'a>(&mut self, at: Timestamp, event: &'a Event) -> (Description<'a>, bool) {
        let named = self.learn(event);
        let status = |(draw, _)| self.known.iter().find(|it| it.id == draw);
        let mut it = event.describe_to_readers(at, event.entered().and_then(status));
        it.draw = named.or(it.draw);
        (it, named.is_some())
    }

    fn line(&self, sequence: u64, at: Timestamp, it: &Description<'_>, is_first: bool) -> String {
        let draw = it.draw.map(|draw| format!(" {}", self.name(draw)));
        // The draw's name is already printed beside its number.
        let others = it.arguments.iter().filter(|(name, _)| !is_first || *name != "name");
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
        let mut say = |sequence, event: &Event| {
            let (it, is_first) = draws.describe(Timestamp(0), event);
            draws.line(sequence, Timestamp(0), &it, is_first)
        };
        let announce = Act::Announce { terms, schedule: Schedule::default() };
        let line = say(0, &by_ana(announce));
        assert_eq!(
            line,
            "1970-01-01T00:00:00.000Z        0 ana: announced draw 1 \"nocturna\", \
             agencies 1-5, numbers 0-9999 (es la hora)"
        );
        let entry = by_ana(Act::EnterNumber { draw, number: 7574 });
        let line = say(1, &entry);
        assert!(line.contains("entered a number of draw 1 \"nocturna\""), "{line}");
        assert!(!line.contains("7574"), "{line}");
        let made = Event::DrawMade { draw, attempt: 1, number: 7574 };
        let line = say(2, &made);
        let expected = "the central: made draw 1 \"nocturna\", winning number 7574, attempt 1";
        assert!(line.ends_with(expected), "{line}");
        let (document, number) = (Some(Label::new("30904465").unwrap()), Some(7));
        let search = BetsSearch { draw, document, number, agency: None, after: 0 };
        let search = by_ana(Act::Audited(AuditedAction::SearchBets(search)));
        let line = say(3, &search);
        let expected = "searched bets of draw 1 \"nocturna\", document \"30904465\", number 7";
        assert!(line.contains(expected), "{line}");
        let add = OperatorsChange::Add { name: Label::new("eva").unwrap(), role: Role::Admin };
        let not_added = by_ana(Act::Audited(AuditedAction::OperatorsNotChanged(add)));
        let line = say(4, &not_added);
        let expected =
            "could not change the operators' file, change operator-added, name \"eva\", role";
        assert!(line.contains(expected), "{line}");
    }
}
