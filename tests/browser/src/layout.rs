//! Whether anything on the page overflows or overlaps.

use std::fmt;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::page::Page;
use super::viewport::Viewport;

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
