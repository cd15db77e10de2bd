//! What is asked of the machine that the central runs on.

/// What is asked of the machine that the central runs on.
pub trait Host: Send + Sync {
    /// Fills `bytes` with random ones that are fit for secrets.
    ///
    /// # Errors
    /// When the system gives none.
    fn random(&self, bytes: &mut [u8]) -> std::io::Result<()>;

    /// Bytes that the ledger's disk has room for.
    ///
    /// # Errors
    /// When the system does not say.
    fn disk_free_len(&self) -> std::io::Result<u64>;

    /// How many events each durable write of the ledger held.
    fn groups(&self) -> GroupCounts;

    /// What the slow reading of the ledger has found.
    fn scrubbed(&self) -> Scrubbed;

    /// Lines that the log had no room for.
    fn log_lines_dropped(&self) -> u64;
}

/// What the slow reading of the ledger has found.
#[derive(Clone, Debug, Default)]
pub struct Scrubbed {
    /// How many times all that is sealed was read.
    pub passes: u64,
    /// How many segments were not as they were written when they were last read.
    pub damaged_segments: u64,
    /// What is wrong with the first of them, for people: which file, where.
    pub damage: Option<String>,
}

/// Durable writes by how many events they held.
#[derive(Clone, Debug, Default)]
pub struct GroupCounts {
    /// The upper bound of each class, ascending (none: without bound), and how many are in it.
    pub counts: Vec<(Option<u64>, u64)>,
    /// How many events they held together.
    pub events: u64,
}
