//! The loop that is rebuilt from public parts does what the trainer does.
#![recursion_limit = "256"]

use tooltune::sft::train;
use tooltune_examples::custom_loop::{losses, setup};
use tooltune_examples::progress::History;

#[test]
fn equal_losses() {
    let (model, samples, config) = setup(4).expect("the embedded base loads");
    let rebuilt = losses(model.clone(), &samples, &config).expect("trains");
    let mut history = History::default();
    train(model, &samples, &[], &config, &mut [&mut history]).expect("trains");
    let trainer: Vec<f64> = history.0.iter().map(|report| report.loss).collect();
    assert_eq!(rebuilt.len(), 4);
    assert_eq!(rebuilt, trainer);
}
