//! The chart of the bets per minute of a draw.

use std::fmt::Write as _;

use lottery::Timestamp;

use super::language::Locale;
use crate::usecases::intake::Sample;

const WIDTH: u64 = 1_000;
const HEIGHT: u64 = 100;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// A line over time, and the labels of its axes.
pub(super) struct Chart {
    /// The points of the line, in a field of 1,000 by 100.
    pub(super) points: String,
    /// The labels of the vertical axis, from the top.
    pub(super) scale: [String; 3],
    /// The labels of the horizontal axis, from the left.
    pub(super) times: [String; 3],
    /// The most bets per minute.
    pub(super) peak: String,
}

impl Chart {
    /// Returns the chart of these samples, unless they are all of one time.
    pub(super) fn of(samples: &[Sample], l: Locale) -> Option<Self> {
        let (first, last) = (samples.first()?.at.0, samples.last()?.at.0);
        let span = last.checked_sub(first).filter(|span| *span > 0)?;
        let rates = samples.windows(2).filter_map(|pair| {
            let [from, to] = pair else { return None };
            let ms = to.at.0.checked_sub(from.at.0).filter(|ms| *ms > 0)?;
            Some((from.at.0, to.at.0, (to.bets.saturating_sub(from.bets)) * MINUTE_MS / ms))
        });
        let rates: Vec<_> = rates.collect();
        let peak = rates.iter().map(|(_, _, rate)| *rate).max().unwrap_or(0);
        let top = top_of(peak);
        let mut points = String::new();
        for (from, to, rate) in rates {
            let x = |at: u64| at.saturating_sub(first) * WIDTH / span;
            let y = HEIGHT - rate * HEIGHT / top;
            let _ = write!(points, "{},{y} {},{y} ", x(from), x(to));
        }
        let time = |at: u64| {
            if span < DAY_MS { l.hour(Timestamp(at)) } else { l.time(Timestamp(at)) }
        };
        Some(Self {
            points,
            scale: [top, top / 2, 0].map(|bets| l.n(bets)),
            times: [first, first + span / 2, last].map(time),
            peak: l.n(peak),
        })
    }
}

/// Returns the least round number, with a half, that is not below the peak: 2, 4, 10, 20, 40...
fn top_of(peak: u64) -> u64 {
    let mut unit = 1_u64;
    loop {
        let round = [2, 4, 10].map(|it| unit.saturating_mul(it)).into_iter().find(|it| *it >= peak);
        match round {
            Some(round) => return round,
            None => unit = unit.saturating_mul(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::language::tests::spanish;
    use super::*;

    fn chart(samples: &[(u64, u64)]) -> Option<Chart> {
        let sample = |(seconds, bets): &(u64, u64)| Sample {
            at: Timestamp(1_764_000_000_000 + seconds * 1000),
            bets: *bets,
        };
        Chart::of(&samples.iter().map(sample).collect::<Vec<_>>(), spanish())
    }

    #[test]
    fn a_line_has_the_bets_per_minute_of_each_interval_with_scale_and_hours() {
        let chart = chart(&[(0, 0), (30, 1_000), (60, 1_000), (120, 2_500)]).unwrap();
        assert_eq!(chart.points, "0,0 250,0 250,100 500,100 500,25 1000,25 ");
        assert_eq!(chart.scale, ["2.000", "1.000", "0"]);
        assert_eq!(chart.peak, "2.000");
        assert_eq!(chart.times, ["13:00:00 UTC-3", "13:01:00 UTC-3", "13:02:00 UTC-3"]);
    }

    #[test]
    fn a_day_and_more_has_dates_and_no_time_no_chart() {
        let days = chart(&[(0, 0), (86_400, 9)]).unwrap();
        assert!(days.times[0].starts_with("24/11/2025 13:00:00"), "{:?}", days.times);
        assert!(chart(&[]).is_none() && chart(&[(5, 0), (5, 7)]).is_none());
    }

    #[test]
    fn the_scale_is_round_and_has_a_half() {
        for (peak, top) in
            [(0, 2), (2, 2), (3, 4), (5, 10), (11, 20), (1_674, 2_000), (4_001, 10_000)]
        {
            assert_eq!(top_of(peak), top, "{peak}");
        }
        assert_eq!(top_of(u64::MAX), u64::MAX);
    }
}
