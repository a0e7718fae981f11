//! The chosen node's buttons, beside it on the stage.

use leptos::html::Div;
use leptos::prelude::*;

use crate::i18n::number::fixed_point;
use crate::look::hue;
use crate::panel;
use crate::parts::process::ProcessButtons;
use crate::shared::Shared;
use crate::stage::geometry::Geometry;
use crate::store::{Origin, Playback};
use crate::ui::Ui;
use crate::ui::told;

/// Size of the box in pixels, as the style sheet makes it; it is kept whole inside the scene.
const WIDTH: f64 = 232.0;
const HEIGHT: f64 = 172.0;
/// The same where fingers need larger buttons.
const HEIGHT_TOUCH: f64 = 208.0;

#[component]
pub(crate) fn Popover(geometry: Memo<Geometry>, scene: NodeRef<Div>, shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let place = Memo::new(move |_| {
        let chosen = ui.selected.get().filter(|_| ui.popover.get())?;
        shared.order.get().iter().position(|name| *name == chosen)
    });
    let at = move || {
        let (Some(place), Some(scene)) = (place.get(), scene.get()) else { return (0.0, 0.0) };
        let (width, height) = (f64::from(scene.client_width()), f64::from(scene.client_height()));
        ui.resized.track();
        let geometry = geometry.get();
        let tall = if geometry.portrait() { HEIGHT_TOUCH } else { HEIGHT };
        geometry.beside(place, (width, height), (WIDTH, tall))
    };
    let opened = Memo::new(move |_| place.get().is_some());
    move || {
        opened.get().then(|| {
            view! {
                <div
                    class=move || format!("popover {}", hue(place.get().unwrap_or_default()))
                    role="dialog"
                    aria-label=move || ui.selected.get().map(|name| name.to_string())
                    data-testid="popover"
                    style:left=move || fixed_point(at().0, 0) + "px"
                    style:top=move || fixed_point(at().1, 0) + "px"
                    on:click=|event| event.stop_propagation()
                >
                    <div class="head">
                        <b class="hued">{move || ui.selected.get().map(|name| name.to_string())}</b>
                        <button
                            type="button"
                            class="link"
                            on:click=move |_| {
                                ui.tab.set(panel::inspect::ID);
                                ui.popover.set(false);
                            }
                        >
                            {move || (panel::of(panel::inspect::ID).name)(ui.lang.get())}
                        </button>
                        <button
                            type="button"
                            class="close"
                            aria-label=told(|t| t.ui.close)
                            on:click=move |_| ui.popover.set(false)
                        >
                            "×"
                        </button>
                    </div>
                    <ProcessButtons node={ui.selected.into()} prefix="" />
                    {move || {
                        (playback.origin.get() == Origin::Node)
                            .then(|| view! { <p class="quiet">{ui.t().cluster.no_supervisor}</p> })
                    }}
                </div>
            }
        })
    }
}
