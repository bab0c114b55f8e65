//! The weights of an adapter, apart from any model.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use tooltune_lm::{Embedding, EmbeddingTable, Linear, MapProjections, Projection, TensorFile};

use crate::attach::{check_vocabulary, targets, vocabulary_targets};
use crate::lora_embedding::LoraEmbedding;
use crate::merge::merge_rows;
use crate::modules_to_save::SavedModules;
use crate::trainable_tokens::TrainableTokens;
use crate::{Error, LoraAdapter, LoraConfig, LoraLinear};

/// The weights of an adapter, apart from any model. No weight of the base is among them.
#[derive(Clone, Debug)]
pub struct AdapterWeights {
    /// What they were made with.
    pub config: LoraConfig,
    /// A, `[r, in]`, and B, `[out, r]`, by the path of the module. An embedding maps `vocab` to `hidden`. One that is tied to the head
    /// stands for both.
    pub tensors: BTreeMap<String, (Tensor<2>, Tensor<2>)>,
    /// What a kind trains beside the pairs, `[out]`, by the path of the projection and the name of the vector:
    /// `model.layers.0.mlp.up_proj.lora_magnitude_vector` with DoRA.
    pub vectors: BTreeMap<String, Tensor<1>>,
    /// The new rows of the embedding, `[tokens, hidden]`, in the order of the config's `trainable_token_indices`.
    pub token_rows: Option<Tensor<2>>,
    /// Modules that were trained whole, by path.
    pub saved_modules: BTreeMap<String, Tensor<2>>,
    /// What was found in the files and ignored: fields of the config that are not known.
    pub warnings: Vec<String>,
    /// The last save of the folder that these were read from was interrupted when everything had been written, but not yet put in its place. These
    /// are the weights of that save; the next one puts the folder in order.
    pub interrupted_save: bool,
    /// Path of the embedding, for the name of its rows in a file.
    pub(crate) embedding_path: String,
    /// Copies of base weights that PEFT stores beside an adapted embedding or head: compared when attaching, never used.
    pub(crate) base_copies: Vec<BaseCopy>,
}

/// Where PEFT has put a copy of a base weight.
#[derive(Clone, Debug)]
pub(crate) struct BaseCopy {
    pub(crate) file: TensorFile,
    /// Path of the module.
    pub(crate) path: String,
    /// Name in the file.
    pub(crate) name: String,
}

impl AdapterWeights {
    /// Weights without any tensor yet.
    pub(crate) fn empty(config: LoraConfig) -> Self {
        Self {
            config,
            tensors: BTreeMap::new(),
            vectors: BTreeMap::new(),
            token_rows: None,
            saved_modules: BTreeMap::new(),
            warnings: Vec::new(),
            interrupted_save: false,
            embedding_path: "model.embed_tokens".to_owned(),
            base_copies: Vec::new(),
        }
    }

    /// Copies the adapter of a model. One that started from PiSSA comes out as an ordinary adapter of twice the rank, which needs no special
    /// base.
    pub fn of<M>(model: &M, config: &LoraConfig) -> Self
    where
        M: MapProjections<Projection = LoraLinear>,
    {
        let mut out = Self::empty(config.stored());
        model.visit_projections(&mut |path, projection| {
            if let Some(adapter) = &projection.adapter {
                out.tensors.insert(path.to_owned(), adapter.weights());
                for (name, vector) in adapter.kind.behaviour().vectors() {
                    out.vectors.insert(format!("{path}.{name}"), vector.val());
                }
            }
        });
        let embedding = model.embedding();
        let pairs = [(M::EMBED_TOKENS, &embedding.embed_tokens), (M::LM_HEAD, &embedding.lm_head)];
        for (path, adapter) in pairs {
            if let Some(adapter) = adapter {
                out.tensors.insert(path.to_owned(), adapter.weights());
            }
        }
        M::EMBED_TOKENS.clone_into(&mut out.embedding_path);
        out.token_rows = embedding.tokens.as_ref().map(|tokens| tokens.weight.val());
        if let Some(saved) = &embedding.saved {
            for (path, copy) in [(M::EMBED_TOKENS, &saved.embed_tokens), (M::LM_HEAD, &saved.lm_head)] {
                if let Some(copy) = copy {
                    out.saved_modules.insert(path.to_owned(), copy.val());
                }
            }
        }
        out
    }

    /// Number of trained values.
    pub fn num_params(&self) -> usize {
        let pairs = self.tensors.values().flat_map(|(a, b)| [a.shape(), b.shape()]);
        let others = self.token_rows.iter().chain(self.saved_modules.values()).map(Tensor::shape);
        let vectors = self.vectors.values().map(Tensor::shape);
        pairs.chain(others).chain(vectors).map(|shape| shape.num_elements()).sum()
    }

