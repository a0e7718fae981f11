//! One browser with one page, as a person has it: an empty profile, a window of a given size, mouse and keys.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::prelude::*;
use thirtyfour::{
    BrowserLogEntry, ChromeCapabilities, ChromiumLikeCapabilities, LoggingPrefsLogLevel, WebElement,
};

use super::find::program;
use super::viewport::{VIEWPORTS, Viewport};
use orrery_harness::process::{Folder, Running, until};

/// How long a state on the page may take: an election in the director's slow motion included.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How long the driver may take to listen.
const DRIVER_START: Duration = Duration::from_secs(20);
/// Longest answer of the driver.
const DRIVER_ANSWER: Duration = Duration::from_secs(40);

/// Before every script: `$` finds one element by its `data-testid`, `all` everything that a CSS selector names.
const PRELUDE: &str = "const $ = (id) => document.querySelector(`[data-testid=\"${id}\"]`); \
                       const all = (css) => [...document.querySelectorAll(css)];\n";

const FLAGS: [&str; 18] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-renderer-backgrounding",
    "--disable-search-engine-choice-screen",
    "--disable-sync",
    "--force-device-scale-factor=1",
    "--lang=en-US",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
];

/// A browser with one page.
#[derive(Debug)]
pub struct Page {
    // in the order in which they are dropped: the profile's folder last
    driver: WebDriver,
    process: Running,
    _profile: Folder,
    shots: PathBuf,
    console: Mutex<Vec<BrowserLogEntry>>,
}

