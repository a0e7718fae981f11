//! Where settings come from: a flag beats an environment variable, which beats the file `.env`; across alternatives too (`--join`
//! on the command line beats `PEERS` in the environment). An empty variable is unset.
//!
//! Only what the chosen command knows is looked at, so a mistake in a variable of the node never stops another command, nor `--help` and
//! `--version`; and a mistake is told by the name of the variable and, of the file, by the number and the text of its line.

mod dotenv;
pub mod logging;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::builder::{Resettable, StyledStr};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches};

use crate::cli::{Cli, Command, NodeArgs};

/// What `tracing-subscriber` reads; of ours like the flags' variables.
const LOG: &str = "RUST_LOG";

/// Flag that keeps the file `.env` out.
const NO_DOTENV: &str = "--no-dotenv";

/// What was asked for.
#[derive(Debug)]
pub struct Settings {
    /// The command and its arguments.
    pub command: Command,
    /// What `RUST_LOG` says.
    pub log: Option<String>,
}

/// Why nothing is run.
#[derive(Debug)]
pub enum Refused {
    /// clap's message: the help, the version, a wrong command line.
    Usage(clap::Error),
    /// A variable or a line of `.env` that cannot be used.
    Setting(String),
}

/// Reads `.env`, the environment and the command line. Ends the process with clap's message on a wrong command line.
///
/// # Errors
/// A variable or a line of `.env` cannot be used: its name and why.
pub fn read() -> anyhow::Result<Settings> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let known = variables();
    let file = dotenv::read(Path::new(".env"), &|key| key == LOG || known.iter().any(|name| name == key));
    match resolve(&arguments, &|name| std::env::var_os(name), file) {
        Ok(settings) => Ok(settings),
        Err(Refused::Usage(error)) => error.exit(),
        Err(Refused::Setting(message)) => anyhow::bail!(message),
    }
}

/// The variables of all commands: a child that shall have none of them is started without these.
#[must_use]
pub fn variables() -> Vec<String> {
    let command = Cli::command();
    let arguments = command.get_subcommands().flat_map(clap::Command::get_arguments);
    arguments.filter_map(|arg| arg.get_env()).map(|name| name.to_string_lossy().into_owned()).collect()
}

/// From where a value came. Larger beats smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Default,
    File,
    Environment,
    Flag,
}

/// A value from outside of the command line.
struct Given {
    level: Level,
    /// Or what is wrong with it.
    value: Result<OsString, String>,
}

fn resolve(
    arguments: &[OsString],
    environment: &dyn Fn(&str) -> Option<OsString>,
    file: Result<Vec<dotenv::Line>, String>,
) -> Result<Settings, Refused> {
    let mut command = Cli::command();
    let chosen = arguments.get(1).and_then(|name| name.to_str()).map(str::to_owned);
    let chosen = chosen.filter(|name| command.find_subcommand(name).is_some()).unwrap_or_default();
    let (lines, unread) = match file {
        _ if arguments.iter().any(|argument| argument == NO_DOTENV) => (Vec::new(), None),
        Ok(lines) => (lines, None),
        Err(message) => (Vec::new(), Some(message)),
    };
    let outside = Outside { environment, lines: &lines };
    let mut given = BTreeMap::new();
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(&name, |sub| {
            sub.mut_args(|arg| {
                let value = (name == chosen).then(|| outside.given(&arg)).flatten();
                let arg = without_variable(arg, value.as_ref());
                if let Some(value) = value {
                    given.insert(arg.get_id().to_string(), value);
                }
                arg
            })
        });
    }
    let matches = command.try_get_matches_from(arguments).map_err(Refused::Usage)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(Refused::Usage)?;
    let Some((_, matches)) = matches.subcommand() else {
        return Ok(Settings { command: cli.command, log: outside.log()? });
    };
    let takes_variables = matches!(cli.command, Command::Node(_) | Command::Demo(_));
    let mut wrong: Vec<String> = unread.filter(|_| takes_variables).into_iter().collect();
    wrong.extend(given.iter().filter_map(|(id, given)| {
        let message = given.value.as_ref().err()?;
        (matches.value_source(id) != Some(ValueSource::CommandLine)).then(|| message.clone())
    }));
    if !wrong.is_empty() {
        return Err(Refused::Setting(wrong.join("\n")));
    }
    if let Command::Node(args) = &mut cli.command {
        settle_alternatives(args, &|id| level(matches, &given, id));
    }
    let log = if takes_variables { outside.log()? } else { outside.log().ok().flatten() };
    Ok(Settings { command: cli.command, log })
}

fn level(matches: &ArgMatches, given: &BTreeMap<String, Given>, id: &str) -> Level {
    match matches.value_source(id) {
        Some(ValueSource::CommandLine) => Level::Flag,
        _ => given.get(id).map_or(Level::Default, |given| given.level),
    }
}

