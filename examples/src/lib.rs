//! Shared by the examples.

pub mod synthetic;
