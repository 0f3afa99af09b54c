//! The content of gzip streams that follow one another, as `gzip` reads them: zeros behind a stream are padding, and
//! what is no stream is left out, and told.

use std::io::{self, BufRead, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::bufread::GzDecoder;

/// Whether something was left out that follows the last stream. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Trailing(Arc<AtomicBool>);

impl Trailing {
    /// Says so once.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Reads the content of all streams, from the first byte of the first.
pub(super) struct Gunzip<R> {
    stage: Stage<R>,
    trailing: Trailing,
}

enum Stage<R> {
    /// In a stream; whether it is the first.
    Stream(Box<GzDecoder<R>>, bool),
    /// Behind one.
    Between(R),
    Ended,
}

impl<R: BufRead> Gunzip<R> {
    pub(super) fn new(input: R, trailing: Trailing) -> Gunzip<R> {
        Gunzip { stage: Stage::Stream(Box::new(GzDecoder::new(input)), true), trailing }
    }

    /// Finds what follows a stream.
    fn go_on(&mut self) -> io::Result<()> {
        let Stage::Between(input) = &mut self.stage else { return Ok(()) };
        let bytes = input.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let (is_end, next) = (bytes.is_empty(), bytes.get(zeros).copied());
        input.consume(zeros);
        match next {
            None if is_end => self.stage = Stage::Ended,
            None => {}
            Some(first) if first == super::GZIP_MAGIC[0] => {
                if let Stage::Between(input) = std::mem::replace(&mut self.stage, Stage::Ended) {
                    self.stage = Stage::Stream(Box::new(GzDecoder::new(input)), false);
                }
            }
            Some(_) => self.leave_out(),
        }
        Ok(())
    }

    fn leave_out(&mut self) {
        self.trailing.0.store(true, Ordering::Relaxed);
        self.stage = Stage::Ended;
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.stage {
                Stage::Ended => return Ok(0),
                Stage::Between(_) => self.go_on()?,
                Stage::Stream(decoder, is_first) => match decoder.read(buffer) {
                    Ok(0) => {
                        if let Stage::Stream(decoder, _) =
                            std::mem::replace(&mut self.stage, Stage::Ended)
                        {
                            self.stage = Stage::Between(decoder.into_inner());
                        }
                    }
                    // It only begins like a stream.
                    Err(error)
                        if !*is_first
                            && error.kind() == ErrorKind::InvalidInput
                            && decoder.header().is_none() =>
                    {
                        self.leave_out();
                    }
                    read => return read,
                },
            }
        }
    }
}
