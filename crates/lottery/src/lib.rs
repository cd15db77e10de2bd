//! lottery
