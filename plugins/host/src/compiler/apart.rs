//! Has components compiled by a process of its own.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use super::{
    Made, Refusal,
    child::{Answer, Bounds, COMMAND},
};
use crate::{error::Error, inspect::Shape, structure::Bound, text::tidy};

/// Bytes of a line that the process writes.
const LINE: u64 = 4 << 20;
/// Bytes of what the process says of its end.
const SAID: u64 = 4 << 10;
/// How much longer than its processor time the process may take, since others take turns with it.
const TURNS: u32 = 10;
/// How soon a process that is about to end is looked at again.
const LOOKED_AFTER: Duration = Duration::from_millis(2);
/// Signals, by the numbers that Linux and macOS have in common.
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGXCPU: i32 = 24;

/// A process of its own for each component that is compiled.
#[derive(Clone, Debug)]
pub struct Apart {
    program: PathBuf,
    memory_bytes: u64,
    cpu_seconds: u64,
}

/// A process that is killed and waited for when nobody reads from it any more.
struct Running(Mutex<Child>);

impl Running {
    fn kill(&self) {
        // One that has ended needs no killing.
        let _ended = self.0.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }

    /// How it ended, once it has. It can be killed meanwhile.
    fn wait(&self) -> io::Result<ExitStatus> {
        loop {
            let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner).try_wait()?;
            match ended {
                Some(status) => return Ok(status),
                None => thread::sleep(LOOKED_AFTER),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        let _status = self.wait();
    }
}

/// What came of a process.
enum Came {
    Made(Made),
    Refused(Refusal),
    Checked(Error),
    /// It ended before it had answered.
    Ended {
        compiling: bool,
    },
}

impl Apart {
    /// Processes of `program`, whose `main` begins with [`run_if_asked`](super::run_if_asked). Each may use so many bytes of
    /// memory, at least 512 MiB, and so much processor time, at least a second.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, memory_bytes: u64, cpu: Duration) -> Self {
        Self {
            program: program.into(),
            memory_bytes: memory_bytes.max(512 << 20),
            cpu_seconds: cpu.as_secs().max(1),
        }
    }

    /// Processes of the program that runs.
    ///
    /// # Errors
    /// When the system does not tell which it is.
    pub fn of_this_program(memory_bytes: u64, cpu: Duration) -> io::Result<Self> {
        // The file may be replaced by another version while this one runs.
        let itself = PathBuf::from("/proc/self/exe");
        let program = if itself.exists() {
            itself
        } else {
            std::env::current_exe()?
        };
        Ok(Self::new(program, memory_bytes, cpu))
    }

    pub(super) fn compile(
        &self,
        bytes: &[u8],
        compiled_bytes: u64,
        check: impl Fn(&Shape) -> Result<(), Error>,
    ) -> Result<Made, Error> {
        let unable = |error: &dyn fmt::Display| Error::Engine {
            reason: format!("components cannot be compiled: {error}"),
        };
        let mut child = self
            .begin(bytes.len(), compiled_bytes)
            .map_err(|error| unable(&error))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let running = Running(Mutex::new(child));
        let Some(((mut stdin, stdout), stderr)) = stdin.zip(stdout).zip(stderr) else {
            return Err(unable(&"a process without streams"));
        };
        let patience = Duration::from_secs(self.cpu_seconds) * TURNS;
        let (came, status, said, late) = thread::scope(|scope| {
            let said = scope.spawn(move || said(stderr));
            let (done, waiting) = mpsc::channel::<()>();
            let watched = &running;
            let watch = scope.spawn(move || {
                let late = waiting.recv_timeout(patience) == Err(RecvTimeoutError::Timeout);
                if late {
                    watched.kill();
                }
                late
            });
            // One that does not want to read it all says why. The input stays open for as long as the answer is awaited.
            let written = scope.spawn(move || stdin.write_all(bytes).map(|()| stdin));
            let came = answered(stdout, compiled_bytes, check);
            // Whoever answered has no more to do, and one that was killed has no more to say.
            if !matches!(came, Ok(Came::Ended { .. })) {
                running.kill();
            }
            let status = running.wait();
            drop((done, written.join()));
            (
                came,
                status,
                said.join().unwrap_or_default(),
                watch.join().unwrap_or_default(),
            )
        });
        match came.map_err(|error| unable(&error))? {
            Came::Made(made) => Ok(made),
            Came::Checked(error) => Err(error),
            Came::Refused(refusal) => Err(refusal.into_error(compiled_bytes)),
            Came::Ended { compiling } => {
                let status = status.map_err(|error| unable(&error))?;
                Err(self.ended(status, compiling, late, &said))
            }
        }
    }

