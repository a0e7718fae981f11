//! Tells cargo when the embedded dashboard has to be embedded again.
//!
//! A release build copies `web/dist` into the binary (see `src/dashboard.rs`); the macro that does so cannot
//! announce files that appear later. A debug build reads the folder at run time and need not be rebuilt for it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed=../web/dist");
    }
}
