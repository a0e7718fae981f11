//! What every shape and every key means, over the page.

use leptos::prelude::*;
use orrery_cache::State;
use orrery_narrate::fault::impaired;

use super::layers::LAYERS;
use crate::i18n::Strings;
use crate::panel::PANELS;
use crate::stage::glyph::{BARRED, Crown, EnvelopeGlyph, KeyGlyph, hexagon, letter};
use crate::ui::{Ui, told};

#[component]
pub(crate) fn Legend() -> impl IntoView {
    let ui = Ui::expect();
    move || ui.legend.get().then(|| view! { <Sheet /> })
}

#[component]
fn Sheet() -> impl IntoView {
    let ui = Ui::expect();
    let close = NodeRef::<leptos::html::Button>::new();
    Effect::new(move || {
        if let Some(close) = close.get() {
            // Without focus the overlay is still there to be read.
            let _ = close.focus();
        }
    });
    view! {
        <div class="veil" on:click=move |_| ui.legend.set(false)>
            <div
                class="sheet"
                role="dialog"
                aria-modal="true"
                aria-label=told(|t| t.legend.title)
                data-testid="legend"
                on:click=|event| event.stop_propagation()
            >
                <div class="head">
                    <p class="title">{told(|t| t.legend.title)}</p>
                    <button
                        type="button"
                        class="icon"
                        node_ref=close
                        aria-label=told(|t| t.ui.close)
                        data-testid="legend-close"
                        on:click=move |_| ui.legend.set(false)
                    >
                        "×"
                    </button>
                </div>
                <div class="columns">
                    <section>
                        <h2>{told(|t| t.legend.shapes)}</h2>
                        <Shapes />
                    </section>
                    <section>
                        <h2>{told(|t| t.legend.keys)}</h2>
                        <Keys />
                    </section>
                </div>
            </div>
        </div>
    }
}

fn shape(drawing: impl IntoView + 'static, name: fn(&'static Strings) -> &'static str) -> AnyView {
    labelled(drawing.into_any(), told(name))
}

fn labelled(drawing: AnyView, name: Signal<&'static str>) -> AnyView {
    view! {
        <div class="shape">
            <svg class="standing sample" viewBox="-30 -22 60 44" aria-hidden="true">
                {drawing}
            </svg>
            <span>{name}</span>
        </div>
    }
    .into_any()
}

