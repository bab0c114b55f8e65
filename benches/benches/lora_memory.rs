//! Peak memory of what `lora.rs` times: the layer forward and backward, twice, each variant in a process of its own.
//!
//! Prints a table: resident memory with the layer built, the peak while it ran, and the difference. Linux only, where `/proc` tells; for a
//! device with memory of its own the figures are those of the host. Without `cargo bench`'s `--bench` only the smallest case runs.
#![recursion_limit = "256"]

use std::process::Command;

use tooltune_benches::device;
use tooltune_benches::lora_layer::{Input, Layer, TOKENS, Variant, shapes};

/// Set in a child: the names of the shape and of the variant.
const CASE: &str = "TOOLTUNE_LORA_MEMORY_CASE";

fn main() {
    if let Ok(case) = std::env::var(CASE) {
        return child(&case);
    }
    if resident("VmRSS:").is_none() {
        println!("lora_memory: /proc/self/status does not tell this process's memory; nothing is measured");
        return;
    }
    let measure = std::env::args().any(|argument| argument == "--bench");
    println!("peak memory of one layer, forward and backward, {TOKENS} tokens, f32 (MiB)\n");
    println!("| layer | adapters | layer built | peak | above |\n|---|---|---|---|---|");
    for (name, config) in shapes().into_iter().take(if measure { usize::MAX } else { 1 }) {
        for variant in Variant::all().into_iter().take(if measure { usize::MAX } else { 2 }) {
            let program = std::env::current_exe().expect("this program");
            let output = Command::new(program)
                .env(CASE, format!("{name} {}", variant.name()))
                .output()
                .expect("a process starts");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let figures = String::from_utf8_lossy(&output.stdout);
            let mut mib =
                figures.split_whitespace().map(|kib| kib.parse::<f64>().expect("a number") / 1024.0);
            let (built, peak) = (mib.next().expect("two figures"), mib.next().expect("two figures"));
            let above = peak - built;
            println!(
                "| {name}, hidden {} | {} | {built:.0} | {peak:.0} | {above:.0} |",
                config.hidden_size,
                variant.name()
            );
        }
    }
}

/// Prints the resident memory before and the peak after, in KiB.
fn child(case: &str) {
    let (shape, name) = case.split_once(' ').expect("a shape and a variant");
    let (_, config) = shapes().into_iter().find(|(known, _)| *known == shape).expect("a known shape");
    let variant = Variant::all().into_iter().find(|variant| variant.name() == name).expect("a known variant");
    let device = device().autodiff();
    let (layer, input) = (Layer::new(&config, variant, &device), Input::new(&config, &device));
    let built = resident("VmRSS:").expect("on Linux");
    // Forgets the peak of building.
    std::fs::write("/proc/self/clear_refs", "5").expect("on Linux");
    for _ in 0..2 {
        input.forward_backward(&layer);
    }
    println!("{built} {}", resident("VmHWM:").expect("on Linux"));
}

fn resident(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}
