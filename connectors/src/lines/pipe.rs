//! A named pipe, whose reader does not wait for ever.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// The bytes of a piece, and how many pieces wait to be taken.
const PIECE_BYTES: usize = 64 * 1_024;
const PIECES: usize = 4;
/// How long a read waits when it is not patient.
const WAIT: Duration = Duration::from_millis(100);

/// A pipe that is read on a thread of its own. The thread may wait for its writer for as long as that takes; it ends with
/// the pipe, or at the first piece after its reader is gone.
pub(super) struct Pipe {
    pieces: Receiver<io::Result<Vec<u8>>>,
    /// The piece at hand, and how much of it was taken.
    piece: (Vec<u8>, usize),
    /// Whether a read waits for as long as it takes.
    is_patient: Arc<AtomicBool>,
}

impl Pipe {
    /// Reads a file that is a pipe, patiently until the flag says otherwise.
    pub(super) fn new(file: File, is_patient: Arc<AtomicBool>) -> io::Result<Pipe> {
        let (sender, pieces) = sync_channel(PIECES);
        thread::Builder::new().name("pipe".to_owned()).spawn(move || pump(file, &sender))?;
        Ok(Pipe { pieces, piece: (Vec::new(), 0), is_patient })
    }
}

fn pump(mut file: File, to: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let read = file.read(&mut piece).map(|bytes| {
            piece.truncate(bytes);
            piece
        });
        let is_last = read.as_ref().is_ok_and(Vec::is_empty);
        if is_last || to.send(read).is_err() {
            return;
        }
    }
}

impl Read for Pipe {
    /// Fails with [`ErrorKind::WouldBlock`] if nothing came for a moment.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.1 == self.piece.0.len() {
            let received = match self.is_patient.load(Ordering::Relaxed) {
                true => self.pieces.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => self.pieces.recv_timeout(WAIT),
            };
            self.piece = match received {
                Ok(piece) => (piece?, 0),
                Err(RecvTimeoutError::Timeout) => return Err(ErrorKind::WouldBlock.into()),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            };
        }
        let (piece, taken) = &mut self.piece;
        let bytes = buffer.len().min(piece.len() - *taken);
        buffer[..bytes].copy_from_slice(&piece[*taken..*taken + bytes]);
        *taken += bytes;
        Ok(bytes)
    }
}
