//! What folding came to.

/// What an event meant to the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    New,
    /// It was in the view already, or belongs to a boot that is over.
    Known,
}
