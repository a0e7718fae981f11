//! Steps with their times, and the table at the end.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::exec::seconds;

/// What a step found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub passed: usize,
    pub failed: usize,
    /// A few words for the table.
    pub note: String,
}

impl Outcome {
    /// One thing that was done.
    pub fn done(note: impl Into<String>) -> Self {
        Self { passed: 1, failed: 0, note: note.into() }
    }
}

#[derive(Debug)]
struct Row {
    name: String,
    took: Duration,
    outcome: Outcome,
    /// The one command that repeats the step, if it failed.
    repeat: Option<String>,
}

/// All steps of one run.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Runs a step and prints its name, its time and how it ended. True if nothing in it failed.
    pub fn step(&mut self, name: &str, repeat: &str, body: impl FnOnce() -> Result<Outcome>) -> bool {
        println!("\n==> {name}");
        let began = Instant::now();
        let outcome = body().unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            let note = error.to_string().lines().next().unwrap_or_default().to_owned();
            Outcome { passed: 0, failed: 1, note }
        });
        let row = Row {
            name: name.to_owned(),
            took: began.elapsed(),
            repeat: (outcome.failed > 0).then(|| repeat.to_owned()),
            outcome,
        };
        let ok = row.repeat.is_none();
        println!("<== {name}: {} in {} {}", word(ok), seconds(row.took), row.outcome.note);
        if let Some(repeat) = &row.repeat {
            println!("    to repeat it: {repeat}");
        }
        self.rows.push(row);
        ok
    }

    /// Adds a step that could not be run because an earlier one failed: it counts as failed, never as passed.
    pub fn not_run(&mut self, name: &str, repeat: &str, because: &str) {
        println!("\n==> {name}: not run, {because}");
        let outcome = Outcome { passed: 0, failed: 1, note: format!("not run: {because}") };
        let row =
            Row { name: name.to_owned(), took: Duration::ZERO, outcome, repeat: Some(repeat.to_owned()) };
        self.rows.push(row);
    }

    /// Checks that failed, over all steps.
    pub fn failed(&self) -> usize {
        self.rows.iter().map(|row| row.outcome.failed).sum()
    }

    /// The table of all steps, the commands that repeat failed ones, and a closing line with the counts.
    pub fn table(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for row in &self.rows {
            let name = &row.name;
            let time = seconds(row.took);
            let line =
                format!("{:6} {name:width$}  {time:>12}  {}", word(row.repeat.is_none()), row.outcome.note);
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for row in &self.rows {
            if let Some(repeat) = &row.repeat {
                text.push_str(&format!("repeat {}: {repeat}\n", row.name));
            }
        }
        let passed: usize = self.rows.iter().map(|row| row.outcome.passed).sum();
        let took: Duration = self.rows.iter().map(|row| row.took).sum();
        text.push_str(&format!("{passed} passed, {} failed in {}", self.failed(), seconds(took)));
        text
    }
}

fn word(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAILED" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_counted_over_all_steps() {
        let mut report = Report::default();
        assert!(report.step("fmt", "cargo fmt", || Ok(Outcome::done(""))));
        assert!(!report.step("unit", "cargo test", || Ok(Outcome {
            passed: 40,
            failed: 2,
            note: "42 tests".into()
        })));
        assert!(!report.step("node", "cargo build", || anyhow::bail!("no compiler\ndetails")));
        report.not_run("cluster", "cargo xtask test --only cluster", "node failed");
        assert_eq!(report.failed(), 4);
        let table = report.table();
        assert!(table.ends_with("41 passed, 4 failed in 0.0 s"), "{table}");
        for line in ["repeat unit: cargo test", "repeat cluster: cargo xtask test --only cluster"] {
            assert!(table.contains(line), "{table}");
        }
        assert!(table.contains("no compiler") && !table.contains("details"), "{table}");
        assert!(!table.contains("repeat fmt"), "{table}");
    }

    #[test]
    fn columns_line_up() {
        let mut report = Report::default();
        report.step("a", "", || Ok(Outcome::done("x")));
        report.step("a longer name", "", || Ok(Outcome::done("x")));
        let table = report.table();
        let columns: Vec<_> = table.lines().take(2).map(|line| line.find('x')).collect();
        assert_eq!(columns[0], columns[1], "{table}");
    }
}
