//! How calls are matched.

use super::Category;

/// How strictly values are compared; see the [module](super).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// As the Berkeley leaderboard's `ast_checker` does, defects included.
    Bfcl,
    /// By JSON values.
    #[default]
    Strict,
    /// As Strict, forgiving form.
    Lenient,
}

impl Profile {
    /// The profile's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bfcl => "bfcl",
            Self::Strict => "strict",
            Self::Lenient => "lenient",
        }
    }
}

/// What [`ast_match`](super::ast_match) needs to know beside the data.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AstOptions {
    /// How values are compared.
    pub profile: Profile,
    /// The kind of the example; `None` infers it from the numbers of tools and wanted calls.
    pub category: Option<Category>,
    /// The model was shown names with `_` for `.`, as APIs that allow no dot in names demand.
    pub underscore_to_dot: bool,
    /// Parallel calls must come in the gold's order. The Bfcl profile never asks for it.
    pub ordered: bool,
    /// An object `{"__tuple__": […]}` stands for a Python tuple, which JSON lacks. Off by default: in a model's text such
    /// an object is an object.
    pub tuple_marker: bool,
}

impl AstOptions {
    /// The defaults of `profile`.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Self { profile, ..Self::default() }
    }

    /// The same for examples of `category`.
    #[must_use]
    pub fn with_category(self, category: Category) -> Self {
        Self { category: Some(category), ..self }
    }

    /// The names agree: `shown` is a name as the tool declares it, `called` as the model wrote it.
    pub(crate) fn same_name(&self, declared: &str, called: &str) -> bool {
        if !self.underscore_to_dot {
            return declared == called;
        }
        let shown = declared.bytes().map(|byte| if byte == b'.' { b'_' } else { byte });
        declared.len() == called.len() && shown.eq(called.bytes())
    }
}
