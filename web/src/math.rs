//! Functions of numbers that the browser has anyway. Where there is none (the tests), they are the standard library's,
//! of which a module would carry a copy: tables for the circle alone are several kilobytes.

#[cfg(target_arch = "wasm32")]
use js_sys::Math;

macro_rules! of_the_browser {
    ($($(#[$says:meta])* $name:ident($value:ident $(, $other:ident)?) = $own:expr;)*) => {$(
        $(#[$says])*
        pub fn $name($value: f64 $(, $other: f64)?) -> f64 {
            #[cfg(target_arch = "wasm32")]
            return Math::$name($value $(, $other)?);
            #[cfg(not(target_arch = "wasm32"))]
            return $own;
        }
    )*};
}

of_the_browser! {
    /// The cosine of an angle.
    cos(angle) = angle.cos();
    /// The sine of an angle.
    sin(angle) = angle.sin();
    /// e to this power.
    exp(power) = power.exp();
    log(value) = value.ln();
    /// The logarithm to the base of 10.
    log10(value) = value.log10();
    /// A number to a power.
    pow(value, power) = value.powf(power);
    /// The length of the way to a point.
    hypot(x, y) = x.hypot(y);
}

/// The number, or the bound that it is beyond. The standard library's `clamp` has a message for bounds that are no
/// range, and with it everything that writes fractions.
pub fn within(value: f64, least: f64, most: f64) -> f64 {
    value.max(least).min(most)
}
