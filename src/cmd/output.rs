//! Results on stdout.
//!
//! Owns the one place where text leaves for a terminal: there nothing is left in it that a terminal would obey, whatever
//! it came from. What goes to stderr has its place in `progress`.

use std::io::{self, IsTerminal as _, Write};

use crate::cli::Format;
use crate::visible::{visible_json, visible_lines};

/// Prints text for people.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    print_own(&visible_lines(text, false))
}

/// Prints a result in this format.
pub(super) fn print_as(format: Format, text: &str) -> anyhow::Result<()> {
    match format {
        Format::Table => print(text),
        Format::Json => print_own(&visible_json(text)),
    }
}

/// Prints text of which every character is ours; a reader that has gone away is no error.
pub(super) fn print_own(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Stdout for tables of other programs, which get every character as it is; a terminal does not.
pub(super) fn stdout() -> Box<dyn Write + Send> {
    let out = io::stdout();
    if out.is_terminal() {
        Box::new(Shown {
            out,
            line: Vec::new(),
        })
    } else {
        Box::new(out)
    }
}

/// Passes whole lines on, made visible.
struct Shown<W: Write> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Write for Shown<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(line);
            if line.ends_with(b"\n") {
                let text = visible_lines(&String::from_utf8_lossy(&self.line), false);
                self.out.write_all(text.as_bytes())?;
                self.line.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Drop for Shown<W> {
    fn drop(&mut self) {
        // A terminal that has gone away needs no last line.
        let _ = self.write(b"\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_nothing_to_obey() {
        let mut seen = Vec::new();
        let line = Vec::new();
        let mut shown = Shown {
            out: &mut seen,
            line,
        };
        for part in ["a,\u{1b}]0", ";x\u{7}\n", "\u{202e}b\n"] {
            let bytes = part.as_bytes();
            let (first, last) = bytes.split_at(bytes.len() / 2);
            shown.write_all(first).unwrap();
            shown.write_all(last).unwrap();
        }
        assert!(shown.line.is_empty());
        std::mem::forget(shown);
        let text = String::from_utf8(seen).unwrap();
        assert_eq!(text, "a,\\u{1b}]0;x\\u{7}\n\\u{202e}b\n");
    }
}
