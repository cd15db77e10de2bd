//! The rates of stores side by side, as a picture: a panel for each load, a bar for each store.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

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

/// Writes the picture of the scenario 'stores'.
pub(crate) fn write(file: &Path, figures: &Figures) -> anyhow::Result<()> {
    let is_of_stores = |group: &&Group| group.scenario == Scenario::Stores;
    let groups: Vec<_> = figures.groups.iter().filter(is_of_stores).collect();
    ensure!(!groups.is_empty(), "--chart is of the scenario 'stores', which was not measured");
    let date = said(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let machine = format!("{}, {} processors, {date}", processor()?, figures.processors);
    std::fs::write(file, svg(&groups, &machine))
        .with_context(|| format!("can't write {}", file.display()))
}

/// The processor's name, if the system tells it.
fn processor() -> anyhow::Result<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").context("can't read /proc/cpuinfo")?;
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    Ok(name.unwrap_or("unknown processor").to_owned())
}

fn svg(groups: &[&Group], machine: &str) -> String {
    let panels: Vec<_> = groups.iter().map(|group| panel(group)).collect();
    let mut at = HEAD_HEIGHT;
    let mut body = String::new();
    for (lines, panel) in &panels {
        let _ = writeln!(body, "<g transform=\"translate(16 {at})\">\n{panel}</g>");
        at += TITLE_HEIGHT + lines * LINE_HEIGHT;
    }
    let machine = escaped(machine);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {at}\" role=\"img\" \
         aria-label=\"Durable batches a second of each store\">\n<style>\n{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{at}\" rx=\"6\"/>\n\
         <text class=\"title\" x=\"16\" y=\"26\">Durable batches a second</text>\n\
         <text class=\"note\" x=\"16\" y=\"46\">{machine}; medians of the rounds; the bare server is \
         no store, but a limit</text>\n{body}</svg>\n"
    )
}

/// A load's title and bars, and how many bars.
fn panel(group: &Group) -> (usize, String) {
    let Group { agencies, window, cases, .. } = group;
    let rate = |case: &Column| case.figure("batches_per_second");
    let most = cases.iter().map(rate).fold(1.0, f64::max);
    let title = format!("{agencies} agencies, {window} in flight each");
    let mut panel = format!("<text class=\"title\" y=\"14\">{title}</text>\n");
    for (line, case) in cases.iter().enumerate() {
        let (rate, top) = (rate(case), TITLE_HEIGHT - 8 + line * LINE_HEIGHT);
        let (width, base) = (rate / most * BAR_WIDTH, top + BAR_HEIGHT - 4);
        let class = match &*case.name {
            BOLILLERO => "bolillero",
            BARE_SERVER => "limit",
            _ => "store",
        };
        let (name, end) = (escaped(&case.name), NAMES_WIDTH as f64 + width + 6.0);
        let _ = writeln!(
            panel,
            "<text y=\"{base}\">{name}</text><rect class=\"{class}\" x=\"{NAMES_WIDTH}\" y=\"{top}\" \
             width=\"{width:.0}\" height=\"{BAR_HEIGHT}\"/><text x=\"{end:.0}\" y=\"{base}\">\
             {}</text>",
            thousands(rate)
        );
    }
    (cases.len(), panel)
}

/// A rate as people read it.
fn thousands(rate: f64) -> String {
    format!("{:.1} thousand", rate / 1e3)
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
        let svg = svg(&[&group], "two & two");
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
