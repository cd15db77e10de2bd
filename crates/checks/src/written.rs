//! A ledger as it was written, against which what comes of its files is judged.

use crate::ledger_bytes::{
    RECORDS_AT, RecordPlace, SECTOR_LEN, SEGMENT_LEN, is_zero, len_at, name, records_in,
};
use crate::stored::{Files, Told, disk_of, read};

pub(crate) struct Written {
    pub(crate) files: Files,
    pub(crate) told: Vec<Told>,
    /// The position of each acknowledged record.
    pub(crate) places: Vec<(String, RecordPlace)>,
}

impl Written {
    pub(crate) fn new(files: Files) -> Self {
        let (told, _) = read(&disk_of(&files)).expect("a sound ledger");
        let places = files.iter().flat_map(|(name, bytes)| {
            records_in(bytes).into_iter().map(|place| (name.clone(), place))
        });
        let places: Vec<_> = places.take(told.len()).collect();
        assert_eq!(places.len(), told.len(), "every record has its place");
        Self { files, told, places }
    }

    /// Asserts that the first `kept` records are unchanged, byte for byte.
    pub(crate) fn assert_as_written(&self, files: &Files, kept: usize) {
        for (nth, it) in self.places[..kept].iter().enumerate() {
            assert!(self.has(files, it), "record {nth} is called sound, and not as it was written");
        }
    }

    /// Asserts that nothing in the files shows that there were more than the first `kept` records.
    pub(crate) fn assert_only_an_anchor_shows(&self, files: &Files, kept: usize) {
        let left = self.places[kept].1.left;
        let decision = &self.places[kept..=kept + left];
        // One changed record invalidates its whole decision.
        let changed = decision.iter().find(|it| !self.has(files, it));
        let (file, place) = changed.unwrap_or(&decision[0]);
        let what = format!("record {kept} at byte {} of {file} is passed over", place.at);
        let number = (1..).find(|number| name(*number) == *file).expect("it is a segment");
        // Nothing may show that records followed: nothing in this segment or a later one, and not
        // the index that marks a sealed segment.
        let bytes = files.get(file).map_or(&[][..], Vec::as_slice);
        assert!(bytes.len() <= SEGMENT_LEN, "{what}, though its segment was sealed");
        let rest = bytes.get(place.at..).unwrap_or_default();
        let is_written_later = |it: &&(String, RecordPlace)| it.1.group > place.sequence;
        let mut later = self.places[kept + 1..].iter().filter(is_written_later);
        let is_cut_short = looks_unwritten(bytes, place.at) && !later.any(|it| self.has(files, it));
        assert!(is_zero(rest) || is_cut_short, "{what}");
        let later = files.range(name(number + 1)..);
        later.for_each(|(_, later)| assert!(is_zero(later), "{what}"));
        if place.at == RECORDS_AT && number > 1 {
            let before = files.get(&name(number - 1)).expect("it is sound so far");
            assert!(before.len() <= SEGMENT_LEN, "{what}, though the one before was sealed");
        }
    }

    /// Returns whether a record is unchanged.
    pub(crate) fn has(&self, files: &Files, (name, place): &(String, RecordPlace)) -> bool {
        let record = |files: &Files| {
            let file = files.get(name).and_then(|file| file.get(place.range()));
            file.map(<[u8]>::to_vec)
        };
        record(files) == record(&self.files)
    }
}

/// Returns whether a sector of the record here reads as zeros, as after a crash or on a disk that
/// lost data it had reported as durable.
fn looks_unwritten(file: &[u8], at: usize) -> bool {
    let end = at + len_at(file, at);
    let first_end = (at / SECTOR_LEN + 1) * SECTOR_LEN;
    let starts = std::iter::once(at).chain((first_end..end).step_by(SECTOR_LEN));
    let mut sectors = starts.map(|from| from..((from / SECTOR_LEN + 1) * SECTOR_LEN).min(end));
    sectors.any(|sector| file.get(sector).is_some_and(is_zero))
}

/// Returns the part of a segment's file before its index.
pub(crate) fn records_of(file: &[u8]) -> &[u8] {
    &file[..file.len().min(SEGMENT_LEN)]
}