#[component]
fn Shapes() -> impl IntoView {
    view! {
        <div class="shapes n1">
            {shape(view! { <g class="node up"><circle class="disc" r="14" /></g> }, |t| t.legend.follower)}
            {shape(
                view! { <g class="node up"><polygon class="disc candidate" points=hexagon(15.0) /></g> },
                |t| t.legend.candidate,
            )}
            {shape(
                view! {
                    <g class="node up" transform="translate(0 5) scale(.8)">
                        <circle class="second-ring" r="17" />
                        <circle class="disc" r="12" />
                        <g transform="translate(0 -20) scale(.7)"><Crown /></g>
                    </g>
                },
                |t| t.legend.leader,
            )}
            {shape(
                view! {
                    <g class="node down">
                        <circle class="disc" r="14" />
                        <text class="state bad" y="5">"✕"</text>
                    </g>
                },
                |t| t.legend.down,
            )}
            {shape(
                view! {
                    <g class="node paused">
                        <circle class="disc" r="14" />
                        <text class="state bad" y="5">"❚❚"</text>
                    </g>
                },
                |t| t.legend.paused,
            )}
            {shape(
                view! {
                    <g class="node up">
                        <g class="crowned deposed" transform="translate(-4 6)">
                            <Crown />
                            <text class="doubt" x="20" y="0">"?"</text>
                        </g>
                    </g>
                },
                |t| t.legend.deposed,
            )}
            {shape(
                view! {
                    <g class="node up">
                        <circle class="disc" r="11" />
                        <circle class="timer" r="16" pathLength="100" stroke-dasharray="68 101" transform="rotate(-90)" />
                    </g>
                },
                |t| t.legend.timer,
            )}
            {shape(
                view! {
                    <g class="votes">
                        <circle class="vote yes" cx="-20" r="4.6" />
                        <circle class="vote yes" cx="-7" r="4.6" />
                        <line class="notch" x1="0" x2="0" y1="-9" y2="9" />
                        <circle class="vote" cx="8" r="4.6" />
                        <circle class="vote no" cx="21" r="4.6" />
                    </g>
                },
                |t| t.legend.votes,
            )}
            {shape(view! { <path class="msg" d="M0 -9L9 0L0 9L-9 0Z" /> }, |t| t.legend.request_vote)}
            {shape(
                view! {
                    <g>
                        <rect class="msg" x="-9" y="-9" width="18" height="18" rx="3" />
                        <circle class="msg-bead" cx="-4.5" r="1.7" />
                        <circle class="msg-bead" r="1.7" />
                        <circle class="msg-bead" cx="4.5" r="1.7" />
                    </g>
                },
                |t| t.legend.append,
            )}
            {shape(view! { <circle class="msg" r="6.5" /> }, |t| t.legend.heartbeat)}
            {shape(
                view! {
                    <g>
                        <circle class="msg yes" cx="-11" r="8.5" />
                        <text class="msg-sign yes" x="-11" y="5">"+"</text>
                        <circle class="msg no" cx="11" r="8.5" />
                        <text class="msg-sign no" x="11" y="5">"−"</text>
                    </g>
                },
                |t| t.legend.reply,
            )}
            {shape(view! { <KeyGlyph /> }, |t| t.legend.client_message)}
            {shape(view! { <EnvelopeGlyph /> }, |t| t.legend.queue_message)}
            {shape(
                view! {
                    <g class="shard n1">
                        <path class="arc" d="M-26 8A44 44 0 0 1 26 8" />
                        <g class="badge"><circle r="8.5" /><text y="4">"1"</text></g>
                    </g>
                },
                |t| t.legend.shard,
            )}
            {shape(
                view! {
                    <g class="shard lost">
                        <path class="arc" d="M-26 8A44 44 0 0 1 26 8" />
                        <g class="badge"><circle r="8.5" /><text y="4">"✕"</text></g>
                    </g>
                },
                |t| t.legend.shard_lost,
            )}
            {shape(
                view! {
                    <g class="ring">
                        <path class="ghost n4" d="M-26 4A44 44 0 0 1 -10 -3" />
                        <path class="ghost moved n2" d="M-7 -4A44 44 0 0 1 8 -4" />
                        <path class="ghost n5" d="M11 -3A44 44 0 0 1 26 4" />
                    </g>
                },
                |t| t.legend.ghost,
            )}
            {shape(
                view! {
                    <g class="ring n2">
                        <path class="vnodes" d="M-18 8V3M-11 5V0M-7 4V-1M12 5V0M19 8V3" />
                        <path class="tokens" d="M2 8V-8" />
                    </g>
                },
                |t| t.legend.virtual_nodes,
            )}
            {shape(
                view! {
                    <g class="drain">
                        <circle class="whole" r="9" />
                        <circle class="left" r="9" pathLength="100" stroke-dasharray="68 101" transform="rotate(-90)" />
                    </g>
                },
                |t| t.legend.delivery,
            )}
            {shape(
                view! {
                    <g>
                        <line class="chord" x1="-26" x2="2" />
                        <circle class="msg lost" cx="4" r="6.5" />
                        <text class="state bad" x="18" y="5">"✕"</text>
                    </g>
                },
                |t| t.legend.lost,
            )}
            {shape(
                view! {
                    <g>
                        <line class="chord cut" x1="-26" x2="26" />
                        <text class="bolt" text-anchor="middle" y="6">"⚡"</text>
                    </g>
                },
                |t| t.legend.cut,
            )}
            {shape(
                view! { <line class="chord impaired" x1="-26" x2="26" /> },
                |t| impaired(t.lang.language()),
            )}
            {shape(
                view! {
                    <g class="node up strip" transform="translate(-19 -4.5)">
                        <rect class="committed" width="11" height="9" rx="2" />
                        <rect class="durable" x="13.4" width="11" height="9" rx="2" />
                        <rect class="missing" x="26.8" width="11" height="9" rx="2" />
                    </g>
                },
                |t| t.legend.log,
            )}
            {shape(
                view! {
                    <g class="sample-lock">
                        <rect class="held" x="-26" y="-9" width="52" height="18" rx="4" />
                        <rect class="drained" x="8" y="-9" width="18" height="18" rx="4" />
                    </g>
                },
                |t| t.legend.lock_exclusive,
            )}
            {shape(
                view! {
                    <g class="sample-lock">
                        <rect class="held" x="-26" y="-6" width="25" height="12" rx="4" />
                        <rect class="held" x="1" y="-6" width="25" height="12" rx="4" />
                    </g>
                },
                |t| t.legend.lock_shared,
            )}
            {shape(
                view! {
                    <g class="sample-lock">
                        <rect class="wait" x="-24" y="-9" width="48" height="18" rx="9" />
                        <text class="sample-word" y="4">"1 Budi"</text>
                    </g>
                },
                |t| t.legend.waiter,
            )}
            {shape(
                view! {
                    <g class="orbit">
                        <path class="ticks" d="M-24 10A40 40 0 0 1 24 10" />
                        <circle class="bead" cy="2.6" cx="7" r="4" />
                    </g>
                },
                |t| t.legend.clock_bead,
            )}
            {shape(letter(Some(State::M), true, false), |t| t.legend.copy_m)}
            {shape(letter(Some(State::E), false, false), |t| t.legend.copy_e)}
            {shape(letter(Some(State::S), false, false), |t| t.legend.copy_s)}
            {shape(letter(Some(State::I), false, false), |t| t.legend.copy_i)}
            {shape(
                view! {
                    <g>
                        <rect class="msg" x="-29" y="-9" width="36" height="18" rx="3" />
                        <text class="msg-sign" x="-11" y="4">"GetS"</text>
                        <rect class="msg" x="12" y="-8.5" width="17" height="17" rx="3" />
                        <text class="msg-sign" x="20.5" y="5">"="</text>
                    </g>
                },
                |t| t.legend.cache_ask,
            )}
            {shape(
                view! {
                    <g>
                        <g class="fan" transform="translate(-14 0)"><circle r="11" /><path d=BARRED /></g>
                        <circle class="msg" cx="14" r="11" />
                        <path class="msg" d="M14 6V-6L10 -1.5M14 -6L18 -1.5" />
                    </g>
                },
                |t| t.legend.invalidation,
            )}
            {shape(
                view! {
                    <g class="home-value">
                        <g class="fan"><line x1="-28" x2="2" /><g transform="translate(-14 0)"><circle r="9" /><path d=BARRED /></g></g>
                        <text class="count" x="6" y="5">"2/3"</text>
                    </g>
                },
                |t| t.legend.fan,
            )}
            {shape(
                view! {
                    <g class="lease">
                        <circle class="whole" r="16" />
                        <circle class="left" r="16" pathLength="100" stroke-dasharray="68 101" transform="rotate(-90)" />
                        {letter(Some(State::S), false, false)}
                    </g>
                },
                |t| t.legend.lease,
            )}
        </div>
    }
}

