//! bolillero
fn main() {}
