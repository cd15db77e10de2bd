//! Bets as Parquet: names and numbers are unsigned integers, the birthdate is a date, the rest is
//! text.
//!
//! A row group is buffered by column and written when full.

use std::io::Write;
use std::mem::take;
use std::ops::Range;
use std::sync::Arc;

use lottery::{Bet, BetName, Birthdate};
use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use crate::cells::COLUMNS;
use crate::error::ExportError;
use crate::limits::ROW_GROUP_BETS_MAX;

pub(crate) struct ParquetBets<W: Write + Send> {
    out: SerializedFileWriter<W>,
    group: Group,
}

#[derive(Default)]
struct Group {
    agencies: Vec<i32>,
    chunks: Vec<i32>,
    positions: Vec<i32>,
    first_names: Texts,
    last_names: Texts,
    documents: Texts,
    birthdates: Vec<i32>,
    numbers: Vec<i32>,
}

#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl<W: Write + Send> ParquetBets<W> {
    pub(crate) fn new(out: W) -> Result<Self, ExportError> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let out = SerializedFileWriter::new(out, schema()?, Arc::new(properties))?;
        Ok(Self { out, group: Group::default() })
    }

    pub(crate) fn add(&mut self, name: BetName, bet: &Bet<'_>) -> Result<(), ExportError> {
        let group = &mut self.group;
        // Parquet stores unsigned integers in the bits of signed ones.
        group.agencies.push(name.agency.0.cast_signed());
        group.chunks.push(name.chunk.0.cast_signed());
        group.positions.push(name.position.cast_signed());
        group.first_names.push(bet.first_name());
        group.last_names.push(bet.last_name());
        group.documents.push(bet.document());
        group.birthdates.push(days_since_1970(bet.birthdate()));
        group.numbers.push(bet.number().cast_signed());
        if group.agencies.len() == ROW_GROUP_BETS_MAX {
            self.write_group()?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<W, ExportError> {
        if !self.group.agencies.is_empty() {
            self.write_group()?;
        }
        Ok(self.out.into_inner()?)
    }

    fn write_group(&mut self) -> Result<(), ExportError> {
        let group = take(&mut self.group);
        let mut out = self.out.next_row_group()?;
        for integers in [&group.agencies, &group.chunks, &group.positions] {
            write_integers(&mut out, integers)?;
        }
        write_texts(&mut out, group.first_names)?;
        write_texts(&mut out, group.last_names)?;
        write_texts(&mut out, group.documents)?;
        write_integers(&mut out, &group.birthdates)?;
        write_integers(&mut out, &group.numbers)?;
        out.close()?;
        Ok(())
    }
}

impl Texts {
    fn push(&mut self, text: &str) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        self.places.push(start..self.bytes.len());
    }
}

fn schema() -> Result<TypePtr, ExportError> {
    let unsigned = LogicalType::integer(32, false);
    let kinds = [
        (PhysicalType::INT32, unsigned.clone()),
        (PhysicalType::INT32, unsigned.clone()),
        (PhysicalType::INT32, unsigned.clone()),
        (PhysicalType::BYTE_ARRAY, LogicalType::String),
        (PhysicalType::BYTE_ARRAY, LogicalType::String),
        (PhysicalType::BYTE_ARRAY, LogicalType::String),
        (PhysicalType::INT32, LogicalType::Date),
        (PhysicalType::INT32, unsigned),
    ];
    let column = |(name, (physical, logical)): (&&str, (PhysicalType, LogicalType))| {
        let column = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Some(logical));
        column.build().map(Arc::new)
    };
    let columns = COLUMNS.iter().zip(kinds).map(column).collect::<Result<_, _>>()?;
    Ok(Arc::new(Type::group_type_builder("bets").with_fields(columns).build()?))
}

fn write_integers<W: Write + Send>(
    out: &mut SerializedRowGroupWriter<'_, W>,
    values: &[i32],
) -> Result<(), ExportError> {
    let mut column = out.next_column()?.expect("there are as many columns as in the schema");
    column.typed::<Int32Type>().write_batch(values, None, None)?;
    Ok(column.close()?)
}

fn write_texts<W: Write + Send>(
    out: &mut SerializedRowGroupWriter<'_, W>,
    texts: Texts,
) -> Result<(), ExportError> {
    let Texts { bytes, places } = texts;
    let bytes = ByteArray::from(bytes);
    let values = places.into_iter().map(|place| bytes.slice(place.start, place.len()));
    let values: Vec<_> = values.collect();
    let mut column = out.next_column()?.expect("there are as many columns as in the schema");
    column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
    Ok(column.close()?)
}

fn days_since_1970(date: Birthdate) -> i32 {
    let text = date.to_string();
    let part = |place: Range<usize>| text[place].parse::<i32>().expect("digits, by Birthdate");
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    // Counts years from March, so that the leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_before_and_after_1970() {
        let cases = [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2000-03-01", 11_017),
            ("2026-11-24", 20_781),
            ("1900-03-01", -25_508),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ];
        for (text, days) in cases {
            assert_eq!(days_since_1970(Birthdate::parse(text).unwrap()), days, "{text}");
        }
    }
}
