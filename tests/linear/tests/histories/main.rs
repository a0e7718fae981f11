//! What the checker says of histories: of those that are written down, of small ones that are tried in every order, and of those
//! that a right register made.
#![allow(clippy::unwrap_used)]

mod brute;
mod cases;
mod made;
