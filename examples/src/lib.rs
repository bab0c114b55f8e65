//! What the examples share: the embedded task, dialects, scoring, progress, plots.
#![recursion_limit = "256"]

pub mod adapter_folder;
pub mod adapter_options;
pub mod added_rows;
pub mod backend;
pub mod case;
pub mod cli;
pub mod custom_loop;
pub mod dialect;
pub mod generation_eval;
pub mod input;
pub mod merged_folder;
pub mod plot;
pub mod predictions;
pub mod progress;
pub mod rescue;
pub mod results;
pub mod rules;
pub mod sample;
pub mod scoring;
pub mod size;
pub mod synthetic;
pub mod tool_tokens;
pub mod trained_base;
