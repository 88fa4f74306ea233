//! The lines that a guest logs in a run, within a budget.

use crate::text::tidy;

/// Bytes of the last line that are kept when the budget is used up.
const LAST: usize = 1_024;

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

#[cfg(test)]
mod tests {
    use super::Log;

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
}
