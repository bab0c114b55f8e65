//! The training loop, rebuilt from the library's public parts: a place to start when yours must differ.
//!
//! `cargo run --release --example custom_loop`
#![recursion_limit = "256"]

use std::error::Error;

use tooltune_examples::custom_loop::{losses, setup};

fn main() -> Result<(), Box<dyn Error>> {
    tooltune::kernels::allocator::keep_freed_memory();
    let (model, samples, config) = setup(12)?;
    for (step, loss) in losses(model, &samples, &config)?.into_iter().enumerate() {
        println!("step {}  loss {loss:.4}", step + 1);
    }
    Ok(())
}
