//! Tools and Rust types: a declaration from a type, arguments into a type.

mod arguments;
mod deserializer;
#[cfg(feature = "schemars")]
mod tool;
