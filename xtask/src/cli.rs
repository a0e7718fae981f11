//! The command line of `cargo xtask`.

/// What `cargo xtask help` prints.
pub const HELP: &str = "\
cargo xtask demo [-- ARGS]     set everything up, build, and run `orrery demo ARGS`
cargo xtask test [NAME …]      set everything up and run every check; or the named ones, with what they need
cargo xtask ci                 the same as test

cargo xtask setup              the wasm target; for the tests Chromium and its driver
cargo xtask dashboard          build web/ into web/dist
cargo xtask build              the dashboard, then the release build of `orrery`
cargo xtask sim [--seeds N | --minutes N | --seed S] [--from S] [--cache]   the deterministic simulation
cargo xtask bench ARGS         `orrery bench ARGS` of the release build, beside etcd where it is found
cargo xtask web                rebuild the dashboard at each change, with a demo that serves it
cargo xtask tidy               which crate depends on which, no modules need each other, pages name files that are there
cargo xtask notice             write NOTICE: the third parties in the programs, and their licences
cargo xtask deny               licences, advisories, versions and sources of all crates, by cargo-deny";

/// One run of xtask.
#[derive(Debug, PartialEq, Eq)]
pub enum Task {
    Help,
    /// Install what the builds and the tests need.
    Setup,
    Dashboard,
    /// Build the dashboard and the node.
    Build,
    /// Run the demo with these arguments.
    Demo(Vec<String>),
    /// Run the checks; all of them if `only` is empty.
    Test {
        only: Vec<String>,
    },
    /// Run the simulation with these arguments.
    Sim(Vec<String>),
    /// Run the benchmark with these arguments.
    Bench(Vec<String>),
    Web,
    /// Look at the arrows between crates and modules.
    Tidy,
    /// Write the list of third parties.
    Notice,
    /// Look at the crates with cargo-deny.
    Deny,
}

/// Reads the arguments after `cargo xtask`. The error says what was wrong with them.
pub fn parse(arguments: &[String]) -> Result<Task, String> {
    let Some((name, rest)) = arguments.split_first() else {
        return Ok(Task::Help);
    };
    let alone = |task: Task| match rest.first() {
        None => Ok(task),
        Some(extra) => Err(format!("`{name}` takes no arguments, got `{extra}`")),
    };
    match name.as_str() {
        "help" | "--help" | "-h" => Ok(Task::Help),
        "setup" => alone(Task::Setup),
        "dashboard" => alone(Task::Dashboard),
        "build" => alone(Task::Build),
        "web" => alone(Task::Web),
        "tidy" => alone(Task::Tidy),
        "notice" => alone(Task::Notice),
        "deny" => alone(Task::Deny),
        "demo" => Ok(Task::Demo(passed_on(rest))),
        "sim" => Ok(Task::Sim(passed_on(rest))),
        "bench" => Ok(Task::Bench(passed_on(rest))),
        "test" | "ci" => Ok(Task::Test { only: only(rest)? }),
        other => Err(format!("there is no task `{other}`")),
    }
}

/// Arguments for the program that is started; the `--` before them is optional.
fn passed_on(rest: &[String]) -> Vec<String> {
    match rest.split_first() {
        Some((first, tail)) if first == "--" => tail.to_vec(),
        _ => rest.to_vec(),
    }
}

fn only(rest: &[String]) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        if argument == "--only" {
            names.push(rest.next().ok_or("`--only` wants the name of a check")?.clone());
        } else if argument.starts_with('-') {
            return Err(format!("`test` takes names of checks, got `{argument}`"));
        } else {
            names.push(argument.clone());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Task, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn arguments_of_the_demo_are_passed_on_with_and_without_dashes() {
        assert_eq!(read("demo -- --nodes 3"), Ok(Task::Demo(words("--nodes 3"))));
        assert_eq!(read("demo --nodes 3"), Ok(Task::Demo(words("--nodes 3"))));
        assert_eq!(read("demo"), Ok(Task::Demo(Vec::new())));
        assert_eq!(read("sim -- --seed 7 -- x"), Ok(Task::Sim(words("--seed 7 -- x"))));
    }

    #[test]
    fn ci_is_test() {
        assert_eq!(read("ci"), read("test"));
        for line in ["test --only sim --only fmt", "test sim fmt"] {
            assert_eq!(read(line), Ok(Task::Test { only: words("sim fmt") }), "{line}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in
            [("test --only", "name"), ("test --all", "--all"), ("setup now", "now"), ("deploy", "deploy")]
        {
            let message = read(line).expect_err(line);
            assert!(message.contains(word), "{message}");
        }
    }

    #[test]
    fn nothing_at_all_asks_for_help() {
        assert_eq!(parse(&[]), Ok(Task::Help));
        assert_eq!(read("--help"), Ok(Task::Help));
    }
}
