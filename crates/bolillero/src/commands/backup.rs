//! `bolillero backup`: backs up a ledger and its operators, also beside a running central.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use engine::{Chain, LedgerId, Record, StreamStart, Tip};
use lottery::Event;
use lottery::text::counted;
use operators::People;

use super::location::LocationArgs;
use super::operator::Kept;
use super::progress;
use super::stored::Stored;
use crate::backup::folder::{self, Folder};
use crate::backup::piece::{Piece, Writer};
use crate::backup::place::{NewPiece, Place};
use crate::backup::{remote, url};
use crate::exit::{Ending, print};
use crate::output::{How, Output};

const EXAMPLES: &str = "\
Examples:
  bolillero backup --data ./data --to /mnt/backup/lottery
  bolillero backup --data ./data --to ledger.bolb
  bolillero backup --data ./data --to /dev/stdout | ssh vault 'cat > ledger.bolb'
  bolillero backup --data ./data --to s3://lottery-archive/2026
  bolillero backup --store postgres://central@db1,db2/lottery?sslrootcert=ca.crt --to ./backup

The central may be running: everything that it acknowledged before the backup began is in it. A
folder, or a bucket of an object store, gets a new piece for what is new since the last run, and its
pieces never change. A path that ends in .bolb, or is a pipe or another device, is one file with
everything. For a bucket set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, unless it is Amazon's,
AWS_ENDPOINT_URL. What was written is read
back and verified. The end of the chain is printed: store it elsewhere, as that of `check`. A backup
is as confidential as the ledger: it has all bets, and the digests of passwords and tokens.";

const EXTENSION: &str = "bolb";

/// What to back up, and to where.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    from: LocationArgs,

    /// Folder to add to, created if missing; s3://BUCKET/PREFIX to add to; or one file, if it ends in
    /// .bolb or is a device.
    #[arg(long, value_name = "FILE|DIR|URL")]
    to: PathBuf,

    /// Overwrite the file if it exists.
    #[arg(long)]
    force: bool,
}

/// What a run has backed up.
#[derive(Clone, Copy, Default)]
struct Done {
    records: u64,
    bets: u64,
    pieces: u64,
}

/// Runs the backup.
pub(crate) fn run(args: &BackupArgs) -> Result<(), Ending> {
    let location = args.from.location()?;
    let source = location.stored().open()?;
    let mut operators = location.operators()?;
    let Some(id) = source.id()? else {
        return Err(Ending::wrong("there is nothing to back up: nothing was ever written there"));
    };
    let start = StreamStart { id, sequence: 0, chain: Chain::first(id) };
    let url = url(&args.to);
    if url.is_none() && is_file(&args.to) {
        return to_file(args, &source, &mut operators, start);
    }
    if args.force {
        return Err(Ending::wrong("--force is for a file: the pieces of a backup never change"));
    }
    let place = match url {
        Some(url) => remote(url)?,
        None => local(&args.to)?,
    };
    to_place(place.as_ref(), &source, &mut operators, start)
}

/// Returns whether a path is to be one file.
fn is_file(path: &Path) -> bool {
    let is_device = |found: fs::Metadata| !found.is_dir() && !found.is_file();
    path.extension().is_some_and(|it| it == EXTENSION) && !path.is_dir()
        || fs::metadata(path).is_ok_and(is_device)
}

/// Opens a folder to add to.
fn local(path: &Path) -> Result<Box<dyn Place>, Ending> {
    if fs::metadata(path).is_ok_and(|found| !found.is_dir()) {
        let why = format!("is a file: name a folder, or a file that ends in .{EXTENSION}");
        return Err(Ending::wrong(format!("{} {why}", path.display())));
    }
    Ok(Box::new(Folder::locked(path)?))
}

