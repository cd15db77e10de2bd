//! File descriptors: each connection takes one, and systems start programs with few.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets this process have as many as the system allows, up to `wanted`; gives how many it may have.
pub(crate) fn allow(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let may = |most: Option<u64>| most.and_then(|most| most.try_into().ok()).unwrap_or(usize::MAX);
    let current = may(limit.current);
    if current >= wanted {
        return current;
    }
    let raised = wanted.min(may(limit.maximum));
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
