//! What the disk does by itself: plain append and fdatasync, five batches at a time.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

const GROUP: u32 = 5;

/// Batches a second over `time`, into a file that is removed afterwards.
pub(super) fn measure(path: &Path, bytes_per_batch: usize, time: Duration) -> anyhow::Result<f64> {
    let batch = vec![b'7'; bytes_per_batch];
    let cant = || format!("can't write {}", path.display());
    let mut file = File::create(path).with_context(cant)?;
    let started = Instant::now();
    let mut batches = 0_u32;
    while started.elapsed() < time {
        for _ in 0..GROUP {
            file.write_all(&batch).with_context(cant)?;
        }
        file.sync_data().with_context(cant)?;
        batches += GROUP;
    }
    let rate = f64::from(batches) / started.elapsed().as_secs_f64();
    std::fs::remove_file(path).with_context(cant)?;
    Ok(rate)
}