/// Adds what is new.
fn to_place(
    place: &dyn Place,
    source: &Stored,
    operators: &mut Kept,
    mut start: StreamStart,
) -> Result<(), Ending> {
    let names = place.pieces()?;
    let last = names.last().map(|name| place.verified(name)).transpose()?;
    if let Some(Piece { start: of, tip, .. }) = &last {
        if of.id != start.id {
            let (of, id) = (of.id, start.id);
            let why = format!("is a backup of the ledger {of}, and this is {id}");
            return Err(Ending::wrong(format!("{place} {why}; back it up to another place")));
        }
        start = StreamStart { id: of.id, sequence: tip.sequence, chain: tip.chain };
    }
    let mut adding = Adding {
        place,
        operators,
        number: names.len() as u64 + 1,
        start,
        piece: None,
        piece_len_max: place.piece_len_max(),
        done: Done::default(),
    };
    let bar = progress::counter("records backed up");
    let read = source.read_from(start, |record| {
        bar.inc(1);
        adding.add(&record)
    });
    bar.finish_and_clear();
    let mut end = read.map_err(|ending| {
        let what = match ending {
            Ending::Wrong(_) => " can't go on with this ledger: back it up to another place",
            _ => "",
        };
        ending.context(format!("backup {place}{what}"))
    })?;
    adding.end(last.as_ref().map(|last| &last.people))?;
    if let (0, Some(last)) = (adding.done.records, last) {
        end.at = last.tip.at;
    }
    print(&format!("{}{}", adding.done.describe(), anchor(start.id, end)))
}

/// Writes everything to one file.
fn to_file(
    args: &BackupArgs,
    source: &Stored,
    operators: &mut Kept,
    start: StreamStart,
) -> Result<(), Ending> {
    let path = &args.to;
    let cant = || format!("can't write {}", path.display());
    let how = How { force: args.force, mode: 0o600, durable: true };
    let mut writer = Writer::start(Output::create(path, how)?, start).with_context(cant)?;
    let bar = progress::counter("records backed up");
    let mut done = Done::default();
    let end = source.read_from(start, |record| {
        bar.inc(1);
        done.count(&record);
        writer.add(&record).with_context(cant)
    })?;
    bar.finish_and_clear();
    let piece = Piece { start, tip: writer.tip, people: operators.read_settled()? };
    writer.finish(&piece.people).with_context(cant)?.finish()?;
    done.pieces = 1;
    let told = format!("{}{}", done.describe(), anchor(start.id, end));
    if !fs::metadata(path).with_context(cant)?.is_file() {
        // Standard output may be what was written.
        tell(&told);
        return Ok(());
    }
    folder::read_back(path, &piece)?;
    print(&told)
}

/// Prints to standard error.
#[expect(clippy::print_stderr, reason = "standard output has the result")]
fn tell(text: &str) {
    eprint!("{text}");
}

/// Adds pieces.
struct Adding<'a> {
    place: &'a dyn Place,
    operators: &'a mut Kept,
    /// The number of the next piece, and where it begins.
    number: u64,
    start: StreamStart,
    piece: Option<Writer<Box<dyn NewPiece + 'a>>>,
    piece_len_max: u64,
    done: Done,
}

impl Adding<'_> {
    fn add(&mut self, record: &Record<'_>) -> anyhow::Result<()> {
        if self.piece.is_none() {
            self.begin()?;
        }
        let piece = self.piece.as_mut().expect("it was begun");
        let added = piece.add(record);
        let is_full = piece.is_full(self.piece_len_max);
        self.written(added)?;
        self.done.count(record);
        if is_full { self.complete() } else { Ok(()) }
    }

    /// Completes the last piece, or makes one without records if there are other operators than
    /// those of the last run.
    fn end(&mut self, before: Option<&People>) -> anyhow::Result<()> {
        if self.piece.is_none() {
            let people = self.operators.read_settled()?;
            if self.done.pieces > 0 || before == Some(&people) {
                return Ok(());
            }
            self.begin()?;
        }
        self.complete()
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        let new = self.place.begin()?;
        self.piece = Some(self.written(Writer::start(new, self.start))?);
        Ok(())
    }

    fn complete(&mut self) -> anyhow::Result<()> {
        let writer = self.piece.take().expect("one was begun");
        let people = self.operators.read_settled()?;
        let piece = Piece { start: writer.start, tip: writer.tip, people };
        let new = self.written(writer.finish(&piece.people))?;
        let name = new.complete(self.number, &piece)?;
        tell(&format!("wrote {name}\n"));
        let Tip { sequence, chain, .. } = piece.tip;
        self.start = StreamStart { sequence, chain, ..self.start };
        self.number += 1;
        self.done.pieces += 1;
        Ok(())
    }

    /// Says where a write failed.
    fn written<T>(&self, written: io::Result<T>) -> anyhow::Result<T> {
        written.with_context(|| format!("can't write to the backup {}", self.place))
    }
}

