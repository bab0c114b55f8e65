//! Token ids and loss weights of one conversation.

use tooltune_chat::EncodedChat;

use crate::Error;

/// One training example.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Names the sample in errors and logs.
    pub id: String,
    /// Token ids, with the one BOS.
    pub ids: Vec<u32>,
    /// How much the prediction of each token counts; 0 is not trained. The first token is never predicted.
    pub weights: Vec<f32>,
}

impl Sample {
    /// Checks that ids and weights go together.
    ///
    /// # Errors
    /// [`Error::SampleLengths`].
    pub fn new(id: impl Into<String>, ids: Vec<u32>, weights: Vec<f32>) -> Result<Self, Error> {
        let id = id.into();
        if ids.len() == weights.len() {
            Ok(Self { id, ids, weights })
        } else {
            Err(Error::SampleLengths { sample: id, ids: ids.len(), weights: weights.len() })
        }
    }

    /// Takes over an encoded conversation.
    ///
    /// # Errors
    /// [`Error::EndOfTurnNotTrained`] when a model turn is trained, wholly or in part, and its end is not.
    pub fn from_chat(id: impl Into<String>, chat: EncodedChat) -> Result<Self, Error> {
        let id = id.into();
        if let Some(token) = chat.turn_without_trained_end() {
            return Err(Error::EndOfTurnNotTrained { sample: id, token });
        }
        Self::new(id, chat.ids, chat.weights)
    }

    /// Number of tokens whose prediction counts.
    pub fn trained_tokens(&self) -> usize {
        self.weights.iter().skip(1).filter(|weight| **weight > 0.0).count()
    }

    /// Sum of the weights that count.
    pub fn total_weight(&self) -> f64 {
        self.weights.iter().skip(1).map(|weight| f64::from(*weight)).sum()
    }
}
