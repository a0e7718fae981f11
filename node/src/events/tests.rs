//! The hub as its readers see it.
