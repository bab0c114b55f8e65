//! The objects that minijinja carries for us: text, lists, dicts, namespaces, large integers.
//!
//! Lists and dicts hold data only (no namespaces, no macros), so that no object ever refers to itself.

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, ValueKind};

use super::budget::{Budget, Fault, fault};
use super::text::{Origin, Text};

/// How deep lists and dicts may be nested: deeper than any JSON that is read, and shallow enough for the stack.
const MAX_DEPTH: usize = 160;

/// A string of which some characters are not the template's.
#[derive(Debug)]
pub(super) struct TextObject(pub(super) Text<'static>);

impl Object for TextObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.0.is_empty()
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.0.as_str().cmp(other.downcast_ref::<Self>()?.0.as_str()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// An integer beyond 128 bits, as its digits. It can be printed and compared, not calculated with.
#[derive(Debug)]
pub(super) struct BigInt(pub(super) String);

impl Object for BigInt {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which of Python's sequences a [`List`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    List,
    Tuple,
}

/// A list or a tuple.
pub(super) struct List {
    pub(super) items: Vec<Value>,
    pub(super) kind: ListKind,
    /// Where brackets and numbers come from when the list is printed.
    pub(super) origin: Origin,
    depth: usize,
}

impl List {
    /// A list that the template makes.
    pub(super) fn make(budget: &Budget, items: Vec<Value>, kind: ListKind) -> Result<Value, Fault> {
        budget.make_items(items.len())?;
        Self::with_origin(items, kind, Origin::COMPUTED)
    }

    /// A list whose items are paid for.
    pub(super) fn paid(items: Vec<Value>, kind: ListKind) -> Result<Value, Fault> {
        Self::with_origin(items, kind, Origin::COMPUTED)
    }

    /// A list of somebody else's data.
    pub(super) fn with_origin(items: Vec<Value>, kind: ListKind, origin: Origin) -> Result<Value, Fault> {
        let depth = depth_of(items.iter())?;
        Ok(Value::from_object(Self { items, kind, origin, depth }))
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<list of {}>", self.items.len())
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.items.get(key.as_usize()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, _key: &str) -> Option<Value> {
        None
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.items.len())
    }

    /// minijinja never compares them where time counts; by identity is enough.
    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        Some(std::ptr::from_ref::<Self>(self).cmp(&std::ptr::from_ref(other)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A key of a dict. Python's `1`, `1.0` and `True` are one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    None,
    Int(i128),
    /// The bits of a float that is no integer.
    Float(u64),
    Str(String),
}

/// A dict.
pub(super) struct Dict {
    /// The keys as they were given, and the values.
    pub(super) entries: IndexMap<Key, (Value, Value)>,
    /// Where brackets and numbers come from when the dict is printed.
    pub(super) origin: Origin,
    depth: usize,
}

impl Dict {
    /// A dict that the template makes.
    pub(super) fn make(budget: &Budget, entries: IndexMap<Key, (Value, Value)>) -> Result<Value, Fault> {
        budget.make_items(entries.len().saturating_mul(2))?;
        Self::with_origin(entries, Origin::COMPUTED)
    }

    /// A dict of somebody else's data.
    pub(super) fn with_origin(
        entries: IndexMap<Key, (Value, Value)>,
        origin: Origin,
    ) -> Result<Value, Fault> {
        let depth = depth_of(entries.values().map(|(_, value)| value))?;
        Ok(Value::from_object(Self { entries, origin, depth }))
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.entries.get(key).map(|(_, value)| value)
    }
}

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<dict of {}>", self.entries.len())
    }
}

impl Object for Dict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.get(&Key::Str(key.to_owned())).cloned()
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.entries.is_empty()
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What `namespace()` makes: the one thing whose attributes a template can set.
pub(super) struct Namespace(Mutex<IndexMap<String, Value>>);

impl Namespace {
    pub(super) fn new() -> Self {
        Self(Mutex::new(IndexMap::new()))
    }

    pub(super) fn set(&self, budget: &Budget, name: &str, value: Value) -> Result<(), Fault> {
        if name.starts_with('_') {
            return Err(fault(format!("a namespace has no attributes with an underscore first: {name:?}")));
        }
        if !is_data(&value) {
            return Err(fault("a namespace can hold data only, no macros and no other namespaces"));
        }
        budget.make_items(1)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value);
        Ok(())
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<Namespace>")
    }
}

impl Object for Namespace {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Whether the value is plain data, which cannot refer to what holds it.
pub(super) fn is_data(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None | ValueKind::Bool | ValueKind::Number | ValueKind::String => {
            true
        }
        _ => {
            value.downcast_object_ref::<TextObject>().is_some()
                || value.downcast_object_ref::<List>().is_some()
                || value.downcast_object_ref::<Dict>().is_some()
                || value.downcast_object_ref::<BigInt>().is_some()
        }
    }
}

/// The depth of a list or dict of these.
fn depth_of<'a>(items: impl Iterator<Item = &'a Value>) -> Result<usize, Fault> {
    let mut depth = 0;
    for item in items {
        if !is_data(item) {
            return Err(fault("a list or a dict can hold data only, no macros and no namespaces"));
        }
        let below = match item.downcast_object_ref::<List>() {
            Some(list) => list.depth,
            None => item.downcast_object_ref::<Dict>().map_or(0, |dict| dict.depth),
        };
        depth = depth.max(below + 1);
    }
    if depth > MAX_DEPTH {
        return Err(fault(format!("lists and dicts are nested deeper than {MAX_DEPTH}")));
    }
    Ok(depth)
}