    /// Freezes `model` and attaches these weights, moved to its device.
    ///
    /// # Errors
    /// [`Error::MissingWeights`] when a targeted module has none; [`Error::Mismatch`] or [`Error::Shape`] when a weight has no module in the
    /// model, or not its shape; [`Error::OtherBase`] when the file brings a copy of a base weight that is not this model's;
    /// [`Error::InvalidConfig`] when the config does not fit the model.
    pub fn attach<M>(&self, model: M) -> Result<M::With<LoraLinear>, Error>
    where
        M: MapProjections<Projection = Linear> + Module,
    {
        self.attach_to(model, |base, _| base)
    }

    /// Undoes [`merge`](crate::merge()): subtracts these weights from a merged model and attaches them again.
    ///
    /// In f32 the base comes back up to rounding; in bf16 a merged weight has lost digits that cannot return: keep the base instead.
    ///
    /// # Errors
    /// As [`attach`](Self::attach); [`Error::CannotUnmerge`] for anything but low-rank adapters on projections, whose bases the merge has
    /// overwritten.
    pub fn unmerge<M>(&self, model: M) -> Result<M::With<LoraLinear>, Error>
    where
        M: MapProjections<Projection = Linear> + Module,
    {
        let vocabulary = [M::EMBED_TOKENS, M::LM_HEAD].iter().find(|path| self.tensors.contains_key(**path));
        let kind = match vocabulary {
            Some(path) => Some(*path),
            None if !self.vectors.is_empty() => Some(self.config.kind().switch.0),
            None if self.token_rows.is_some() => Some("trainable_token_indices"),
            None if !self.saved_modules.is_empty() => Some("modules_to_save"),
            None => None,
        };
        if let Some(kind) = kind {
            return Err(Error::CannotUnmerge { kind: kind.to_owned() });
        }
        self.attach_to(model, |base, adapter| {
            let weight = base.weight.val();
            let (weight, _) =
                merge_rows(&weight, |rows, start, count| rows - adapter.delta_rows(start, count));
            Linear::from_weight(weight).freeze()
        })
    }

    fn attach_to<M>(
        &self,
        model: M,
        prepare: impl Fn(Linear, &LoraAdapter) -> Linear,
    ) -> Result<M::With<LoraLinear>, Error>
    where
        M: MapProjections<Projection = Linear> + Module,
    {
        self.config.validate()?;
        self.check_complete(&model)?;
        check_vocabulary(&model, &self.config)?;
        self.check_base(&model)?;
        let embedding = self.embedding::<M>(model.embedding())?;
        let adapted = model.freeze().map_projections::<_, Error>(
            &mut |path, base| {
                let Some(adapter) = self.adapter(path, base.features(), &base.weight.lazy_device())? else {
                    return Ok(LoraLinear { base, adapter: None });
                };
                Ok(LoraLinear { base: prepare(base, &adapter), adapter: Some(adapter) })
            },
            &mut |_| Ok(embedding.clone()),
        )?;
        Ok(adapted)
    }

    /// Every targeted module must have its weights, and every weight its module.
    fn check_complete<M>(&self, model: &M) -> Result<(), Error>
    where
        M: MapProjections<Projection = Linear>,
    {
        let wanted: BTreeMap<_, _> = targets(model, &self.config).into_iter().collect();
        let missing: Vec<String> =
            wanted.keys().filter(|path| !self.tensors.contains_key(*path)).cloned().collect();
        let others = self.token_rows.is_some() || !self.saved_modules.is_empty();
        if !missing.is_empty() || (self.tensors.is_empty() && !others) {
            return Err(Error::MissingWeights { paths: missing });
        }
        if let Some((path, (a, b))) = self.tensors.iter().find(|(path, _)| !wanted.contains_key(*path)) {
            let problem = "the model has no such module among the targets".to_owned();
            return Err(Error::Mismatch { path: path.clone(), a: a.dims(), b: b.dims(), problem });
        }
        let incomplete = |name: String| Err(Error::MissingTensor { name });
        let unexpected = |name: String| Err(Error::UnexpectedTensor { name });
        let names = self.config.kind().vectors.iter();
        let vectors: BTreeSet<String> =
            names.flat_map(|name| self.tensors.keys().map(move |path| format!("{path}.{name}"))).collect();
        if let Some(name) = vectors.iter().find(|name| !self.vectors.contains_key(*name)) {
            return incomplete(name.clone());
        }
        if let Some(name) = self.vectors.keys().find(|name| !vectors.contains(*name)) {
            return unexpected(name.clone());
        }
        match (self.config.trainable_token_indices.is_empty(), &self.token_rows) {
            (false, None) => return incomplete("trainable_tokens_delta".to_owned()),
            (true, Some(_)) => return unexpected("trainable_tokens_delta".to_owned()),
            _ => {}
        }
        let tied = self.config.ensure_weight_tying;
        let any = [M::EMBED_TOKENS, M::LM_HEAD].iter().any(|path| self.config.saves(path));
        for (path, saved) in [
            (M::EMBED_TOKENS, if tied { any } else { self.config.saves(M::EMBED_TOKENS) }),
            (M::LM_HEAD, !tied && self.config.saves(M::LM_HEAD)),
        ] {
            match (saved, self.saved_modules.contains_key(path)) {
                (true, false) => return incomplete(format!("{path}.weight")),
                (false, true) => return unexpected(format!("{path}.weight")),
                _ => {}
            }
        }
        let known = |path: &str| path == M::EMBED_TOKENS || path == M::LM_HEAD;
        match self.saved_modules.keys().find(|path| !known(path)) {
            Some(path) => unexpected(format!("{path}.weight")),
            None => Ok(()),
        }
    }

