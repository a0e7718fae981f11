//! The checks that the other tests rely on do find what they are for.

use anyhow::{Context, Result, ensure};
use orrery_browser::{Allowed, Failure, Page, VIEWPORTS, layout, names, screenshots};
use orrery_harness::process::Folder;
use serde_json::{Value, json};

const CLEAN: &str = r#"<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>a clean page</title>
<style>body{margin:0;font:16px/1.4 sans-serif;background:#fff;color:#111}
#list{height:60px;overflow:auto}.short{width:80px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis}
.quiet{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}button{height:32px}label{display:inline-block;padding:4px 0}</style></head><body>
<h1>Clean</h1><p>A text with <b>bold</b> and <a href="/a">a link</a> in it, long enough to need more than a single line on
the screen of a telephone, which is narrow.</p><button data-testid="go">Go</button> <label><input type="checkbox"> yes</label>
<div class="short" title="a name that is too long">a name that is too long</div><span class="quiet">for readers</span>
<div id="list"><p>one</p><p>two</p><p>three</p><p>four</p></div><div data-testid="box" style="position:relative"></div>
</body></html>"#;

/// What is put into the clean page, and the kind of finding that it must cause.
const BROKEN: [(&str, &str); 10] = [
    (
        "overlap",
        r#"<div style="position:absolute;left:20px;top:300px">one text</div>
                   <div style="position:absolute;left:40px;top:304px">another text</div>"#,
    ),
    (
        "overlap",
        r#"<button style="position:absolute;left:20px;top:300px;width:90px;height:40px">A</button>
                   <button style="position:absolute;left:60px;top:320px;width:90px;height:40px">B</button>"#,
    ),
    ("cut", r#"<div style="width:60px;overflow:hidden;white-space:nowrap">cut without a sign</div>"#),
    ("cut", r#"<div style="height:14px;overflow:hidden">one line<br>and a second one</div>"#),
    ("spills", r#"<div style="width:60px;white-space:nowrap">longer than its box</div>"#),
    (
        "overlap",
        r#"<svg class="standing" style="position:absolute;left:0;top:300px" width="200" height="80"><text x="20" y="40">a request</text>
                   <g class="node"><circle class="disc" cx="60" cy="40" r="33" /></g></svg>"#,
    ),
    ("cut", r#"<input style="width:60px" placeholder="more than there is room for">"#),
    ("outside", r#"<div style="position:fixed;left:-30px;top:40px">to the left</div>"#),
    ("wide", r#"<div style="width:3000px;height:4px"></div>"#),
    ("contrast", r#"<p style="color:#999">hardly to be read</p>"#),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_layout_check_finds_what_is_broken_and_nothing_else() -> Result<(), Failure> {
    Ok(check_the_layout_check().await?)
}

async fn check_the_layout_check() -> Result<()> {
    let folder = Folder::new("checker")?;
    let file = folder.path().join("clean.html");
    std::fs::write(&file, CLEAN)?;
    let url = format!("file://{}", file.display());
    let page = Page::start("checker", &screenshots()?.join("checker")).await?;
    for viewport in VIEWPORTS {
        page.resize(viewport).await?;
        page.open(&url).await?;
        layout::must_be_clean(&page, viewport, "a clean page").await?;
    }
    for (kind, broken) in BROKEN {
        page.resize(VIEWPORTS[0]).await?;
        page.open(&url).await?;
        let inject = "document.body.insertAdjacentHTML('beforeend', arguments[0]);";
        page.js::<Value>(inject, vec![json!(broken)]).await?;
        let found = layout::findings(&page, VIEWPORTS[0]).await?;
        ensure!(found.iter().any(|finding| finding.kind == kind), "no `{kind}` in {found:?} for {broken}");
    }
    // too small for a finger only on a phone
    let small =
        "document.querySelector('button').style.cssText = 'width:18px;height:18px;padding:0;font-size:8px';";
    for (viewport, expected) in [(VIEWPORTS[0], false), (VIEWPORTS[2], true)] {
        page.resize(viewport).await?;
        page.open(&url).await?;
        page.js::<Value>(small, Vec::new()).await?;
        let found = layout::findings(&page, viewport).await?;
        ensure!(found.iter().any(|finding| finding.kind == "target") == expected, "{found:?}");
    }
    page.quit().await
}

/// What is put into the clean page, and the kinds of findings that it must cause.
const UNNAMED: [(&[&str], &str); 16] = [
    (&["nameless"], r#"<select><option>one</option></select>"#),
    (&["nameless"], r#"<input placeholder="a hint is no name">"#),
    (&["nameless"], r#"<button><svg width="9" height="9"></svg></button>"#),
    (&["nameless"], r#"<button>×</button>"#),
    (&["nameless"], r#"<svg role="img" width="9" height="9"></svg>"#),
    (&["nameless"], r#"<div role="radiogroup"><button role="radio">one</button></div>"#),
    (&["nameless"], r#"<div role="slider" tabindex="0" aria-labelledby="nobody">5</div><i id="nobody"></i>"#),
    (&["mismatch"], r#"<button aria-label="send it away">Publish</button>"#),
    (&["mismatch"], r#"<label>Rate <select aria-label="speed"><option>1</option></select></label>"#),
    (&["mismatch"], r#"<div role="button" tabindex="0" aria-label="the first node">node1</div>"#),
    (&["empty"], "<h2> </h2>"),
    (&["empty"], "<table><tr><th></th><td>1</td></tr></table>"),
    (&["empty", "nameless"], r#"<label><input type="checkbox"></label>"#),
    (&["twice"], r#"<p id="same">one</p><p id="same">two</p>"#),
    (&["nested"], r#"<div role="button" tabindex="0">all of it <button>a part</button></div>"#),
    (
        &[],
        r#"<button aria-label="Publish it">Publish</button> <button aria-label="close">×</button>
             <button title="kill">K</button> <label>Rate <input></label> <button hidden></button>
             <h2 id="head">Head</h2><div role="group" aria-labelledby="head"><button><b aria-hidden="true">⚡</b>cut</button></div>"#,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_check_of_names_finds_what_has_none_and_nothing_else() -> Result<(), Failure> {
    Ok(check_the_check_of_names().await?)
}

async fn check_the_check_of_names() -> Result<()> {
    let folder = Folder::new("names-checker")?;
    let file = folder.path().join("clean.html");
    std::fs::write(&file, CLEAN)?;
    let page = Page::start("names-checker", &screenshots()?.join("names-checker")).await?;
    for (kinds, broken) in UNNAMED {
        page.open(&format!("file://{}", file.display())).await?;
        let inject = "document.body.insertAdjacentHTML('beforeend', arguments[0]);";
        page.js::<Value>(inject, vec![json!(broken)]).await?;
        let found = names::findings(&page).await?;
        for kind in kinds {
            ensure!(
                found.iter().any(|finding| finding.kind == *kind),
                "no `{kind}` in {found:?} for {broken}"
            );
        }
        ensure!(found.iter().all(|finding| kinds.contains(&finding.kind.as_str())), "{found:?} for {broken}");
    }
    page.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_complains_about_is_seen() -> Result<(), Failure> {
    Ok(check_the_console_check().await?)
}

async fn check_the_console_check() -> Result<()> {
    let folder = Folder::new("complaints")?;
    let file = folder.path().join("broken.html");
    std::fs::write(
        &file,
        "<script>console.error('panicked at somewhere'); setTimeout(() => { throw new Error('late') });</script>",
    )?;
    let page = Page::start("complaints", &screenshots()?.join("complaints")).await?;
    page.open(&format!("file://{}", file.display())).await?;
    page.settle().await?;
    let console = page.console().await?;
    let seen = Allowed::default().violations(&console);
    page.quit().await?;
    for expected in ["panicked at somewhere", "late"] {
        seen.iter()
            .find(|line| line.contains(expected))
            .with_context(|| format!("`{expected}` is not in {seen:?}"))?;
    }
    Ok(())
}
