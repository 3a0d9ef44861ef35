//! The proof that a manifest was validated.

use std::ops::Deref;

/// A value that [`crate::validate`] found no error in. There is no other way to make one, so what
/// asks for a `Checked<Manifest>` never meets an unvalidated manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked<T>(T);

impl<T> Checked<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }

    /// The value without its proof.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Checked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
