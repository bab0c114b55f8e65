//! What must be true of the first step.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::{Control, Error, StepReport, TrainerCallback};

/// Checks the first step: every parameter that is meant to learn has a gradient, those that must move have one that is not zero, no other
/// parameter has any, and after the update all other parameters hold the bytes that they held before.
///
/// With LoRA the parameters that must move are the Bs: the gradient of an A is zero while its B still is.
#[derive(Clone, Debug)]
pub struct GradientGuard {
    trainable: Vec<(String, ParamId)>,
    must_move: HashSet<ParamId>,
    /// Checksums of the frozen parameters, between the gradients of the first step and its end.
    frozen: Vec<(ParamId, u64)>,
}

impl GradientGuard {
    /// Expects gradients for `trainable`, and non-zero ones for those whose name `must_move` accepts.
    pub fn new(trainable: Vec<(String, ParamId)>, must_move: impl Fn(&str) -> bool) -> Self {
        let must_move = trainable.iter().filter(|(name, _)| must_move(name)).map(|(_, id)| *id).collect();
        Self { trainable, must_move, frozen: Vec::new() }
    }
}

impl<M: Module> TrainerCallback<M> for GradientGuard {
    fn on_gradients(&mut self, step: usize, model: &M, gradients: &GradientsParams) -> Result<(), Error> {
        if step != 1 {
            return Ok(());
        }
        let mut found = Found { gradients, zero: HashSet::new(), moving: HashSet::new() };
        model.visit(&mut found);
        let fail =
            |parameter: &str, problem| Err(Error::FirstStep { parameter: parameter.to_owned(), problem });
        for (name, id) in &self.trainable {
            if !found.moving.contains(id) && !found.zero.contains(id) {
                return fail(name, "has no gradient: it is not part of what the loss depends on");
            }
            if self.must_move.contains(id) && found.zero.contains(id) {
                return fail(name, "has a gradient of zero: it cannot learn");
            }
        }
        let known: HashSet<ParamId> = self.trainable.iter().map(|(_, id)| *id).collect();
        match found.moving.union(&found.zero).find(|id| !known.contains(id)) {
            Some(id) => fail(&id.to_string(), "has a gradient although it is meant to be frozen"),
            None => {
                self.frozen = checksums(model, &known)?;
                Ok(())
            }
        }
    }

    fn on_step(&mut self, report: &StepReport, model: &M) -> Result<Control, Error> {
        if report.step == 1 {
            let known: HashSet<ParamId> = self.trainable.iter().map(|(_, id)| *id).collect();
            let before = std::mem::take(&mut self.frozen);
            let changed =
                before.iter().zip(checksums(model, &known)?).find(|(before, after)| *before != after);
            if let Some(((id, _), _)) = changed {
                let problem = "has changed although it is meant to be frozen";
                return Err(Error::FirstStep { parameter: id.to_string(), problem });
            }
        }
        Ok(Control::Continue)
    }
}

struct Found<'a> {
    gradients: &'a GradientsParams,
    zero: HashSet<ParamId>,
    moving: HashSet<ParamId>,
}

impl ModuleVisitor for Found<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let largest = gradient.abs().max().into_scalar::<f32>();
            let set = if largest == 0.0 { &mut self.zero } else { &mut self.moving };
            set.insert(param.id);
        }
    }
}

/// A checksum of the bytes of every floating-point parameter that is not in `trainable`, in the order of a visit.
fn checksums<M: Module>(model: &M, trainable: &HashSet<ParamId>) -> Result<Vec<(ParamId, u64)>, Error> {
    let mut visitor = Checksums { trainable, sums: Vec::new(), failure: None };
    model.visit(&mut visitor);
    visitor.failure.map_or(Ok(visitor.sums), Err)
}

struct Checksums<'a> {
    trainable: &'a HashSet<ParamId>,
    sums: Vec<(ParamId, u64)>,
    failure: Option<Error>,
}

/// How much of a parameter is read back at a time.
const CHUNK_ELEMENTS: usize = 1 << 24;

impl ModuleVisitor for Checksums<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.trainable.contains(&param.id) || self.failure.is_some() {
            return;
        }
        let tensor = param.val().detach();
        let elements = tensor.shape().num_elements();
        let flat = tensor.reshape([elements]);
        let mut sum = 0u64;
        for start in (0..elements).step_by(CHUNK_ELEMENTS) {
            let end = (start + CHUNK_ELEMENTS).min(elements);
            match flat.clone().narrow(0, start, end - start).try_into_data() {
                Ok(data) => sum = mix(sum, data.as_bytes()),
                Err(error) => {
                    self.failure = Some(Error::TensorRead { reason: error.to_string() });
                    return;
                }
            }
        }
        self.sums.push((param.id, sum));
    }
}

/// FNV-1a over words of eight bytes: any single change changes it.
fn mix(start: u64, bytes: &[u8]) -> u64 {
    let step = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3);
    let (words, rest) = bytes.as_chunks::<8>();
    let sum =
        words.iter().fold(start ^ 0xcbf2_9ce4_8422_2325, |sum, word| step(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, &byte| step(sum, u64::from(byte)))
}
