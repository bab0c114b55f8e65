//! The random numbers that a model draws while it trains.

use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Distribution, Tensor};
use tooltune_lm::{CausalLm, TokenBatch};

use crate::Error;
use crate::gradients::read;
use crate::random::KeyedRandom;

const DROPOUT: u64 = 2;

/// The random numbers of one micro-batch. Each stage of the forward pass (embedding, every layer, head) has a key of its own, so that a layer
/// that is run again draws again what it drew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws<'a> {
    /// Seed, step and micro-batch.
    pub(crate) key: [u64; 3],
    /// Held during a stage when others may draw at the same time: a device has one stream of random numbers.
    pub(crate) turn: Option<&'a Mutex<()>>,
}

impl Draws<'_> {
    /// Runs a stage of the forward pass.
    pub(crate) fn stage<T>(&self, device: &Device, stage: usize, run: impl FnOnce() -> T) -> T {
        let turn = self.turn.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        let [seed, step, micro_batch] = self.key;
        device.seed(KeyedRandom::new(&[seed, DROPOUT, step, micro_batch, stage as u64]).next());
        let result = run();
        drop(turn);
        result
    }
}

/// Does the model draw random numbers while it trains? Nothing declares it, so it is tried out, on one token: if it does, the device's stream
/// of random numbers has moved on.
pub(crate) fn draws_random_numbers<M: CausalLm>(model: &M) -> Result<bool, Error> {
    let layer = (0..model.num_layers()).find(|&index| model.is_layer_trained(index));
    let model = model.clone().no_grad();
    let device = model.device();
    let next = |run: &dyn Fn()| {
        device.seed(0);
        run();
        read(Tensor::<1>::random([8], Distribution::Default, &device))
    };
    let moved = next(&|| {
        let batch = TokenBatch::single(&[0]);
        let mut hidden = model.embed(batch.ids_tensor(&device));
        if let Some(layer) = layer {
            hidden = model.decoder_layer(layer, hidden, &model.context(&batch, None), None);
        }
        model.head(&hidden.reshape([1, model.hidden_size()]));
    })?;
    Ok(moved != next(&|| ())?)
}
