//! Trains the tokenizer of the embedded base on its pre-training text and writes `tokenizer.json`.
//!
//! `cargo run --release -p tooltune-examples --example make_tokenizer [FOLDER]`

use std::path::PathBuf;
use std::{env, fs};

use tooltune_examples::synthetic::PretrainingData;
use tooltune_examples::synthetic::tokenizer::{TokenizerConfig, train_tokenizer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/base");
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| default.to_owned()));
    let text = train_tokenizer(PretrainingData::new(1).sample_texts(), &TokenizerConfig::default())?;
    fs::create_dir_all(&folder)?;
    let path = folder.join("tokenizer.json");
    fs::write(&path, &text)?;
    println!("{} ({} bytes)", path.display(), text.len());
    Ok(())
}
