//! tooltune.
