//! The figures of all rounds.

use std::fmt;
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) rounds: usize,
    pub(super) kills_of_central: usize,
    pub(super) kills_of_agencies: usize,
    /// Chunks that agencies logged as acknowledged.
    pub(super) acknowledged: usize,
    /// How often the ledger was compared with them while the central was down.
    pub(super) checks: usize,
    /// Recoveries that cut a torn tail.
    pub(super) torn_tails: usize,
    /// From the start of a central to its listening, without the first start of each round.
    pub(super) restarts: Vec<Duration>,
    /// From SIGTERM to the end of a central under load.
    pub(super) shutdowns: Vec<Duration>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rounds                        {}", self.rounds)?;
        writeln!(f, "kills of the central          {}", self.kills_of_central)?;
        writeln!(f, "kills of agencies             {}", self.kills_of_agencies)?;
        writeln!(f, "acknowledged chunks checked   {}", self.acknowledged)?;
        writeln!(f, "  also before a restart       {} times", self.checks)?;
        writeln!(f, "torn tails cut                {}", self.torn_tails)?;
        writeln!(f, "restart, median and longest   {}", middle_and_longest(&self.restarts))?;
        write!(f, "SIGTERM, median and longest   {}", middle_and_longest(&self.shutdowns))
    }
}

fn middle_and_longest(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(middle), Some(longest)) => {
            let ms = |time: &Duration| time.as_secs_f64() * 1e3;
            format!("{:.0} ms, {:.0} ms ({} times)", ms(middle), ms(longest), sorted.len())
        }
        _ => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_middle_and_the_longest_of_times() {
        let times = [9, 1, 5].map(Duration::from_millis);
        assert_eq!(middle_and_longest(&times), "5 ms, 9 ms (3 times)");
        assert_eq!(middle_and_longest(&[]), "none");
    }

    #[test]
    fn shows_each_figure_in_a_line() {
        let restarts = vec![Duration::from_millis(2)];
        let tally = Tally { rounds: 3, kills_of_central: 7, restarts, ..Tally::default() };
        let text = tally.to_string();
        for line in ["rounds                        3\n", "central          7\n", "2 ms, 2 ms (1 "]
        {
            assert!(text.contains(line), "{text}");
        }
    }
}
