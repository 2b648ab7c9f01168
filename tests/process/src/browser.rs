//! A real browser without a screen, told what to do over the DevTools protocol.
//! Source: Chrome DevTools Protocol, domains Page, Runtime, Log, Emulation, Input.

use std::env;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

use crate::wait_for;

/// Names under which the browser is found.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const FLAGS: [&str; 8] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "about:blank",
];
/// A browser on a busy machine takes its time.
const START_MAX: Duration = Duration::from_secs(60);
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// No test looks at a page for longer.
const LIFE_SECONDS_MAX: &str = "900";

/// The size of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Points across.
    pub width: u32,
    /// Points down.
    pub height: u32,
    /// A phone: touch, two pixels to a point, the page's own viewport counts.
    pub is_phone: bool,
}

/// The browser's process. It ends when dropped, and by itself when a test is killed before it could drop anything.
struct Running(Child);

impl Running {
    fn start(profile: &Path) -> Self {
        let mut user_data = std::ffi::OsString::from("--user-data-dir=");
        user_data.push(profile);
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", LIFE_SECONDS_MAX]).arg(executable()).arg(user_data).args(FLAGS);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("timeout(1) starts the browser"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Passed on to the browser, which ends its own children; a plain kill would leave them behind.
        let script = format!("kill -TERM {}", self.0.id());
        let _ = Command::new("/bin/sh").args(["-c", &script]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

/// One page in one browser, which ends when dropped.
pub struct Browser {
    socket: WebSocket<TcpStream>,
    n_calls: u64,
    troubles: Vec<String>,
    // Dropped in this order: the browser writes into its profile until it has ended.
    _running: Running,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser with a screen.
    ///
    /// # Panics
    /// If there is none: the message says how to get one.
    #[must_use]
    pub fn open(screen: Screen) -> Self {
        let profile = TempDir::new().expect("a directory for a test");
        let mut running = Running::start(profile.path());
        let note = profile.path().join("DevToolsActivePort");
        let port: u16 = wait_for("the browser", START_MAX, || {
            let ended = running.0.try_wait().expect("the browser is our child");
            assert!(ended.is_none(), "the browser ended with {ended:?}");
            fs::read_to_string(&note).ok()?.lines().next()?.parse().ok()
        });
        let socket = attach(port);
        let mut browser =
            Self { socket, n_calls: 0, troubles: Vec::new(), _running: running, _profile: profile };
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        let density = if screen.is_phone { 2 } else { 1 };
        let Screen { width, height, is_phone } = screen;
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": density, "mobile": is_phone });
        browser.call("Emulation.setDeviceMetricsOverride", metrics);
        browser.call("Emulation.setTouchEmulationEnabled", json!({ "enabled": is_phone }));
        browser
    }

    /// Goes to a page.
    pub fn go(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
        self.wait_true("the page", "document.readyState === 'complete'");
    }

    /// The value of an expression of JavaScript.
    ///
    /// # Panics
    /// If it throws.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let arguments = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", arguments);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    ///
    /// # Panics
    /// If it takes too long.
    pub fn wait_true(&mut self, what: &str, expression: &str) {
        wait_for(what, ANSWER_MAX, || (self.evaluate(expression) == true).then_some(()));
    }

    /// Turns the wheel over a place; below zero is away from oneself, which zooms in.
    pub fn wheel(&mut self, x: f64, y: f64, pixels: f64) {
        let event = json!({ "type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": pixels });
        self.call("Input.dispatchMouseEvent", event);
    }

    /// Keeps a picture of what is on the screen.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn screenshot(&mut self, path: &Path) {
        let answer = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let text = answer["data"].as_str().expect("a picture");
        fs::create_dir_all(path.parent().expect("a folder for pictures")).expect("a folder for pictures");
        fs::write(path, STANDARD.decode(text).expect("base64")).expect("the picture can be written");
    }

    /// What the page complained about so far: exceptions, errors on the console, what could not be loaded.
    pub fn troubles(&mut self) -> Vec<String> {
        self.evaluate("1");
        std::mem::take(&mut self.troubles)
    }

    fn call(&mut self, method: &str, arguments: Value) -> Value {
        self.n_calls += 1;
        let id = self.n_calls;
        let call = json!({ "id": id, "method": method, "params": arguments });
        self.socket.send(Message::text(call.to_string())).expect("the browser listens");
        let until = Instant::now() + ANSWER_MAX;
        loop {
            assert!(Instant::now() < until, "{method} was not answered");
            let text = self.socket.read().unwrap_or_else(|error| panic!("{method}: {error}"));
            let Ok(message) = serde_json::from_str::<Value>(text.to_text().unwrap_or("")) else { continue };
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.troubles.extend(trouble(&message));
        }
    }
}

/// The trouble that an event tells of, if any.
fn trouble(event: &Value) -> Option<String> {
    let arguments = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(arguments["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled" if arguments["type"] == "error" => Some(arguments["args"].to_string()),
        "Log.entryAdded" if arguments["entry"]["level"] == "error" => Some(arguments["entry"].to_string()),
        _ => None,
    }
}

/// # Panics
/// If there is no browser on this machine.
fn executable() -> PathBuf {
    let dirs = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&dirs).flat_map(|dir| NAMES.map(|name| dir.join(name)));
    places.find(|place| place.is_file() && says_version(place)).unwrap_or_else(|| {
        panic!(
            "no chromium is installed: scripts/test installs it when it runs as root; otherwise run `sudo apt-get \
             install --no-install-recommends chromium`"
        )
    })
}

/// Whether it is a browser, and not a stub that only asks for a snap.
fn says_version(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Connects to the one page of a browser that has just started.
fn attach(port: u16) -> WebSocket<TcpStream> {
    let list = || crate::zone::request(([127, 0, 0, 1], port).into(), "GET", "/json", &[]).ok();
    let address = wait_for("the first page", START_MAX, || {
        let pages: Vec<Value> = serde_json::from_str(&list()?.1).ok()?;
        let page = pages.into_iter().find(|page| page["type"] == "page")?;
        page["webSocketDebuggerUrl"].as_str().map(str::to_owned)
    });
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the browser listens");
    stream.set_read_timeout(Some(ANSWER_MAX)).expect("a socket takes a time-out");
    tungstenite::client(address, stream).expect("the browser speaks WebSocket").0
}
