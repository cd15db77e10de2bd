//! The charts of the intake of a draw: bets per minute over time, and those of its agencies.

use std::fmt::Write as _;

use lottery::{Timestamp, View};

use super::language::Locale;
use crate::usecases::board::DrawBoard;
use crate::usecases::intake::{Sample, Strip, Strips};

const WIDTH: u64 = 1_000;
const HEIGHT: u64 = 100;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
/// The number of shades of a strip.
const SHADES: usize = 4;

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
    /// The same draw of an earlier day.
    pub(super) earlier: Option<EarlierLine>,
}

/// The line of an earlier draw, from its opening on.
pub(super) struct EarlierLine {
    pub(super) name: String,
    pub(super) points: String,
    pub(super) peak: String,
}

/// The bets of agencies over time: a strip for each, darker where there were more.
pub(super) struct Heat {
    pub(super) strips: Vec<HeatStrip>,
    /// The labels of the horizontal axis, from the left.
    pub(super) times: [String; 3],
    /// The most bets per minute of an agency.
    pub(super) peak: String,
}

/// The strip of an agency.
pub(super) struct HeatStrip {
    pub(super) number: u32,
    pub(super) name: String,
    pub(super) bets: String,
    /// What the strip shows, in words.
    pub(super) told: String,
    /// The path of each shade, the lightest first, in a field of 1,000 by 1.
    pub(super) shades: [String; SHADES],
}

/// The bets per minute in an interval, in milliseconds from the first sample.
#[derive(Clone, Copy)]
struct Rate {
    from: u64,
    to: u64,
    rate: u64,
}

impl Chart {
    /// Returns the chart of a draw, unless all its samples are of one time.
    pub(super) fn of(shown: &DrawBoard, l: Locale) -> Option<Self> {
        let earlier = shown.earlier.as_ref();
        let earlier = earlier.map(|it| (it.name.as_str(), &*it.samples));
        Self::of_samples(&shown.samples, earlier, l)
    }

    fn of_samples(
        samples: &[Sample],
        earlier: Option<(&str, &[Sample])>,
        l: Locale,
    ) -> Option<Self> {
        let first = samples.first()?.at.0;
        let rates = rates_of(samples.iter().map(|it| (it.at, it.bets)));
        let earlier = earlier.and_then(|(name, samples)| {
            let rates = rates_of(samples.iter().map(|it| (it.at, it.bets)));
            (!rates.is_empty()).then_some((name, rates))
        });
        // Both lines begin at the opening of their draw.
        let earlier_span = earlier.as_ref().map_or(0, |(_, rates)| span_of(rates));
        let span = span_of(&rates).max(if rates.is_empty() { 0 } else { earlier_span });
        if span == 0 {
            return None;
        }
        let peak = peak_of(&rates);
        let earlier_peak = earlier.as_ref().map_or(0, |(_, rates)| peak_of(rates));
        let top = top_of(peak.max(earlier_peak));
        let points = |rates: &[Rate]| {
            let mut points = String::new();
            for Rate { from, to, rate } in rates {
                let y = HEIGHT - rate * HEIGHT / top;
                let _ = write!(points, "{},{y} {},{y} ", from * WIDTH / span, to * WIDTH / span);
            }
            points
        };
        Some(Self {
            points: points(&rates),
            scale: [top, top / 2, 0].map(|bets| l.n(bets)),
            times: times(first, span, l),
            peak: l.n(peak),
            earlier: earlier.map(|(name, rates)| EarlierLine {
                name: name.to_owned(),
                points: points(&rates),
                peak: l.n(earlier_peak),
            }),
        })
    }
}

impl Heat {
    /// Returns the strips of a draw's agencies, once there are some.
    pub(super) fn of(strips: &Strips, register: &View, l: Locale) -> Option<Self> {
        let (first, last) = (strips.times.first()?.0, strips.times.last()?.0);
        let span = last.checked_sub(first).filter(|span| *span > 0)?;
        let rated = strips.agencies.iter().map(|strip| {
            let bets = strip.bets.iter().map(|bets| u64::from(*bets));
            (strip, rates_of(strips.times.iter().copied().zip(bets)))
        });
        let rated: Vec<_> = rated.collect();
        let peak = rated.iter().map(|(_, rates)| peak_of(rates)).max().filter(|peak| *peak > 0)?;
        let strips = rated.iter().map(|(strip, rates)| {
            let known = register.registration(strip.agency);
            let name = known.map_or_else(String::new, |it| it.name.to_string());
            HeatStrip::of(strip, name, rates, (first, span, peak), l)
        });
        Some(Self { strips: strips.collect(), times: times(first, span, l), peak: l.n(peak) })
    }
}

