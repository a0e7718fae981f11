//! What a home does, as short lines.

use orrery_cache::directory::{Action, Committed, DirectoryView};
use orrery_cache::message::{Grant, Kept, Source, Told};
use orrery_cache::{CacheCommand, CacheReply, HomeFact, Recall, Values};

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

pub fn value(values: &Values, address: &str) -> String {
    match values.get(address) {
        Some(entry) => format!("{} as version {}", text(&entry.value), entry.version),
        None => format!("none, last changed by {}", values.last_change(address)),
    }
}

pub fn line(view: &DirectoryView) -> String {
    let owner = view.owner.as_ref().map(|(node, live)| {
        let lease = if *live { "" } else { ", whose lease is over" };
        format!("owned by {node}{lease}")
    });
    let names: Vec<_> = view.sharers.iter().map(|node| node.as_str()).collect();
    let shared = (!names.is_empty()).then(|| format!("shared by {}", names.join(" ")));
    owner.or(shared).unwrap_or("nobody's".into())
}

pub fn commit(command: &CacheCommand, outcome: &Committed) -> String {
    let what = match command {
        CacheCommand::Begin { tenure } => format!("begin {tenure}"),
        CacheCommand::Open { tenure } => format!("open {tenure}"),
        CacheCommand::Write { address, value, by, based_on, .. } => {
            let value = value.as_ref().map_or("-".into(), |value| text(value));
            let based = based_on.map_or(String::new(), |version| format!(" based on {version}"));
            format!("{address}={value} by {by}{based}")
        }
        CacheCommand::Revoke { address, .. } => format!("revoke {address}"),
    };
    let outcome = match outcome {
        Committed::Applied(reply) => self::reply(reply),
        Committed::NotApplied => "not applied".into(),
        Committed::Unknown => "unknown".into(),
    };
    format!("commit {what}: {outcome}")
}

fn reply(reply: &CacheReply) -> String {
    match reply {
        CacheReply::Begun { opened } => format!("begun, the last that granted is {opened}"),
        CacheReply::Opened => "opened".into(),
        CacheReply::Written { version } => format!("written as {version}"),
        CacheReply::Deleted { version, existed: true } => format!("deleted as {version}"),
        CacheReply::Deleted { version, existed: false } => format!("nothing to delete since {version}"),
        CacheReply::Revoked { version } => format!("revoked as {version}"),
        CacheReply::Stale { version } => format!("stale, changed by {version}"),
        CacheReply::WrongVersion { version } => format!("wrong version, it is {version}"),
        other => format!("{other:?}"),
    }
}

pub fn action(action: &Action) -> Option<String> {
    Some(match action {
        Action::Recall { question, to, recall, .. } => {
            format!("ask {}: {} (#{question})", to.name, self::recall(recall))
        }
        Action::Notify { to, recall } => format!("tell {}: {}", to.name, self::recall(recall)),
        Action::Answer { question, told } => format!("answer #{question}: {}", self::told(told)),
        Action::Ended => "the tenure ends".into(),
        Action::Fact(fact) => format!("   {}", self::fact(fact)),
        Action::Confirm { .. } | Action::Commit { .. } => return None,
    })
}

fn recall(recall: &Recall) -> String {
    match recall {
        Recall::Invalidate { address, stamp } => format!("drop {address} {stamp}"),
        Recall::Fetch { address, stamp, invalidate: false } => format!("give and share {address} {stamp}"),
        Recall::Fetch { address, stamp, invalidate: true } => format!("give up {address} {stamp}"),
        Recall::Settled { address, stamp, version } => format!("{address} {stamp} is committed as {version}"),
    }
}

fn grant(grant: &Option<Grant>) -> String {
    match grant {
        Some(Grant { stamp, state, version }) => format!("{state} {stamp} version {version}"),
        None => "no copy".into(),
    }
}

fn told(told: &Told) -> String {
    match told {
        Told::NotHome => "not the home".into(),
        Told::Unknown => "unknown".into(),
        Told::Busy => "busy".into(),
        Told::Opening { left_us, .. } => format!("opening in {} ms", left_us / 1_000),
        Told::Register { term } => format!("say what you hold to {term}"),
        Told::Renewed { kept: None, .. } => "renewed".into(),
        Told::Renewed { kept: Some(kept), .. } => {
            let kept = kept.iter().map(|Kept { address, stamp, was, version, saved }| {
                format!(" {address} {stamp} (was {was}) version {version} saved={saved}")
            });
            format!("renewed, keeps{}", kept.collect::<Vec<_>>().join(","))
        }
        Told::Later { .. } => "later".into(),
        Told::Filled { value, grant, source, .. } => {
            let value = value
                .as_ref()
                .map_or("no value".into(), |(version, value)| format!("{} v{version}", text(value)));
            let from = match source {
                Source::Home => String::new(),
                Source::Owner(node) => format!(", from {node}"),
            };
            format!("{value}, {}{from}", self::grant(grant))
        }
        Told::Written { reply, grant } => format!("{}, {}", self::reply(reply), self::grant(grant)),
        Told::Saved { version } => format!("saved as {version}"),
        Told::NotSaved { committed: true } => "not saved, it was committed before".into(),
        Told::NotSaved { committed: false } => "not saved, and never will be".into(),
        Told::Noted => "noted".into(),
    }
}

fn fact(fact: &HomeFact) -> String {
    match fact {
        HomeFact::Window { term, left_us } => format!("tenure {term} waits {} ms", left_us / 1_000),
        HomeFact::Open { term } => format!("tenure {term} is open"),
        HomeFact::Ended { term } => format!("tenure {term} is over"),
        HomeFact::Recalling { question, address, asker, wants, of } => {
            let of = of.iter().map(|waited| format!(" {} ({} ms)", waited.node, waited.gone_in_us / 1_000));
            let of = of.collect::<Vec<_>>().join(",");
            format!("#{question} of {asker} for {address} ({wants:?}) waits for{of}")
        }
        HomeFact::Recalled { question, address, node, how } => {
            format!("#{question} waits for {node} no more at {address}: {how:?}")
        }
        HomeFact::Held { address, owner, sharers } => {
            let owner = owner.as_ref().map(|node| (node.clone(), true));
            format!("{address} is {}", line(&DirectoryView { owner, sharers: sharers.clone() }))
        }
    }
}
