//! The dashboard's entry point.

fn main() {
    orrery_web::mount();
}
