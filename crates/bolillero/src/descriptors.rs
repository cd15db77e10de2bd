//! File descriptors: each connection takes one, and systems start programs with few.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets this process have as many as the system allows, up to `wanted`; gives how many it may have.
pub(crate) fn allow(wanted: u64) -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return current;
    }
    limit.current = Some(wanted.min(most));
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => wanted.min(most),
        Err(_) => current,
    }
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
