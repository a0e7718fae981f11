//! The header: what the cluster is doing, the view clock's controls, language, theme, legend.

use leptos::prelude::*;

use crate::clock::{Badge, Pace};
use crate::i18n::Lang;
use crate::i18n::number::{grouped, seconds};
use crate::look::hue;
use crate::shared::Shared;
use crate::stage::glyph::{Icon, IconView};
use crate::store::Playback;
use crate::ui::told;
use crate::ui::{Theme, Ui};

#[component]
pub(crate) fn Header(shared: Shared) -> impl IntoView {
    view! {
        <header class="top">
            <h1 class="logo">
                <svg width="24" height="24" viewBox="-12 -12 24 24" aria-hidden="true">
                    <circle class="logo-orbit" r="10" />
                    <circle class="logo-inner" r="5.4" />
                    <circle class="logo-sun" r="2" />
                    <circle class="logo-planet" cx="10" r="2.4" />
                    <circle class="logo-moon" cx="-3" cy="-4.5" r="1.6" />
                </svg>
                <span class="word">"Orrery"</span>
            </h1>
            <Pills shared />
            <span class="space"></span>
            <Transport />
            <Rates />
            <LiveBadge shared />
            <Choices />
        </header>
    }
}

#[component]
fn Pills(shared: Shared) -> impl IntoView {
    let ui = Ui::expect();
    let summary = shared.summary;
    let leader = move || {
        summary.with(|summary| match &summary.leader {
            Some((name, place)) => {
                view! { <b class=format!("hued {}", hue(*place))>{name.to_string()}</b> }.into_any()
            }
            None => view! { <b>{ui.t().cluster.no_leader}</b> }.into_any(),
        })
    };
    let up = move || {
        let (number, rest) = summary.with(|summary| (ui.t().cluster.up_of)(summary.up, summary.all));
        view! {
            <b>{number}</b>
            " "
            {rest}
        }
    };
    let commit = move || {
        let index = summary.with(|summary| summary.commit);
        index.map_or_else(|| "–".to_owned(), |index| grouped(index, ui.lang.get()))
    };
    let known = Memo::new(move |_| summary.with(|summary| summary.all > 0));
    view! {
        <div class="pills" class:unknown=move || !known.get()>
            <span class="pill" data-testid="pill-term">
                {told(|t| t.cluster.term)} " "
                <b>{move || summary.with(|summary| summary.term)}</b>
            </span>
            <span class="pill" class:alert=move || known.get() && summary.with(|s| s.leader.is_none()) data-testid="pill-leader">
                {told(|t| t.cluster.leader)} " " {leader}
            </span>
            <span class="pill" class:alert=move || summary.with(|s| s.without_quorum()) data-testid="pill-up">{up}</span>
            <span class="pill" data-testid="pill-committed">
                {told(|t| t.cluster.committed)} " " <b>{commit}</b>
            </span>
            <span class="pill profile" data-testid="pill-profile">
                {move || summary.with(|summary| (ui.t().cluster.timing)(&summary.profile))}
            </span>
        </div>
    }
}

#[component]
fn Transport() -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let playing = Memo::new(move |_| playback.clock.with(|clock| clock.playing));
    view! {
        <div class="seg transport" role="group" aria-label=told(|t| t.clock.transport)>
            <button
                type="button"
                data-testid="back-mark"
                title=told(|t| t.clock.back_mark)
                aria-label=told(|t| t.clock.back_mark)
                on:click=move |_| playback.jump(false)
            >
                "◀◀"
            </button>
            <button
                type="button"
                data-testid="step-back"
                title=told(|t| t.clock.step_back)
                aria-label=move || [ui.t().clock.step, ": ", ui.t().clock.step_back].concat()
                on:click=move |_| playback.step(false)
            >
                "◀" <span class="word">{told(|t| t.clock.step)}</span>
            </button>
            <button
                type="button"
                data-testid="pause"
                class="big"
                aria-pressed=move || (!playing.get()).to_string()
                title=move || if playing.get() { ui.t().clock.pause } else { ui.t().clock.play }
                aria-label=move || if playing.get() { ui.t().clock.pause } else { ui.t().clock.play }
                on:click=move |_| playback.toggle()
            >
                {move || if playing.get() { "❚❚" } else { "▶" }}
            </button>
            <button
                type="button"
                data-testid="step-forward"
                title=told(|t| t.clock.step_forward)
                aria-label=move || [ui.t().clock.step, ": ", ui.t().clock.step_forward].concat()
                on:click=move |_| playback.step(true)
            >
                <span class="word">{told(|t| t.clock.step)}</span> "▶"
            </button>
            <button
                type="button"
                data-testid="live"
                title=told(|t| t.clock.to_live)
                aria-label=told(|t| t.clock.to_live)
                on:click=move |_| playback.live()
            >
                "▶▶"
            </button>
        </div>
    }
}

