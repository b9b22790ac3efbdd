//! One folder for each kind whose objects the operator brings about.
//!
//! The shape is always the same: watches keep what is there in memory, a queue says what to look at, and one pass goes
//! dereference → validate → build → apply → prune → status. What should be there is decided by a pure engine.

pub mod collector;
pub mod compare;
pub mod queue;
