//! Limit of file descriptors: each connection uses one, and the default limit is often low.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises this process's limit up to `wanted` if the system allows it; returns the resulting limit.
pub(crate) fn allow(needed: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let may = |most: Option<u64>| most.and_then(|most| most.try_into().ok()).unwrap_or(usize::MAX);
    let current = may(limit.current);
    if current >= needed {
        return current;
    }
    let raised = needed.min(may(limit.maximum));
    limit.current = Some(raised as u64);
    if setrlimit(Resource::Nofile, limit).is_ok() { raised } else { current }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_never_shrinks() {
        let before = allow(0);
        assert!(allow(before + 1) >= before);
    }
}
