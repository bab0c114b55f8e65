//! Exceptions from a config's common rank, alpha and targets.

use crate::Error;
use crate::config::is_suffix;

/// Ranks, alphas and layers that differ from the common ones, under PEFT's names.
///
/// PEFT's patterns are regular expressions that must match the end of a path. Here they are names: a path that equals the pattern or ends in
/// `.pattern`; `^` at its front asks for the whole path. Anything else that means something in a regular expression is refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patterns {
    /// Ranks by name; the first that matches counts.
    pub rank_pattern: Vec<(String, usize)>,
    /// Alphas by name; the first that matches counts.
    pub alpha_pattern: Vec<(String, f64)>,
    /// Only these layers; all when `None`. A target that gives a whole path is not affected.
    pub layers_to_transform: Option<Vec<usize>>,
    /// The components before the layer's number; any when empty.
    pub layers_pattern: Vec<String>,
    /// Names of modules that get no adapter although they are targeted.
    pub exclude_modules: Vec<String>,
}

impl Patterns {
    pub(crate) fn rank(&self, path: &str) -> Option<usize> {
        self.rank_pattern.iter().find(|(pattern, _)| matches(pattern, path)).map(|(_, rank)| *rank)
    }

    pub(crate) fn alpha(&self, path: &str) -> Option<f64> {
        self.alpha_pattern.iter().find(|(pattern, _)| matches(pattern, path)).map(|(_, alpha)| *alpha)
    }

    pub(crate) fn excludes(&self, path: &str) -> bool {
        self.exclude_modules.iter().any(|name| name == path || is_suffix(path, name))
    }

    pub(crate) fn selects_layer_of(&self, path: &str) -> bool {
        let Some(wanted) = self.layers_to_transform.as_ref().filter(|layers| !layers.is_empty()) else {
            return true;
        };
        let parts: Vec<&str> = path.split('.').collect();
        let numbered = |index: usize| -> Option<usize> {
            let list = parts.get(index.checked_sub(1)?)?;
            let known = self.layers_pattern.is_empty() || self.layers_pattern.iter().any(|p| p == list);
            // The list itself lies in something, and the layer has modules of its own.
            (known && index >= 2 && index + 1 < parts.len()).then(|| parts[index].parse().ok())?
        };
        (0..parts.len()).rev().find_map(numbered).is_some_and(|layer| wanted.contains(&layer))
    }

    pub(crate) fn validate(&self, max_rank: usize) -> Result<(), Error> {
        let invalid = |field, value: String, rule: &str| {
            Err(Error::InvalidConfig { field, value, rule: rule.to_owned() })
        };
        if let Some((pattern, rank)) = self.rank_pattern.iter().find(|(_, r)| *r == 0 || *r > max_rank) {
            return invalid(
                "rank_pattern",
                format!("{pattern}: {rank}"),
                &format!("must be from 1 to {max_rank}"),
            );
        }
        if let Some((pattern, alpha)) = self.alpha_pattern.iter().find(|(_, a)| !(a.is_finite() && *a > 0.0))
        {
            return invalid("alpha_pattern", format!("{pattern}: {alpha}"), "must be finite and positive");
        }
        let ranks = self.rank_pattern.iter().map(|(pattern, _)| ("rank_pattern", pattern));
        let alphas = self.alpha_pattern.iter().map(|(pattern, _)| ("alpha_pattern", pattern));
        let layers = self.layers_pattern.iter().map(|pattern| ("layers_pattern", pattern));
        let excluded = self.exclude_modules.iter().map(|pattern| ("exclude_modules", pattern));
        for (field, pattern) in ranks.chain(alphas).chain(layers).chain(excluded) {
            if !is_name(pattern) {
                let rule = "only names are supported (letters, digits, _, - and dots, ^ in front), no regular expressions";
                return invalid(field, pattern.clone(), rule);
            }
        }
        Ok(())
    }
}

fn is_name(pattern: &str) -> bool {
    let name = pattern.strip_prefix('^').unwrap_or(pattern);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.chars().all(plain)
}

fn matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_prefix('^') {
        Some(whole) => whole == path,
        None => pattern == path || is_suffix(path, pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_matches_counts() {
        let patterns = Patterns {
            rank_pattern: vec![("layers.1.mlp.up_proj".into(), 6), ("up_proj".into(), 2)],
            alpha_pattern: vec![("^model.layers.0.mlp.up_proj".into(), 3.0)],
            ..Patterns::default()
        };
        assert_eq!(patterns.rank("model.layers.1.mlp.up_proj"), Some(6));
        assert_eq!(patterns.rank("model.layers.11.mlp.up_proj"), Some(2));
        assert_eq!(patterns.rank("model.layers.1.mlp.down_proj"), None);
        assert_eq!(patterns.alpha("model.layers.0.mlp.up_proj"), Some(3.0));
        assert_eq!(patterns.alpha("x.model.layers.0.mlp.up_proj"), None);
    }

    #[test]
    fn layers_are_the_last_number_in_a_path() {
        let only = |layers_pattern: &[&str]| Patterns {
            layers_to_transform: Some(vec![1, 3]),
            layers_pattern: layers_pattern.iter().map(|p| (*p).to_owned()).collect(),
            ..Patterns::default()
        };
        for patterns in [only(&[]), only(&["layers"]), only(&["h", "layers"])] {
            assert!(patterns.selects_layer_of("model.layers.1.mlp.up_proj"));
            assert!(!patterns.selects_layer_of("model.layers.2.mlp.up_proj"));
            assert!(!patterns.selects_layer_of("model.layers.31.mlp.up_proj"));
            assert!(!patterns.selects_layer_of("lm_head"));
        }
        assert!(!only(&["h"]).selects_layer_of("model.layers.1.mlp.up_proj"));
    }

    #[test]
    fn regular_expressions_are_refused_by_name() {
        for pattern in ["layers.*.up_proj", "", "^", "(q|k)_proj", "up_proj$", "layers\\.0"] {
            let patterns = Patterns { rank_pattern: vec![(pattern.to_owned(), 2)], ..Patterns::default() };
            let error = patterns.validate(1024).expect_err(pattern);
            assert!(matches!(error, Error::InvalidConfig { field: "rank_pattern", .. }), "{error}");
        }
    }
}
