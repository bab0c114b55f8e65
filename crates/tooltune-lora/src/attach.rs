//! Attaching adapters to a model, merging them, and taking their weights out again.

use std::collections::BTreeMap;
use std::convert::Infallible;

use burn::module::{Module, ParamId};
use burn::tensor::Tensor;
use tooltune_lm::{Linear, MapProjections, Projection};

use crate::lora_linear::shift;
use crate::{Error, LoraAdapter, LoraConfig, LoraLinear};

/// Freezes `model` and gives every targeted projection a fresh adapter. Attach on an autodiff device to train.
///
/// # Errors
/// [`Error::InvalidConfig`], also when `r` exceeds a side of a targeted projection; [`Error::NoTarget`].
pub fn attach<M>(model: M, config: &LoraConfig, seed: u64) -> Result<M::With<LoraLinear>, Error>
where
    M: MapProjections<Projection = Linear> + Module,
{
    config.validate()?;
    let mut targeted = 0usize;
    let mut example = String::new();
    let mut too_large = None;
    model.visit_projections(&mut |path, linear| {
        path.clone_into(&mut example);
        if config.targets(path) {
            targeted += 1;
            let [inputs, outputs] = linear.features();
            if config.r > inputs.min(outputs) {
                too_large = Some(format!("exceeds a side of {path}, which is [{outputs}, {inputs}]"));
            }
        }
    });
    if let Some(rule) = too_large {
        return Err(Error::InvalidConfig { field: "r", value: config.r.to_string(), rule });
    }
    if targeted == 0 {
        return Err(Error::NoTarget { targets: config.target_modules.clone(), example });
    }
    model.freeze().map_projections(&mut |path, linear| Ok(LoraLinear::new(linear, config, path, seed)))
}

/// Adds every adapter to its weight; the result is an ordinary model.
pub fn merge<M>(model: M) -> M::With<Linear>
where
    M: MapProjections<Projection = LoraLinear>,
{
    let merged = model.map_projections::<_, Infallible>(&mut |_, projection| Ok(projection.merge()));
    match merged {
        Ok(model) => model,
        Err(never) => match never {},
    }
}

/// Name, as in PEFT's file, and id of every trainable tensor.
pub fn trainable_parameters<M>(model: &M) -> Vec<(String, ParamId)>
where
    M: MapProjections<Projection = LoraLinear>,
{
    let mut out = Vec::new();
    model.visit_projections(&mut |path, projection| {
        if let Some(adapter) = &projection.adapter {
            out.push((format!("base_model.model.{path}.lora_A.weight"), adapter.lora_a.id));
            out.push((format!("base_model.model.{path}.lora_B.weight"), adapter.lora_b.id));
        }
    });
    out
}

/// The weights of an adapter, apart from any model.
#[derive(Clone, Debug)]
pub struct AdapterWeights {
    /// What they were made with.
    pub config: LoraConfig,
    /// A, `[r, in]`, and B, `[out, r]`, by the path of the projection.
    pub tensors: BTreeMap<String, (Tensor<2>, Tensor<2>)>,
}

impl AdapterWeights {
    /// Copies the adapter of a model.
    pub fn of<M>(model: &M, config: &LoraConfig) -> Self
    where
        M: MapProjections<Projection = LoraLinear>,
    {
        let mut tensors = BTreeMap::new();
        model.visit_projections(&mut |path, projection| {
            if let Some(adapter) = &projection.adapter {
                tensors.insert(path.to_owned(), (adapter.lora_a.val(), adapter.lora_b.val()));
            }
        });
        Self { config: config.clone(), tensors }
    }

    /// Freezes `model` and attaches these weights, moved to its device.
    ///
    /// # Errors
    /// [`Error::MissingWeights`] when a targeted projection has none; [`Error::Mismatch`] when a weight has no projection in the model, or
    /// not its shape.
    pub fn attach<M>(&self, model: M) -> Result<M::With<LoraLinear>, Error>
    where
        M: MapProjections<Projection = Linear> + Module,
    {
        self.attach_to(model, |base, _| base)
    }

    /// Undoes [`merge`]: subtracts these weights from a merged model and attaches them again.
    ///
    /// In f32 the base comes back up to rounding; in bf16 a merged weight has lost digits that cannot return: keep the base instead.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub fn unmerge<M>(&self, model: M) -> Result<M::With<LoraLinear>, Error>
    where
        M: MapProjections<Projection = Linear> + Module,
    {
        self.attach_to(model, |base, adapter| shift(base, adapter.delta().neg()).freeze())
    }

    fn attach_to<M>(
        &self,
        model: M,
        prepare: impl Fn(Linear, &LoraAdapter) -> Linear,
    ) -> Result<M::With<LoraLinear>, Error>
    where
        M: MapProjections<Projection = Linear> + Module,
    {
        let mut left = self.tensors.clone();
        let mut missing = Vec::new();
        model.visit_projections(&mut |path, _| {
            if self.config.targets(path) && !left.contains_key(path) {
                missing.push(path.to_owned());
            }
        });
        if !missing.is_empty() || left.is_empty() {
            return Err(Error::MissingWeights { paths: missing });
        }
        let adapted = model.freeze().map_projections::<_, Error>(&mut |path, base| {
            let Some((a, b)) = left.remove(path) else {
                return Ok(LoraLinear { base, adapter: None });
            };
            check(path, &a, &b, base.features())?;
            let device = base.weight.lazy_device();
            // Through the host: a parameter must be a leaf of the new device's graph.
            let place = |tensor: Tensor<2>| Tensor::from_data(tensor.into_data(), &device);
            let adapter = LoraAdapter::from_weights(place(a), place(b), &self.config);
            Ok(LoraLinear { base: prepare(base, &adapter), adapter: Some(adapter) })
        })?;
        match left.pop_first() {
            None => Ok(adapted),
            Some((path, (a, b))) => {
                let problem = "the model has no such projection".to_owned();
                Err(Error::Mismatch { path, a: a.dims(), b: b.dims(), problem })
            }
        }
    }
}

fn check(path: &str, a: &Tensor<2>, b: &Tensor<2>, [inputs, outputs]: [usize; 2]) -> Result<(), Error> {
    let (a, b) = (a.dims(), b.dims());
    if a[1] == inputs && b[0] == outputs && a[0] == b[1] {
        return Ok(());
    }
    let problem = format!("the projection maps {inputs} to {outputs} features");
    Err(Error::Mismatch { path: path.to_owned(), a, b, problem })
}
