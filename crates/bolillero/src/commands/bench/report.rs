//! The figures as tables for people.

use comfy_table::{CellAlignment, Table, presets};

use super::figures::{
    Acknowledged, Disk, Figures, Idle, Intake, Large, Latency, Loopback, Readers, Spoken, Tls,
    Waiting, Watched,
};

/// All that was measured.
pub(super) fn describe(figures: &Figures) -> String {
    let Figures { version, processors, seconds_per_scenario, turns, .. } = figures;
    let mut text = format!(
        "bolillero {version}, {processors} processors, the load on the same; \
         {seconds_per_scenario} s a scenario in {turns} turns; medians\n"
    );
    if !figures.intake.is_empty() {
        text += &limits(figures);
        text += &intake(&figures.intake);
    }
    text += &figures.idle.as_ref().map(idle).unwrap_or_default();
    text += &figures.waiting.as_ref().map(waiting).unwrap_or_default();
    text += &figures.tls.as_ref().map(tls).unwrap_or_default();
    text += &figures.watched.as_ref().map(watched).unwrap_or_default();
    text += &figures.readers.as_ref().map(readers).unwrap_or_default();
    figures.large.iter().for_each(|large| text += &large_ledger(large));
    text
}

fn limits(figures: &Figures) -> String {
    let mut disk = table(&["disk alone", "group", "batches/s", "bets/s", "p50 us", "p99 us"]);
    for of in &figures.disk {
        let Disk { size, batches_per_group, prepared_us, .. } = of;
        let ways = [
            ("append, fdatasync", of.append_batches_per_second, None),
            ("prepared", of.prepared_batches_per_second, Some(prepared_us)),
        ];
        for (way, rate, took) in ways {
            let took =
                |pick: fn(&Latency) -> u64| took.map_or(String::new(), |us| pick(us).to_string());
            disk.add_row([
                way.to_owned(),
                format!("{batches_per_group} x {}", size.bytes_per_batch),
                format!("{rate:.0}"),
                format!("{:.0}", rate * size.bets_per_batch),
                took(|us| us.p50),
                took(|us| us.p99),
            ]);
        }
    }
    let mut network = table(&["network alone", "in flight", "batches/s", "p50 us", "p99 us"]);
    for Loopback { size, agencies, window, batches_per_second, ack_us } in &figures.loopback {
        network.add_row([
            "acknowledged at once".to_owned(),
            format!("{agencies} x {window} x {}", size.bytes_per_batch),
            format!("{batches_per_second:.0}"),
            ack_us.p50.to_string(),
            ack_us.p99.to_string(),
        ]);
    }
    let mut checking = table(&["reading and checking alone", "ns/bet"]);
    for of in &figures.checking {
        let size = of.size;
        let what = format!("{:.0} bets, {} bytes", size.bets_per_batch, size.bytes_per_batch);
        checking.add_row([what, format!("{:.1}", of.ns_per_bet)]);
    }
    let way = figures.prepared_writes;
    format!("\n{disk}\n(prepared: {way})\n\n{network}\n\n{checking}\n")
}

fn intake(scenarios: &[Intake]) -> String {
    let mut rates = table(&[
        "scenario",
        "in flight",
        "batches/s",
        "bets/s",
        "of prepared",
        "of append",
        "of network",
        "p50 us",
        "p99 us",
        "p99.9 us",
    ]);
    let mut costs = table(&[
        "scenario",
        "in flight",
        "batches/write",
        "central cpu",
        "load cpu",
        "log written",
        "all written",
    ]);
    for of in scenarios {
        let name = of.scenario.name();
        let in_flight = format!("{} x {} x {}", of.agencies, of.window, of.size.bytes_per_batch);
        rates.add_row([
            name.clone(),
            in_flight.clone(),
            format!("{:.0}", of.batches_per_second),
            format!("{:.0}", of.bets_per_second),
            format!("{:.2}", of.ratio_to_prepared),
            format!("{:.2}", of.ratio_to_append),
            format!("{:.2}", of.ratio_to_loopback),
            of.ack_us.p50.to_string(),
            of.ack_us.p99.to_string(),
            of.ack_us.p999.to_string(),
        ]);
        costs.add_row([
            name,
            in_flight,
            format!("{:.1}", of.cost.batches_per_write),
            format!("{:.2}", of.cost.central_cpu_s_per_million_bets),
            format!("{:.2}", of.cost.load_cpu_s_per_million_bets),
            format!("{:.3}", of.cost.log_bytes_per_bets_byte),
            format!("{:.3}", of.cost.written_bytes_per_bets_byte),
        ]);
    }
    let units = "cpu in seconds per million bets; written in bytes per byte of bets";
    format!("\n{rates}\n\n{costs}\n({units})\n")
}

