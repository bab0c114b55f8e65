//! The statistics behind the figures: plain functions on counts, usable without any of the other types.
//!
//! | module | what |
//! |---|---|
//! | [`interval`] | [`Interval`], the Wilson score interval of a proportion |
//! | [`paired`] | McNemar's test and Newcombe's interval, for the same records judged twice |
//! | [`confusion`] | precision, recall and F1 of a yes / no decision |

pub mod confusion;
pub mod interval;
pub mod paired;

pub use confusion::Confusion;
pub use interval::{Interval, wilson};
pub use paired::{McNemar, PairedCounts, mcnemar, newcombe};
