//! Lines of standard output.

use std::io::{self, BufWriter};

use super::TargetKind;
use super::file::Lines;

pub(super) const KIND: TargetKind = TargetKind {
    scheme: "stdout",
    doc: "-: standard output",
    open: |_| Ok(Box::new(Lines(BufWriter::with_capacity(1 << 16, io::stdout())))),
};