fn idle(of: &Idle) -> String {
    let mut beside = table(&["agencies", "idle beside", "batches/s", "p50 us", "p99 us"]);
    let rows = [
        (0, of.batches_per_second_alone, of.ack_us_alone),
        (of.idle_connections, of.batches_per_second_beside_idle, of.ack_us_beside_idle),
    ];
    for (idle, rate, ack_us) in rows {
        beside.add_row([
            of.busy_agencies.to_string(),
            idle.to_string(),
            format!("{rate:.0}"),
            ack_us.p50.to_string(),
            ack_us.p99.to_string(),
        ]);
    }
    format!(
        "\n{beside}\nmemory of an idle connection: {} bytes after HELLO, {} that said nothing\n",
        of.greeted_bytes_each, of.silent_bytes_each
    )
}

const SPOKEN: [&str; 6] = ["", "in flight", "batches/s", "p50 us", "p99 us", "central cpu"];

fn watched(of: &Watched) -> String {
    let mut rows = table(&SPOKEN);
    for (boards, spoken) in [(0, &of.alone), (of.boards, &of.watched)] {
        rows.add_row(spoken_row(format!("{boards} boards open"), String::new(), spoken));
    }
    format!("\n{rows}\n(cpu in seconds per million bets)\n{:.2} of the rate alone\n", of.ratio)
}

fn readers(of: &Readers) -> String {
    let mut rows = table(&["readers", "batches/s", "p50 us", "p99 us"]);
    for (readers, sent) in [(0, &of.alone), (of.readers, &of.read)] {
        let [rate, p50, p99] = acknowledged(sent);
        rows.add_row([readers.to_string(), rate, p50, p99]);
    }
    format!(
        "\n{rows}\n(a list of a draw of {} agencies, {} times a second each; {} answers)\n{:.2} of \
         the p50 alone\n",
        of.agencies_of_the_draw, of.requests_per_second_each, of.answers, of.p50_ratio
    )
}

fn spoken_row(way: String, in_flight: String, spoken: &Spoken) -> [String; 6] {
    let [rate, p50, p99] = acknowledged(&spoken.acknowledged);
    [way, in_flight, rate, p50, p99, format!("{:.2}", spoken.central_cpu_s_per_million_bets)]
}

fn acknowledged(of: &Acknowledged) -> [String; 3] {
    let Acknowledged { batches_per_second, ack_us } = of;
    [format!("{batches_per_second:.0}"), ack_us.p50.to_string(), ack_us.p99.to_string()]
}

fn tls(of: &Tls) -> String {
    let mut rows = table(&SPOKEN);
    let mut ratios = String::new();
    for case in &of.cases {
        let in_flight = format!("{} x {} x {}", case.agencies, case.window, case.bytes_per_batch);
        for (way, spoken) in [("plain text", &case.plain), ("TLS", &case.tls)] {
            rows.add_row(spoken_row(way.to_owned(), in_flight.clone(), spoken));
        }
        ratios += &format!("{in_flight}: {:.2} of the rate in plain text\n", case.ratio);
    }
    format!(
        "\n{rows}\n(cpu in seconds per million bets)\n{ratios}memory of an idle connection by TLS: \
         {} bytes after HELLO\n",
        of.greeted_bytes_each
    )
}

fn waiting(of: &Waiting) -> String {
    let Waiting { agencies, bets, winners, winners_us } = of;
    format!(
        "\n{agencies} agencies waiting, {bets} bets, {winners} winners: after the last FINISH half \
         of them had theirs in {} us, 99 % in {} us, all in {} us\n",
        winners_us.p50, winners_us.p99, winners_us.max
    )
}

fn large_ledger(of: &Large) -> String {
    let mut marks = table(&["bets in the ledger", "p50 us", "p99 us", "central's memory MB"]);
    for mark in &of.marks {
        marks.add_row([
            mark.bets.to_string(),
            mark.ack_us.p50.to_string(),
            mark.ack_us.p99.to_string(),
            (mark.memory_bytes / 1_000_000).to_string(),
        ]);
    }
    format!(
        "\n{marks}\nwith {} bets: {} winners, all told {} ms after the last FINISH; opened in {} \
         ms, cold in {} ms; winners again, cold, {} ms; {:.1} bytes a bet on disk\n",
        of.bets,
        of.winners,
        of.draw_ms,
        of.open_warm_ms,
        of.open_cold_ms,
        of.winners_cold_ms,
        of.disk_bytes_per_bet
    )
}

/// Words on the left, numbers on the right.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
