//! Closures behind a pointer. The standard library's `dyn Fn` and `dyn FnMut` carry, for each closure, the code to call
//! it once and let go of it as well: nobody calls that here, and a browser would download it.

/// Something that is called again and again.
pub trait Call<T> {
    fn call(&mut self) -> T;
}

impl<T, F: FnMut() -> T> Call<T> for F {
    fn call(&mut self) -> T {
        self()
    }
}

/// Something that is called with each of many values.
pub trait Take<T> {
    /// Calls it with one.
    fn take(&mut self, value: T);
}

impl<T, F: FnMut(T)> Take<T> for F {
    fn take(&mut self, value: T) {
        self(value)
    }
}
