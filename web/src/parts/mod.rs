//! What several parts of the page are made of: forms, what servers answered, sentences, the buttons of a node.

pub mod form;
pub mod process;
pub mod results;
pub mod rich;

use std::sync::OnceLock;

use crate::i18n::number::time_of_day;

/// A time of the hybrid logical clock as the reader's time of day.
pub fn local_time(wall_us: u64) -> String {
    static OFFSET: OnceLock<i32> = OnceLock::new();
    let offset = OFFSET.get_or_init(|| -js_sys::Date::new_0().get_timezone_offset() as i32);
    time_of_day(wall_us, *offset)
}