impl Page {
    /// Starts a browser with an empty profile. Screenshots go into `shots`.
    pub async fn start(name: &str, shots: &Path) -> Result<Page> {
        let chromium = program(&["chromium", "chromium-browser", "google-chrome"], "chromium")?;
        let chromedriver = program(&["chromedriver"], "chromium-driver")?;
        std::fs::create_dir_all(shots).with_context(|| format!("make {}", shots.display()))?;
        let profile = Folder::new(&format!("browser-{name}"))?;
        let process = Running::start("chromedriver", &chromedriver, ["--port=0"], &[], profile.path())?;
        let port = until("chromedriver to listen", DRIVER_START, async || listening(&process))
            .await
            .map_err(|reason| reason.context(process.log_tail()))?;

        let mut wanted = ChromeCapabilities::new();
        wanted.set_binary(&chromium.display().to_string())?;
        for flag in FLAGS {
            wanted.add_arg(flag)?;
        }
        wanted.add_arg(&format!("--user-data-dir={}", profile.path().join("profile").display()))?;
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All)?;
        let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), wanted)
            .request_timeout(DRIVER_ANSWER)
            .connect()
            .await
            .map_err(|reason| anyhow!(reason).context(process.log_tail()))?;
        let page =
            Page { driver, process, _profile: profile, shots: shots.to_owned(), console: Mutex::default() };
        page.resize(VIEWPORTS[0]).await?;
        Ok(page)
    }

    /// Goes to a page and waits until it is loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.driver.goto(url).await.with_context(|| format!("open {url}"))
    }

    /// Puts a value into the browser's memory of every page that is opened from now on.
    pub async fn remember(&self, key: &str, value: &str) -> Result<()> {
        // pages of files have no memory in some settings: that must not stop their scripts
        let source = format!("try {{ localStorage.setItem({}, {}) }} catch {{}}", json!(key), json!(value));
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await.map(drop)
    }

    /// Makes the window that large.
    pub async fn resize(&self, viewport: Viewport) -> Result<()> {
        let metrics = json!({
            "width": viewport.width, "height": viewport.height, "deviceScaleFactor": 1, "mobile": viewport.phone,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
        self.devtools("Emulation.setTouchEmulationEnabled", json!({ "enabled": viewport.phone })).await?;
        self.settle().await
    }

    /// A command of the DevTools protocol, for what WebDriver cannot say.
    pub async fn devtools(&self, method: &str, parameters: Value) -> Result<Value> {
        self.driver.cdp().send_raw(method, parameters).await.with_context(|| method.to_owned())
    }

    /// Waits until what was changed has been laid out and drawn.
    pub async fn settle(&self) -> Result<()> {
        let script = "const done = arguments[0]; \
                      requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(true))));";
        self.driver.execute_async(script, Vec::new()).await.context("wait for two frames").map(drop)
    }

    /// Runs the body of a function in the page and returns its value.
    pub async fn js<T: DeserializeOwned>(&self, body: &str, arguments: Vec<Value>) -> Result<T> {
        let answer = self
            .driver
            .execute(format!("{PRELUDE}{body}"), arguments)
            .await
            .with_context(|| abridged(body))?;
        answer.convert().with_context(|| format!("{} gave {}", abridged(body), answer.json()))
    }

    /// The same for a function that calls its last argument with its value later.
    pub async fn js_later<T: DeserializeOwned>(&self, body: &str, arguments: Vec<Value>) -> Result<T> {
        let answer = self
            .driver
            .execute_async(format!("{PRELUDE}{body}"), arguments)
            .await
            .with_context(|| abridged(body))?;
        answer.convert().with_context(|| format!("{} gave {}", abridged(body), answer.json()))
    }

    /// Waits until an expression is true in the page.
    pub async fn until(&self, what: &str, expression: &str) -> Result<()> {
        self.until_within(what, expression, PATIENCE).await
    }

    /// The same with a limit of its own.
    pub async fn until_within(&self, what: &str, expression: &str, limit: Duration) -> Result<()> {
        let body = format!("return Boolean({expression});");
        until(what, limit, async || {
            if self.js::<bool>(&body, Vec::new()).await? { Ok(()) } else { bail!("{expression} is not true") }
        })
        .await
    }

    /// Waits for the element that carries this `data-testid`; the selector of the first of several.
    pub async fn find(&self, testid: &str) -> Result<WebElement> {
        self.select(&format!("[data-testid=\"{testid}\"]")).await
    }

    /// Waits for the first element that a CSS selector names.
    pub async fn select(&self, selector: &str) -> Result<WebElement> {
        until(&format!("an element {selector}"), PATIENCE, async || {
            Ok(self.driver.find(By::Css(selector)).await?)
        })
        .await
    }

    /// A real click on the element with this `data-testid`: it must be there, in view, and not covered.
    pub async fn click(&self, testid: &str) -> Result<()> {
        self.click_on(&format!("[data-testid=\"{testid}\"]")).await
    }

    /// The same for a CSS selector.
    pub async fn click_on(&self, selector: &str) -> Result<()> {
        // the page draws itself anew all the time: an element that was found may be replaced before it is clicked
        until(&format!("{selector} to be clicked"), PATIENCE, async || {
            Ok(self.driver.find(By::Css(selector)).await?.click().await?)
        })
        .await
    }

    /// Replaces what stands in a field, by keys as a person would.
    pub async fn fill(&self, testid: &str, text: &str) -> Result<()> {
        let field = self.find(testid).await?;
        field.click().await?;
        field.send_keys(Key::Control + "a").await?;
        field.send_keys(text).await?;
        Ok(())
    }

    /// Presses keys wherever the focus is.
    pub async fn keys(&self, keys: impl Into<String>) -> Result<()> {
        let keys: String = keys.into();
        self.driver.action_chain().send_keys(keys).perform().await.context("press keys")
    }

    /// The text of an element, as it is shown.
    pub async fn text(&self, testid: &str) -> Result<String> {
        let selector = format!("[data-testid=\"{testid}\"]");
        let body = "const e = document.querySelector(arguments[0]); return e && (e.innerText ?? e.textContent).trim();";
        let found: Option<String> = self.js(body, vec![json!(selector)]).await?;
        found.with_context(|| format!("there is no element {selector}"))
    }

    /// An attribute of an element.
    pub async fn attribute(&self, testid: &str, attribute: &str) -> Result<Option<String>> {
        let selector = format!("[data-testid=\"{testid}\"]");
        let body = "return document.querySelector(arguments[0])?.getAttribute(arguments[1]) ?? null;";
        self.js(body, vec![json!(selector), json!(attribute)]).await
    }

    /// Writes `<name>.png` and returns where it is.
    pub async fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let file = self.shots.join(format!("{name}.png"));
        self.driver.screenshot(&file).await.with_context(|| format!("write {}", file.display()))?;
        Ok(file)
    }

    /// Everything that the page wrote to its console so far.
    pub async fn console(&self) -> Result<Vec<BrowserLogEntry>> {
        // reading the driver's list empties it
        let news = self.driver.browser_log().await.context("read the console")?;
        let mut all =
            self.console.lock().map_err(|_| anyhow!("the list of the console's lines is poisoned"))?;
        all.extend(news);
        Ok(all.clone())
    }

    pub async fn quit(self) -> Result<()> {
        let Page { driver, process, .. } = self;
        let ended = driver.quit().await.context("end the browser");
        drop(process);
        ended
    }
}

fn listening(process: &Running) -> Result<u16> {
    let log = process.log();
    let (_, rest) = log.split_once("started successfully on port ").context("it has not said its port")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().context("its port")
}

fn abridged(script: &str) -> String {
    let line = script.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(160).collect()
}