impl Done {
    fn count(&mut self, record: &Record<'_>) {
        self.records += 1;
        if let Event::BatchAccepted(batch) = record.event {
            self.bets += u64::from(batch.bets);
        }
    }

    fn describe(&self) -> String {
        let Self { records, bets, pieces } = *self;
        match (records, pieces) {
            (0, 0) => "nothing is new\n".to_owned(),
            (0, _) => "backed up the operators; no record is new\n".to_owned(),
            _ => {
                let records = counted(records, "new record", "new records");
                let bets = counted(bets, "bet", "bets");
                let pieces = counted(pieces, "piece", "pieces");
                format!("backed up {records} with {bets} in {pieces}\n")
            }
        }
    }
}

/// Returns what an auditor keeps of a ledger: up to where it goes, its id and its chain.
pub(super) fn anchor(id: LedgerId, end: Tip) -> String {
    let last = if end.at.0 > 0 { format!(", the last at {}", end.at) } else { String::new() };
    format!("records   {}{last}\nledger    {id}\nchain     {}\n", end.sequence, end.chain)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::conformance::{TestClock, wait};
    use engine::{Engine, LedgerId};
    use ledger::{Ledger, Options};
    use lottery::{
        Agencies, AgencyId, Batch, Bets, ChunkId, DrawName, DrawTerms, NumberRange, SealedNumber,
        Timestamp,
    };
    use operators::OperatorsFile;

    use super::*;
    use crate::backup::Backup;
    use crate::commands::location::Location;

    const ID: LedgerId = LedgerId([7; 16]);

    /// Makes a ledger with an automatic draw of some batches.
    fn ledger(data: &Path, batches: u32) {
        let log = Box::new(Ledger::open(data, Options::new(ID)).unwrap());
        let engine = Engine::start(log, Arc::new(TestClock::at(Timestamp(1)))).unwrap();
        let terms = DrawTerms {
            name: DrawName::new("sorteo").unwrap(),
            agencies: Agencies::first(1).unwrap(),
            numbers: NumberRange::default(),
        };
        let draw = wait(|done| engine.open_draw(terms, SealedNumber(7), done)).unwrap();
        for chunk in (0..batches).map(ChunkId) {
            let text = format!("Ana|Paz|{chunk}|2000-01-01|7");
            let bets = Bets::parse(&text, NumberRange::default()).unwrap();
            let batch = Batch { draw, agency: AgencyId(1), chunk, bets };
            wait(|done| engine.append(batch, done)).unwrap();
        }
        wait(|done| engine.finish(draw, AgencyId(1), done)).unwrap();
    }

    #[test]
    fn a_long_run_makes_several_pieces_none_of_which_ends_within_a_decision() {
        let folder = tempfile::tempdir().unwrap();
        let (data, to) = (folder.path().join("data"), folder.path().join("to"));
        ledger(&data, 20);
        let source = Location::Folder(data.clone()).stored().open().unwrap();
        for piece_len_max in [1, 300, 1000] {
            let to = to.join(piece_len_max.to_string());
            let mut adding = Adding {
                place: &Folder::locked(&to).unwrap(),
                operators: &mut Kept::Folder(OperatorsFile::in_folder(&data)),
                number: 1,
                start: StreamStart { id: ID, sequence: 0, chain: Chain::first(ID) },
                piece: None,
                piece_len_max,
                done: Done::default(),
            };
            let end = source.read_from(adding.start, |record| adding.add(&record)).unwrap();
            adding.end(None).unwrap();
            let pieces = adding.done.pieces;
            assert_eq!((adding.done.records, adding.done.bets), (25, 20));
            let mut count = 0;
            let read = Backup::open(&to).unwrap().read(|_| {
                count += 1;
                Ok(())
            });
            assert_eq!((count, read.unwrap().tip), (25, end));
            // At most one piece for each of 22 decisions, the last of which has four records.
            assert!((3..=22).contains(&pieces) && (piece_len_max > 1 || pieces == 22), "{pieces}");
        }
    }
}
