//! The page as a browser loads it: `web/index.html` with its styles, its icon and its module, each under a name that has a hash of
//! what is in it. Styles whose links follow each other are one file.
//!
//! The page is marked up for trunk (`<link data-trunk rel=… href=…>`), so that those who have trunk can build it too.

use anyhow::{Context, Result, bail};

use crate::stamp;

/// Marks a link that is replaced.
const MARK: &str = "<link data-trunk ";

/// What wasm-bindgen made of the program, ready for the browser.
pub struct Module {
    pub name: String,
    /// The script between page and module.
    pub script: String,
    pub wasm: Vec<u8>,
}

/// A file of the page, by its name.
pub type File = (String, Vec<u8>);

/// The files of the page, `index.html` the last of them. `read` gives what a link names, relative to the page.
pub fn lay_out(index: &str, module: &Module, read: impl Fn(&str) -> Result<Vec<u8>>) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut page = String::with_capacity(index.len());
    let mut styles = Vec::new();
    for line in index.lines() {
        let link = line.trim().strip_prefix(MARK);
        let kind = link.and_then(|link| attribute(link, "rel"));
        let content = |link: &str| {
            let from = attribute(link, "href").with_context(|| format!("no href in {line}"))?;
            anyhow::Ok((from.to_owned(), read(from)?))
        };
        if let (Some(link), Some("css")) = (link, kind) {
            styles.extend(content(link)?.1);
            continue;
        }
        if !styles.is_empty() {
            let name = format!("style-{}.css", stamp::of_parts(&[&styles]));
            page.push_str(&format!("<link rel=\"stylesheet\" href=\"/{name}\">\n"));
            files.push((name, std::mem::take(&mut styles)));
        }
        let Some(link) = link else {
            page.push_str(line);
            page.push('\n');
            continue;
        };
        let said = match kind {
            Some("icon") => {
                let (from, content) = content(link)?;
                let name = named(&from, &content).with_context(|| format!("no name in {line}"))?;
                let said = format!("<link rel=\"icon\" href=\"/{name}\">\n");
                files.push((name, content));
                said
            }
            Some("rust") => {
                let hash = stamp::of_parts(&[module.script.as_bytes(), &module.wasm]);
                let (script, wasm) =
                    (format!("{}-{hash}.js", module.name), format!("{}-{hash}_bg.wasm", module.name));
                let said = start(&script, &wasm);
                files.push((script, module.script.clone().into_bytes()));
                files.push((wasm, module.wasm.clone()));
                said
            }
            _ => bail!("this link of the page is not understood: {line}"),
        };
        page.push_str(&said);
    }
    if !styles.is_empty() {
        bail!("the page ends with the link of a style");
    }
    if !files.iter().any(|(name, _)| name.ends_with(".wasm")) {
        bail!("the page names no module");
    }
    files.push(("index.html".to_owned(), page.into_bytes()));
    Ok(files)
}

/// Loads script and module side by side, and starts.
fn start(script: &str, wasm: &str) -> String {
    format!(
        "<link rel=\"modulepreload\" href=\"/{script}\" crossorigin=\"anonymous\">\n\
         <link rel=\"preload\" href=\"/{wasm}\" crossorigin=\"anonymous\" as=\"fetch\" type=\"application/wasm\">\n\
         <script type=\"module\">\n\
         import init from '/{script}';\n\
         await init({{ module_or_path: '/{wasm}' }});\n\
         </script>\n"
    )
}

/// `icon.svg` with this content: `icon-0123456789abcdef.svg`.
fn named(path: &str, content: &[u8]) -> Option<String> {
    let (stem, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(format!("{stem}-{}.{extension}", stamp::of_parts(&[content])))
}

fn attribute<'a>(link: &'a str, name: &str) -> Option<&'a str> {
    let (before, rest) = link.split_once(&format!("{name}=\""))?;
    let whole = before.is_empty() || before.ends_with(' ');
    rest.split('"').next().filter(|_| whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "<head>\n<title>Orrery</title>\n<link data-trunk rel=\"icon\" href=\"icon.svg\">\n  \
                         <link data-trunk rel=\"css\" href=\"style/tokens.css\">\n\
                         <link data-trunk rel=\"css\" href=\"src/panel/log/style.css\">\n\
                         <link data-trunk rel=\"rust\" data-bin=\"orrery-web\">\n</head>\n";

    fn module(wasm: &[u8]) -> Module {
        Module { name: "orrery-web".into(), script: "export default 1".into(), wasm: wasm.to_vec() }
    }

    fn names(files: &[File]) -> Vec<&str> {
        files.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_page_names_files_by_what_is_in_them() {
        let read = |path: &str| Ok(path.as_bytes().to_vec());
        let files = lay_out(INDEX, &module(b"one"), read).expect("a page");
        let [icon, style, script, wasm, page] = &names(&files)[..] else { panic!("{:?}", names(&files)) };
        let text = String::from_utf8(files[4].1.clone()).expect("text");
        assert_eq!(*page, "index.html");
        assert!(
            icon.starts_with("icon-") && icon.ends_with(".svg") && style.starts_with("style-"),
            "{icon} {style}"
        );
        assert!(text.contains(&format!("<link rel=\"stylesheet\" href=\"/{style}\">")), "{text}");
        assert_eq!(files[1].1, b"style/tokens.csssrc/panel/log/style.css", "in the order of their links");
        assert!(text.contains(&format!("import init from '/{script}';")), "{text}");
        assert!(text.contains(&format!("module_or_path: '/{wasm}'")), "{text}");
        assert!(text.contains("<title>Orrery</title>") && !text.contains("trunk"), "{text}");
        assert_eq!(script.strip_suffix(".js"), wasm.strip_suffix("_bg.wasm"));
        let other = lay_out(INDEX, &module(b"two"), read).expect("a page");
        assert_eq!(names(&other)[..2], names(&files)[..2]);
        assert_ne!(names(&other)[2..4], names(&files)[2..4]);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let read = |_: &str| Ok(b"x".to_vec());
        for (index, why) in [
            ("<link data-trunk rel=\"sass\" href=\"a.scss\">", "a.scss"),
            ("<link data-trunk rel=\"css\">", "no href"),
            ("<link data-trunk rel=\"css\" data-href=\"x.css\">", "no href"),
            ("<link data-trunk rel=\"css\" href=\"a.css\">", "ends with"),
            ("<head></head>", "no module"),
        ] {
            let error = lay_out(index, &module(b"one"), read).expect_err(index);
            assert!(error.to_string().contains(why), "{index}: {error}");
        }
        let absent = |path: &str| bail!("cannot read {path}");
        assert!(lay_out(INDEX, &module(b"one"), absent).is_err());
    }
}
