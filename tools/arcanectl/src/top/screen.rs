//! The terminal: taken when it is opened, given back however this ends.

use super::draw::{Line, Size};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::time::Duration;

/// How long a wait for a key takes.
pub(super) const KEY_WAIT: Duration = Duration::from_millis(100);
/// As terminals count it: in tenths of a second.
const KEY_WAIT_TENTHS: u8 = (KEY_WAIT.as_millis() / 100) as u8;
/// What Ctrl-C sends when it is no signal.
const CTRL_C: u8 = 3;

/// Another screen, no cursor, no line wrap; and back. Source: ECMA-48; xterm's control sequences.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const CLEAR_LINE_END: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// How large the terminal is, if there is one.
pub(super) fn size() -> Option<Size> {
    let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0)?;
    Some(Size { columns: usize::from(size.ws_col), rows: usize::from(size.ws_row) })
}

/// Whether colours are wanted. Source: https://no-color.org.
pub(super) fn may_paint() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A terminal that is ours.
pub(super) struct Screen {
    /// How its keys were before; nothing if they come from somewhere else.
    before: Option<Termios>,
    is_painted: bool,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub(super) fn open() -> io::Result<Self> {
        let before = tcgetattr(io::stdin()).ok();
        let screen = Self { before, is_painted: may_paint() };
        if let Some(before) = &screen.before {
            let mut keys = before.clone();
            // Keys come one by one and are not shown; Ctrl-C is one of them, so that nothing is left half drawn.
            keys.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
            keys.special_codes[SpecialCodeIndex::VMIN] = 0;
            keys.special_codes[SpecialCodeIndex::VTIME] = KEY_WAIT_TENTHS;
            tcsetattr(io::stdin(), OptionalActions::Flush, &keys)?;
        }
        write_all(ENTER)?;
        Ok(screen)
    }

    /// Draws a frame over the last one, without a moment in which nothing is there.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn show(&mut self, lines: &[Line]) -> io::Result<()> {
        let mut text = String::from(HOME);
        for (at, line) in lines.iter().enumerate() {
            text += if at > 0 { "\r\n" } else { "" };
            text += &line.text(self.is_painted);
            text += CLEAR_LINE_END;
        }
        text += CLEAR_BELOW;
        write_all(&text)
    }

    /// Waits a little for a key; whether it asks for the end.
    ///
    /// # Errors
    /// When the keyboard is gone.
    pub(super) fn wants_to_quit(&mut self) -> io::Result<bool> {
        if self.before.is_none() {
            std::thread::sleep(KEY_WAIT);
            return Ok(false);
        }
        let mut keys = [0; 16];
        match io::stdin().lock().read(&mut keys) {
            Ok(n) => Ok(keys[..n].iter().any(|key| matches!(*key, b'q' | b'Q' | CTRL_C))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // If these fail there is no terminal any more.
        let _ = write_all(LEAVE);
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}

fn write_all(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
