//! Damages a hundred folders; `cargo xtask corrupt` damages any number of them.

use checks::corrupt::{Counts, corrupt};

#[test]
fn a_hundred_damaged_folders_are_refused_reported_or_as_they_were() {
    let mut counts = Counts::default();
    for seed in 0..100 {
        counts.add(&corrupt(seed));
    }
    assert_eq!(counts.missing(), Vec::<String>::new(), "these never happened");
}
