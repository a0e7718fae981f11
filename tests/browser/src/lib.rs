//! A real browser: Chromium without a window, driven through chromedriver.

mod console;
mod find;
pub mod layout;
pub mod names;
mod page;
mod run;

pub use console::Allowed;
pub use layout::{Finding, VIEWPORTS, Viewport};
pub use page::Page;
pub use run::{Failure, Scene, scene, scene_on, screenshots};
