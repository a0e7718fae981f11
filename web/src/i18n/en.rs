//! English.

use orrery_api::lock::LockAnswer;
use orrery_api::queue::Settlement;
use orrery_base::error::ErrorCode;
use orrery_event::fact::Role;

use super::number::{duration, grouped};
use super::{Clock, Cluster, Lang, Legend, Locks, Meaning, Queue, Scenarios, Strings, Trouble, Ui};
use crate::request::queue::{QueueAnswer, QueueAsk};

pub static STRINGS: Strings = Strings {
    lang: Lang::En,
    ui: Ui {
        layers: "Layers",
        layer_consensus: "Consensus",
        layer_locks: "Locks",
        layer_queue: "Queue ring",
        scenarios: "Scenarios",
        faults: "Faults now",
        no_faults: "none",
        tab_locks: "Locks",
        tab_queue: "Queue",
        tab_log: "Log",
        tab_inspect: "Inspect",
        tab_feed: "Events",
        panels: "Panels",
        stage: "Stage",
        tape: "Recording",
        language: "Language",
        theme_light: "Projector theme (light)",
        theme_dark: "Observatory theme (dark)",
        legend: "Legend and keys",
        close: "Close",
        table_title: "The stage as a table",
        feed: "What happened",
        feed_empty: "Nothing has happened yet.",
        feed_detail: "every message and entry",
        skip: "Skip to the panels",
        motion: "Less motion",
        raw_times: |from, to| {
            if from == to { format!("raw time {from}") } else { format!("raw times {from} to {to}") }
        },
        shown_slower: |times| format!("shown {}× slower", grouped(times, Lang::En)),
        more_alike: |count| format!("and {count} more of this kind"),
        nothing_yet: "Waiting for the first fact from the nodes.",
    },
    clock: Clock {
        transport: "View clock",
        back_mark: "Back to the event before (election, fault, lock)",
        step_back: "One fact back",
        step: "step",
        pause: "Pause the view",
        play: "Let the view go on",
        step_forward: "One fact on",
        to_live: "Go to live",
        rate: "Speed of the view",
        rate_hundredth: "1/100×",
        rate_director: "director",
        rate_real: "1×",
        live: "LIVE",
        behind: |time| format!("{time} BEHIND"),
        paused_behind: |time| format!("‖ {time} BEHIND"),
        director_hint: "Slows down by itself for elections, grants and deadlocks, and catches up after",
    },
    locks: Locks {
        act_as: "Act as",
        add_client: "Add a client",
        client_name: "Name of the new client",
        resource: "Resource",
        mode: "Mode",
        exclusive: "exclusive",
        shared: "shared",
        acquire: "Acquire",
        queue: "Queue",
        release: "Release",
        renew: "Renew",
        cancel_wait: |client, resource| format!("End {client}'s wait for {resource}"),
        ask_node: "Ask",
        any_node: "any node",
        lease: "Lease",
        asking: |client, node| format!("{client} asks {node} …"),
        answered_by: |node, status, took| format!("{node} · {status} · {took}"),
        empty: "Nobody holds or wants anything. Acquire something to see its lane.",
        free: "free",
        token: "token",
        session_lease: "session",
        expires_in: |time| format!("{time} of the lease left"),
        waits_for: "Waits for",
        no_waits: "Nobody waits for anybody.",
        no_cycle: "no cycle",
        cycle_found: "cycle found",
        refused: "refused",
        wants: |number, resource| format!("{number} wants {resource}"),
        lane_label: |resource, holders, waiters| {
            format!("{resource}: held by {holders}; waiting, in order: {waiters}")
        },
        upgrade: "upgrade",
        choose_resource: "Name a resource first.",
    },
    queue: Queue {
        topic: "Topic",
        key: "Key (optional)",
        message: "Message",
        publish: "Publish",
        stream: "Stream",
        stop: "Stop",
        rate: "Rate",
        per_second: |rate| format!("{rate} per s"),
        streamed: |sent, failed| match failed {
            0 => format!("{sent} sent"),
            _ => format!("{sent} sent, {failed} failed"),
        },
        group: "Group",
        all_groups: "all",
        max: "At most",
        visibility: "Hidden for",
        consume: "Consume",
        ack: "Ack",
        ack_hint: "Acknowledge: the group is done with it",
        nack: "Nack",
        nack_hint: "Give it back: it is delivered again",
        crash: |consumer| format!("{consumer} crashes"),
        crash_hint: "It never acknowledges: its messages come back when they are visible again",
        visible_again: "visible again",
        dead_now: "dead letter",
        ready: "ready",
        in_flight: "in flight",
        delayed: "delayed",
        acknowledged: "acknowledged",
        dead: "dead",
        redrive: "Redrive",
        more: |count| format!("and {count} more"),
        behind_key: |count| match count {
            1 => "1 behind an earlier message of its key".to_owned(),
            _ => format!("{count} behind an earlier message of their key"),
        },
        flight_label: |consumer, id, attempt, rest| {
            format!("{consumer} has {id}, attempt {attempt}; visible again in {rest}")
        },
        letter_label: |attempts| match attempts {
            1 => "dead letter after 1 attempt".to_owned(),
            _ => format!("dead letter after {attempts} attempts"),
        },
        empty: "No topic yet. Publish a message to see its bins.",
        choose_topic: "Name a topic first.",
        ring: "The ring",
        shard: "Shard",
        token: "Token",
        replicas: "Replicas, ★ preferred leader",
        preferred: "preferred leader",
        no_majority: "no majority",
        no_leader: "no leader",
        no_shards: "This cluster has no shards.",
        skip_leader: "leads as many shards as it may",
        skip_replica: "has as many replicas as it may",
        skip_reserved: "its room is kept for later shards",
        moved: "moved",
        moved_so_far: "moved so far",
        ideal: "ideal",
        modulo: "modulo hashing",
        replicas_moved: |moved, total| format!("Last change: {moved} of {total} replicas moved"),
        keys_moved: |sets, leaders| {
            format!(
                "Of all keys {sets}\u{a0}% have another replica set, {leaders}\u{a0}% another preferred leader."
            )
        },
        balance: |before, after| {
            format!("Most replicas of a node over the mean: {before} before, {after} now.")
        },
        no_change: "No change of the ring was seen yet: add or remove a node.",
    },
    cache: &super::en_cache::CACHE,
    cluster: Cluster {
        term: "term",
        leader: "leader",
        no_leader: "none",
        up_of: |up, all| (up.to_string(), format!("of {all} up")),
        committed: "committed",
        timing: |profile| match profile {
            "classroom" => "classroom timing",
            "wan" => "timing for distant nodes",
            "realistic" => "realistic timing",
            _ => "timing unknown",
        },
        role: |role| match role {
            Role::Learner => "learner",
            Role::Follower => "follower",
            Role::Candidate => "candidate",
            Role::Leader => "leader",
        },
        down: "down",
        paused: "paused",
        running: "running",
        unknown: "unknown",
        silent: "silent",
        deposed: "deposed, and doesn't know it yet",
        stale: "some of its events are missing",
        quorum: "quorum",
        leads: |leader, commit| format!("{leader} leads · commit {commit}"),
        electing: "election",
        node: "Node",
        address: "Address",
        boot: "Boot",
        status: "Process",
        role_title: "Role",
        voted_for: "Voted for",
        nobody: "nobody",
        follows: "Follows",
        last_entry: "Last entry",
        on_disk: "On its disk",
        applied: "Applied",
        snapshot_through: "Snapshot through",
        heard: "Heard from the leader",
        ago: |time| format!("{time} ago"),
        links: "Links",
        link_up: "open",
        link_down: "broken",
        link_cut: "cut",
        clock_altered: |offset| format!("its clock is off by {offset}"),
        kill: "Kill",
        start: "Start",
        pause: "Pause",
        resume: "Resume",
        add: "Add a node",
        add_hint: "A new process joins; shards move to it one by one",
        remove: "Remove from the cluster",
        remove_hint: "Its shards move away first, then it leaves and its process ends",
        make_leader: "Let it lead",
        make_leader_hint: "The leader hands over to this node",
        kill_hint: "SIGKILL: what is not on its disk is lost",
        pause_hint: "SIGSTOP: it stands still and doesn't know it",
        no_supervisor: "This page comes from a node, and no supervisor answers: processes cannot be started or killed from here.",
        choose_node: "Click a node on the stage, or choose one here.",
        log_hint: "One row per node, one column per log index.",
        log_empty: "No log entries yet.",
        index: "index",
        mark_missing: "missing",
        mark_uncommitted: "not committed",
        mark_committed: "committed",
        quorum_line: |index| format!("quorum has entry {index}"),
        flights: "Messages on their way",
        from: "From",
        to: "To",
        message: "Message",
        sent_at: "Sent",
        no_flights: "No message is on its way.",
        node_label: |node, shown, role, status| format!("{node} {shown}: {role}, {status}"),
        fault_killed: |node, ago| format!("{node} killed {ago} ago"),
        fault_down: |node, ago| format!("{node} down for {ago}"),
        fault_paused: |node, ago| format!("{node} paused for {ago}"),
        fault_cut: |from, to| format!("{from} → {to} cut"),
        loses: "loses",
        fault_gap: |node, events| match events {
            "1" => format!("1 event of {node} lost"),
            _ => format!("{events} events of {node} lost"),
        },
        fault_clock: |node, offset| format!("clock of {node} off by {offset}"),
        has_left: |node| format!("{node} is not in the cluster any more. Choose another node."),
        which_log: |group| format!("The log of {group}."),
        control_group: "the control group",
    },
    scenarios: Scenarios {
        leader_crash: Meaning {
            name: "Leader crash",
            text: "Kills the leader's process. The others notice the silence and elect another.",
        },
        deadlock_two: Meaning {
            name: "Deadlock of two",
            text: "Two clients each hold what the other wants. The youngest wait is refused.",
        },
        deadlock_three: Meaning {
            name: "Deadlock of three",
            text: "Three clients wait in a circle. The youngest wait is refused.",
        },
        holder_dies: Meaning {
            name: "Holder dies: lease, token",
            text: "A client takes a lock with a short lease and falls silent. The lease runs out, the next one gets a larger token.",
        },
        stale_leader: Meaning {
            name: "Partition, stale leader",
            text: "Cuts the leader off. It goes on believing that it leads while the others elect another; then the links are healed.",
        },
        partial_network: Meaning {
            name: "Partial network",
            text: "Leaves the leader one link, to a bridge that reaches the others. Who reaches a majority leads; then the links are healed.",
        },
        restore: Meaning { name: "Restore all", text: "Starts and resumes every node and heals every link." },
        running: |name| format!("{name} …"),
        failed: |name, why| format!("{name}: {why}"),
        step_kill: |node| format!("kill {node}"),
        step_pause: |node| format!("pause {node}"),
        step_start: |node| format!("start {node}"),
        step_cut: |node| format!("cut {node} off"),
        step_heal: |node| format!("heal the links of {node}"),
        step_bridge: |node, bridge| format!("{node} reaches only {bridge}"),
        step_take: |client, resource| format!("{client} takes {resource}"),
        step_want: |client, resource| format!("{client} wants {resource}"),
        step_silent: |client| format!("{client} falls silent"),
        no_leader: "there is no leader now",
        not_granted: "the lock was not granted",
        nothing_broken: "Every node runs and every link is whole: there is nothing to restore.",
        needs_clients: |count, there| {
            format!("it needs {count} clients: add {}", count.saturating_sub(there))
        },
        press_again: |key, what| format!("{key} again: {what} · Esc: no"),
    },
    legend: Legend {
        title: "Legend",
        shapes: "Shapes",
        keys: "Keys",
        follower: "follower",
        candidate: "candidate: stands for election",
        leader: "leader",
        down: "down",
        paused: "paused",
        deposed: "deposed leader that doesn't know it yet",
        timer: "election timer: what is left of it",
        votes: "votes, and the notch where they are a quorum",
        request_vote: "RequestVote",
        append: "AppendEntries: one bead per entry",
        heartbeat: "heartbeat",
        reply: "reply: yes or no",
        client_message: "a client's lock request",
        queue_message: "a message of a queue",
        shard: "shard: an arc in the hue of its leader, with its mark",
        shard_lost: "shard without a majority",
        ghost: "old arc of a shard, one part per replica; dashed: it moved",
        virtual_nodes: "virtual nodes, shard tokens",
        delivery: "delivery: what is left until it is visible again",
        lost: "lost on the way",
        cut: "link that was cut",
        impaired: "link made slow or lossy",
        log: "log entry: committed, not committed, missing",
        lock_exclusive: "exclusive holder, lease draining",
        lock_shared: "shared holders",
        waiter: "waiter, first come first served",
        clock_bead: "the view clock: once around in a minute",
        key_step: "one fact back, one fact on",
        key_pause: "pause, go on",
        key_marks: "to the event before, to live",
        key_rates: "1/100×, director, 1×",
        key_layers: "layers",
        key_tabs: "locks, queue, cache, log, inspect, events",
        key_node: "choose the next or the previous node",
        key_process: "chosen node: kill, start, pause, resume, let it lead",
        key_lock: "acquire, queue, release, renew",
        key_queue: "with the queue panel: publish, consume, ack, nack",
        key_scenarios: "scenarios",
        key_language: "English, Indonesian",
        key_theme: "dark, light",
        key_legend: "this legend",
    },
    trouble: Trouble {
        connecting: "Connecting to the nodes …",
        connecting_hint: "The page asks each node for its events.",
        no_cluster: "No node answers.",
        no_cluster_hint: "Is `orrery demo` running? The page goes on trying and recovers by itself.",
        no_quorum: |up, all, needed| format!("no quorum: {up} of {all} up, {needed} needed"),
        no_leader_yet: "No leader: an election is due.",
        stream_broken: |nodes, count| {
            let them = if count == 1 { "it" } else { "them" };
            format!("Events of {nodes} do not arrive; what is drawn of {them} may be old. Trying again.")
        },
        unreached: |nodes, count, heard| {
            let why = match (heard, count) {
                (true, 1) => "the other nodes hear from it",
                (true, _) => "the other nodes hear from them",
                (false, 1) => "whether it runs is not known here",
                (false, _) => "whether they run is not known here",
            };
            format!("This page cannot reach the events of {nodes}; {why}.")
        },
        past: |time| format!("You look at {time}; what you do happens now."),
        differed: |times| match times {
            1 => "Once this page showed something else than a node had, and took over the node's state."
                .to_owned(),
            _ => format!(
                "{times} times this page showed something else than a node had, and took over the node's state."
            ),
        },
        served_by_node: "Served by a node without a supervisor: watching and locking work, killing and starting do not.",
        unreachable: "No answer: the node is not reachable. It is unknown whether the request was carried out.",
        unknown_outcome: |key| format!("Retry with the same key {key}: it takes effect once."),
        retry_same_key: "Try again, same key",
        no_node: "No node is reachable.",
    },
    answer,
    queue_answer,
    error,
};

