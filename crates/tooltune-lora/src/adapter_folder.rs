//! The two files of an adapter's folder, replaced together.
//!
//! Two renames are not one, and an adapter whose weights belong to another config may load and compute something else. So:
//!
//! 1. The new files are written beside the old ones, under names of their own. Until the second is there, the old adapter is the one to read.
//! 2. The old config is removed. From here on the new files are the ones to read, wherever they lie.
//! 3. The weights are put in their place, then the config.
//!
//! Every step is on the disk before the next. Whoever knows nothing of this finds no config between 2 and the end, never a pair that does not
//! belong together. Where the config does not change, as from one save of a run to the next, the weights are replaced by one rename.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tooltune_lm::checkpoint::{NamedTensor, sync_folder};
use tooltune_lm::{Error, write_safetensors, write_text};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const NEW_CONFIG: &str = "adapter_config.json.new";
const NEW_WEIGHTS: &str = "adapter_model.safetensors.new";

/// Where the files of an adapter are.
pub(crate) struct AdapterFiles {
    pub(crate) config: PathBuf,
    pub(crate) weights: PathBuf,
    /// They are not yet in their place.
    pub(crate) interrupted: bool,
}

impl AdapterFiles {
    /// Those of `folder`; which may be missing.
    pub(crate) fn find(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name);
        let interrupted = !at(CONFIG).exists() && at(NEW_CONFIG).exists();
        let moved = !interrupted || !at(NEW_WEIGHTS).exists();
        Self {
            config: at(if interrupted { NEW_CONFIG } else { CONFIG }),
            weights: at(if moved { WEIGHTS } else { NEW_WEIGHTS }),
            interrupted,
        }
    }
}

/// Replaces the adapter in `folder`, or makes one.
pub(crate) fn replace(folder: &Path, tensors: &[NamedTensor], config: &str) -> Result<(), Error> {
    replace_in_steps(folder, tensors, config, &mut || Ok(()))
}

