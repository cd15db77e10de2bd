//! Services that the machine running the central provides.

/// Services that the machine running the central provides.
pub trait Host: Send + Sync {
    /// Fills `bytes` with random bytes suitable for secrets.
    ///
    /// # Errors
    /// When the system provides none.
    fn random(&self, bytes: &mut [u8]) -> std::io::Result<()>;

    /// Returns the free space on the ledger's disk, in bytes.
    ///
    /// # Errors
    /// When the system does not report it.
    fn disk_free_len(&self) -> std::io::Result<u64>;

    /// Returns statistics on how many events each durable write of the ledger held.
    fn groups(&self) -> GroupCounts;

    /// Returns the results of the background check of the ledger.
    fn scrubbed(&self) -> Scrubbed;

    /// Returns why nothing can be stored now, if the store that several centrals share is away.
    fn store_away(&self) -> Option<String>;

    /// Returns how many log lines were dropped because the log was full.
    fn log_lines_dropped(&self) -> u64;
}

/// Results of the background check of the ledger.
#[derive(Clone, Debug, Default)]
pub struct Scrubbed {
    /// How many times all sealed segments have been read.
    pub passes: u64,
    /// How many segments were found damaged at their last reading.
    pub damaged_segments: u64,
    /// A description of the first damage, for people: which file, and where.
    pub damage: Option<String>,
}

/// A histogram of durable writes by the number of events they held.
#[derive(Clone, Debug, Default)]
pub struct GroupCounts {
    /// The inclusive upper bound of each class, ascending (`None`: unbounded), and its count.
    pub counts: Vec<(Option<u64>, u64)>,
    /// The total number of events in all writes.
    pub events: u64,
}
