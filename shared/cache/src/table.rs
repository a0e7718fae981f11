//! The MESI table: what one stimulus does to one line of one node, and what the node has to do about it.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// The state of a line at a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = LineState))]
pub enum State {
    /// Owned, and written here without being committed.
    M,
    /// Owned: nobody else holds a copy, and it is what is committed.
    E,
    /// Others may hold the same copy; it is what is committed.
    S,
    /// No copy, or none that may be read.
    #[default]
    I,
}

impl State {
    pub const ALL: [State; 4] = [State::M, State::E, State::S, State::I];

    pub fn owns(self) -> bool {
        matches!(self, State::M | State::E)
    }

    pub fn letter(self) -> &'static str {
        match self {
            State::M => "M",
            State::E => "E",
            State::S => "S",
            State::I => "I",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letter())
    }
}

/// What happens to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stimulus {
    /// A client reads at this node.
    LocalRead,
    /// A client writes at this node, with `write_back`.
    LocalWrite,
    /// The node needs the room.
    Evict,
    /// Another node asks this one, the line's home, for a copy. The home treats its own copy like everybody else's: an
    /// owned one is fetched, a shared one stays.
    GetS,
    /// Another node asks this one, the line's home, for ownership. The home's own copy goes, like everybody else's.
    GetM,
    /// The home invalidates a shared copy.
    Inv,
    /// The home fetches from the owner, which goes on sharing.
    Fetch,
    /// The home fetches from the owner, which gives the line up.
    FetchInv,
    /// The node's lease for the shard is over.
    LeaseOut,
}

impl Stimulus {
    pub const ALL: [Stimulus; 9] = [
        Stimulus::LocalRead,
        Stimulus::LocalWrite,
        Stimulus::Evict,
        Stimulus::GetS,
        Stimulus::GetM,
        Stimulus::Inv,
        Stimulus::Fetch,
        Stimulus::FetchInv,
        Stimulus::LeaseOut,
    ];

    fn title(self) -> &'static str {
        match self {
            Stimulus::LocalRead => "local read",
            Stimulus::LocalWrite => "local write",
            Stimulus::Evict => "evict",
            Stimulus::GetS => "GetS",
            Stimulus::GetM => "GetM",
            Stimulus::Inv => "Inv",
            Stimulus::Fetch => "Fetch",
            Stimulus::FetchInv => "Fetch-Inv",
            Stimulus::LeaseOut => "lease out",
        }
    }
}

/// What the node does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Nothing,
    /// Answer from the copy, without a message.
    Hit,
    /// Ask the home for a copy; the state is that of a copy that others share. Alone it comes as E.
    AskShared,
    /// Ask the home for ownership first.
    AskOwned,
    /// Send the value to the home before the line goes.
    WriteBack,
    TellHome,
    /// Acknowledge to the home.
    Acknowledge,
    /// Answer that the copy is what is committed.
    AnswerClean,
    /// Answer with the value; the home commits it before anybody else sees it.
    AnswerDirty,
    /// Answer that there is no such copy.
    AnswerNotHeld,
    /// Keep the value aside, unreadable: the home that granted the line, or the next one, may still take it.
    SetAside,
    /// It cannot happen.
    Impossible,
}

impl Action {
    fn title(self) -> &'static str {
        match self {
            Action::Nothing => "",
            Action::Hit => "hit",
            Action::AskShared => "GetS to the home (E if alone)",
            Action::AskOwned => "GetM to the home",
            Action::WriteBack => "write back first",
            Action::TellHome => "tell the directory",
            Action::Acknowledge => "acknowledge",
            Action::AnswerClean => "answer: clean",
            Action::AnswerDirty => "answer with the value",
            Action::AnswerNotHeld => "answer: not held",
            Action::SetAside => "keep it aside",
            Action::Impossible => "impossible",
        }
    }
}

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The state after it.
    pub to: State,
    pub action: Action,
}

pub fn next(state: State, stimulus: Stimulus) -> Transition {
    use Action::*;
    use State::*;
    let (to, action) = match (state, stimulus) {
        (M | E | S, Stimulus::LocalRead) => (state, Hit),
        (I, Stimulus::LocalRead) => (S, AskShared),
        (M | E, Stimulus::LocalWrite) => (M, Hit),
        (S | I, Stimulus::LocalWrite) => (M, AskOwned),
        (M, Stimulus::Evict) => (I, WriteBack),
        (E | S, Stimulus::Evict) => (I, TellHome),
        (I, Stimulus::Evict) => (I, Impossible),
        (M, Stimulus::GetS | Stimulus::Fetch) => (S, AnswerDirty),
        (E, Stimulus::GetS | Stimulus::Fetch) => (S, AnswerClean),
        (S, Stimulus::GetS) => (S, Nothing),
        // The answer to an earlier try got lost.
        (S, Stimulus::Fetch) => (S, AnswerClean),
        (M, Stimulus::GetM | Stimulus::FetchInv) => (I, AnswerDirty),
        (E, Stimulus::GetM | Stimulus::FetchInv) => (I, AnswerClean),
        (S, Stimulus::GetM | Stimulus::Inv) => (I, Acknowledge),
        // The home granted ownership, and the grant got lost.
        (S, Stimulus::FetchInv) => (I, AnswerClean),
        (I, Stimulus::GetS | Stimulus::GetM) => (I, Nothing),
        (I, Stimulus::Inv) => (I, Acknowledge),
        (I, Stimulus::Fetch | Stimulus::FetchInv) => (I, AnswerNotHeld),
        // A home invalidates sharers; an owner is fetched from.
        (M | E, Stimulus::Inv) => (state, Impossible),
        (M | E, Stimulus::LeaseOut) => (I, SetAside),
        (S | I, Stimulus::LeaseOut) => (I, Nothing),
    };
    Transition { to, action }
}

/// The table as Markdown.
pub fn markdown() -> String {
    let mut text = String::from("| | M | E | S | I |\n| --- | --- | --- | --- | --- |\n");
    for stimulus in Stimulus::ALL {
        // A string grows without an error.
        let _ = write!(text, "| {} |", stimulus.title());
        for state in State::ALL {
            let Transition { to, action } = next(state, stimulus);
            let _ = match action {
                Action::Impossible => write!(text, " impossible |"),
                Action::Nothing => write!(text, " {to} |"),
                action => write!(text, " {to}: {} |", action.title()),
            };
        }
        text.push('\n');
    }
    text
}
