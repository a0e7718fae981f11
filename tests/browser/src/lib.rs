//! A real browser: Chromium without a window, driven through chromedriver.

mod console;
mod find;
pub mod layout;
pub mod names;
mod page;
mod run;
mod viewport;

pub use console::Allowed;
pub use layout::Finding;
pub use page::Page;
pub use run::{Failure, Scene, scene, scene_on, screenshots};
pub use viewport::{VIEWPORTS, Viewport};
