//! Whether anything on the page overflows or overlaps: the sizes at which it is looked at, and the looking.

use std::fmt;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::page::Page;

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

/// Something that a person would call broken. The kinds are explained in `layout.js` and `names.js`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `wide`, `outside`, `cut`, `spills`, `overlap`, `contrast`, `target`; `nameless`, `mismatch`, `empty`, `twice`,
    /// `nested`.
    pub kind: String,
    pub what: String,
    /// Where, or by how much.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:9} {}: {}", self.kind, self.what, self.detail)
    }
}

/// Looks the page over as it is now.
pub async fn findings(page: &Page, viewport: Viewport) -> Result<Vec<Finding>> {
    let arguments = vec![serde_json::json!({ "phone": viewport.phone, "width": viewport.width })];
    page.js(include_str!("layout.js"), arguments).await
}

/// Fails with every finding.
pub async fn must_be_clean(page: &Page, viewport: Viewport, situation: &str) -> Result<()> {
    let found = findings(page, viewport).await?;
    if found.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = found.iter().map(Finding::to_string).collect();
    bail!("{situation} at {}: {} findings\n{}", viewport.name, found.len(), lines.join("\n"))
}
