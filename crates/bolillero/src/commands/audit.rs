//! `bolillero audit`: who did what in a ledger, when and why.
//!
//! Every event but the batches, one a line. The number that an operator entered is not shown: the
//! winning number is that of the draw's making.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use lottery::text::shown;
use lottery::{Act, Actor, DrawId, Event, Signed, Timestamp};

use super::{folder, progress};
use crate::exit::{Ending, printed};

const EXAMPLES: &str = "\
Examples:
  bolillero audit --data ./data
  bolillero audit --data ./data | grep ana";

/// What to audit.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AuditArgs {
    /// Folder of the ledger. The central that writes to it must be stopped.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR")]
    data: PathBuf,
}

/// Prints the trail.
pub(crate) fn run(args: &AuditArgs) -> Result<(), Ending> {
    let archive = folder::open(&args.data)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let bar = progress::counter("records verified");
    let mut draws = Draws::default();
    let read = archive.read(|entry| {
        bar.inc(1);
        if matches!(entry.event, Event::BatchAccepted(_)) {
            return Ok(());
        }
        let line = draws.line(entry.sequence, entry.at, entry.event);
        writeln!(out, "{}", shown(&line)).context("can't write the trail")
    });
    bar.finish_and_clear();
    let printed_all = match read {
        Ok(_) => out.flush().context("can't write the trail"),
        Err(error) => Err(error.context(folder::in_folder(&args.data))),
    };
    Ok(printed(printed_all)?)
}

/// The names of the draws so far.
#[derive(Default)]
struct Draws {
    names: BTreeMap<DrawId, String>,
    announced: u32,
}

impl Draws {
    fn line(&mut self, sequence: u64, at: Timestamp, event: &Event) -> String {
        let (who, what, why) = match event {
            Event::DrawOpened { draw, terms } => {
                let what = self.named(*draw, format!("{} (goes by itself)", terms.name), "opened");
                (String::new(), what, "")
            }
            Event::BatchAccepted(batch) => {
                (format!("agency {}", batch.agency), format!("sent {} bets", batch.bets), "")
            }
            Event::AgencyFinished { draw, agency } => {
                (format!("agency {agency}"), format!("finished {}", self.name(*draw)), "")
            }
            Event::DrawClosed { draw } => {
                (String::new(), format!("closed {}", self.name(*draw)), "")
            }
            Event::DrawMade { draw, number, bets } => {
                let name = self.name(*draw);
                let what = format!("made {name}: winning number {number}, {bets} bets took part");
                (String::new(), what, "")
            }
            Event::Acted(signed) => {
                let who = match &signed.by {
                    Actor::Clock => "clock".to_owned(),
                    by => format!("operator {by}"),
                };
                (who, self.act(signed), signed.why.as_str())
            }
        };
        let who = if who.is_empty() { "central" } else { &who };
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        format!("{at} {sequence:>8} {who}: {what}{why}")
    }

    fn act(&mut self, signed: &Signed) -> String {
        match &signed.act {
            Act::Announce { terms, schedule } => {
                let draw = DrawId(self.announced + 1);
                let time = |at: Option<Timestamp>| at.map_or("-".to_owned(), |at| at.to_string());
                let (opens, closes) = (time(schedule.opens_at), time(schedule.closes_at));
                let what = self.named(draw, terms.name.to_string(), "announced");
                let (agencies, numbers) = (&terms.agencies, terms.numbers);
                format!(
                    "{what}, agencies {agencies}, numbers {numbers}, opens {opens}, closes {closes}"
                )
            }
            Act::Open(draw) => format!("opened {}", self.name(*draw)),
            Act::Close(draw) => format!("closed {}", self.name(*draw)),
            Act::EnterNumber { draw, .. } => format!("entered a number for {}", self.name(*draw)),
            Act::Publish(draw) => format!("published {}", self.name(*draw)),
            Act::Register(it) => {
                let state = if it.enabled { "enabled" } else { "disabled" };
                format!("registered agency {} \"{}\", {}, {state}", it.agency, it.name, it.place)
            }
            Act::Note { topic, text } => format!("{topic}: {text}"),
        }
    }

    fn named(&mut self, draw: DrawId, name: String, verb: &str) -> String {
        self.announced = draw.0;
        self.names.insert(draw, name);
        format!("{verb} {}", self.name(draw))
    }

    fn name(&self, draw: DrawId) -> String {
        let name = self.names.get(&draw).map_or("", String::as_str);
        format!("draw {draw} \"{name}\"")
    }
}

#[cfg(test)]
mod tests {
    use lottery::{Agencies, DrawName, DrawTerms, Label, NumberRange, Reason, Schedule};

    use super::*;

    fn by_ana(act: Act) -> Event {
        let by = Actor::Operator(Label::new("ana").unwrap());
        Event::Acted(Box::new(Signed { by, why: Reason::new("es la hora").unwrap(), act }))
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
            "1970-01-01T00:00:00.000Z        0 operator ana: announced draw 1 \"nocturna\", \
             agencies 1-5, numbers 0-9999, opens -, closes - (es la hora)"
        );
        let entry = by_ana(Act::EnterNumber { draw, number: 7574 });
        let line = draws.line(1, Timestamp(0), &entry);
        assert!(line.contains("entered a number for draw 1 \"nocturna\""), "{line}");
        assert!(!line.contains("7574"), "{line}");
        let made = Event::DrawMade { draw, number: 7574, bets: 9 };
        let line = draws.line(2, Timestamp(0), &made);
        assert!(line.contains("central: made draw 1 \"nocturna\": winning number 7574"), "{line}");
    }
}
