//! What the build takes out of the dashboard's module after it was linked.

use std::collections::{BTreeMap, BTreeSet};

const CUSTOM: u8 = 0;
const IMPORTS: u8 = 2;
/// Digits of the hash at the end of an import's name.
const HASH: usize = 16;

/// A number in LEB128, and how many bytes it takes.
fn number(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

fn write_number(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What a section is, and what is in it.
type Section<'a> = (u8, &'a [u8]);

/// The beginning of a module, and its sections. None for what is no module.
fn sections(module: &[u8]) -> Option<(&[u8], Vec<Section<'_>>)> {
    let (magic, mut rest) = module.split_at_checked(8)?;
    let mut sections = Vec::new();
    while let [id, after @ ..] = rest {
        let (length, width) = number(after)?;
        sections.push((*id, after.get(width..width + length)?));
        rest = &after[width + length..];
    }
    Some((magic, sections))
}

fn write_section(out: &mut Vec<u8>, id: u8, content: &[u8]) {
    out.push(id);
    write_number(out, content.len());
    out.extend_from_slice(content);
}

/// A module without its custom sections `name` and `producers`. None for what is no module.
pub fn without_names(module: &[u8]) -> Option<Vec<u8>> {
    let (magic, sections) = sections(module)?;
    let mut kept = magic.to_vec();
    for (id, content) in sections {
        let named = |name: &[u8]| {
            id == CUSTOM
                && number(content)
                    .is_some_and(|(length, width)| content.get(width..width + length) == Some(name))
        };
        if !named(b"name") && !named(b"producers") {
            write_section(&mut kept, id, content);
        }
    }
    Some(kept)
}

/// A module and its script, in which the imports that wasm-bindgen made have short names. A name that is not in the imports
/// exactly once stays. None for what is no module.
pub fn with_short_imports(module: &[u8], script: &str) -> Option<(Vec<u8>, String)> {
    let (magic, sections) = sections(module)?;
    let mut short = BTreeMap::new();
    let mut out = magic.to_vec();
    for (id, content) in sections {
        if id != IMPORTS {
            write_section(&mut out, id, content);
            continue;
        }
        let mut imports = content.to_vec();
        for name in imported(script) {
            let to = format!("_{:x}", short.len());
            let (long, new) = (field(name), field(&to));
            let mut found = imports.windows(long.len()).enumerate().filter(|(_, at)| *at == long);
            let (Some((at, _)), None) = (found.next(), found.next()) else { continue };
            imports.splice(at..at + long.len(), new);
            short.insert(name, to);
        }
        write_section(&mut out, id, &imports);
    }
    let renamed = words(script).map(|word| short.get(word).map_or(word, String::as_str));
    Some((out, renamed.collect()))
}

/// A name as it stands in a module.
fn field(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_number(&mut bytes, name.len());
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

/// The names of imports in a script: `__wbg_`, what it is, and a hash.
fn imported(script: &str) -> BTreeSet<&str> {
    let is_hash = |text: &str| text.len() == HASH && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_import = |word: &&str| {
        word.starts_with("__wbg_") && word.rsplit('_').next().is_some_and(is_hash) && word.len() > HASH
    };
    words(script).filter(is_import).collect()
}

/// Identifiers, and what is between them.
fn words(script: &str) -> impl Iterator<Item = &str> {
    let in_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$');
    let mut rest = script;
    std::iter::from_fn(move || {
        let first = in_word(rest.chars().next()?);
        let end = rest.find(|letter| in_word(letter) != first).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn names_are_taken_out_of_a_module_and_nothing_else() {
        let section = |id: u8, name: &str, content: &[u8]| {
            let mut section = vec![id, (1 + name.len() + content.len()) as u8, name.len() as u8];
            section.extend_from_slice(name.as_bytes());
            section.extend_from_slice(content);
            section
        };
        let magic = MAGIC.to_vec();
        let (code, custom) = (section(10, "name", &[1, 2]), section(0, "target_features", &[3]));
        let parts = [&magic, &code, &section(0, "name", &[4; 9]), &custom, &section(0, "producers", &[5])];
        let module: Vec<u8> = parts.into_iter().flatten().copied().collect();
        let expected: Vec<u8> = [magic, code, custom].into_iter().flatten().collect();
        assert_eq!(without_names(&module), Some(expected.clone()));
        assert_eq!(without_names(&expected), Some(expected));
        assert_eq!(without_names(&module[..module.len() - 1]), None);
        assert_eq!(without_names(b"GIF"), None);
    }

    #[test]
    fn imports_get_short_names_in_the_module_and_in_its_script() {
        let module = |names: [&str; 3]| {
            let mut imports = vec![3];
            for name in names {
                imports.extend([field("./page.js"), field(name), vec![0, 7]].concat());
            }
            // Long enough that its length takes two bytes before, and one afterwards.
            let mut module = MAGIC.to_vec();
            write_section(&mut module, IMPORTS, &imports);
            write_section(&mut module, 10, b"__wbg_log_0123456789abcdef stays here");
            module
        };
        let (log, now) = ("__wbg_log_0123456789abcdef", "__wbg_now_fedcba9876543210");
        let other = "__wbindgen_throw";
        let script = format!(
            "const i = {{ {log}: () => x.{log}y, {now}: 1, {other}: 2 }}; // __wbg_gone_0000000000000000"
        );
        let (short, text) = with_short_imports(&module([log, now, other]), &script).expect("it is a module");
        assert_eq!(short, module(["_0", "_1", other]));
        let expected =
            format!("const i = {{ _0: () => x.{log}y, _1: 1, {other}: 2 }}; // __wbg_gone_0000000000000000");
        assert_eq!(text, expected);
        assert_eq!(with_short_imports(&short, &text), Some((short, text)));
        assert_eq!(with_short_imports(b"GIF", ""), None);
    }
}
