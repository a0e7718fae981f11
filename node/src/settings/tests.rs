#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::cli::ProfileName;
use crate::config::NodeConfig;

/// What comes of a command line, of variables, and of a file `.env`.
fn settings(line: &str, environment: &[(&str, &str)], file: &str) -> Result<Settings, Refused> {
    let mut arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    let named = line.contains("--id")
        || file.lines().any(|line| line.starts_with("NODE_ID="))
        || environment.iter().any(|(key, _)| *key == "NODE_ID");
    if arguments.get(1).is_some_and(|command| command == "node") && !named {
        // A node has no name by default.
        arguments.extend(["--id", "node1"].map(OsString::from));
    }
    let known = variables();
    let lines = dotenv::parse(file, &|key| key == LOG || known.iter().any(|name| name == key));
    let look = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
    resolve(&arguments, &look, Ok(lines))
}

fn node(line: &str, environment: &[(&str, &str)], file: &str) -> NodeArgs {
    match settings(line, environment, file).map(|settings| settings.command) {
        Ok(Command::Node(args)) => *args,
        other => panic!("{line}: {other:?}"),
    }
}

fn refused(line: &str, environment: &[(&str, &str)], file: &str) -> String {
    match settings(line, environment, file) {
        Err(Refused::Setting(message)) => message,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let (environment, file) = ([("PORT", "2")], "PORT=3\nHOST=127.0.0.9\nPROFILE=classroom");
    assert_eq!(node("orrery node --port 1", &environment, file).port, 1);
    assert_eq!(node("orrery node", &environment, file).port, 2);
    let args = node("orrery node", &[], file);
    assert_eq!((args.port, args.host.as_str(), args.profile), (3, "127.0.0.9", ProfileName::Classroom));
    assert_eq!(node("orrery node --no-dotenv", &[], file).port, 8001);
}

#[test]
fn a_flag_that_has_to_be_given_may_be_a_variable() {
    assert_eq!(node("orrery node", &[("NODE_ID", "a")], "NODE_ID=b").id, "a");
    assert_eq!(node("orrery node", &[], "NODE_ID=b").id, "b");
    assert_eq!(node("orrery node --id c", &[("NODE_ID", "a")], "").id, "c");
    let Err(Refused::Usage(error)) = settings("orrery node", &[("NODE_ID", "")], "") else {
        panic!("no name")
    };
    assert!(error.to_string().contains("--id"), "{error}");
    // Whatever else is required.
    let build = Cli::command();
    for command in build.get_subcommands() {
        for arg in command.get_arguments().filter(|arg| arg.is_required_set() && arg.get_env().is_some()) {
            assert_eq!((command.get_name(), arg.get_id().as_str()), ("node", "id"), "not tried above");
        }
    }
}

#[test]
fn an_empty_value_is_unset() {
    let args = node("orrery node", &[("PORT", ""), ("PROFILE", ""), ("ADVERTISE", "")], "PORT=\nSHARDS=''");
    assert_eq!((args.port, args.shards, args.advertise), (8001, 8, None));
    assert_eq!(node("orrery node", &[("PORT", "")], "PORT=3").port, 3, "an empty variable hides nothing");
}

#[test]
fn a_stronger_place_wins_across_alternatives() {
    for (line, environment, file, join, peers) in [
        ("orrery node --join a:1", &[("PEERS", "b=b:1")][..], "", "a:1", ""),
        ("orrery node --peers b=b:1", &[("JOIN", "a:1")], "", "", "b=b:1"),
        ("orrery node", &[("JOIN", "a:1")], "PEERS=b=b:1", "a:1", ""),
    ] {
        let args = node(line, environment, file);
        assert_eq!((args.join.as_str(), args.peers.as_str()), (join, peers), "{line}");
    }
    let args = node("orrery node --secret-file f", &[("CLUSTER_SECRET", "from the environment")], "");
    assert_eq!((args.secret, args.secret_file), (None, Some("f".into())));
    let args = node("orrery node", &[("CLUSTER_SECRET", "from outside")], "CLUSTER_SECRET_FILE=f");
    assert_eq!((args.secret.as_deref(), args.secret_file), (Some("from outside"), None));
    let args = node("orrery node --certs c", &[("CLUSTER_SECRET", "from outside")], "CLUSTER_SECRET_FILE=f");
    assert_eq!((args.secret, args.secret_file, args.certs), (None, None, Some("c".into())));
    let args = node("orrery node", &[("CLUSTER_SECRET", "from outside")], "CERTS_DIR=c");
    assert_eq!((args.secret.as_deref(), args.certs), (Some("from outside"), None));
    let args = node("orrery node --port 1", &[("LISTEN", "127.0.0.1:2")], "");
    assert_eq!((args.listen, args.port), (None, 1));
    assert_eq!(
        node("orrery node", &[("LISTEN", "127.0.0.1:2"), ("PORT", "3")], "").listen.unwrap(),
        "127.0.0.1:2"
    );
    let both = node("orrery node --id n --join a:1 --peers b=b:1", &[], "");
    assert!(NodeConfig::from_args(both).is_err(), "of one place none is stronger");
    let both = node("orrery node --id n --secret 0123456789abcdef --secret-file f", &[], "");
    assert!(format!("{:#}", NodeConfig::from_args(both).unwrap_err()).contains("--secret-file"));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (line, environment, file, words) in [
        ("orrery node", &[("PORT", "many")][..], "", &["PORT in the environment", "many"][..]),
        ("orrery node", &[("FAULTS", "maybe")], "", &["FAULTS in the environment", "maybe", "true"]),
        ("orrery node", &[], "\nFAULTS=maybe", &["line 2", "FAULTS=maybe", "true"]),
        ("orrery node", &[], "\nSHARDS eight", &["line 2", "SHARDS eight", "="]),
        ("orrery node", &[], "PROFILE=fast", &["line 1", "fast", "classroom"]),
        ("orrery node", &[], "PEERS='a", &["line 1", "PEERS='a", "not closed"]),
        ("orrery demo", &[("DEMO_NODES", "0")], "", &["DEMO_NODES", "1..=15"]),
        ("orrery node", &[("PORT", "x"), ("SHARDS", "y")], "", &["PORT", "SHARDS"]),
    ] {
        let message = refused(line, environment, file);
        for word in words {
            assert!(message.contains(word), "{line}: {message:?} lacks {word:?}");
        }
    }
    let message = refused("orrery node", &[], "CLUSTER_SECRET='hidden things");
    assert!(message.contains("line 1") && !message.contains("hidden"), "{message}");
}

#[test]
fn a_mistake_stops_only_whom_it_concerns() {
    let (environment, file) = ([("SHARDS", "x")], "PORT many\nNODE_ID='a\nSOMEBODY ELSES=\"");
    for line in [
        "orrery --version",
        "orrery --help",
        "orrery node --help",
        "orrery help node",
        "orrery node --version",
    ] {
        let Err(Refused::Usage(error)) = settings(line, &environment, file) else { panic!("{line}") };
        assert_eq!(error.exit_code(), 0, "{line}: {error}");
    }
    for line in ["orrery demo", "orrery bench lock"] {
        settings(line, &environment, file).unwrap();
    }
    node("orrery node --id n --port 1 --shards 3", &environment, file);
    assert!(refused("orrery node --id n --shards 3", &environment, file).contains("PORT"));
}

#[test]
fn a_switch_is_said_in_several_words() {
    for (value, on) in
        [("true", true), ("1", true), ("YES", true), ("off", false), ("0", false), ("false", false)]
    {
        assert_eq!(node("orrery node", &[("FAULTS", value)], "").faults, on, "{value}");
    }
    assert!(node("orrery node --faults", &[("FAULTS", "false")], "").faults);
}

#[test]
fn the_log_is_chosen_by_the_environment_or_the_file() {
    let log = |environment, file| settings("orrery node", environment, file).unwrap().log;
    assert_eq!(log(&[], "RUST_LOG=debug").as_deref(), Some("debug"));
    assert_eq!(log(&[("RUST_LOG", "warn")], "RUST_LOG=debug").as_deref(), Some("warn"));
    assert_eq!(log(&[("RUST_LOG", "")], ""), None);
}

#[test]
fn the_help_names_variables_and_shows_no_secret() {
    let environment = [("CLUSTER_SECRET", "hidden things"), ("PORT", "2")];
    let Err(Refused::Usage(help)) = settings("orrery node --help", &environment, "") else {
        panic!("no help")
    };
    let help = help.to_string();
    assert!(help.contains("[env: CLUSTER_SECRET]") && help.contains("[env: PORT]"), "{help}");
    assert!(!help.contains("hidden"), "{help}");
}

/// `.env.example` holds exactly the defaults: with it nothing changes, and it knows every variable.
#[test]
fn the_example_holds_the_defaults() {
    let example = include_str!("../../../.env.example");
    let known: BTreeSet<String> = variables().into_iter().chain([LOG.to_owned()]).collect();
    let key = |line: &str| line.trim_start_matches('#').split_once('=').map(|(key, _)| key.to_owned());
    let is_key = |key: &String| !key.is_empty() && key.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let there: BTreeSet<String> = example.lines().filter_map(key).filter(is_key).collect();
    assert_eq!(there, known);
    for line in ["orrery node", "orrery demo"] {
        let (with, without) = (settings(line, &[], example).unwrap(), settings(line, &[], "").unwrap());
        assert_eq!(format!("{:?}", with.command), format!("{:?}", without.command), "{line}");
        assert_eq!(with.log.as_deref(), Some(logging::DEFAULT));
    }
    // and what is said there stands there: a line for each default
    let command = Cli::command();
    for sub in ["node", "demo"] {
        for arg in command.find_subcommand(sub).unwrap().get_arguments() {
            let Some(name) = arg.get_env().and_then(OsStr::to_str) else { continue };
            let Some(default) = arg.get_default_values().first().and_then(|value| value.to_str()) else {
                continue;
            };
            let line = format!("{name}={default}");
            assert!(default.is_empty() || example.lines().any(|at| at == line), "{line} is missing");
        }
    }
}
