use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Instant,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use tokio::sync::oneshot;

use super::{LineError, to_line};

/// Lines that may wait for a reader who is slow.
const WAITING_LIMIT: usize = 1024;
/// What a pipe that is ready takes without blocking (POSIX `PIPE_BUF` on Linux).
const PIPE_ROOM: usize = 4096;

/// A decision's line was not written: the decision must not become an allow.
#[derive(Debug, thiserror::Error)]
pub enum DecisionLineError {
    /// The decision does not make a line.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Writing failed, for example because the reader is gone.
    #[error("the decision's line could not be written: {0}")]
    Write(#[from] io::Error),
    /// The reader does not read, and the time was up.
    #[error("the decision's line was not taken in time; look at what reads this process's output")]
    Blocked,
}

/// The lines of final decisions: each is in the kernel's hands before [`DecisionLines::write`] returns.
///
/// A reader who is slow costs a denial, not a thread: what cannot be written at once waits on a thread of its own, up to
/// the deadline. Lines of different decisions may come in any order.
#[derive(Debug)]
pub struct DecisionLines {
    out: Arc<Mutex<Output>>,
    waiting: SyncSender<Waiting>,
}

#[derive(Debug)]
struct Output {
    file: File,
    /// Whether a write of any length returns at once when the file is ready.
    is_plain_file: bool,
    /// Whether the last line was left unfinished.
    torn: bool,
}

#[derive(Debug)]
struct Waiting {
    line: Vec<u8>,
    done: oneshot::Sender<io::Result<()>>,
}

impl DecisionLines {
    /// The process's standard output. Where it was closed before the program started, the system has put `/dev/null`
    /// in its place, which takes everything.
    ///
    /// # Errors
    /// Where it cannot be duplicated, or no thread can be had.
    pub fn stdout() -> io::Result<Self> {
        // Not `Stdout`: it takes writing to a closed descriptor for a success.
        Self::to(io::stdout().as_fd().try_clone_to_owned()?)
    }

    /// Any open file, pipe or socket.
    ///
    /// # Errors
    /// Where its kind cannot be told, or no thread can be had.
    pub fn to(out: impl Into<OwnedFd>) -> io::Result<Self> {
        let file = File::from(out.into());
        let is_plain_file = file.metadata()?.is_file();
        let out = Arc::new(Mutex::new(Output { file, is_plain_file, torn: false }));
        let (waiting, lines) = sync_channel(WAITING_LIMIT);
        let behind = Arc::clone(&out);
        thread::Builder::new().name("decision-lines".to_owned()).spawn(move || write_waiting(&behind, &lines))?;
        Ok(Self { out, waiting })
    }

    /// Writes one decision as one line.
    ///
    /// # Errors
    /// [`DecisionLineError`]; the line may have been written all the same, as after any failed write.
    pub async fn write<T: Serialize + ?Sized>(&self, decision: &T, deadline: Instant) -> Result<(), DecisionLineError> {
        let line = to_line(decision)?;
        if self.write_at_once(&line)? {
            return Ok(());
        }
        let (done, written) = oneshot::channel();
        match self.waiting.try_send(Waiting { line, done }) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return Err(DecisionLineError::Blocked),
        }
        match tokio::time::timeout_at(deadline.into(), written).await {
            Ok(Ok(result)) => Ok(result?),
            Ok(Err(_)) | Err(_) => Err(DecisionLineError::Blocked),
        }
    }

