//! When to try again what needed more text.

use super::brackets::{Brackets, Until};

/// The tries to read what begins at one place, while the text grows.
///
/// A try costs as much as there is text behind that place. So it is made when the end has come in sight, or when the text has
/// doubled since the last: all tries together cost no more than a small multiple of the text.
pub(super) struct Retry {
    start: usize,
    /// The bytes behind the start with which it was last tried.
    tried_bytes: usize,
    /// The bytes with which it is tried in any case.
    next_bytes: usize,
    /// The bytes of all tries.
    work: usize,
    /// Up to where there is no tag.
    seen: usize,
    /// The walk to the end in sight; `None` once it was reached.
    walk: Option<Brackets>,
}

impl Retry {
    const FIRST_BYTES: usize = 64;

    pub(super) fn new(start: usize) -> Self {
        let walk = Some(Brackets::new(start));
        Self { start, tried_bytes: 0, next_bytes: Self::FIRST_BYTES, work: 0, seen: start, walk }
    }

    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Whether to try now. What was tried with the same text may be tried again: nothing has changed.
    pub(super) fn due(&mut self, text: &str, end_in_sight: impl FnOnce(&mut Self) -> bool) -> bool {
        let bytes = text.len() - self.start;
        if bytes < self.next_bytes && bytes != self.tried_bytes {
            // Ends that turn out to be none are not tried without limit.
            let in_sight = end_in_sight(self);
            if !in_sight || self.work > 8 * bytes {
                return false;
            }
        }
        self.work += bytes;
        (self.tried_bytes, self.next_bytes) = (bytes, 2 * bytes);
        true
    }

    /// Whether a walk over brackets has reached what ends it, which happens once.
    pub(super) fn reaches(&mut self, text: &str, until: Until) -> bool {
        let Some(walk) = &mut self.walk else { return false };
        let reached = walk.advance(text, until).is_some();
        if reached {
            self.walk = None;
        }
        reached
    }

    /// Whether the tag has come, behind those seen before.
    pub(super) fn reaches_tag(&mut self, text: &str, tag: &str) -> bool {
        if let Some(at) = text[self.seen..].find(tag) {
            self.seen += at + tag.len();
            return true;
        }
        // The tag may be cut at the end.
        let seen = text.floor_char_boundary((text.len() + 1).saturating_sub(tag.len()));
        self.seen = self.seen.max(seen);
        false
    }
}
