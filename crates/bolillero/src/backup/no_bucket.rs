//! Takes the place of buckets in a program without them.

use super::place::Place;
use crate::exit::Ending;

/// Says how to get a program with buckets.
pub(super) fn open(address: &str) -> Result<Box<dyn Place>, Ending> {
    Err(Ending::wrong(format!(
        "s3://{address}: this program was built without object stores; build it with `--features \
         s3`, or take the package"
    )))
}