    /// Copies of base weights must be those of this model: an adapter for another base would compute something else.
    fn check_base<M>(&self, model: &M) -> Result<(), Error>
    where
        M: MapProjections<Projection = Linear>,
    {
        let table = model.embedding();
        for BaseCopy { file, path, name } in &self.base_copies {
            let base = if path == M::LM_HEAD { table.head_weight() } else { table.weight.val() };
            let base = base.detach().without_autodiff();
            let copy = file.tensor::<2>(name, base.dtype(), &base.device())?;
            let same = copy.dims() == base.dims() && {
                let difference = (copy.cast(DType::F32) - base.cast(DType::F32)).abs().max();
                difference.into_scalar::<f32>() == 0.0
            };
            if !same {
                return Err(Error::OtherBase { name: name.clone() });
            }
        }
        Ok(())
    }

    /// The adapter for the module at `path`, on `device`.
    fn adapter(
        &self,
        path: &str,
        features: [usize; 2],
        device: &Device,
    ) -> Result<Option<LoraAdapter>, Error> {
        let Some((a, b)) = self.tensors.get(path) else {
            return Ok(None);
        };
        check_pair(path, a, b, features)?;
        let (a, b) = (place(a, device), place(b, device));
        let mut adapter = LoraAdapter::from_weights(a, b, &self.config, path);
        let (kind, [_, outputs]) = (self.config.kind(), features);
        let mut vectors = Vec::new();
        for name in kind.vectors {
            let name = format!("{path}.{name}");
            let Some(vector) = self.vectors.get(&name) else {
                return Err(Error::MissingTensor { name });
            };
            check_shape(&name, &[outputs], &vector.dims())?;
            vectors.push(place(vector, device));
        }
        adapter.kind = (kind.restore)(vectors);
        Ok(Some(adapter))
    }

    fn embedding<M: MapProjections>(&self, base: &EmbeddingTable) -> Result<LoraEmbedding, Error> {
        let [vocab, hidden] = base.table_dims();
        let device = base.device();
        let tokens = match &self.token_rows {
            None => None,
            Some(rows) => {
                let ids = &self.config.trainable_token_indices;
                check_shape("trainable_tokens_delta", &[ids.len(), hidden], &rows.dims())?;
                Some(TrainableTokens::new(ids, place(rows, &device)))
            }
        };
        let saved = SavedModules::new(&self.config, [M::EMBED_TOKENS, M::LM_HEAD], |path| {
            let name = format!("{path}.weight");
            let Some(weight) = self.saved_modules.get(path) else {
                return Err(Error::MissingTensor { name });
            };
            check_shape(&name, &[vocab, hidden], &weight.dims())?;
            Ok(place(weight, &device))
        })?;
        let [on_embed, _] = vocabulary_targets::<M>(&self.config);
        Ok(LoraEmbedding {
            embed_tokens: self.adapter(M::EMBED_TOKENS, [vocab, hidden], &device)?,
            lm_head: self.adapter(M::LM_HEAD, [hidden, vocab], &device)?,
            tokens,
            saved,
            tied_adapter: self.config.ensure_weight_tying && on_embed,
            ..LoraEmbedding::plain(base.clone())
        })
    }
}

/// Through the host: a parameter must be a leaf of the new device's graph.
pub(crate) fn place<const D: usize>(tensor: &Tensor<D>, device: &Device) -> Tensor<D> {
    Tensor::from_data(tensor.to_data(), device)
}

fn check_pair(path: &str, a: &Tensor<2>, b: &Tensor<2>, [inputs, outputs]: [usize; 2]) -> Result<(), Error> {
    let (a, b) = (a.dims(), b.dims());
    if a[1] == inputs && b[0] == outputs && a[0] == b[1] {
        return Ok(());
    }
    let problem = format!("the projection maps {inputs} to {outputs} features");
    Err(Error::Mismatch { path: path.to_owned(), a, b, problem })
}

pub(crate) fn check_shape(name: &str, expected: &[usize], found: &[usize]) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    let (name, expected, found) = (name.to_owned(), expected.to_vec(), found.to_vec());
    Err(Error::Shape { name, expected, found })
}
