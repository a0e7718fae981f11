//! What the page complained about, and which of it a test may have caused on purpose.

use thirtyfour::BrowserLogEntry;

/// Complaints that a test causes on purpose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed {
    /// Nodes are down or paused: connections to them break and are refused.
    pub broken_links: bool,
    /// Statuses of answers that are refusals by design, which Chromium reports as failed resources: 408, 409.
    pub statuses: &'static [u16],
}

impl Allowed {
    /// The complaints that are not allowed, one line each.
    pub fn violations(&self, entries: &[BrowserLogEntry]) -> Vec<String> {
        entries
            .iter()
            .filter(|entry| entry.level == "SEVERE" || entry.message.contains("panicked at"))
            .filter(|entry| !self.permits(&entry.message))
            .map(|entry| {
                format!("{} ({}): {}", entry.level, entry.source.as_deref().unwrap_or("?"), entry.message)
            })
            .collect()
    }

    fn permits(&self, message: &str) -> bool {
        let broken = message.contains("WebSocket connection to") || message.contains("net::ERR_");
        let refused = self
            .statuses
            .iter()
            .any(|status| message.contains(&format!("responded with a status of {status} ")));
        (self.broken_links && broken) || refused
    }
}
