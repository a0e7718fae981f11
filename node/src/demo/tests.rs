//! The supervisor without real nodes.
