//! How much is trained, of how much, and how large that is.

use std::fmt;

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};
use tooltune_lm::MapProjections;

use crate::config::{EMBED_TOKENS, LM_HEAD, is_suffix};
use crate::{LoraAdapter, LoraConfig, LoraLinear};

/// Numbers of values: those that are trained, and all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterCount {
    /// Values of the adapter that the optimizer changes.
    pub trainable: usize,
    /// Values of base and adapter.
    pub total: usize,
    /// Values in the adapter's file: the trained ones, what PiSSA started from, and the head's copy of what is tied, for which PEFT looks.
    pub stored: usize,
}

impl ParameterCount {
    /// Counts those of a model with an adapter.
    pub fn of<M>(model: &M) -> Self
    where
        M: MapProjections<Projection = LoraLinear> + Module,
    {
        let pair = |adapter: &LoraAdapter| {
            let vectors = adapter.kind.behaviour().vectors();
            let vectors = vectors.into_iter().map(|(_, vector)| size(vector)).sum::<usize>();
            size(&adapter.lora_a) + size(&adapter.lora_b) + vectors
        };
        let (mut trainable, mut stored) = (0, 0);
        model.visit_projections(&mut |_, projection| {
            trainable += projection.adapter.as_ref().map_or(0, pair);
            stored += projection.adapter.as_ref().map_or(0, Module::num_params);
        });
        // What is stored of the projections and not trained; that of the rest is what is tied.
        stored -= trainable;
        let table = model.embedding();
        if table.tied_adapter {
            stored += table.embed_tokens.as_ref().map_or(0, pair);
        }
        trainable += [&table.embed_tokens, &table.lm_head].into_iter().flatten().map(pair).sum::<usize>();
        trainable += table.tokens.as_ref().map_or(0, |tokens| size(&tokens.weight));
        if let Some(saved) = &table.saved {
            let copies = [&saved.embed_tokens, &saved.lm_head].into_iter().flatten().map(size).sum::<usize>();
            trainable += copies;
            stored += if saved.tied { copies } else { 0 };
        }
        Self { trainable, total: model.num_params(), stored: stored + trainable }
    }

    /// Counts what attaching an adapter to a base would give, from the shapes of the base's checkpoint alone: no weight needs to be there. Names
    /// are those of the checkpoint; a head that has no tensor is tied to the embedding.
    ///
    /// ```
    /// use tooltune_lora::{LoraConfig, ParameterCount};
    ///
    /// let shapes = [("model.layers.0.mlp.up_proj.weight", [32, 8]), ("model.embed_tokens.weight", [100, 8])];
    /// let shapes = shapes.iter().map(|(name, shape)| (*name, shape.as_slice()));
    /// let count = ParameterCount::estimate(&LoraConfig { r: 4, ..LoraConfig::default() }, shapes);
    /// assert_eq!(count.trainable, 4 * (32 + 8));
    /// assert_eq!(count.total, 32 * 8 + 100 * 8 + count.trainable);
    /// ```
    pub fn estimate<'a>(
        config: &LoraConfig,
        shapes: impl IntoIterator<Item = (&'a str, &'a [usize])>,
    ) -> Self {
        let kind = config.kind();
        let (mut trainable, mut frozen, mut base, mut tied) = (0, 0, 0, 0);
        let (mut table, mut head) = (None, None);
        for (name, shape) in shapes {
            base += shape.iter().product::<usize>();
            let (Some(path), &[rows, columns]) = (name.strip_suffix(".weight"), shape) else { continue };
            if path == LM_HEAD {
                head = Some([rows, columns]);
            } else if path == EMBED_TOKENS || is_suffix(path, EMBED_TOKENS) {
                table = Some((path, [rows, columns]));
            } else if config.targets(path) {
                let pair = config.rank(path) * (rows + columns);
                trainable += pair + kind.vectors.len() * rows;
                // What is stored beyond the trained pair is kept while training too.
                frozen += (kind.stored_ranks - 1) * pair;
            }
        }
        if let Some((path, [vocab, hidden])) = table {
            let head = head.unwrap_or([vocab, hidden]);
            let one = config.ensure_weight_tying;
            let pair = |path: &str, [rows, columns]: [usize; 2]| config.rank(path) * (rows + columns);
            let part = |chosen: fn(&LoraConfig, &str) -> bool, size: &dyn Fn(&str, [usize; 2]) -> usize| {
                let (embed, on_head) = (chosen(config, path), chosen(config, LM_HEAD));
                match one {
                    true => usize::from(embed || on_head) * size(path, [vocab, hidden]),
                    false => {
                        usize::from(embed) * size(path, [vocab, hidden])
                            + usize::from(on_head) * size(LM_HEAD, head)
                    }
                }
            };
            let whole = |_: &str, [rows, columns]: [usize; 2]| rows * columns;
            let vocabulary = part(LoraConfig::targets, &pair) + part(LoraConfig::saves, &whole);
            tied = if one { vocabulary } else { 0 };
            trainable += vocabulary + config.trainable_token_indices.len() * hidden;
        }
        Self { trainable, total: base + trainable + frozen, stored: trainable + frozen + tied }
    }

    /// Bytes of the adapter's file in `dtype`, but for its header.
    pub fn stored_bytes(&self, dtype: DType) -> usize {
        self.stored * dtype.size()
    }

    /// The part of all values that is trained, from 0 to 1.
    pub fn trainable_share(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.trainable as f64 / self.total as f64 }
    }
}

/// Two lines: the counts, and the sizes of the adapter in megabytes of 1,000,000 bytes.
impl fmt::Display for ParameterCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trainable, total) = (thousands(self.trainable), thousands(self.total));
        writeln!(
            f,
            "{trainable} of {total} parameters are trained ({:.3} %)",
            100.0 * self.trainable_share()
        )?;
        let megabytes = |dtype| self.stored_bytes(dtype) as f64 / 1e6;
        write!(
            f,
            "the adapter takes {:.1} MB in f32, {:.1} MB in bf16",
            megabytes(DType::F32),
            megabytes(DType::BF16)
        )
    }
}

fn size<const D: usize>(parameter: &Param<Tensor<D>>) -> usize {
    parameter.lazy_shape().num_elements()
}

fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_readable() {
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (20_766_720, "20,766,720")] {
            assert_eq!(thousands(count), text);
        }
        let count = ParameterCount { trainable: 20_766_720, total: 2_635_108_608, stored: 20_766_720 };
        let expected = "20,766,720 of 2,635,108,608 parameters are trained (0.788 %)\n\
                        the adapter takes 83.1 MB in f32, 41.5 MB in bf16";
        assert_eq!(count.to_string(), expected);
    }
}
