//! What is measured.

/// One comparison: two processes, run in turns.
#[derive(Debug)]
pub struct Row {
    /// For `--only`.
    pub name: &'static str,
    /// In words, for the table.
    pub work: &'static str,
    /// Threads of both sides; otherwise what `--threads` says.
    pub threads: Option<usize>,
    /// Arguments of `measure`.
    pub ours: &'static str,
    /// The other side.
    pub other: Other,
    /// What is compared.
    pub figures: &'static [Figure],
}

/// With what ours is compared.
#[derive(Debug)]
pub enum Other {
    /// The peer's script with these arguments.
    Peer(&'static str),
    /// `measure` with other arguments.
    Ours(&'static str),
}

/// A number of a result, in tokens a second: more is better.
#[derive(Debug)]
pub struct Figure {
    /// Added to the work in the table.
    pub name: &'static str,
    /// Its field, the same on both sides.
    pub field: &'static str,
}

const STEP: &[Figure] = &[Figure { name: "", field: "tok_per_s" }];
const REAL_TOKENS: &[Figure] = &[Figure { name: "", field: "tok_per_s_varlen" }];
const PREFILL_AND_DECODE: &[Figure] = &[
    Figure { name: ": prefill", field: "tok_per_s" },
    Figure { name: ": decode", field: "decode_tok_per_s" },
];

macro_rules! row {
    ($name:literal, $work:literal, $threads:expr, $ours:literal, $other:expr, $figures:expr) => {
        Row { name: $name, work: $work, threads: $threads, ours: $ours, other: $other, figures: $figures }
    };
}

/// All rows, in the order in which they run.
pub const ROWS: &[Row] = &[
    row!(
        "train-tiny-f32-plain",
        "train `tiny`, 64 tokens, f32, plain loop",
        None,
        "--mode train --shape tiny --dtype f32 --seq 64",
        Other::Peer("--mode plain --shape tiny --dtype f32 --seq 64"),
        STEP
    ),
    row!(
        "infer-tiny-f32",
        "`tiny`, f32, 16 tokens and 4 more",
        None,
        "--mode infer --shape tiny --dtype f32 --seq 16 --decode 4",
        Other::Peer("--mode infer --shape tiny --dtype f32 --seq 16 --decode 4"),
        PREFILL_AND_DECODE
    ),
    row!(
        "train-small-f32-plain",
        "train `small`, 512 tokens, f32, plain loop",
        None,
        "--mode train --shape small --dtype f32 --seq 512",
        Other::Peer("--mode plain --shape small --dtype f32 --seq 512"),
        STEP
    ),
    row!(
        "train-small-bf16-plain",
        "train `small`, 512 tokens, bf16, plain loop",
        None,
        "--mode train --shape small --dtype bf16 --seq 512",
        Other::Peer("--mode plain --shape small --dtype bf16 --seq 512"),
        STEP
    ),
    row!(
        "train-small-f32-one-thread",
        "train `small`, 512 tokens, f32, plain loop",
        Some(1),
        "--mode train --shape small --dtype f32 --seq 512",
        Other::Peer("--mode plain --shape small --dtype f32 --seq 512"),
        STEP
    ),
    row!(
        "train-small-bf16-one-thread",
        "train `small`, 512 tokens, bf16, plain loop",
        Some(1),
        "--mode train --shape small --dtype bf16 --seq 512",
        Other::Peer("--mode plain --shape small --dtype bf16 --seq 512"),
        STEP
    ),
    row!(
        "train-small-f32-trl",
        "train `small`, 512 tokens, f32, TRL with its gradient checkpointing",
        None,
        "--mode train --shape small --dtype f32 --seq 512",
        Other::Peer("--mode trl --gc --shape small --dtype f32 --seq 512"),
        STEP
    ),
    row!(
        "train-small-bf16-trl",
        "train `small`, 512 tokens, bf16, TRL with its gradient checkpointing",
        None,
        "--mode train --shape small --dtype bf16 --seq 512",
        Other::Peer("--mode trl --gc --shape small --dtype bf16 --seq 512"),
        STEP
    ),
    row!(
        "train-small-bf16-both-checkpointed",
        "train `small`, 512 tokens, bf16, TRL; gradient checkpointing on both sides",
        None,
        "--mode train --shape small --dtype bf16 --seq 512 --gradient-checkpointing on",
        Other::Peer("--mode trl --gc --shape small --dtype bf16 --seq 512"),
        STEP
    ),
    row!(
        "train-small-f32-half-masked",
        "train `small`, 512 tokens, f32, loss on half of them; the other side is ours with loss on all",
        None,
        "--mode train --shape small --dtype f32 --seq 512 --loss-on half",
        Other::Ours("--mode train --shape small --dtype f32 --seq 512"),
        STEP
    ),
    row!(
        "train-small-bf16-half-masked",
        "train `small`, 512 tokens, bf16, loss on half of them; the other side is ours with loss on all",
        None,
        "--mode train --shape small --dtype bf16 --seq 512 --loss-on half",
        Other::Ours("--mode train --shape small --dtype bf16 --seq 512"),
        STEP
    ),
    row!(
        "train-small-f32-ragged",
        "train `small`, four samples of 32 to 256 tokens, f32, packed; TRL pads",
        None,
        "--mode train --shape small --dtype f32 --batch 4 --seq 256 --varlen --packing rows",
        Other::Peer("--mode trl --shape small --dtype f32 --batch 4 --seq 256 --varlen"),
        REAL_TOKENS
    ),
    row!(
        "train-small-bf16-ragged",
        "train `small`, four samples of 32 to 256 tokens, bf16, packed; TRL pads",
        None,
        "--mode train --shape small --dtype bf16 --batch 4 --seq 256 --varlen --packing rows",
        Other::Peer("--mode trl --shape small --dtype bf16 --batch 4 --seq 256 --varlen"),
        REAL_TOKENS
    ),
    row!(
        "train-small-f32-packed",
        "train `small`, rows of at most 1024 tokens packed from samples of 128 to 1024, f32",
        None,
        "--mode train --shape small --dtype f32 --seq 1024 --packing bfd",
        Other::Peer("--mode trl --shape small --dtype f32 --seq 1024 --packing bfd"),
        REAL_TOKENS
    ),
    row!(
        "train-small-bf16-packed",
        "train `small`, rows of at most 1024 tokens packed from samples of 128 to 1024, bf16",
        None,
        "--mode train --shape small --dtype bf16 --seq 1024 --packing bfd",
        Other::Peer("--mode trl --shape small --dtype bf16 --seq 1024 --packing bfd"),
        REAL_TOKENS
    ),
    row!(
        "train-2b-f32-plain",
        "train Gemma-2-2B, 256 tokens, f32, plain loop",
        None,
        "--mode train --shape 2b --dtype f32 --seq 256 --steps 2 --warmup 1",
        Other::Peer("--mode plain --shape 2b --dtype f32 --seq 256 --steps 2 --warmup 1"),
        STEP
    ),
    row!(
        "train-2b-bf16-plain",
        "train Gemma-2-2B, 256 tokens, bf16, plain loop",
        None,
        "--mode train --shape 2b --dtype bf16 --seq 256 --steps 3 --warmup 1",
        Other::Peer("--mode plain --shape 2b --dtype bf16 --seq 256 --steps 3 --warmup 1"),
        STEP
    ),
    row!(
        "train-2b-bf16-best",
        "train Gemma-2-2B, 256 tokens, bf16, plain loop with adapters in bf16",
        None,
        "--mode train --shape 2b --dtype bf16 --seq 256 --steps 3 --warmup 1",
        Other::Peer(
            "--mode plain --shape 2b --dtype bf16 --seq 256 --steps 3 --warmup 1 --adapter-dtype base"
        ),
        STEP
    ),
    row!(
        "train-2b-bf16-trl",
        "train Gemma-2-2B, 256 tokens, bf16, TRL with its gradient checkpointing",
        None,
        "--mode train --shape 2b --dtype bf16 --seq 256 --steps 3 --warmup 1",
        Other::Peer("--mode trl --gc --shape 2b --dtype bf16 --seq 256 --steps 3 --warmup 1"),
        STEP
    ),
    row!(
        "infer-2b-f32",
        "Gemma-2-2B, f32, 128 tokens and 8 more",
        None,
        "--mode infer --shape 2b --dtype f32 --seq 128 --decode 8 --steps 2 --warmup 1",
        Other::Peer("--mode infer --shape 2b --dtype f32 --seq 128 --decode 8 --steps 2 --warmup 1"),
        PREFILL_AND_DECODE
    ),
    row!(
        "infer-2b-bf16",
        "Gemma-2-2B, bf16, 128 tokens and 32 more",
        None,
        "--mode infer --shape 2b --dtype bf16 --seq 128 --decode 32 --steps 3 --warmup 1",
        Other::Peer("--mode infer --shape 2b --dtype bf16 --seq 128 --decode 32 --steps 3 --warmup 1"),
        PREFILL_AND_DECODE
    ),
    row!(
        "infer-2b-q8",
        "Gemma-2-2B, ours in 8 bits, the other side in bf16, 128 tokens and 32 more",
        None,
        "--mode infer --shape 2b --dtype bf16 --quantize --seq 128 --decode 32 --steps 3 --warmup 1",
        Other::Peer("--mode infer --shape 2b --dtype bf16 --seq 128 --decode 32 --steps 3 --warmup 1"),
        PREFILL_AND_DECODE
    ),
    row!(
        "infer-2b-bf16-batch-8",
        "Gemma-2-2B, bf16, 8 rows of 128 tokens and 32 more",
        None,
        "--mode infer --shape 2b --dtype bf16 --batch 8 --seq 128 --decode 32 --steps 2 --warmup 1",
        Other::Peer(
            "--mode infer --shape 2b --dtype bf16 --batch 8 --seq 128 --decode 32 --steps 2 --warmup 1"
        ),
        PREFILL_AND_DECODE
    ),
];
