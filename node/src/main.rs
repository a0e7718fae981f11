//! The `orrery` binary.

use std::process::ExitCode;

/// A node allocates and frees small values on several threads all the time; glibc spends a tenth more on a pair of
/// acquire and release than this one does.
#[cfg(all(feature = "jemalloc", not(target_env = "msvc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match orrery::start::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orrery: {error:#}");
            ExitCode::FAILURE
        }
    }
}