#[component]
fn Keys() -> impl IntoView {
    let ui = Ui::expect();
    let row = |keys: &[&'static str], word: String| {
        let keys = keys.iter().map(|key| view! { <kbd>{*key}</kbd> }).collect_view();
        view! {
            <div class="key-row">
                <span class="keys">{keys}</span>
                <span>{word}</span>
            </div>
        }
        .into_any()
    };
    move || {
        let lang = ui.lang.get();
        let t = &lang.strings().legend;
        let keys = |keys: &[&'static str], word: &'static str| row(keys, word.to_owned());
        let names = PANELS.iter().map(|panel| (panel.name)(lang).to_ascii_lowercase());
        let operations = PANELS.iter().filter_map(|panel| panel.operations.as_ref()).map(|operations| {
            let letters: Vec<_> = operations.letters.iter().map(|letter| letter.key).collect();
            keys(&letters, (operations.words)(lang))
        });
        view! {
            <div class="key-rows">
                {keys(&["Space"], t.key_pause)}
                {keys(&["←", "→"], t.key_step)}
                {keys(&["⇧←", "L"], t.key_marks)}
                {keys(&["-", "0", "="], t.key_rates)}
                {keys(&LAYERS.each_ref().map(|layer| layer.key), t.key_layers)}
                {row(&PANELS.each_ref().map(|panel| panel.key), names.collect::<Vec<_>>().join(", "))}
                {keys(&["N", "⇧N"], t.key_node)}
                {keys(&["K", "T", "P", "R", "J"], t.key_process)}
                {operations.collect_view()}
                {keys(&["A", "S", "D", "9", "F", "G", "Z", "H"], t.key_scenarios)}
                {keys(&["M"], t.key_language)}
                {keys(&["B"], t.key_theme)}
                {keys(&["?", "Esc"], t.key_legend)}
            </div>
        }
    }
}
