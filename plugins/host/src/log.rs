//! The lines that a guest logs in a run, within a budget.

use std::mem;

use crate::text::tidy;

/// Bytes of the last line that are kept when the budget is used up.
const LAST: usize = 1_024;
/// Bytes of a line after which it is cut.
const LINE: usize = 1_024;
/// Streams that a guest may write to: standard output and standard error.
const STREAMS: u32 = 2;

/// The log of a run.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Vec<String>,
    lines_left: usize,
    bytes_left: usize,
    dropped: u64,
    /// The last line, where it was dropped.
    last: Option<String>,
}

/// What was logged.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) lines: Vec<String>,
    pub(crate) dropped: u64,
    pub(crate) last: Option<String>,
}

impl Log {
    /// A log with room for so much.
    pub(crate) const fn new(lines_left: usize, bytes_left: usize) -> Self {
        Self {
            lines: Vec::new(),
            lines_left,
            bytes_left,
            dropped: 0,
            last: None,
        }
    }

    /// Keeps a line if it fits; one that does not ends the log, so that what is kept has no gaps.
    pub(crate) fn write(&mut self, line: &str) {
        if self.lines_left == 0 || line.len() > self.bytes_left {
            self.lines_left = 0;
            self.dropped = self.dropped.saturating_add(1);
            self.last = Some(tidy(line, LAST));
            return;
        }
        self.lines_left -= 1;
        self.bytes_left -= line.len();
        self.lines.push(tidy(line, line.len()));
    }

    /// Takes out what was logged.
    pub(crate) fn take(&mut self) -> Logged {
        let lines = std::mem::take(&mut self.lines);
        let last = self
            .last
            .take()
            .or_else(|| lines.last().map(|line| tidy(line, LAST)));
        Logged {
            lines,
            dropped: self.dropped,
            last,
        }
    }
}

/// What a guest wrote and did not end yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    open: [Vec<u8>; STREAMS as usize],
}

impl Lines {
    /// Takes in what was written to a stream and gives back the lines that ended.
    pub(crate) fn write(&mut self, stream: u32, bytes: &[u8]) -> Vec<String> {
        let index = usize::try_from(stream).unwrap_or(usize::MAX);
        let Some(open) = self.open.get_mut(index) else {
            return Vec::new();
        };
        let mut ended = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                open.push(byte);
            }
            if byte == b'\n' || open.len() >= LINE {
                ended.push(text(mem::take(open)));
            }
        }
        ended
    }

    /// The lines that never ended.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = String> {
        self.open
            .iter_mut()
            .map(mem::take)
            .filter(|line| !line.is_empty())
            .map(text)
    }
}

fn text(line: Vec<u8>) -> String {
    String::from_utf8_lossy(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{LINE, Lines, Log};

    #[test]
    fn keeps_what_fits_and_the_last_line() {
        let mut log = Log::new(3, 10);
        for line in ["abc", "defg", "hijk", "l", "end\n"] {
            log.write(line);
        }
        let logged = log.take();
        // 3 + 4 bytes fit, 4 more do not, and nothing is kept behind a gap
        assert_eq!(logged.lines, ["abc", "defg"]);
        assert_eq!((logged.dropped, logged.last.as_deref()), (3, Some("end ")));
    }

    #[test]
    fn no_more_lines_than_admitted() {
        let mut log = Log::new(2, 1_000);
        for line in ["a", "b", "c"] {
            log.write(line);
        }
        let logged = log.take();
        assert_eq!((logged.lines.len(), logged.dropped), (2, 1));
        assert_eq!(logged.last.as_deref(), Some("c"));
    }

    #[test]
    fn what_was_kept_last_is_last() {
        let mut log = Log::new(2, 1_000);
        log.write("a");
        assert_eq!(log.take().last.as_deref(), Some("a"));
        assert_eq!(Log::new(0, 0).take().last, None);
    }

    #[test]
    fn what_is_written_becomes_lines() {
        let mut lines = Lines::default();
        assert!(lines.write(0, b"good").is_empty());
        assert!(lines.write(1, b"oops").is_empty());
        assert_eq!(lines.write(0, b" day\n\nsee"), ["good day", ""]);
        assert_eq!(
            lines.write(0, &vec![b'a'; LINE]).len(),
            1,
            "a line without end is cut"
        );
        assert!(lines.write(7, b"nowhere\n").is_empty());
        assert_eq!(lines.rest().collect::<Vec<_>>(), ["aaa", "oops"]);
        assert_eq!(lines.rest().count(), 0);
    }
}
