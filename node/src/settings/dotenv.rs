//! The file `.env` of the working directory, read as people write it.
//!
//! One `KEY=VALUE` a line, `export` before it if you like. A value without quotes is taken as it stands, spaces and `$` included; a
//! `#` after a space begins a comment. In single quotes everything is literal; in double quotes `\n`, `\t`, `\"`, `\\` and `\$` are
//! escapes. Nothing is ever substituted. Of two lines with one key the last one counts.

use std::path::Path;

/// Most bytes of the file: it is read into memory at every start.
const BYTES_MAX: u64 = 64 * 1024;

/// One line that begins with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    pub key: String,
    /// Its value, or why it cannot be read.
    pub value: Result<String, &'static str>,
    /// The line as it stands, for a message.
    pub text: String,
}

/// What the file says; nothing where there is none.
///
/// # Errors
/// It is there and cannot be read, with the reason.
pub fn read(path: &Path, ours: &dyn Fn(&str) -> bool) -> Result<Vec<Line>, String> {
    let size = match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => meta.len(),
        // a folder of that name is somebody's virtual environment
        Ok(_) => return Ok(Vec::new()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("the file {} cannot be read: {error}", path.display())),
    };
    if size > BYTES_MAX {
        return Err(format!("the file {} has {size} bytes: at most {BYTES_MAX} are read", path.display()));
    }
    match std::fs::read(path) {
        Ok(bytes) => Ok(parse(&String::from_utf8_lossy(&bytes), ours)),
        Err(error) => Err(format!("the file {} cannot be read: {error}", path.display())),
    }
}

/// The lines whose keys are ours. Other programs' lines are not looked at, whatever they are.
pub fn parse(text: &str, ours: &dyn Fn(&str) -> bool) -> Vec<Line> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().enumerate().filter_map(|(at, line)| {
        let body = line.trim();
        let body = body.strip_prefix("export ").map_or(body, str::trim_start);
        let end = body.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(body.len());
        let (key, rest) = body.split_at(end);
        ours(key).then(|| Line {
            number: at + 1,
            key: key.to_owned(),
            value: match rest.trim_start().strip_prefix('=') {
                Some(value) => self::value(value.trim()),
                None => Err("no `=` follows the name"),
            },
            text: line.trim_end().to_owned(),
        })
    });
    lines.collect()
}

fn value(text: &str) -> Result<String, &'static str> {
    let mut rest = text.chars();
    match rest.next() {
        Some(quote @ ('\'' | '"')) => {
            let value = quoted(&mut rest, quote)?;
            match rest.as_str().trim_start() {
                after if after.is_empty() || after.starts_with('#') => Ok(value),
                _ => Err("text follows the closing quote"),
            }
        }
        Some('#') | None => Ok(String::new()),
        Some(_) => {
            let mut before = ' ';
            let comment = text.char_indices().find(|(_, c)| {
                let begins = *c == '#' && before.is_whitespace();
                before = *c;
                begins
            });
            Ok(text[..comment.map_or(text.len(), |(at, _)| at)].trim_end().to_owned())
        }
    }
}

fn quoted(rest: &mut std::str::Chars<'_>, quote: char) -> Result<String, &'static str> {
    let mut value = String::new();
    while let Some(c) = rest.next() {
        match c {
            c if c == quote => return Ok(value),
            '\\' if quote == '"' => match rest.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(c @ ('"' | '\\' | '$')) => value.push(c),
                Some(other) => value.extend(['\\', other]),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err("the quote is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Option<Result<String, &'static str>> {
        parse(line, &|key| key == "KEY").pop().map(|line| line.value)
    }

    #[test]
    fn values_are_taken_as_they_stand() {
        for (line, value) in [
            ("KEY=a", "a"),
            ("  export KEY = a b  ", "a b"),
            ("KEY=change me to something long", "change me to something long"),
            ("KEY=pa$$word${HOME}", "pa$$word${HOME}"),
            ("KEY=a#b", "a#b"),
            ("KEY=a # a comment", "a"),
            ("KEY=# only a comment", ""),
            ("KEY=", ""),
            ("KEY=it's", "it's"),
            ("KEY=a=b", "a=b"),
            ("KEY=C:\\data", "C:\\data"),
            ("KEY='a # $b' # a comment", "a # $b"),
            (r#"KEY="a\n\"b\" \$c \d""#, "a\n\"b\" $c \\d"),
            ("KEY=a\r", "a"),
            ("\u{feff}KEY=a", "a"),
        ] {
            assert_eq!(one(line), Some(Ok(value.to_owned())), "{line:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (line, why) in [
            ("KEY", "no `=`"),
            ("KEY a", "no `=`"),
            ("KEY: a", "no `=`"),
            ("KEY='a", "not closed"),
            ("KEY=\"a\\", "not closed"),
            ("KEY='a' b", "closing quote"),
        ] {
            let error = one(line).expect(line).expect_err(line);
            assert!(error.contains(why), "{line:?}: {error}");
        }
    }

    #[test]
    fn lines_of_others_are_not_looked_at() {
        for line in ["", "# KEY=a", "OTHER", "OTHER='", "KEYS=a", "my KEY=a", "???", "key=a"] {
            assert_eq!(one(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_line_knows_its_number() {
        let lines = parse("# first\nKEY=a\n\nKEY=b\n", &|key| key == "KEY");
        assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 4]);
    }
}
