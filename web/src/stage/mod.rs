//! The stage: nodes on one circle, everything that stands (SVG). What moves is drawn on the canvas above it.

pub mod geometry;
