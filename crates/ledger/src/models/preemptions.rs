//! A scheduler that searches depth-first through all schedules with a bounded number of
//! preemptions.
//!
//! A preemption switches to another thread while the current one could continue. When the current
//! one is blocked, all others are tried. Most concurrency bugs need only one or two preemptions,
//! and with a bound on them all schedules can be tried.

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};

/// The scheduler.
pub(crate) struct Preemptions {
    max: usize,
    /// The decisions of the current run. The next run changes the last one that has another option.
    decisions: Vec<Decision>,
    /// How many decisions this run has passed, and how many of these were preemptions.
    steps: usize,
    used: usize,
    begun: bool,
}

struct Decision {
    /// The current thread comes first if it can continue.
    options: Vec<TaskId>,
    chosen: usize,
    /// Whether all options but the first are preemptions.
    preempts: bool,
}

impl Preemptions {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, decisions: Vec::new(), steps: 0, used: 0, begun: false }
    }

    fn decide(&self, runnable: &[&Task], current: Option<TaskId>) -> Decision {
        let mut options: Vec<TaskId> = runnable.iter().map(|task| task.id()).collect();
        let running = options.iter().position(|id| Some(*id) == current);
        if let Some(at) = running {
            options.swap(0, at);
            if self.used == self.max {
                options.truncate(1);
            }
        }
        Decision { options, chosen: 0, preempts: running.is_some() }
    }
}

impl Scheduler for Preemptions {
    fn new_execution(&mut self) -> Option<Schedule> {
        while self.decisions.pop_if(|last| last.chosen + 1 == last.options.len()).is_some() {}
        match self.decisions.last_mut() {
            Some(last) => last.chosen += 1,
            None if self.begun => return None,
            None => {}
        }
        (self.begun, self.steps, self.used) = (true, 0, 0);
        Some(Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        _is_yielding: bool,
    ) -> Option<TaskId> {
        if self.steps == self.decisions.len() {
            self.decisions.push(self.decide(runnable, current));
        }
        let decision = &self.decisions[self.steps];
        self.steps += 1;
        self.used += usize::from(decision.preempts && decision.chosen > 0);
        Some(decision.options[decision.chosen])
    }

    fn next_u64(&mut self) -> u64 {
        panic!("no model asks for random numbers");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use shuttle::Runner;

    use super::*;

    /// Runs two threads of three steps each and returns how many different orders were seen.
    fn orders(preemptions_max: usize) -> usize {
        static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
        SEEN.lock().unwrap().clear();
        let runner = Runner::new(Preemptions::new(preemptions_max), shuttle::Config::new());
        runner.run(|| {
            let order = std::sync::Arc::new(Mutex::new(String::new()));
            let threads = ['a', 'b'].map(|name| {
                let order = std::sync::Arc::clone(&order);
                shuttle::thread::spawn(move || {
                    for _ in 0..3 {
                        order.lock().unwrap().push(name);
                        shuttle::thread::sleep(std::time::Duration::ZERO);
                    }
                })
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            SEEN.lock().unwrap().push(order.lock().unwrap().clone());
        });
        let mut seen = SEEN.lock().unwrap().clone();
        seen.sort_unstable();
        seen.dedup();
        seen.len()
    }

    #[test]
    fn all_orders_are_tried_up_to_the_bound() {
        // One after the other; one between two steps of the other; all interleavings of 3 and 3.
        assert_eq!(orders(0), 2);
        assert_eq!(orders(1), 6);
        assert_eq!(orders(usize::MAX), 20);
    }
}
