//! What llama.cpp calls the projections of a decoder layer.

const PROJECTIONS: [(&str, &str); 7] = [
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// The name of the weight at `path`, `model.layers.N.` and a projection.
pub(super) fn weight(path: &str) -> Option<String> {
    let (layer, module) = path.strip_prefix("model.layers.")?.split_once('.')?;
    let layer: usize = layer.parse().ok()?;
    let (_, name) = PROJECTIONS.iter().find(|(projection, _)| *projection == module)?;
    Some(format!("blk.{layer}.{name}.weight"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_projections_of_layers_have_names() {
        assert_eq!(weight("model.layers.12.self_attn.o_proj").as_deref(), Some("blk.12.attn_output.weight"));
        for path in
            ["lm_head", "model.embed_tokens", "model.layers.x.mlp.up_proj", "model.layers.0.mlp.c_proj"]
        {
            assert_eq!(weight(path), None);
        }
    }
}
