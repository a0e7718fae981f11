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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(level: &str, message: &str) -> BrowserLogEntry {
        BrowserLogEntry { level: level.into(), message: message.into(), timestamp: 0, source: None }
    }

    #[test]
    fn only_what_was_announced_is_forgiven() {
        let log = [
            entry("INFO", "hello"),
            entry("SEVERE", "http://127.0.0.1:1/x.js 1:1 \"panicked at web/src/lib.rs\""),
            entry("SEVERE", "WebSocket connection to 'ws://127.0.0.1:2/ws/events' failed"),
            entry("SEVERE", "Failed to load resource: the server responded with a status of 409 (Conflict)"),
            entry("SEVERE", "Failed to load resource: the server responded with a status of 404 (Not Found)"),
        ];
        assert_eq!(Allowed::default().violations(&log).len(), 4);
        let allowed = Allowed { broken_links: true, statuses: &[409] };
        assert_eq!(allowed.violations(&log).len(), 2);
    }
}