    /// Why a line could not be written now; `None` where it could.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let Some(out) = self.try_lock() else { return Some("the reader of the decision lines does not read") };
        match out.readiness() {
            Ok(flags) if flags.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) => {
                Some("the reader of the decision lines is gone")
            }
            Ok(flags) if flags.contains(PollFlags::OUT) => None,
            Ok(_) => Some("the reader of the decision lines does not read"),
            Err(_) => Some("the output for decision lines cannot be used"),
        }
    }

    /// Writes where that cannot block; false where it could.
    fn write_at_once(&self, line: &[u8]) -> io::Result<bool> {
        let Some(mut out) = self.try_lock() else { return Ok(false) };
        // With the mark that closes a torn line.
        if !out.is_plain_file && line.len() >= PIPE_ROOM {
            return Ok(false);
        }
        // A fault (no reader) is ready too: the write then says which.
        if out.readiness()?.is_empty() {
            return Ok(false);
        }
        out.write(line).map(|()| true)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Output>> {
        match self.out.try_lock() {
            Ok(out) => Some(out),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Output {
    fn readiness(&self) -> io::Result<PollFlags> {
        let mut files = [PollFd::new(&self.file, PollFlags::OUT)];
        poll(&mut files, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        let [file] = files;
        Ok(file.revents())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
        }
        self.torn = true;
        self.file.write_all(line)?;
        self.torn = false;
        Ok(())
    }
}

/// The thread behind: writes what waits, and blocks where the reader makes it.
fn write_waiting(out: &Mutex<Output>, lines: &Receiver<Waiting>) {
    while let Ok(Waiting { line, done }) = lines.recv() {
        // Nobody waits any more: the request was denied.
        if done.is_closed() {
            continue;
        }
        let written = out.lock().unwrap_or_else(PoisonError::into_inner).write(&line);
        // Nobody may be waiting any more.
        let _ = done.send(written);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _, pipe},
        os::unix::fs::OpenOptionsExt as _,
        time::Duration,
    };

    use serde_json::json;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[tokio::test]
    async fn a_line_is_there_when_write_returns() {
        let (reader, writer) = pipe().unwrap();
        let lines = DecisionLines::to(writer).unwrap();
        let mut reader = BufReader::new(reader).lines();
        for size in [1, 4000] {
            let decision = json!({ "outcome": "Allow", "text": "x".repeat(size) });
            lines.write(&decision, soon()).await.unwrap();
            let line: serde_json::Value = serde_json::from_str(&reader.next().unwrap().unwrap()).unwrap();
            assert_eq!(line, decision);
        }
        assert_eq!(lines.fault(), None);
    }

    #[tokio::test]
    async fn a_closed_reader_is_an_error() {
        let (reader, writer) = pipe().unwrap();
        let lines = DecisionLines::to(writer).unwrap();
        drop(reader);
        assert!(lines.fault().unwrap().ends_with("is gone"));
        let error = lines.write(&json!({}), soon()).await.unwrap_err();
        assert!(matches!(error, DecisionLineError::Write(_)), "{error}");
    }

    #[tokio::test]
    async fn a_full_disk_is_an_error() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let lines = DecisionLines::to(full).unwrap();
        let error = lines.write(&json!({}), soon()).await.unwrap_err();
        assert!(matches!(error, DecisionLineError::Write(_)), "{error}");
    }

    #[tokio::test]
    async fn a_reader_who_does_not_read_costs_the_deadline_and_no_more() {
        let (reader, writer) = pipe().unwrap();
        let lines = DecisionLines::to(writer).unwrap();
        let decision = json!({ "text": "x".repeat(1000) });
        let mut written = 0;
        let error = loop {
            match lines.write(&decision, Instant::now() + Duration::from_millis(50)).await {
                Ok(()) => written += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, DecisionLineError::Blocked), "{error}");
        assert!(written > 30, "a pipe holds some lines: {written}");
        assert!(lines.fault().unwrap().ends_with("does not read"));
        let reading = thread::spawn(move || BufReader::new(reader).lines().map_while(Result::ok).collect::<Vec<_>>());
        while lines.fault().is_some() {
            tokio::task::yield_now().await;
        }
        lines.write(&json!({ "last": true }), soon()).await.unwrap();
        drop(lines);
        let read = reading.join().unwrap();
        assert!(read.len() > written, "{} of {written}", read.len());
        assert!(read.iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
        assert_eq!(read.last().unwrap(), r#"{"last":true}"#);
    }

    #[tokio::test]
    async fn a_line_that_was_torn_does_not_spoil_the_next() {
        let (mut reader, writer) = pipe().unwrap();
        // A pipe that refuses instead of blocking: it takes the first part of a long line, and an error ends it there.
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        let refusing = std::fs::OpenOptions::new().write(true).custom_flags(0o4000).open(path).unwrap();
        drop(writer);
        let lines = DecisionLines::to(refusing).unwrap();
        let long = json!({ "list": vec!["x".repeat(4000); 40] });
        let error = lines.write(&long, soon()).await.unwrap_err();
        assert!(matches!(error, DecisionLineError::Write(_)), "{error}");
        let mut torn = vec![0; 65_536];
        reader.read_exact(&mut torn).unwrap();
        lines.write(&json!({ "next": 1 }), soon()).await.unwrap();
        lines.write(&json!({ "next": 2 }), soon()).await.unwrap();
        drop(lines);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "\n{\"next\":1}\n{\"next\":2}\n");
    }

    #[tokio::test]
    async fn lines_of_many_writers_do_not_mix() {
        let (reader, writer) = pipe().unwrap();
        let lines = Arc::new(DecisionLines::to(writer).unwrap());
        let reading = thread::spawn(move || BufReader::new(reader).lines().map_while(Result::ok).collect::<Vec<_>>());
        let writers: Vec<_> = (0..64)
            .map(|number| {
                let lines = Arc::clone(&lines);
                tokio::spawn(async move {
                    lines.write(&json!({ "number": number, "list": vec!["y".repeat(4000); number % 9] }), soon()).await
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
        drop(lines);
        let mut numbers: Vec<u64> = reading
            .join()
            .unwrap()
            .iter()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["number"].as_u64().unwrap())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..64).collect::<Vec<_>>());
    }
}
