//! A violated guarantee.

/// A violated guarantee, described in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) String);

/// Returns an error with this description.
pub(crate) fn wrong<T>(what: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong(what.into()))
}

impl From<ledger::Fault> for Wrong {
    fn from(fault: ledger::Fault) -> Self {
        Self(format!("reading the ledger: {fault}"))
    }
}