/// `step` comes before everything that changes a file; a test stops there.
fn replace_in_steps(
    folder: &Path,
    tensors: &[NamedTensor],
    config: &str,
    step: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<(), Error> {
    let at = |name: &str| folder.join(name);
    step()?;
    make(folder).map_err(Error::io(folder))?;
    if AdapterFiles::find(folder).interrupted {
        // Else the files of this save could meet those of that one.
        finish(folder, step)?;
    }
    for left in [at(NEW_CONFIG), at(NEW_WEIGHTS)].iter().filter(|path| path.exists()) {
        step()?;
        fs::remove_file(left).map_err(Error::io(left))?;
    }
    if fs::read(at(CONFIG)).is_ok_and(|old| old == config.as_bytes()) {
        step()?;
        return write_safetensors(at(WEIGHTS), tensors);
    }
    step()?;
    write_safetensors(at(NEW_WEIGHTS), tensors)?;
    step()?;
    write_text(at(NEW_CONFIG), config).inspect_err(|_| {
        // The first error is the one to report.
        let _ = fs::remove_file(at(NEW_WEIGHTS));
    })?;
    if at(CONFIG).exists() {
        step()?;
        fs::remove_file(at(CONFIG)).map_err(Error::io(at(CONFIG)))?;
        sync_folder(folder).map_err(Error::io(folder))?;
    }
    finish(folder, step)
}

fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Puts new files in their place.
fn finish(folder: &Path, step: &mut dyn FnMut() -> Result<(), Error>) -> Result<(), Error> {
    for (new, name) in [(NEW_WEIGHTS, WEIGHTS), (NEW_CONFIG, CONFIG)] {
        let (new, path) = (folder.join(new), folder.join(name));
        if new.exists() {
            step()?;
            fs::rename(new, &path).map_err(Error::io(&path))?;
            sync_folder(folder).map_err(Error::io(folder))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, Tensor};

    use super::*;
    use crate::{AdapterWeights, LoraConfig};

    /// An adapter that says in its config and in its weights which one it is, and in its weights which version of that one.
    fn adapter(number: u8, version: u8) -> AdapterWeights {
        let device = Device::flex();
        let config = LoraConfig {
            r: 2,
            lora_alpha: f64::from(number),
            target_modules: vec!["q_proj".to_owned()],
            ..LoraConfig::default()
        };
        let pair = (Tensor::full([2, 3], number, &device), Tensor::full([4, 2], version, &device));
        let mut out = AdapterWeights::empty(config);
        out.tensors.insert("model.layers.0.self_attn.q_proj".to_owned(), pair);
        out
    }

    /// Number and version of the adapter in `folder`; `None` when there is none yet.
    fn found(folder: &Path) -> Option<(u8, u8)> {
        let files = AdapterFiles::find(folder);
        if !files.config.exists() {
            return None;
        }
        let adapter = AdapterWeights::load(folder, &Device::flex()).expect("loads");
        assert_eq!(adapter.interrupted_save, files.interrupted);
        let (a, b) = adapter.tensors.into_values().next().expect("has weights");
        let number = a.mean().into_scalar::<f32>() as u8;
        assert_eq!(f64::from(number), adapter.config.lora_alpha, "weights and config belong together");
        Some((number, b.mean().into_scalar::<f32>() as u8))
    }

    /// Stops before the step of this number; says whether it came to that.
    fn save(folder: &Path, adapter: &AdapterWeights, stop: usize) -> bool {
        let mut steps = 0;
        let result = replace_in_steps(
            folder,
            &adapter.named_tensors(DType::F32),
            &adapter.config.to_json(),
            &mut || {
                steps += 1;
                if steps <= stop {
                    Ok(())
                } else {
                    Err(Error::InvalidConfig { field: "", rule: "stops here" })
                }
            },
        );
        assert!(result.is_ok() || matches!(result, Err(Error::InvalidConfig { rule: "stops here", .. })));
        result.is_err()
    }

    /// Every way in which two saves, one after the other, can be interrupted. `before`: what was there.
    fn interrupt_twice(before: Option<&AdapterWeights>, one: &AdapterWeights, two: &AdapterWeights) -> usize {
        let name = |adapter: &AdapterWeights| {
            let (_, b) = adapter.tensors.values().next().cloned().expect("has weights");
            Some((adapter.config.lora_alpha as u8, b.mean().into_scalar::<f32>() as u8))
        };
        let mut states = 0;
        for first in 0.. {
            let mut first_stopped = true;
            for second in 0.. {
                let outside = tempfile::tempdir().expect("a temporary folder");
                let folder = outside.path().join("adapter");
                if let Some(before) = before {
                    before.save(&folder).expect("written");
                    fs::write(folder.join("tokenizer.json"), "another's").expect("written");
                    // What a process that was killed while writing leaves.
                    fs::write(folder.join("adapter_model.safetensors.new.tmp"), "a part").expect("written");
                }
                first_stopped = save(&folder, one, first);
                let between = found(&folder);
                assert!(between == before.and_then(name) || between == name(one), "{first}: {between:?}");
                let second_stopped = save(&folder, two, second);
                let after = found(&folder);
                assert!(after == between || after == name(two), "{first}, {second}: {after:?}");
                states += 1;
                if !second_stopped {
                    assert_eq!(after, name(two), "{first}: a save that returns Ok is the one to be found");
                    let mut names: Vec<_> = fs::read_dir(&folder)
                        .expect("there")
                        .flatten()
                        .map(|entry| entry.file_name().to_string_lossy().into_owned())
                        .filter(|name| name != "adapter_model.safetensors.new.tmp")
                        .collect();
                    names.sort();
                    let others: &[&str] = if before.is_some() { &["tokenizer.json"] } else { &[] };
                    assert_eq!(names, [&[CONFIG, WEIGHTS][..], others].concat(), "{first}");
                    break;
                }
            }
            if !first_stopped {
                return states;
            }
        }
        states
    }

    #[test]
    fn an_interrupted_save_leaves_the_old_adapter_or_the_new_one() {
        let states = [
            interrupt_twice(None, &adapter(1, 1), &adapter(2, 1)),
            interrupt_twice(None, &adapter(1, 1), &adapter(1, 2)),
            interrupt_twice(Some(&adapter(1, 1)), &adapter(2, 1), &adapter(3, 1)),
            interrupt_twice(Some(&adapter(1, 1)), &adapter(1, 2), &adapter(2, 1)),
            interrupt_twice(Some(&adapter(1, 1)), &adapter(2, 1), &adapter(1, 2)),
        ];
        assert!(states.iter().all(|states| *states > 10), "{states:?}");
    }

    #[test]
    fn values_that_are_not_finite_are_refused_and_nothing_is_lost() {
        let outside = tempfile::tempdir().expect("a temporary folder");
        let folder = outside.path();
        adapter(1, 1).save(folder).expect("written");
        for (value, dtypes) in [
            (f32::NAN, &[DType::F32, DType::BF16, DType::F16][..]),
            (f32::NEG_INFINITY, &[DType::F32, DType::BF16, DType::F16]),
            (70_000.0, &[DType::F16]),
            (3.4e38, &[DType::F16, DType::BF16]),
        ] {
            // Over an adapter with the same config, and over one with another.
            for (number, dtype) in
                [1, 2].into_iter().flat_map(|n| dtypes.iter().map(move |dtype| (n, *dtype)))
            {
                let mut broken = adapter(number, 2);
                let (_, b) = broken.tensors.values_mut().next().expect("has weights");
                *b = b.clone().slice_fill([1..2, 1..2], value);
                let error = broken.save_as(folder, dtype).expect_err("refused");
                let crate::Error::Lm(Error::NotFinite { tensor, dtype: of, .. }) = &error else {
                    panic!("{error}");
                };
                assert!(*of == dtype && tensor.ends_with("q_proj.lora_B.weight"), "{error}");
                assert_eq!(found(folder), Some((1, 1)));
                assert_eq!(fs::read_dir(folder).expect("there").count(), 2, "nothing is left behind");
            }
        }
        let mut large = adapter(1, 3);
        large.tensors.values_mut().for_each(|(_, b)| *b = b.clone().slice_fill([1..2, 1..2], 65_504.0));
        large.save_as(folder, DType::F16).expect("the largest value of f16");
    }
}
