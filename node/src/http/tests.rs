//! The edge, called as a client calls it.
