//! Whether everything on the page can be named: by a screen reader, and by who says what is written on it.

use anyhow::Result;

use super::layout::Finding;
use super::page::Page;

/// Looks the page over as it is now. The kinds are explained in `names.js`; their names in axe-core are `button-name`,
/// `select-name`, `label`, `svg-img-alt`, `label-content-name-mismatch`, `empty-heading`, `empty-table-header`,
/// `duplicate-id-aria` and `nested-interactive`.
pub async fn findings(page: &Page) -> Result<Vec<Finding>> {
    page.js(include_str!("names.js"), Vec::new()).await
}
