//! The native node.
