//! A canvas that is as sharp as the screen: knows its size in pixels of the page, and when it changed.

use std::cell::Cell;
use std::rc::Rc;

use leptos::prelude::window;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ResizeObserver};

/// Largest number of canvas pixels per pixel of the page: more is not seen.
const DENSITY_MAX: f64 = 2.0;

/// A canvas to draw on.
pub struct Surface {
    canvas: HtmlCanvasElement,
    /// What to draw with; the transform makes units pixels of the page.
    pub context: CanvasRenderingContext2d,
    resized: Rc<Cell<bool>>,
    size: Cell<(f64, f64)>,
    density: Cell<f64>,
    observer: ResizeObserver,
    /// Lives as long as the observer that calls it.
    _callback: Closure<dyn FnMut()>,
}

impl Surface {
    /// Takes a canvas over.
    pub fn new(canvas: HtmlCanvasElement) -> Option<Surface> {
        let context = canvas.get_context("2d").ok()??.dyn_into::<CanvasRenderingContext2d>().ok()?;
        let resized = Rc::new(Cell::new(true));
        let flag = resized.clone();
        let callback = Closure::<dyn FnMut()>::new(move || flag.set(true));
        let observer = ResizeObserver::new(callback.as_ref().unchecked_ref()).ok()?;
        observer.observe(&canvas);
        Some(Surface {
            canvas,
            context,
            resized,
            size: Cell::new((0.0, 0.0)),
            density: Cell::new(1.0),
            observer,
            _callback: callback,
        })
    }

    /// Follows a change of size. True where there was one: everything has to be drawn again.
    pub fn fit(&self) -> bool {
        let density = window().device_pixel_ratio().clamp(1.0, DENSITY_MAX);
        if !self.resized.replace(false) && density == self.density.get() {
            return false;
        }
        let (width, height) = (f64::from(self.canvas.client_width()), f64::from(self.canvas.client_height()));
        self.size.set((width, height));
        self.density.set(density);
        self.canvas.set_width((width * density).round() as u32);
        self.canvas.set_height((height * density).round() as u32);
        true
    }

    /// Width and height in pixels of the page.
    pub fn size(&self) -> (f64, f64) {
        self.size.get()
    }

    pub fn canvas(&self) -> &HtmlCanvasElement {
        &self.canvas
    }

    /// Empties it and sets the transform `pixel = unit * scale + offset`.
    pub fn begin(&self, scale: f64, left: f64, top: f64) {
        let density = self.density.get();
        let _ = self.context.set_transform(1.0, 0.0, 0.0, 1.0, 0.0, 0.0);
        self.context.clear_rect(0.0, 0.0, f64::from(self.canvas.width()), f64::from(self.canvas.height()));
        let scale = scale * density;
        let _ = self.context.set_transform(scale, 0.0, 0.0, scale, left * density, top * density);
        self.context.set_global_alpha(1.0);
    }
}

impl Drop for Surface {
    fn drop(&mut self) {
        self.observer.disconnect();
    }
}
