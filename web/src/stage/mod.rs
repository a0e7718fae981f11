//! The stage: nodes on one circle, everything that stands (SVG). What moves is drawn on the canvas above it.

pub mod cache;
pub mod canvas;
pub mod change;
pub mod clients;
pub mod geometry;
pub mod glyph;
mod links;
pub mod node;
pub mod ring;
mod standing;

pub(crate) use canvas::Moving;
pub(crate) use standing::Standing;