fn list(names: &[smol_str::SmolStr]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.to_string(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn answer(answer: &LockAnswer) -> String {
    use LockAnswer as A;
    match answer {
        A::Acquired { resource, client, mode, fencing_token, expires_in_ms, reentrant } => {
            let how = if mode.letter() == "X" { "exclusively" } else { "shared" };
            let left = duration(expires_in_ms * 1_000, Lang::En);
            if *reentrant {
                format!(
                    "{client} already holds **{resource}** {how}: same token **{fencing_token}**, {left} left."
                )
            } else {
                format!("{client} holds **{resource}** {how}, token **{fencing_token}**, for {left}.")
            }
        }
        A::Waiting { resource, client, position } => {
            format!("{client} waits for **{resource}**, place **{position}**.")
        }
        A::Timeout { resource, client, holders } if holders.is_empty() => {
            format!("{client} gave up waiting for **{resource}**: nobody has it now.")
        }
        A::Timeout { resource, client, holders } => {
            let have = if holders.len() > 1 { "have" } else { "has" };
            format!("{client} gave up waiting for **{resource}**: {} still {have} it.", list(holders))
        }
        A::Deadlock { resource, cycle, victim, .. } => format!(
            "Deadlock: {} wait in a circle. **{victim}** is refused **{resource}**, because its wait is the youngest.",
            list(cycle)
        ),
        A::Released { resource, client, fencing_token } => {
            format!("{client} released **{resource}** (token {fencing_token}).")
        }
        A::Renewed { resource, client, expires_in_ms, .. } => {
            format!(
                "{client} keeps **{resource}** for another {}.",
                duration(expires_in_ms * 1_000, Lang::En)
            )
        }
        A::Cancelled { resource, client } => format!("{client} no longer waits for **{resource}**."),
        A::NotHolder { resource, client, holders, .. } if holders.is_empty() => {
            format!("{client} does not hold **{resource}**: it is free.")
        }
        A::NotHolder { resource, client, holders, .. } if holders.contains(client) => {
            format!("{client} holds **{resource}**, but not under that token.")
        }
        A::NotHolder { resource, client, holders, .. } => {
            let hold = if holders.len() > 1 { "do" } else { "does" };
            format!("{client} does not hold **{resource}**: {} {hold}.", list(holders))
        }
        A::NotWaiting { resource, client } => format!("{client} does not wait for **{resource}**."),
    }
}

fn queue_answer(ask: &QueueAsk, answer: &QueueAnswer) -> String {
    let QueueAsk { topic, client, .. } = ask;
    match answer {
        QueueAnswer::Published { id, replicas } => {
            // The answer says whose replicas there are, and not who of them has it already.
            match replicas.len() {
                0 | 1 => format!("**{id}** is in **{topic}**, on disk."),
                all => format!(
                    "**{id}** is in **{topic}**, on the disks of {} of its {all} replicas.",
                    all / 2 + 1
                ),
            }
        }
        QueueAnswer::Delivered(messages) => match messages.as_slice() {
            [] => format!("Nothing is ready for {client} in **{topic}**."),
            [one] if one.attempt > 1 => format!("{client} got **{}**, attempt **{}**.", one.id, one.attempt),
            [one] => format!("{client} got **{}** from **{topic}**.", one.id),
            more => format!("{client} got **{}** messages from **{topic}**.", more.len()),
        },
        QueueAnswer::Settled { id, status } => match status {
            Settlement::Acknowledged => format!("{client} acknowledged **{id}**."),
            Settlement::AlreadyAcknowledged => format!("**{id}** was acknowledged before."),
            Settlement::Nacked => format!("{client} gave **{id}** back: it is ready again."),
            Settlement::DeadLettered => format!("That was the last attempt: **{id}** is a dead letter now."),
            Settlement::Late => {
                format!("Too late: **{id}** was visible again, this delivery does not count any more.")
            }
            Settlement::Gone => format!("**{id}** was there and is gone: it expired or was purged."),
            _ => format!("**{id}** is not with {client}."),
        },
        QueueAnswer::Redriven(0) => format!("**{topic}** has no dead letter to bring back."),
        QueueAnswer::Redriven(1) => format!("**1** dead letter of **{topic}** waits again."),
        QueueAnswer::Redriven(count) => format!("**{count}** dead letters of **{topic}** wait again."),
    }
}

fn error(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::BadJson | ErrorCode::BadRequest => "The request was not understood.",
        ErrorCode::UnsupportedMediaType => "The request must be JSON.",
        ErrorCode::NotFound => "There is no such thing.",
        ErrorCode::MethodNotAllowed => "That cannot be done there.",
        ErrorCode::ForbiddenOrigin => "This page's address is not one of the cluster's.",
        ErrorCode::TooLarge => "The request is too large.",
        ErrorCode::NotHolder => "It is not held by that client.",
        ErrorCode::WrongVersion => "Somebody else changed it before.",
        ErrorCode::Conflict => "That does not fit the present state.",
        ErrorCode::SessionExpired => "The session has ended.",
        ErrorCode::GroupDeleted => "The consumer group was deleted meanwhile.",
        ErrorCode::KeyReused => "That key was used for another request.",
        ErrorCode::KeyTooOld => "That key is too old to be known.",
        ErrorCode::TooManyKeys => "No more keys can be remembered now.",
        ErrorCode::LimitReached => "A bound is reached.",
        ErrorCode::Unavailable => "No majority or no leader now. Nothing was done.",
        ErrorCode::ShardUnavailable => "The shard has no majority or no leader now. Nothing was done.",
        ErrorCode::OutcomeUnknown => "Nobody knows yet whether it was carried out.",
        ErrorCode::NotReady => "The node is starting or stopping.",
        ErrorCode::NotImplemented => "This computer cannot do that.",
        ErrorCode::Internal => "An error inside the node.",
    }
}
