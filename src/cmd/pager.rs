//! The pager: long text that a person reads goes through `$PAGER`, or `less -FRX`, where stdout is a terminal.
//!
//! Owns when that is done. A pager that cannot be started is no error: the text is printed then.

use std::io::{IsTerminal as _, Write as _};
use std::process::{Child, Command, Stdio};

use super::output::print_own;
use crate::visible::visible_lines;

/// Exit codes with which a shell says that there is no such program, or that it is none.
const NOT_STARTED: [i32; 2] = [126, 127];

/// True if text for people may have colours: on a terminal, unless `NO_COLOR` or `CLICOLOR` forbid it.
pub(super) fn is_coloured() -> bool {
    console::colors_enabled()
}

/// Shows a text, page by page on a terminal.
pub(super) fn show(text: &str) -> anyhow::Result<()> {
    let text = &*visible_lines(text, is_coloured());
    if !std::io::stdout().is_terminal() {
        return print_own(text);
    }
    let pager = std::env::var("PAGER").ok();
    let Some(mut child) = start(pager.as_deref()) else {
        return print_own(text);
    };
    if let Some(mut stdin) = child.stdin.take() {
        // A person who quits before the end closes the pipe.
        let _ = stdin.write_all(text.as_bytes());
    }
    let status = child.wait()?;
    let is_started = status
        .code()
        .is_none_or(|code| !NOT_STARTED.contains(&code));
    if is_started { Ok(()) } else { print_own(text) }
}

/// Starts a pager; None where there is none, or none is wanted: `PAGER` is empty or `cat`.
fn start(pager: Option<&str>) -> Option<Child> {
    let mut command = match pager.map(str::trim) {
        Some("" | "cat") => return None,
        Some(pager) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", pager]);
            shell
        }
        None => {
            let mut less = Command::new("less");
            less.arg("-FRX");
            less
        }
    };
    if std::env::var_os("LESS").is_none() {
        command.env("LESS", "FRX");
    }
    command.stdin(Stdio::piped()).spawn().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pager_is_started_where_none_is_wanted() {
        for pager in ["", " ", "cat", " cat "] {
            assert!(start(Some(pager)).is_none(), "{pager:?}");
        }
        let mut child = start(Some("exit 127")).unwrap();
        let code = child.wait().unwrap().code().unwrap();
        assert!(NOT_STARTED.contains(&code), "{code}");
    }
}
