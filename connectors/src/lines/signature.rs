//! Files of other formats, by their first bytes: they are refused by name, instead of being shown as broken text.

use std::io;

/// A format that is no text: what it is called, how its files begin, and what to do with them.
struct Signature {
    name: &'static str,
    start: &'static [u8],
    cure: &'static str,
}

const TO_CSV: &str = "export it as CSV or JSON lines";
const REPACK: &str = "unpack it, or pack it with gzip or zstd";
const TO_UTF8: &str = "convert it to UTF-8";

/// Each from the specification of its format. None of them can begin a line of text: a byte in each is a control
/// character or no ASCII, or the letters are followed by such a byte (see [`refuse`]).
const SIGNATURES: &[Signature] = &[
    Signature { name: "Parquet", start: b"PAR1", cure: TO_CSV },
    Signature { name: "Arrow", start: b"ARROW1\0\0", cure: TO_CSV },
    Signature { name: "Feather", start: b"FEA1", cure: TO_CSV },
    Signature { name: "DBN", start: b"DBN\x01", cure: TO_CSV },
    Signature { name: "DBN", start: b"DBN\x02", cure: TO_CSV },
    Signature { name: "DBN", start: b"DBN\x03", cure: TO_CSV },
    Signature { name: "ORC", start: b"ORC", cure: TO_CSV },
    Signature { name: "Avro", start: b"Obj\x01", cure: TO_CSV },
    Signature { name: "HDF5", start: b"\x89HDF\r\n\x1a\n", cure: TO_CSV },
    Signature { name: "NumPy", start: b"\x93NUMPY", cure: TO_CSV },
    Signature { name: "SQLite", start: b"SQLite format 3\0", cure: TO_CSV },
    Signature { name: "Excel", start: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", cure: TO_CSV },
    Signature { name: "bzip2", start: b"BZh", cure: REPACK },
    Signature { name: "xz", start: b"\xfd7zXZ\0", cure: REPACK },
    Signature { name: "7z", start: b"7z\xbc\xaf\x27\x1c", cure: REPACK },
    Signature { name: "LZ4", start: b"\x04\x22\x4d\x18", cure: REPACK },
];

/// How UTF-16 begins in either order of bytes, if the first character is one of ASCII: its mark, then the character.
fn is_utf_16(start: &[u8]) -> bool {
    matches!(start, [0xff, 0xfe, 1..=255, 0, ..] | [0xfe, 0xff, 0, 1..=255, ..])
}

/// Files of other formats hold control characters within so many bytes.
const LOOKED_AT: usize = 256;

/// Refuses what begins like a file of another format.
///
/// # Errors
/// `InvalidInput`, with the name of the format and what to do.
pub(super) fn refuse(start: &[u8]) -> io::Result<()> {
    let start = &start[..start.len().min(LOOKED_AT)];
    let is_text = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r');
    let found = SIGNATURES.iter().find(|signature| {
        let is_plain = signature.start.iter().all(|byte| is_text(byte) && byte.is_ascii());
        // Letters alone may be the name of a column.
        start.starts_with(signature.start) && (!is_plain || !start.iter().all(is_text))
    });
    let problem = match found {
        Some(Signature { name, cure, .. }) => format!("this is {name}, not text: {cure}"),
        None if is_utf_16(start) => format!("this is UTF-16, and text is read as UTF-8: {TO_UTF8}"),
        None => return Ok(()),
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_named_and_text_is_not_refused() {
        for Signature { name, start, cure } in SIGNATURES {
            let file = [start, &b"\x15\x04\x00\x00"[..]].concat();
            let problem = refuse(&file).unwrap_err().to_string();
            assert!(problem.contains(name) && problem.contains(cure), "{problem}");
        }
        for text in [b"\xff\xfet\0i\0m\0e\0", b"\xfe\xff\0t\0i\0m\0e"] {
            assert!(refuse(text).unwrap_err().to_string().contains("UTF-16"));
        }
        let texts = [
            "",
            "time,price",
            "ORC,time,price\n1,2,3",
            "BZh price",
            "\u{feff}time",
            "ä;b",
            "PAR1,x\r\n",
        ];
        for text in texts {
            refuse(text.as_bytes()).unwrap();
        }
    }
}