/// Of two settings that exclude each other the one from the stronger place counts. Where both come from one place, whoever
/// checks the configuration says that they exclude each other.
fn settle_alternatives(args: &mut NodeArgs, level: &dyn Fn(&str) -> Level) {
    if level("host").max(level("port")) > level("listen") {
        args.listen = None;
    }
    match level("join").cmp(&level("peers")) {
        std::cmp::Ordering::Greater => args.peers.clear(),
        std::cmp::Ordering::Less => args.join.clear(),
        std::cmp::Ordering::Equal => {}
    }
    let secret = level("secret").max(level("secret_file"));
    match secret.cmp(&level("certs")) {
        std::cmp::Ordering::Greater => args.certs = None,
        std::cmp::Ordering::Less => (args.secret, args.secret_file) = (None, None),
        std::cmp::Ordering::Equal => {}
    }
    match level("secret").cmp(&level("secret_file")) {
        std::cmp::Ordering::Greater => args.secret_file = None,
        std::cmp::Ordering::Less => args.secret = None,
        std::cmp::Ordering::Equal => {}
    }
    match level("accept_secret").cmp(&level("accept_secret_file")) {
        std::cmp::Ordering::Greater => args.accept_secret_file = None,
        std::cmp::Ordering::Less => args.accept_secret = None,
        std::cmp::Ordering::Equal => {}
    }
}

/// The argument with its variable's value as its default; clap does not read the environment itself. The help names
/// the variable, but not what is in it.
fn without_variable(arg: Arg, given: Option<&Given>) -> Arg {
    let Some(name) = arg.get_env().map(|name| name.to_string_lossy().into_owned()) else { return arg };
    let mut help = arg.get_help().cloned().unwrap_or_default();
    let mut long = arg.get_long_help().cloned();
    for text in std::iter::once(&mut help).chain(long.as_mut()) {
        *text = StyledStr::from(format!("{text} [env: {name}]"));
    }
    let takes_value = arg.get_action().takes_values();
    let mut arg = arg.env(Resettable::Reset).help(help);
    if let Some(long) = long {
        arg = arg.long_help(long);
    }
    match given.map(|given| &given.value) {
        Some(Ok(value)) if takes_value => {
            arg.default_value(value.clone()).hide_default_value(true).required(false)
        }
        Some(Ok(value)) => arg.default_value(value.clone()),
        _ => arg,
    }
}

/// The environment and the file.
struct Outside<'a> {
    environment: &'a dyn Fn(&str) -> Option<OsString>,
    lines: &'a [dotenv::Line],
}

impl Outside<'_> {
    /// The value of a variable, where from, and how to name that place.
    fn value(&self, name: &str) -> Option<(Level, Result<OsString, String>, String)> {
        if let Some(value) = (self.environment)(name).filter(|value| !value.is_empty()) {
            return Some((Level::Environment, Ok(value), format!("{name} in the environment")));
        }
        let line = self.lines.iter().rev().find(|line| line.key == name)?;
        let place = format!("line {} of the file .env", line.number);
        let value = match &line.value {
            Ok(value) if value.is_empty() => return None,
            Ok(value) => Ok(OsString::from(value)),
            Err(why) => Err(format!("{place} cannot be read: {why}: {}", shown(name, &line.text))),
        };
        Some((Level::File, value, place))
    }

    fn given(&self, arg: &Arg) -> Option<Given> {
        let name = arg.get_env()?.to_str()?;
        let (level, value, place) = self.value(name)?;
        let value = value.and_then(|value| {
            let value = match arg.get_action() {
                ArgAction::SetTrue => {
                    truth(&value).map_err(|why| format!("{name}={}: {why}", value.display()))?
                }
                _ => value,
            };
            check(arg, &value)?;
            Ok(value)
        });
        let value =
            value.map_err(|why| if why.starts_with(&place) { why } else { format!("{place}: {why}") });
        Some(Given { level, value })
    }

    fn log(&self) -> Result<Option<String>, Refused> {
        match self.value(LOG) {
            None => Ok(None),
            Some((_, Ok(value), _)) => Ok(Some(value.to_string_lossy().into_owned())),
            Some((_, Err(message), _)) => Err(Refused::Setting(message)),
        }
    }
}

/// A secret is not printed, also where its line is wrong.
fn shown<'a>(name: &str, text: &'a str) -> &'a str {
    if name.contains("SECRET") { "(not shown: it may be a secret)" } else { text }
}

fn truth(value: &OsStr) -> Result<OsString, String> {
    match value.to_string_lossy().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok("true".into()),
        "false" | "0" | "no" | "off" => Ok("false".into()),
        _ => Err(format!("{value:?} is neither true nor false")),
    }
}

/// Whether the flag takes this value: clap checks a command line of just that flag.
fn check(arg: &Arg, value: &OsStr) -> Result<(), String> {
    let Some(long) = arg.get_long().filter(|_| arg.get_action().takes_values()) else { return Ok(()) };
    let mut flag = OsString::from(format!("--{long}="));
    flag.push(value);
    let alone = arg.clone().env(Resettable::Reset).required(false);
    let command = clap::Command::new("check").no_binary_name(true).disable_help_flag(true).arg(alone);
    command.try_get_matches_from([flag]).map(drop).map_err(|error| {
        // The message, and the values that there are; not where help is.
        let text = error.to_string();
        let lines = text.lines().take_while(|line| !line.starts_with("For more"));
        let said = lines.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        said.strip_prefix("error: ").unwrap_or(&said).to_owned()
    })
}

#[cfg(test)]
mod tests;
