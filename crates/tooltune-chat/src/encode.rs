//! Segments to ids, weights and kinds.

use crate::{ChatTemplate, Error, Segment, SegmentContent, SegmentKind, TextTokenizer, TokensByKind};

/// The label of a token without loss, as PyTorch's cross-entropy and TRL write it.
pub const IGNORE_INDEX: i64 = -100;

/// An encoded conversation; the three vectors have one entry for each token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncodedChat {
    /// The token ids, beginning with one BOS where the template writes one.
    pub ids: Vec<u32>,
    /// The weight of each token in the loss; 0 is not trained.
    pub weights: Vec<f32>,
    /// What each token is for.
    pub kinds: Vec<SegmentKind>,
}

impl EncodedChat {
    /// The number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no tokens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Labels, not shifted: the id of each trained token, [`IGNORE_INDEX`] elsewhere.
    #[must_use]
    pub fn labels(&self) -> Vec<i64> {
        let label = |(&id, &weight): (&u32, &f32)| if weight > 0.0 { i64::from(id) } else { IGNORE_INDEX };
        self.ids.iter().zip(&self.weights).map(label).collect()
    }

    /// The number of tokens with a loss.
    #[must_use]
    pub fn trained_tokens(&self) -> usize {
        self.weights.iter().filter(|&&weight| weight > 0.0).count()
    }

    /// The number of tokens of each kind, all and trained.
    #[must_use]
    pub fn tokens_by_kind(&self) -> TokensByKind {
        TokensByKind::of(self)
    }

    /// The last trained token of the first model turn whose end is not trained, though the turn is, wholly or in
    /// part. A model trained so never stops.
    ///
    /// What a user or a tool wrote may be trained without its end.
    #[must_use]
    pub fn turn_without_trained_end(&self) -> Option<usize> {
        let mut trained = None;
        for (token, (&kind, &weight)) in self.kinds.iter().zip(&self.weights).enumerate() {
            match kind {
                SegmentKind::EndOfTurn if weight > 0.0 => trained = None,
                SegmentKind::EndOfTurn if trained.is_some() => return trained,
                _ if kind.is_written_by_model() && weight > 0.0 => trained = Some(token),
                _ => {}
            }
        }
        None
    }

    /// Checks that a model can be trained on the conversation: the ends of the turns that are trained are trained,
    /// and something is.
    ///
    /// The first is a mistake in the weights. The second may be a property of the data (with
    /// [`LossWeights::calls_only`](crate::LossWeights::calls_only), of conversations without a call): drop such samples, and count them.
    ///
    /// # Errors
    /// [`Error::EndOfTurnNotTrained`] and [`Error::NothingTrained`].
    pub fn validate(&self) -> Result<(), Error> {
        if let Some(token) = self.turn_without_trained_end() {
            return Err(Error::EndOfTurnNotTrained { token });
        }
        // The first token is never predicted.
        if self.weights.iter().skip(1).all(|&weight| weight <= 0.0) {
            return Err(Error::NothingTrained { tokens: self.len() });
        }
        Ok(())
    }

    fn push(&mut self, id: u32, segment: &Segment) {
        self.ids.push(id);
        self.weights.push(segment.weight);
        self.kinds.push(segment.kind);
    }
}

/// Checks that padding with `pad_id` cannot be taken for the end of a turn: a loss that leaves out padding by its
/// id would leave out that end too, and the model would never learn to stop.
///
/// # Errors
/// [`Error::PadIsStop`] where the id is that of a [`ChatTemplate::stop_controls`].
pub fn check_pad_token(
    pad_id: u32,
    template: &dyn ChatTemplate,
    tokenizer: &dyn TextTokenizer,
) -> Result<(), Error> {
    let stop = template.stop_controls().iter().find(|stop| tokenizer.control_id(stop) == Some(pad_id));
    stop.map_or(Ok(()), |&stop| Err(Error::PadIsStop { token: stop.to_owned(), id: pad_id }))
}

/// Encodes segments.
///
/// Control tokens become their ids. Text between two control tokens is encoded as one piece (up to a
/// [`SegmentContent::TextApart`], which begins another), so that the ids are those of the whole text; a token that reaches over several segments takes the largest of their weights and
/// the kind that has it (the first such). So whatever holds a trained character is trained, as in TRL.
///
/// # Errors
/// [`Error::MissingControl`] where the tokenizer lacks a control token, and the tokenizer's own errors.
pub fn encode(segments: &[Segment], tokenizer: &dyn TextTokenizer) -> Result<EncodedChat, Error> {
    let mut out = EncodedChat::default();
    let mut run: Vec<&Segment> = Vec::new();
    for segment in segments {
        let token = match &segment.content {
            SegmentContent::Control(token) => Some(
                tokenizer.control_id(token).ok_or_else(|| Error::MissingControl { token: token.clone() })?,
            ),
            SegmentContent::Tag(tag) => tokenizer.control_id(tag),
            SegmentContent::Text(_) => None,
            SegmentContent::TextApart(_) => {
                encode_run(&run, tokenizer, &mut out)?;
                run.clear();
                None
            }
        };
        if let Some(id) = token {
            encode_run(&run, tokenizer, &mut out)?;
            run.clear();
            out.push(id, segment);
        } else {
            run.push(segment);
        }
    }
    encode_run(&run, tokenizer, &mut out)?;
    Ok(out)
}

/// Encodes adjacent text as one piece and maps its tokens back to their segments.
fn encode_run(run: &[&Segment], tokenizer: &dyn TextTokenizer, out: &mut EncodedChat) -> Result<(), Error> {
    let text: String = run.iter().map(|segment| segment.content.as_str()).collect();
    if text.is_empty() {
        return Ok(());
    }
    let mut ends = Vec::with_capacity(run.len());
    let mut end = 0;
    for segment in run {
        end += segment.content.as_str().len();
        ends.push(end);
    }
    for token in tokenizer.encode_with_spans(&text)? {
        // The segments with a byte in the span; for an empty span the one it stands in.
        let first = ends.partition_point(|&end| end <= token.span.start).min(run.len() - 1);
        let reached = ends[first..].partition_point(|&end| end < token.span.end);
        let last = (first + reached).min(run.len() - 1);
        let mut owner = run[first];
        for segment in &run[first..=last] {
            if segment.weight > owner.weight && !segment.content.as_str().is_empty() {
                owner = segment;
            }
        }
        out.push(token.id, owner);
    }
    Ok(())
}
