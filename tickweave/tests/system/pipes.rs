//! Standard output and error as pipes that are closed, or that nobody reads: nothing waits for them, and
//! nothing fails of it.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::end_to_end::binary::poll;
use crate::outputs::{POSTED, SINK, posted};

/// A run whose output goes to one pipe. It ends with the test.
struct Run {
    child: Child,
    address: SocketAddr,
}

impl Run {
    /// Runs the job in `folder`.
    fn start(folder: &Path, to: PipeWriter, more: &[&str]) -> Run {
        // Standard error is not read, so the port is not known.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listen =
            ["run", "job.toml", "--json", "--listen", &free.to_string()].map(str::to_owned);
        let child = Command::new(env!("CARGO_BIN_EXE_tickweave"))
            .args(listen)
            .args(more)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(to.try_clone().unwrap())
            .stderr(to)
            .spawn()
            .unwrap();
        let run = Run { child, address: free };
        poll(|| TcpStream::connect(free).ok(), || "it serves".to_owned());
        run
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Its exit code, when it has ended.
    fn end(&mut self) -> Option<i32> {
        poll(|| self.child.try_wait().unwrap(), || "the end of a run".to_owned()).code()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn job(folder: &Path) {
    fs::write(folder.join("job.toml"), format!("{POSTED}{SINK}")).unwrap();
}

/// A pipe that is as full as it can be; its reader must be kept.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    let mut fill = writer.try_clone().unwrap();
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    // Stands at the last write until the reader is dropped.
    thread::spawn(move || {
        while fill.write_all(&[b'x'; 512]).is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let (mut before, mut same) = (0, 0);
    while same < 10 {
        thread::sleep(Duration::from_millis(20));
        let now = written.load(Ordering::SeqCst);
        same = if now > 0 && now == before { same + 1 } else { 0 };
        before = now;
    }
    (reader, writer)
}

/// The sink's file is removed, which a line of the log reports; the sink goes on all the same.
fn assert_its_sink_goes_on(run: &Run, folder: &Path) {
    let path = folder.join("candles.ndjson");
    posted(run.address, 1, "running");
    for second in 2..5 {
        poll(|| path.exists().then_some(()), || "a file of changes".to_owned());
        fs::remove_file(&path).unwrap();
        let reported = posted(run.address, second, "running");
        let text = || fs::read_to_string(&path).unwrap_or_default();
        let opens = format!("10:00:{second:02}");
        poll(
            || text().contains(&opens).then_some(()),
            || format!("{opens} in {}: {reported}", text()),
        );
    }
}

#[test]
fn a_run_whose_log_nobody_reads_any_more_goes_on_and_stops() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        job(folder.path());
        let (mut reader, writer) = pipe().unwrap();
        let mut run = Run::start(folder.path(), writer, &[]);
        reader.read_exact(&mut [0]).unwrap();
        drop(reader);
        assert_its_sink_goes_on(&run, folder.path());
        run.signal(signal);
        assert_eq!(run.end(), Some(0), "{signal}");
    }
}

#[test]
fn a_run_whose_log_is_full_goes_on_and_stops() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        job(folder.path());
        let (reader, writer) = full_pipe();
        let mut run = Run::start(folder.path(), writer, &["--log", "debug"]);
        assert_its_sink_goes_on(&run, folder.path());
        run.signal(signal);
        assert_eq!(run.end(), Some(0), "{signal}");
        drop(reader);
    }
}

/// The second signal ends a run at once, whatever becomes of its log.
#[test]
fn the_second_signal_needs_no_log() {
    let folder = tempfile::tempdir().unwrap();
    job(folder.path());
    let (reader, writer) = pipe().unwrap();
    let mut run = Run::start(folder.path(), writer, &[]);
    drop(reader);
    run.signal("TERM");
    run.signal("TERM");
    let code = run.end();
    assert!(code == Some(0) || code == Some(130), "{code:?}");
}

/// Of a command that was called wrongly, too.
#[test]
fn errors_that_nobody_reads_are_no_panics() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_tickweave"))
        .args(["replay", "none.toml"])
        .current_dir(folder.path())
        .stderr(writer)
        .status();
    assert_eq!(status.unwrap().code(), Some(2));
}