/// The three speeds that have a button.
#[derive(Clone, Copy, PartialEq)]
enum Rate {
    Hundredth,
    Director,
    Real,
}

#[component]
fn Rates() -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let pace = Memo::new(move |_| playback.clock.with(|clock| clock.pace));
    let button = move |rate: Rate, test_id: &'static str| {
        let own = match rate {
            Rate::Hundredth => Pace::Fixed(0.01),
            Rate::Director => Pace::Director,
            Rate::Real => Pace::Fixed(1.0),
        };
        let word = move || match rate {
            Rate::Hundredth => ui.t().clock.rate_hundredth,
            Rate::Director => ui.t().clock.rate_director,
            Rate::Real => ui.t().clock.rate_real,
        };
        view! {
            <button
                type="button"
                role="radio"
                data-testid=test_id
                aria-checked=move || (pace.get() == own).to_string()
                title=move || (rate == Rate::Director).then(|| ui.t().clock.director_hint)
                on:click=move |_| playback.set_pace(own)
            >
                {word}
            </button>
        }
    };
    view! {
        <div class="seg rate" role="radiogroup" aria-label=told(|t| t.clock.rate)>
            {button(Rate::Hundredth, "rate-hundredth")}
            {button(Rate::Director, "rate-director")}
            {button(Rate::Real, "rate-real")}
        </div>
    }
}

#[component]
fn LiveBadge(shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let state = Memo::new(move |_| playback.clock.with(|clock| (clock.playing, clock.badge())));
    let known = Memo::new(move |_| shared.summary.with(|summary| summary.all > 0));
    let live = move || state.get().1 == Badge::Live && known.get();
    let words = move || {
        let t = ui.t();
        match state.get() {
            _ if !known.get() => "…".to_owned(),
            (_, Badge::Live) => t.clock.live.to_owned(),
            (true, Badge::Behind { behind_us }) => (t.clock.behind)(&seconds(behind_us, t.lang)),
            (false, Badge::Behind { behind_us }) => (t.clock.paused_behind)(&seconds(behind_us, t.lang)),
        }
    };
    view! {
        <button
            type="button"
            class="badge"
            class:live=live
            data-testid="badge"
            data-live=move || live().to_string()
            title=told(|t| t.clock.to_live)
            on:click=move |_| playback.live()
        >
            {words}
        </button>
    }
}

#[component]
fn Choices() -> impl IntoView {
    let ui = Ui::expect();
    let language = move |lang: Lang, word: &'static str, test_id: &'static str| {
        view! {
            <button
                type="button"
                role="radio"
                lang=lang.tag()
                data-testid=test_id
                aria-checked=move || (ui.lang.get() == lang).to_string()
                on:click=move |_| ui.lang.set(lang)
            >
                {word}
            </button>
        }
    };
    let theme_word = move || match ui.theme.get() {
        Theme::Observatory => ui.t().ui.theme_light,
        Theme::Projector => ui.t().ui.theme_dark,
    };
    let legend = move |_| ui.legend.update(|shown| *shown = !*shown);
    view! {
        <div class="seg lang" role="radiogroup" aria-label=told(|t| t.ui.language)>
            {language(Lang::En, "EN", "lang-en")}
            {language(Lang::Id, "ID", "lang-id")}
        </div>
        <button
            type="button"
            class="icon"
            data-testid="theme"
            title=theme_word
            aria-label=theme_word
            on:click=move |_| super::keys::other_theme(ui)
        >
            {move || {
                let icon = if ui.theme.get() == Theme::Observatory { Icon::Sun } else { Icon::Moon };
                view! { <IconView icon /> }
            }}
        </button>
        <button
            type="button"
            class="icon"
            data-testid="legend-button"
            title=told(|t| t.ui.legend)
            aria-label=told(|t| t.ui.legend)
            aria-expanded=move || ui.legend.get().to_string()
            on:click=legend
        >
            "?"
        </button>
    }
}
