//! A kind of adapter that the library does not have, in one file: (IA)³ (Liu et al., 2022), which learns one factor for each key, each value and
//! each hidden unit of the MLP. Attached, trained with the library's trainer, and merged.
//!
//! `cargo run --release --example own_adapter`
#![recursion_limit = "256"]

use std::convert::Infallible;
use std::error::Error;

use burn::module::{Module, Param, ParamId};
use burn::tensor::{DType, Device, Tensor};
use tooltune::lm::{CausalLm, EmbeddingTable, Linear, MapProjections, Projection, TokenBatch};
use tooltune::sft::{
    BatchSize, GradientGuard, MaskedCrossEntropy, ScheduleConfig, TrainingConfig, evaluation_loss, train,
};
use tooltune_examples::dialect::{Choice, Dialect, Preset, Schema, encode_all};
use tooltune_examples::input::{Pretrained, embedded_base};
use tooltune_examples::synthetic::{CallingData, Split};

/// What a projection gets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scaled {
    Nothing,
    /// The input of the MLP's second map: its hidden units.
    Input,
    /// The output of the maps to keys and values.
    Output,
}

impl Scaled {
    fn of(path: &str) -> Self {
        match path.rsplit('.').next() {
            Some("k_proj" | "v_proj") => Self::Output,
            Some("down_proj") => Self::Input,
            _ => Self::Nothing,
        }
    }
}

/// A frozen projection, and factors for its input or its output.
#[derive(Module, Debug)]
struct Ia3Linear {
    base: Linear,
    /// `[in_features]` or `[out_features]`, f32.
    ia3_l: Option<Param<Tensor<1>>>,
    #[module(skip)]
    scaled: Scaled,
}

impl Ia3Linear {
    /// Factors of 1, which change nothing.
    fn new(base: Linear, path: &str) -> Self {
        let ([inputs, outputs], device) = (base.features(), base.weight.lazy_device());
        let scaled = Scaled::of(path);
        let ones = |width: usize| Some(Param::from_tensor(Tensor::ones([width], (&device, DType::F32))));
        let ia3_l = match scaled {
            Scaled::Nothing => None,
            Scaled::Input => ones(inputs),
            Scaled::Output => ones(outputs),
        };
        Self { base, ia3_l, scaled }
    }

    /// The factors as a row, to be multiplied with rows of inputs or outputs.
    fn row(&self) -> Option<Tensor<2>> {
        self.ia3_l.as_ref().map(|factors| factors.val().unsqueeze_dim(0))
    }

    /// Factors of inputs are factors of the columns of the weight, those of outputs of its rows.
    fn merge(self) -> Linear {
        let Some(row) = self.row() else {
            return self.base;
        };
        let weight = self.base.weight.val();
        let factors = if self.scaled == Scaled::Input { row } else { row.transpose() };
        let merged = (weight.clone().cast(DType::F32) * factors).cast(weight.dtype());
        Linear::from_weight(merged.detach())
    }
}

impl Projection for Ia3Linear {
    /// Embedding and head stay as they are.
    type Embedding = EmbeddingTable;

    fn project(&self, x: Tensor<2>) -> Tensor<2> {
        match (self.row(), self.scaled) {
            (Some(row), Scaled::Input) => self.base.project(x * row),
            (Some(row), _) => self.base.project(x) * row,
            (None, _) => self.base.project(x),
        }
    }

    fn features(&self) -> [usize; 2] {
        self.base.features()
    }
}

/// Freezes a model and gives it factors.
fn attach<M>(model: M) -> M::With<Ia3Linear>
where
    M: MapProjections<Projection = Linear> + Module,
{
    let adapted = model.freeze().map_projections::<_, Infallible>(
        &mut |path, base| Ok(Ia3Linear::new(base, path)),
        &mut |embedding| Ok(embedding),
    );
    adapted.unwrap_or_else(|never| match never {})
}

/// An ordinary model that computes the same.
fn merge<M: MapProjections<Projection = Ia3Linear>>(model: M) -> M::With<Linear> {
    let merged = model
        .map_projections::<_, Infallible>(&mut |_, projection| Ok(projection.merge()), &mut |embedding| {
            Ok(embedding)
        });
    merged.unwrap_or_else(|never| match never {})
}

/// Path and id of everything that is trained.
fn trainable_parameters<M: MapProjections<Projection = Ia3Linear>>(model: &M) -> Vec<(String, ParamId)> {
    let mut out = Vec::new();
    model.visit_projections(&mut |path, projection| {
        out.extend(projection.ia3_l.iter().map(|factors| (format!("{path}.ia3_l"), factors.id)));
    });
    out
}

fn largest_difference(a: &Tensor<3>, b: &Tensor<3>) -> f32 {
    (a.clone() - b.clone()).abs().max().into_scalar()
}

fn main() -> Result<(), Box<dyn Error>> {
    tooltune::kernels::allocator::keep_freed_memory();
    let dialect = Dialect::new(Choice { preset: Preset::Fixed, schema: Schema::Compact });
    let device = Device::flex().autodiff();
    let Pretrained { model, tokenizer } = Pretrained::load(&embedded_base(), &dialect, DType::F32, &device)?;
    let conversations = CallingData::new(1).conversations(Split::Train, 32);
    let samples = encode_all(&dialect, &conversations, &tokenizer)?;
    let batch = TokenBatch::single(&samples[0].ids);
    let before_training = model.valid().forward(&batch);

    let model = attach(model);
    let trainable = trainable_parameters(&model);
    println!("{} vectors of factors on {} layers", trainable.len(), model.num_layers());
    if largest_difference(&model.valid().forward(&batch), &before_training) != 0.0 {
        return Err("factors of 1 must change nothing".into());
    }

    // Factors have far fewer degrees of freedom than a LoRA, and bear larger steps.
    let config = TrainingConfig {
        max_steps: Some(12),
        batch_size: BatchSize::Samples(4),
        schedule: ScheduleConfig::cosine(3e-2),
        ..TrainingConfig::default()
    };
    let loss =
        |model: &_| evaluation_loss(model, &samples, &MaskedCrossEntropy::default(), config.batch_size);
    let before = loss(&model)?.ok_or("no sample has a loss")?;
    // Every factor must get a gradient, and nothing else may change.
    let mut guard = GradientGuard::new(trainable, |_| true);
    let (model, _) = train(model, &samples, &[], &config, &mut [&mut guard])?;
    let after = loss(&model)?.ok_or("no sample has a loss")?;
    println!("loss before {before:.4}, after {after:.4}");
    if after >= before {
        return Err("the loss has not fallen".into());
    }

    let adapted = model.valid().forward(&batch);
    let merged = merge(model.valid()).forward(&batch);
    let difference = largest_difference(&merged, &adapted);
    let learnt = largest_difference(&adapted, &before_training);
    println!("training moved the logits by up to {learnt:.2}, merging by {difference:.1e}");
    if difference > 1e-4 * learnt {
        return Err("the merged model computes something else".into());
    }
    Ok(())
}
