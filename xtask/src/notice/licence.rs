//! Which licence a text is, and which text a crate's licence asks for.

use anyhow::{Result, bail};

/// A licence, in the order of preference: short texts first. `Other` is what no mark fits: a copyright file, a notice, a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Mit,
    Isc,
    Bsd2,
    Bsd3,
    Zlib,
    Bsl,
    Bsd0,
    Cc0,
    Unlicense,
    Unicode,
    Apache,
    ApacheLlvm,
    Mpl,
    Other,
}

/// The licences by their SPDX names, with words that only their texts have.
const KINDS: [(Kind, &str, &str); 13] = [
    (Kind::Unicode, "Unicode-3.0", "unicode license v3"),
    (Kind::Mit, "MIT", "a copy of this software and associated documentation files"),
    (Kind::Isc, "ISC", "hereby granted, provided that the above copyright notice"),
    (Kind::Bsd0, "0BSD", "with or without fee is hereby granted. the software"),
    (Kind::Bsd3, "BSD-3-Clause", "endorse or promote products"),
    (Kind::Bsd2, "BSD-2-Clause", "redistribution and use in source and binary forms"),
    (Kind::Zlib, "Zlib", "altered source versions must be plainly marked"),
    (Kind::Bsl, "BSL-1.0", "boost software license"),
    (Kind::Unlicense, "Unlicense", "free and unencumbered software"),
    (Kind::Cc0, "CC0-1.0", "cc0 1.0 universal"),
    (Kind::ApacheLlvm, "Apache-2.0 WITH LLVM-exception", "llvm exceptions to the apache"),
    (Kind::Apache, "Apache-2.0", "terms and conditions for use, reproduction, and distribution"),
    (Kind::Mpl, "MPL-2.0", "each individual or legal entity that creates"),
];

impl Kind {
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("Further notices", |(_, name, _)| name)
    }

    fn of_name(name: &str) -> Option<Kind> {
        KINDS.iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| *kind)
    }

    /// The licences in a text, in its order.
    fn in_text(words: &str) -> Vec<Kind> {
        let words = words.to_lowercase();
        let found = KINDS.iter().filter_map(|(kind, _, mark)| Some((words.find(mark)?, *kind)));
        let mut found: Vec<(usize, Kind)> = found.collect();
        found.sort();
        let mut kinds: Vec<Kind> = found.into_iter().map(|(_, kind)| kind).collect();
        if kinds.contains(&Kind::Bsd3) {
            // The three clauses begin as the two do.
            kinds.retain(|kind| *kind != Kind::Bsd2);
        }
        kinds
    }
}

/// One file.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    /// The licences in it: several where one file has them all.
    kinds: Vec<Kind>,
    /// Its lines that say who has the copyright.
    pub copyright: Vec<String>,
    /// Its other lines.
    pub body: String,
}

impl Text {
    pub fn read(file: &str) -> Text {
        // One crate has its licence as a comment of Rust.
        let plain: Vec<&str> = file.lines().map(|line| line.trim_start_matches(['/', ' '])).collect();
        let kinds = Kind::in_text(&words(&plain.join("\n")));
        // Where there is not just one licence, who has the copyright of what is said by the order of the lines.
        let taken = |line: &&str| kinds.len() == 1 && is_copyright(line);
        let copyright = plain.iter().copied().filter(taken).map(words).collect();
        let rest = file.lines().filter(|line| !taken(line) && !is_title(line));
        let mut body: Vec<&str> = Vec::new();
        for line in rest.map(str::trim_end) {
            // What was taken out leaves no gap.
            if !(line.is_empty() && body.last().is_none_or(|last| last.is_empty())) {
                body.push(line);
            }
        }
        let body = body.join("\n").trim_end().to_owned();
        Text { kinds, copyright, body }
    }

    /// The first licence in it.
    pub fn kind(&self) -> Kind {
        self.kinds.first().copied().unwrap_or(Kind::Other)
    }

    /// The body without regard to how its lines are broken.
    pub fn words(&self) -> String {
        words(&self.body)
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// "Copyright (c) 2020 …", but not the sentence of a licence that begins with this word, nor the form to fill in.
fn is_copyright(line: &str) -> bool {
    let line = line.trim_start_matches(['/', '*', '#', ' ', '\t']);
    let Some(rest) = line.strip_prefix("Copyright").or_else(|| line.strip_prefix("copyright")) else {
        return line.starts_with('©');
    };
    let rest = rest.trim_start_matches([' ', ':']);
    rest.starts_with(['(', '©', '&'])
        || rest.starts_with(|first: char| first.is_ascii_digit() || first.is_uppercase())
}

/// The name of the licence above its text: some have it, some not.
fn is_title(line: &str) -> bool {
    let line = line.trim_matches(|letter: char| " \t#=-".contains(letter)).to_lowercase();
    [
        "mit license",
        "the mit license",
        "the mit license (mit)",
        "mit license (mit)",
        "zlib license",
        "isc license",
    ]
    .contains(&line.as_str())
}

/// What a crate's licence asks for.
pub struct Chosen<'a> {
    pub texts: Vec<&'a Text>,
    /// Licences that are named and of which there is no text.
    pub missing: Vec<Kind>,
}

/// Of each group of alternatives one: the first in the order of preference of which there is a text. `MIT/Apache-2.0` is an old
/// way to write `MIT OR Apache-2.0`.
pub fn choose<'a>(expression: &str, texts: &'a [Text]) -> Result<Chosen<'a>> {
    let mut chosen = Chosen { texts: Vec::new(), missing: Vec::new() };
    let expression = expression.replace(['(', ')'], "").replace('/', " OR ");
    let mut named = Vec::new();
    let mut wanted = Vec::new();
    for group in expression.split(" AND ") {
        let mut kinds = Vec::new();
        for name in group.split(" OR ").map(|name| name.trim().trim_end_matches('+')) {
            kinds.extend(Kind::of_name(name));
        }
        kinds.sort();
        let there = kinds.iter().find(|kind| texts.iter().any(|text| text.kinds.contains(kind)));
        match (there, kinds.first()) {
            (Some(kind), _) => wanted.push(*kind),
            (None, Some(kind)) => chosen.missing.push(*kind),
            (None, None) => bail!("`{group}` is no licence that xtask/src/notice/licence.rs knows"),
        }
        named.extend(kinds);
    }
    // What the expression does not name is of code that the crate has from others.
    let fits = |text: &&Text| {
        let has = |kinds: &[Kind]| text.kinds.iter().any(|kind| kinds.contains(kind));
        has(&wanted) || !has(&named)
    };
    chosen.texts.extend(texts.iter().filter(fits));
    Ok(chosen)
}

