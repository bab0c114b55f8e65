//! Segments to ids, weights and kinds.

use crate::{Error, Segment, SegmentContent, SegmentKind, TextTokenizer};

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

    fn push(&mut self, id: u32, segment: &Segment) {
        self.ids.push(id);
        self.weights.push(segment.weight);
        self.kinds.push(segment.kind);
    }
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
