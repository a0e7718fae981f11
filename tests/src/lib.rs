//! Tests against the whole system.
