//! The sizes at which the page is looked at.

/// A size of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewport {
    /// In names of files.
    pub name: &'static str,
    /// CSS pixels.
    pub width: u32,
    /// CSS pixels.
    pub height: u32,
    /// Touch instead of a mouse, and the page's own viewport rule counts.
    pub phone: bool,
}

/// A projector, a desktop, a phone, and the screen of most laptops.
pub const VIEWPORTS: [Viewport; 4] = [
    Viewport { name: "1280x720", width: 1280, height: 720, phone: false },
    Viewport { name: "1920x1080", width: 1920, height: 1080, phone: false },
    Viewport { name: "390x844", width: 390, height: 844, phone: true },
    Viewport { name: "1366x768", width: 1366, height: 768, phone: false },
];
