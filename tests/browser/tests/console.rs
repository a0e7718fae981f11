//! What of a page's complaints a test may have caused.

use orrery_browser::Allowed;
use thirtyfour::BrowserLogEntry;

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