    fn begin(&self, component_bytes: usize, compiled_bytes: u64) -> io::Result<Child> {
        let bounds = Bounds {
            component_bytes,
            memory_bytes: self.memory_bytes,
            cpu_seconds: self.cpu_seconds,
            compiled_bytes,
        };
        Command::new(&self.program)
            .arg(COMMAND)
            .args(bounds.arguments())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Signals that are for the server's group are not for it: it ends with the server.
            .process_group(0)
            .spawn()
    }

    /// Why a process ended without an answer.
    fn ended(&self, status: ExitStatus, compiling: bool, late: bool, said: &str) -> Error {
        let doing = if compiling { "compiling" } else { "reading" };
        let signal = status.signal();
        let more = |limit: &'static str, most: String| Error::TooComplex {
            limit,
            reason: format!("{doing} it takes more than {most}"),
        };
        if late || signal == Some(SIGXCPU) {
            return more("processor time", format!("{} seconds", self.cpu_seconds));
        }
        if said.contains("overflowed its stack") || signal == Some(SIGSEGV) {
            return more(Bound::Nesting.name(), "the stack of a thread".to_owned());
        }
        // The last is the system's, which has none left.
        if said.contains("memory") || signal == Some(SIGKILL) {
            return more("memory", format!("{} bytes", self.memory_bytes));
        }
        tracing::error!(%status, said, "The compiler of plugins broke down");
        Error::Malformed {
            reason: format!("the compiler broke down {doing} it"),
        }
    }
}

/// What a process says of its end; the rest is read and dropped, so that it never waits for a reader.
fn said(mut stderr: impl Read) -> String {
    let mut text = Vec::new();
    let _read = (&mut stderr).take(SAID).read_to_end(&mut text);
    let _rest = io::copy(&mut stderr, &mut io::sink());
    tidy(&String::from_utf8_lossy(&text), text.len())
}

fn answered(stdout: ChildStdout, most: u64, check: impl Fn(&Shape) -> Result<(), Error>) -> io::Result<Came> {
    let mut stdout = BufReader::new(stdout);
    let shape = match line(&mut stdout)? {
        Some(Answer::Shape(shape)) => shape,
        Some(Answer::Refused(refusal)) => return Ok(Came::Refused(refusal)),
        Some(Answer::Code(_)) => return Err(io::ErrorKind::InvalidData.into()),
        None => return Ok(Came::Ended { compiling: false }),
    };
    if let Err(error) = check(&shape) {
        return Ok(Came::Checked(error));
    }
    let size = match line(&mut stdout)? {
        Some(Answer::Code(size)) => size,
        Some(Answer::Refused(refusal)) => return Ok(Came::Refused(refusal)),
        Some(Answer::Shape(_)) => return Err(io::ErrorKind::InvalidData.into()),
        None => return Ok(Came::Ended { compiling: true }),
    };
    let wide = u64::try_from(size).unwrap_or(u64::MAX);
    if wide > most {
        return Ok(Came::Refused(Refusal::TooLarge(size)));
    }
    let mut code = Vec::with_capacity(size);
    stdout.take(wide).read_to_end(&mut code)?;
    if code.len() < size {
        return Ok(Came::Ended { compiling: true });
    }
    Ok(Came::Made(Made { shape, code }))
}

/// The next line; `None` when there is no whole one.
fn line(stdout: &mut BufReader<ChildStdout>) -> io::Result<Option<Answer>> {
    let mut line = Vec::new();
    stdout.take(LINE).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}