impl HeatStrip {
    fn of(
        strip: &Strip,
        name: String,
        rates: &[Rate],
        (first, span, peak): (u64, u64, u64),
        l: Locale,
    ) -> Self {
        let mut shades: [String; SHADES] = Default::default();
        for Rate { from, to, rate } in rates.iter().filter(|it| it.rate > 0) {
            // From the lightest for few bets to the darkest for the peak.
            let shade = rate * SHADES as u64 / (peak + 1);
            let (x, end) = (from * WIDTH / span, to * WIDTH / span);
            if let Some(path) = usize::try_from(shade).ok().and_then(|it| shades.get_mut(it)) {
                let _ = write!(path, "M{x},0H{end}V1H{x}z");
            }
        }
        let most = rates.iter().max_by_key(|it| it.rate);
        let told = most.map_or_else(String::new, |most| {
            let time = |ms: u64| l.hour(Timestamp(first.saturating_add(ms)));
            let (peak, rate) = (l.t("máximo", "peak"), l.n(most.rate));
            let (per, between) = (l.t("por minuto, entre", "per minute, between"), l.t("y", "and"));
            format!("{peak} {rate} {per} {} {between} {}", time(most.from), time(most.to))
        });
        let bets = l.n(strip.bets.last().copied().unwrap_or(0));
        Self { number: strip.agency.0, name, bets, told, shades }
    }
}

/// Returns the bets per minute between samples, which are counts of bets.
fn rates_of(samples: impl Iterator<Item = (Timestamp, u64)> + Clone) -> Vec<Rate> {
    let first = samples.clone().next().map_or(0, |(at, _)| at.0);
    let rates = samples.clone().zip(samples.skip(1)).filter_map(|((from, before), (to, after))| {
        let ms = to.0.checked_sub(from.0).filter(|ms| *ms > 0)?;
        let rate = after.saturating_sub(before) * MINUTE_MS / ms;
        Some(Rate { from: from.0.saturating_sub(first), to: to.0.saturating_sub(first), rate })
    });
    rates.collect()
}

fn span_of(rates: &[Rate]) -> u64 {
    rates.last().map_or(0, |last| last.to)
}

fn peak_of(rates: &[Rate]) -> u64 {
    rates.iter().map(|it| it.rate).max().unwrap_or(0)
}

fn times(first: u64, span: u64, l: Locale) -> [String; 3] {
    [0, span / 2, span].map(|ms| {
        let at = Timestamp(first.saturating_add(ms));
        if span < DAY_MS { l.hour(at) } else { l.time(at) }
    })
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
    use lottery::AgencyId;

    use super::super::language::tests::spanish;
    use super::*;

    const DAY: u64 = 86_400;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(1_764_000_000_000 + seconds * 1000)
    }

    fn samples(of: &[(u64, u64)]) -> Vec<Sample> {
        of.iter().map(|(seconds, bets)| Sample { at: at(*seconds), bets: *bets }).collect()
    }

    fn chart(of: &[(u64, u64)]) -> Option<Chart> {
        Chart::of_samples(&samples(of), None, spanish())
    }

    #[test]
    fn the_line_of_an_earlier_draw_begins_with_it_and_has_the_same_scale() {
        let earlier = samples(&[(0, 0), (60, 4_000), (240, 4_000)]);
        let now = samples(&[(DAY, 0), (DAY + 120, 2_000)]);
        let chart = Chart::of_samples(&now, Some(("nocturna 23/11", &earlier)), spanish()).unwrap();
        assert_eq!(chart.points, "0,75 500,75 ");
        assert_eq!((chart.peak.as_str(), chart.scale[0].as_str()), ("1.000", "4.000"));
        assert_eq!(chart.times, ["13:00:00 UTC-3", "13:02:00 UTC-3", "13:04:00 UTC-3"]);
        let earlier = chart.earlier.unwrap();
        assert_eq!(earlier.points, "0,0 250,0 250,100 1000,100 ");
        assert_eq!((earlier.name.as_str(), earlier.peak.as_str()), ("nocturna 23/11", "4.000"));
        let none = samples(&[(0, 0)]);
        assert!(Chart::of_samples(&now, Some(("x", &none)), spanish()).unwrap().earlier.is_none());
    }

    #[test]
    fn strips_are_darker_where_there_were_more_bets() {
        let strip = |agency, bets: &[u32]| Strip { agency: AgencyId(agency), bets: bets.to_vec() };
        let times = [0, 60, 120, 240].map(at).to_vec();
        let agencies = vec![strip(9, &[0, 1_000, 1_000, 1_500]), strip(7, &[0, 0, 2, 2])];
        let heat = Heat::of(&Strips { times, agencies }, &View::default(), spanish()).unwrap();
        assert_eq!(heat.peak, "1.000");
        let [first, second] = &heat.strips[..] else { panic!() };
        assert_eq!((first.number, first.bets.as_str()), (9, "1.500"));
        let told = "máximo 1.000 por minuto, entre 13:00:00 UTC-3 y 13:01:00 UTC-3";
        assert_eq!(first.told, told);
        assert_eq!(
            first.shades,
            ["M500,0H1000V1H500z", "", "", "M0,0H250V1H0z"].map(str::to_owned)
        );
        assert_eq!(second.shades[0], "M250,0H500V1H250z");
        let no_bets = Strips { times: vec![at(0), at(9)], agencies: vec![strip(1, &[0, 0])] };
        for none in [no_bets, Strips::default()] {
            assert!(Heat::of(&none, &View::default(), spanish()).is_none());
        }
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
