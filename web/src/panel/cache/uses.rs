//! What each node counted of its cache, and its hit rate of the last minute as a line.

use leptos::prelude::*;
use orrery_base::ids::NodeName;

use super::look::UseLook;
use super::words::{WORDS, Words};
use crate::i18n::number::{grouped, path};
use crate::look::hue;
use crate::shared::Shared;
use crate::store::Playback;
use crate::ui::{Ui, told};

/// The size of the line, as its `viewBox` has it.
const WIDTH: f64 = 84.0;
const HEIGHT: f64 = 16.0;

/// What stands over the columns after the node's.
const HEAD: [fn(&'static Words) -> &'static str; 6] =
    [|t| t.hits, |t| t.last_minute, |t| t.lines, |t| t.invalidations, |t| t.write_backs, |t| t.evictions];

#[component]
pub(crate) fn Uses(shared: Shared) -> impl IntoView {
    view! {
        <div class="card">
            <table class="plain uses" tabindex="0" data-testid="uses">
                <caption>{WORDS.told(|t| t.rates)}</caption>
                <thead>
                    <tr>
                        <th>{told(|t| t.cluster.node)}</th>
                        {HEAD.into_iter().map(|word| view! { <th>{WORDS.told(word)}</th> }).collect_view()}
                    </tr>
                </thead>
                <tbody>
                    <For
                        each=move || { shared.order.get().iter().cloned().enumerate().collect::<Vec<_>>() }
                        key=|(place, name)| (*place, name.clone())
                        children=|(place, name)| row(place, name)
                    />
                </tbody>
            </table>
        </div>
    }
}

fn row(place: usize, name: NodeName) -> AnyView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let look = {
        let name = name.clone();
        Memo::new(move |_| {
            let now_s = playback.now_us.get() / 1_000_000;
            playback.calm.with(|view| UseLook::of(view, &name, now_s))
        })
    };
    let spark = move || {
        look.with(|look| {
            let point = |(number, (x, y)): (usize, &(f64, f64))| {
                let to = if number == 0 { "M" } else { "L" };
                path(&[(to, x * WIDTH, (1.0 - y) * (HEIGHT - 3.0) + 1.5)])
            };
            look.spark.iter().enumerate().map(point).collect::<String>()
        })
    };
    let rate =
        move || look.with(|look| look.hit_rate).map_or_else(|| "–".to_owned(), |rate| format!("{rate} %"));
    let figures: [fn(&UseLook) -> u64; 4] =
        [|look| look.lines, |look| look.invalidations, |look| look.write_backs, |look| look.evictions];
    view! {
        <tr class=hue(place) data-testid=format!("use-{name}")>
            <td class="hued" title=name.to_string()>{name.to_string()}</td>
            <td class="rate">{rate}</td>
            <td>
                <svg class="spark" viewBox="0 0 84 16" preserveAspectRatio="none" aria-hidden="true">
                    <path class="ground" d=path(&[("M", 0.0, HEIGHT - 1.5), ("L", WIDTH, HEIGHT - 1.5)]) />
                    <path class="line" d=spark />
                </svg>
            </td>
            {figures.into_iter().map(|figure| view! { <td class="number">{move || grouped(look.with(figure), ui.lang.get())}</td> }).collect_view()}
        </tr>
    }.into_any()
}
