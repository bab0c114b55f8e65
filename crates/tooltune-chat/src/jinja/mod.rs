//! The chat template of a model's own folder, in Jinja, as transformers renders it.
//!
//! A template goes through three steps. It is parsed by Jinja's grammar and written anew with calls of ours in
//! place of operators, filters, tests and methods ([`statement`], [`expression`]); minijinja compiles and runs that
//! ([`engine`]); and what comes out is cut into segments by where each character came from ([`text`], [`segments`]).
//! The calls do what Python does ([`operator`], [`method`], [`filter`], [`sequence`], [`predicate`], [`print`]) and
//! pay for what they make and read from a [`budget`], which is what bounds memory: fuel alone does not.

mod budget;
mod call;
mod convert;
mod date;
mod engine;
mod error;
mod expression;
mod filter;
mod folder;
mod function;
mod lexer;
mod method;
mod object;
mod operand;
mod operator;
mod options;
mod parser;
mod percent;
mod predicate;
mod print;
mod segments;
mod sequence;
mod statement;
mod strings;
mod template;
mod text;
mod token;
mod view;

pub use date::JinjaDate;
pub use error::JinjaError;
pub use options::{JinjaLimits, JinjaOptions, TurnSpans};
pub use template::JinjaTemplate;
