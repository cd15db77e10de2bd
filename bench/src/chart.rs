//! Figures side by side, as a picture: the rates of stores, or what grows with a size.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::figures::{Column, Figures, Group};
use crate::scenario::Scenario;
use crate::server::said;
use crate::stores::{BARE_SERVER, BOLILLERO};

const WIDTH: usize = 720;
const NAMES_WIDTH: usize = 130;
/// Of the longest bar; its figure stands behind it.
const BAR_WIDTH: f64 = 460.0;
const BAR_HEIGHT: usize = 16;
const LINE_HEIGHT: usize = 22;
const HEAD_HEIGHT: usize = 64;
const TITLE_HEIGHT: usize = 30;
/// It has a ground of its own, so that it can be read on any page.
const STYLE: &str = "\
text { font: 13px sans-serif; fill: #24292f; } .note { font-size: 11px; } .ground { fill: #fff; }
.store { fill: #8c959f; } .bolillero { fill: #0969da; } .limit { fill: #fff; stroke: #57606a; }
.title { font-weight: bold; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .ground { fill: #161b22; } .store { fill: #6e7681; }
  .bolillero { fill: #4493f8; } .limit { fill: #161b22; stroke: #8b949e; }
}
";

/// The scenarios that have a picture, what stands above it, and what a reader has to know.
const DRAWN: [(Scenario, &str, &str); 4] = [
    (Scenario::Stores, "Durable batches a second", "; the bare server is no store, but a limit"),
    (Scenario::Large, "Cost as a ledger grows", ""),
    (Scenario::Draws, "Cost as a ledger keeps more draws", ""),
    (Scenario::Idle, "Cost as connections grow", ""),
];

/// Figures side by side: a bar for each case.
struct Panel<'a> {
    title: String,
    cases: &'a [Column],
    figure: &'static str,
    /// A figure as people read it.
    shown: fn(f64) -> String,
}

/// Writes the picture of the first of [`DRAWN`] that was measured.
pub(crate) fn write(file: &Path, figures: &Figures) -> anyhow::Result<()> {
    let groups_of = |scenario| figures.groups.iter().filter(move |it| it.scenario == scenario);
    let drawn = DRAWN.iter().find(|drawn| groups_of(drawn.0).next().is_some());
    let &(scenario, title, note) = drawn.context(
        "--chart is of the scenarios 'stores', 'large', 'draws' and 'idle': none was measured",
    )?;
    let panels: Vec<_> = groups_of(scenario).flat_map(panels).collect();
    let date = said(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let (processor, processors) = (processor()?, figures.processors);
    let about =
        format!("{processor}, {processors} processors, {date}; medians of the rounds{note}");
    std::fs::write(file, svg(title, &about, &panels))
        .with_context(|| format!("can't write {}", file.display()))
}

fn panels(group: &Group) -> Vec<Panel<'_>> {
    let Group { scenario, agencies, window, cases, .. } = group;
    let panel =
        |title: &str, figure, shown| Panel { title: title.to_owned(), cases, figure, shown };
    if *scenario == Scenario::Stores {
        let title = format!("{agencies} agencies, {window} in flight each");
        return vec![panel(&title, "batches_per_second", thousands)];
    }
    let mut panels = vec![
        panel("Acknowledgement, median", "ack_us_p50", us),
        panel("Acknowledgement, 99th percentile", "ack_us_p99", us),
        panel("Memory", "central_memory_mb", mb),
    ];
    if *scenario != Scenario::Idle {
        let last_winner = "From the last FINISH to the last winner";
        panels.push(panel("Opening", "open_warm_ms", ms));
        panels.push(panel(last_winner, "last_finish_to_all_winners_ms", ms));
    }
    panels
}

/// A rate as people read it.
fn thousands(rate: f64) -> String {
    format!("{:.1} thousand", rate / 1e3)
}

fn us(time: f64) -> String {
    format!("{time:.0} us")
}

fn ms(time: f64) -> String {
    format!("{time:.0} ms")
}

fn mb(memory: f64) -> String {
    format!("{memory:.0} MB")
}

/// The processor's name, if the system tells it.
fn processor() -> anyhow::Result<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").context("can't read /proc/cpuinfo")?;
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    Ok(name.unwrap_or("unknown processor").to_owned())
}

fn svg(title: &str, about: &str, panels: &[Panel<'_>]) -> String {
    let mut at = HEAD_HEIGHT;
    let mut body = String::new();
    for panel in panels {
        let _ = writeln!(body, "<g transform=\"translate(16 {at})\">\n{}</g>", panel.drawn());
        at += TITLE_HEIGHT + panel.cases.len() * LINE_HEIGHT;
    }
    let about = escaped(about);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {at}\" role=\"img\" \
         aria-label=\"{title}\">\n<style>\n{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{at}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"16\" y=\"26\">{title}</text>\n\
         <text class=\"note\" x=\"16\" y=\"46\">{about}</text>\n{body}</svg>\n"
    )
}

impl Panel<'_> {
    fn drawn(&self) -> String {
        let value = |case: &Column| case.figure(self.figure);
        let most = self.cases.iter().map(value).fold(f64::MIN_POSITIVE, f64::max);
        let mut drawn = format!("<text class=\"title\" y=\"14\">{}</text>\n", self.title);
        for (line, case) in self.cases.iter().enumerate() {
            let (value, top) = (value(case), TITLE_HEIGHT - 8 + line * LINE_HEIGHT);
            let (width, base) = (value / most * BAR_WIDTH, top + BAR_HEIGHT - 4);
            let class = match &*case.name {
                BOLILLERO => "bolillero",
                BARE_SERVER => "limit",
                _ => "store",
            };
            let (name, end) = (escaped(&case.name), NAMES_WIDTH as f64 + width + 6.0);
            let _ = writeln!(
                drawn,
                "<text y=\"{base}\">{name}</text><rect class=\"{class}\" x=\"{NAMES_WIDTH}\" \
                 y=\"{top}\" width=\"{width:.0}\" height=\"{BAR_HEIGHT}\"/><text x=\"{end:.0}\" \
                 y=\"{base}\">{}</text>",
                (self.shown)(value)
            );
        }
        drawn
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::batches::Batches;
    use crate::load::{Sent, latencies};

    #[test]
    fn bars_are_as_long_as_rates_and_texts_are_escaped() {
        let column = |name: &str, batches| {
            let mut ack_us = latencies().unwrap();
            ack_us.record(1).unwrap();
            let took = Duration::from_secs(1);
            let (bets, bets_bytes, cpu) = (batches, batches, took);
            let slice = || Sent { batches, bets, bets_bytes, took, cpu, ack_us: ack_us.clone() };
            Column::of(name, &[slice().into()], &[slice().into()]).unwrap()
        };
        let lines = "Ana,Paz,1,2000-01-02,7\n".repeat(256);
        let batches = Batches::of_lines(&lines, 1).unwrap();
        let cases = vec![column(BOLILLERO, 30_000), column("a<b", 15_000)];
        let group = Group::new(Scenario::Stores, (5, 16), &batches, cases);
        let svg = svg("Rates", "two & two", &panels(&group));
        for part in [
            "two &amp; two",
            "5 agencies, 16 in flight each",
            "class=\"bolillero\" x=\"130\" y=\"22\" width=\"460\"",
            "class=\"store\" x=\"130\" y=\"44\" width=\"230\"",
            ">a&lt;b</text>",
            ">15.0 thousand</text>",
        ] {
            assert!(svg.contains(part), "no {part} in {svg}");
        }
    }
}
