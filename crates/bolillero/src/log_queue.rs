//! A queue of log lines that never blocks the code that logs.
//!
//! A separate thread writes the lines: the first at once, then, while more arrive, those of a short
//! interval in one write. Under load that makes a hundred writes a second instead of one per line,
//! each of which would cost a thread switch. Lines that can't be written are kept up to a limit,
//! then dropped and counted; the count is logged as soon as there is room.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::{Condvar, Mutex};

/// Most bytes of waiting lines.
const WAITING_LEN_MAX: usize = 10 << 20;
/// How long lines are collected between two writes.
const COLLECT_TIME: Duration = Duration::from_millis(10);
/// How long the program waits at its end for the remaining lines to be written.
const END_TIME_MAX: Duration = Duration::from_secs(1);

/// A handle that adds lines; clones share one queue.
#[derive(Clone)]
pub(crate) struct LogQueue {
    shared: Arc<Shared>,
}

/// The number of lines dropped since the start; clones share one counter.
#[derive(Clone, Default)]
pub(crate) struct Dropped(Arc<AtomicU64>);

/// Flushes the queue when dropped, up to a time limit.
pub(crate) struct Written {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    dropped: Dropped,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// Dropped lines that were not reported yet.
    untold: u64,
    /// Whether the thread is waiting for a line.
    sleeping: bool,
    ending: bool,
    ended: bool,
}

impl LogQueue {
    /// Starts a queue that writes lines to `out`. Its thread calls `tell` with the number of
    /// dropped lines; `tell` may add a line to the queue.
    pub(crate) fn start(
        out: impl Write + Send + 'static,
        tell: impl Fn(u64) + Send + 'static,
    ) -> anyhow::Result<(Self, Written)> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || of_thread.write_out(out, tell))
            .context("can't start the log's thread")?;
        Ok((Self { shared: Arc::clone(&shared) }, Written { shared }))
    }
}

impl Write for LogQueue {
    /// Adds one line, or drops it when the queue is full.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.shared.state.lock();
        if state.lines.len() + line.len() <= WAITING_LEN_MAX {
            state.lines.extend_from_slice(line);
        } else {
            state.untold += 1;
            self.shared.dropped.0.fetch_add(1, Ordering::Relaxed);
        }
        if state.sleeping {
            state.sleeping = false;
            self.shared.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Dropped {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Written {
    /// Returns the counter of dropped lines.
    pub(crate) fn dropped(&self) -> Dropped {
        self.shared.dropped.clone()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.ending = true;
        self.shared.changed.notify_all();
        self.shared.changed.wait_while_for(&mut state, |it| !it.ended, END_TIME_MAX);
    }
}

impl Shared {
    fn write_out(&self, mut out: impl Write, tell: impl Fn(u64)) {
        let mut lines = Vec::new();
        let mut state = self.state.lock();
        loop {
            std::mem::swap(&mut lines, &mut state.lines);
            if !lines.is_empty() {
                let untold = std::mem::take(&mut state.untold);
                drop(state);
                // If this fails there is nowhere to report it.
                let _ = out.write_all(&lines);
                lines.clear();
                if untold > 0 {
                    tell(untold);
                }
                state = self.state.lock();
                self.changed.wait_while_for(&mut state, |it| !it.ending, COLLECT_TIME);
            } else if state.ending {
                state.ended = true;
                self.changed.notify_all();
                return;
            } else {
                state.sleeping = true;
                self.changed.wait_while(&mut state, |it| it.sleeping && !it.ending);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Sends each write over a channel.
    struct Out(mpsc::Sender<Vec<u8>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_arrive_whole_and_in_order_and_many_in_one_write() {
        const LINES: usize = 20_000;
        let (sender, receiver) = mpsc::channel();
        let (mut queue, written) = LogQueue::start(Out(sender), |_| panic!("dropped")).unwrap();
        for at in 0..LINES {
            writeln!(queue, "{at}").unwrap();
        }
        drop(written);
        let writes: Vec<_> = receiver.into_iter().collect();
        let text = String::from_utf8(writes.concat()).unwrap();
        assert!(text.lines().eq((0..LINES).map(|at| at.to_string())));
        assert!(writes.len() < LINES / 10, "{} writes", writes.len());
    }

    #[test]
    fn a_line_that_comes_alone_is_written_without_more() {
        let (sender, receiver) = mpsc::channel();
        let (mut queue, _written) = LogQueue::start(Out(sender), drop).unwrap();
        for line in ["one\n", "two\n"] {
            queue.write_all(line.as_bytes()).unwrap();
            assert_eq!(receiver.recv().unwrap(), line.as_bytes());
        }
    }

    /// Blocks until it is released.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn unread_lines_are_bounded_and_delay_neither_writers_nor_the_end() {
        let (_stuck, receiver) = mpsc::channel();
        let (mut queue, written) = LogQueue::start(Stuck(receiver), drop).unwrap();
        let line = [b'x'; 1 << 10];
        for _ in 0..2 * WAITING_LEN_MAX / line.len() {
            queue.write_all(&line).unwrap();
        }
        assert!(queue.shared.state.lock().lines.len() <= WAITING_LEN_MAX);
        drop(written);
    }

    #[test]
    fn dropped_lines_are_counted_and_reported_once_there_is_room() {
        let (stuck, receiver) = mpsc::channel();
        let (reports, dropped) = mpsc::channel();
        let tell = move |count| reports.send(count).unwrap();
        let (mut queue, written) = LogQueue::start(Stuck(receiver), tell).unwrap();
        queue.write_all(b"the thread is stuck with this one\n").unwrap();
        while !queue.shared.state.lock().lines.is_empty() {
            thread::yield_now();
        }
        let line = vec![b'x'; WAITING_LEN_MAX / 4];
        for _ in 0..7 {
            queue.write_all(&line).unwrap();
        }
        assert_eq!(written.dropped().count(), 3);
        assert!(dropped.try_recv().is_err());
        drop(stuck);
        assert_eq!(dropped.recv(), Ok(3));
        queue.write_all(&line).unwrap();
        drop(written);
        assert_eq!(dropped.recv().ok(), None, "told once");
    }
}
