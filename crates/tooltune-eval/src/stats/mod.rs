//! The statistics behind the figures: plain functions on counts, usable without any of the other types.
//!
//! | module | what |
//! |---|---|
//! | [`interval`] | [`Interval`], the Wilson and the Clopper-Pearson interval of a proportion |
//! | [`paired`] | McNemar's test and Newcombe's interval, for the same records judged twice |
//! | [`power`] | whether so many records could show a difference |
//! | [`multiple`] | Holm's correction for several tests |
//! | [`confusion`] | precision, recall, F1, Matthews' correlation of a yes / no decision |
//! | [`bootstrap`] | [`Bootstrap`]: seeded, by clusters, for what is no proportion |
//! | [`pass`] | pass^k and pass@k of repeated tries |

pub mod bootstrap;
pub mod confusion;
pub mod interval;
pub mod multiple;
pub mod paired;
pub mod pass;
pub mod power;

pub use bootstrap::Bootstrap;
pub use confusion::Confusion;
pub use interval::{Interval, clopper_pearson, wilson};
pub use multiple::holm;
pub use paired::{McNemar, PairedCounts, mcnemar, newcombe};
pub use pass::{pass_at_k, pass_hat_k};
pub use power::{detectable_difference, mcnemar_power};
