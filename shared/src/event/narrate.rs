//! One sentence for what just happened and why, in English or Indonesian.

use smol_str::SmolStr;

use crate::ids::NodeName;

/// The languages of the dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Bahasa Indonesia.
    Indonesian,
}

/// What a sentence is about: chooses its glyph and whether it is read aloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Log, commit: the steady work.
    Log,
    /// A client's request.
    Request,
    /// A lock granted, queued, released.
    Lock,
    /// Links, streams, gaps.
    Link,
    /// Candidates, votes, leaders.
    Election,
    /// A process ended, was stopped or came back.
    Process,
    /// A cycle of waits.
    Deadlock,
}

/// One line of the feed. Its words depend on the language only when they are asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When, HLC microseconds.
    pub at_us: u64,
    /// At which node.
    pub node: NodeName,
    /// About what.
    pub topic: Topic,
    /// It is about loss, refusal or failure.
    pub bad: bool,
    /// Of how many alike it stands for the last one; 1 for a single one.
    pub count: u32,
    /// It was inserted late, or its time was moved.
    pub late: bool,
    /// The sentence, English first, Indonesian second.
    pub words: [SmolStr; 2],
}

impl Line {
    /// The sentence.
    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::English => &self.words[0],
            Language::Indonesian => &self.words[1],
        }
    }
}