/// Of the texts of one folder those of the most preferred licence, and what is no licence.
pub fn preferred(texts: &[Text]) -> Vec<&Text> {
    let best = texts.iter().flat_map(|text| text.kinds.iter().copied()).min();
    let fits = |text: &&Text| text.kinds.is_empty() || best.is_some_and(|best| text.kinds.contains(&best));
    texts.iter().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIT: &str = "The MIT License (MIT)\n\nCopyright (c) 2019 Ayu\nCopyright 2020 Budi\n\nto any person obtaining a copy\n\
                       of this software and associated documentation files\n\nTHE COPYRIGHT HOLDERS\n";

    fn texts(files: &[&str]) -> Vec<Text> {
        files.iter().map(|file| Text::read(file)).collect()
    }

    #[test]
    fn a_text_is_told_from_its_copyright_lines() {
        let text = Text::read(MIT);
        assert_eq!(text.kind(), Kind::Mit);
        assert_eq!(text.copyright, ["Copyright (c) 2019 Ayu", "Copyright 2020 Budi"]);
        let body = "to any person obtaining a copy\nof this software and associated documentation files\n\n\
                    THE COPYRIGHT HOLDERS";
        assert_eq!(text.body, body);
        let pointer = Text::read("Copyright 2020 Ayu\nSee LICENSE-MIT.\n");
        assert_eq!(
            (pointer.kind(), pointer.body.as_str()),
            (Kind::Other, "Copyright 2020 Ayu\nSee LICENSE-MIT.")
        );
    }

    #[test]
    fn sentences_and_forms_are_no_copyright_lines() {
        for line in
            ["// Copyright 2015 Brian", "Copyright © Ayu", "copyright (c) 1999 Budi", "Copyright: 2020"]
        {
            assert!(is_copyright(line), "{line}");
        }
        for line in
            ["copyright notice that is included", "COPYRIGHT HOLDERS", "Copyright [yyyy] [name]", "Copy"]
        {
            assert!(!is_copyright(line), "{line}");
        }
    }

    #[test]
    fn one_alternative_is_taken_and_every_part() {
        let apache = "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION";
        let all = texts(&[apache, MIT, "UNICODE LICENSE V3", "A notice."]);
        let kinds = |expression: &str, texts: &[Text]| {
            let chosen = choose(expression, texts).expect("known licences");
            (chosen.texts.iter().map(|text| text.kind()).collect::<Vec<_>>(), chosen.missing)
        };
        assert_eq!(kinds("MIT/Apache-2.0", &all[..2]), (vec![Kind::Mit], vec![]));
        assert_eq!(
            kinds("(MIT OR Apache-2.0) AND Unicode-3.0", &all),
            (vec![Kind::Mit, Kind::Unicode, Kind::Other], vec![])
        );
        assert_eq!(kinds("MIT OR Apache-2.0", &texts(&[apache])), (vec![Kind::Apache], vec![]));
        assert_eq!(kinds("MPL-2.0+", &[]), (vec![], vec![Kind::Mpl]));
        assert!(choose("GPL-3.0", &all).is_err());
    }

    #[test]
    fn one_file_may_have_several_licences_and_others_may_have_more_files() {
        let apache = "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION";
        let both = [apache, MIT].concat();
        let isc = "// hereby granted, provided\n// that the above copyright notice";
        let all = texts(&[&both, isc, "boost software license"]);
        let kinds = |expression: &str| {
            let chosen = choose(expression, &all).expect("known licences");
            (chosen.texts.iter().map(|text| text.kind()).collect::<Vec<_>>(), chosen.missing)
        };
        assert_eq!(kinds("Apache-2.0 AND ISC"), (vec![Kind::Apache, Kind::Isc, Kind::Bsl], vec![]));
        assert_eq!(kinds("BSL-1.0 OR MIT"), (vec![Kind::Apache, Kind::Isc], vec![]));
        let clauses = "Redistribution and use in source and binary forms … endorse or promote products";
        assert_eq!(Text::read(clauses).kind(), Kind::Bsd3);
    }

    #[test]
    fn a_folder_inside_gives_its_shortest_text_and_its_notices() {
        let all = texts(&["TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION", MIT, "A notice."]);
        let kinds: Vec<Kind> = preferred(&all).iter().map(|text| text.kind()).collect();
        assert_eq!(kinds, [Kind::Mit, Kind::Other]);
    }
}
