//! What one rendering may use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use minijinja::value::{Object, ObjectRepr};
use minijinja::{ErrorKind, State, Value};

use super::JinjaError;

/// minijinja's error, in which ours travels as the source.
pub(super) type Fault = minijinja::Error;

/// The variable that holds the budget; no template can name it.
const VARIABLE: &str = " budget";
/// How much more may be read than made.
const READS: u64 = 4;
/// What an object or a list costs beside its items.
const OBJECT_BYTES: usize = 96;
/// What an item of a list or a dict costs.
const ITEM_BYTES: usize = 64;

/// Counts what a rendering makes and reads, in bytes, and refuses what goes beyond the limits.
#[derive(Debug)]
pub(super) struct Budget {
    made: AtomicU64,
    read: AtomicU64,
    limit: u64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { made: AtomicU64::new(0), read: AtomicU64::new(0), limit }
    }

    /// The variable of the template's context that carries the budget.
    pub(super) fn into_variable(self) -> (&'static str, Value) {
        (VARIABLE, Value::from_object(self))
    }

    /// The budget of the rendering that `state` belongs to.
    pub(super) fn of(state: &State) -> Result<Arc<Self>, Fault> {
        let value = state.lookup(VARIABLE);
        value.and_then(|value| value.downcast_object()).ok_or_else(|| fault("the rendering has no budget"))
    }

    /// Pays for `bytes` before they are allocated.
    pub(super) fn make(&self, bytes: usize) -> Result<(), Fault> {
        Self::count(&self.made, bytes, self.limit, "bytes made")
    }

    /// Pays for a list or a dict of `items` before it is allocated.
    pub(super) fn make_items(&self, items: usize) -> Result<(), Fault> {
        self.make(items.saturating_mul(ITEM_BYTES).saturating_add(OBJECT_BYTES))
    }

    /// Pays for going through `bytes`.
    pub(super) fn read(&self, bytes: usize) -> Result<(), Fault> {
        Self::count(&self.read, bytes, self.limit.saturating_mul(READS), "bytes read")
    }

    fn count(counter: &AtomicU64, bytes: usize, limit: u64, unit: &'static str) -> Result<(), Fault> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let total = counter.load(Ordering::Relaxed).saturating_add(bytes);
        counter.store(total, Ordering::Relaxed);
        if total > limit { Err(refuse(JinjaError::Limit { unit, limit })) } else { Ok(()) }
    }
}

impl Object for Budget {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// An error of the template: a wrong type, an undefined value.
pub(super) fn fault(problem: impl Into<String>) -> Fault {
    Fault::new(ErrorKind::InvalidOperation, problem.into())
}

/// One of our own errors.
pub(super) fn refuse(error: JinjaError) -> Fault {
    Fault::new(ErrorKind::InvalidOperation, error.to_string()).with_source(error)
}
