//! Files that are compressed: whole, cut, damaged, and not what they seem.

use flate2::Crc;
use flate2::write::DeflateEncoder;
use market::RejectionReason;
use proptest::prelude::*;

use super::*;
use crate::source::Place;

/// How a zip archive is written.
#[derive(Clone, Copy, Debug)]
enum Zip {
    /// Sizes and checksum before the content.
    Deflated,
    /// Sizes and checksum after it, as what writes to a pipe has it; sizes of 4 or 8 bytes, with or
    /// without a signature.
    Described { wide: bool, signed: bool },
    /// Not compressed.
    Stored,
}

const ZIPS: [Zip; 6] = [
    Zip::Deflated,
    Zip::Stored,
    Zip::Described { wide: false, signed: true },
    Zip::Described { wide: false, signed: false },
    Zip::Described { wide: true, signed: true },
    Zip::Described { wide: true, signed: false },
];

/// The local part of one file, without the directory.
fn zipped(content: &[u8], how: Zip) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    let mut sum = Crc::new();
    sum.update(content);
    let packed = match how {
        Zip::Stored => content.to_vec(),
        _ => encoder.finish().unwrap(),
    };
    let (flags, method) = match how {
        Zip::Deflated => (0_u16, 8_u16),
        Zip::Described { .. } => (8, 8),
        Zip::Stored => (0, 0),
    };
    let sizes = [sum.sum(), packed.len() as u32, content.len() as u32];
    let mut zip = b"PK\x03\x04\x14\x00".to_vec();
    zip.extend(flags.to_le_bytes());
    zip.extend(method.to_le_bytes());
    zip.extend([0; 4]);
    for size in sizes {
        zip.extend(if flags == 8 { [0; 4] } else { size.to_le_bytes() });
    }
    zip.extend(5_u16.to_le_bytes());
    zip.extend(4_u16.to_le_bytes());
    zip.extend(b"f.csvmore");
    zip.extend(packed);
    if let Zip::Described { wide, signed } = how {
        zip.extend(if signed { b"PK\x07\x08".as_slice() } else { b"" });
        zip.extend(sizes[0].to_le_bytes());
        for size in &sizes[1..] {
            zip.extend(size.to_le_bytes());
            zip.extend(if wide { [0_u8; 4].as_slice() } else { &[] });
        }
    }
    zip
}

fn archive(content: &[u8], how: Zip) -> Vec<u8> {
    [zipped(content, how), b"PK\x01\x02 and the directory".to_vec()].concat()
}

fn zstd_frame(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// 5,000 trades that are hard to compress, so that a cut loses some.
fn trades() -> String {
    let line = |n: u64| {
        let (time, price, size) =
            (1_514_764_802_610 + n, 1 + n * 7_919 % 99_991, n * 104_729 % 6_151);
        format!("{time},{price},{size}\n")
    };
    "timestamp,price,size\n".to_owned() + &(0..5_000).map(line).collect::<String>()
}

/// What was wrong with the last row, which must be the only one refused, and the rows before it.
fn cut(bytes: &[u8]) -> (String, Vec<Row>) {
    let mut rows = rows_of("f.csv", bytes, &bitmex());
    let rejection = rows.pop().unwrap().event.unwrap_err();
    assert_eq!(rejection.reason, RejectionReason::Truncated);
    assert!(rows.iter().all(|row| row.event.is_ok()));
    (rejection.detail, rows)
}

#[test]
fn whole_files() {
    let plain = trades();
    let rows = rows_of("f.csv", plain.as_bytes(), &bitmex());
    assert_eq!(rows.len(), 5_000);
    for how in ZIPS {
        assert_eq!(rows_of("f.csv", &archive(plain.as_bytes(), how), &bitmex()), rows, "{how:?}");
    }
    let (first, second) = plain.split_at(40_000);
    let frames = [zstd_frame(first.as_bytes()), zstd_frame(second.as_bytes())].concat();
    assert!(rows_of("f.csv", &frames, &bitmex()) == rows, "two frames");
}

#[test]
fn what_breaks_off_or_is_damaged_ends_with_one_refusal() {
    let plain = trades();
    let rows = rows_of("f.csv", plain.as_bytes(), &bitmex());
    let mut files: Vec<_> = ZIPS.map(|how| (archive(plain.as_bytes(), how), 4)).to_vec();
    for (zip, _) in &mut files {
        zip.truncate(zip.len() - 21); // up to the first byte of the directory's first signature
    }
    files.push((zstd_frame(plain.as_bytes()), 1));
    for (file, _) in &files {
        for at in [12, 37, 60, 1_000, file.len() / 2, file.len() - 1] {
            let (_, read) = cut(&file[..at]);
            assert_eq!(read, rows[..read.len()], "cut at {at} of {}", file.len());
        }
        let mut damaged = file.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 50].fill(0x55);
        let read = rows_of("f.csv", &damaged, &bitmex());
        let last = read.last().unwrap().event.as_ref().unwrap_err();
        assert_eq!(last.reason, RejectionReason::Truncated, "{}", last.detail);
    }
}

/// As `gzip` has it: zeros are padding, and what is no gzip stream is left out and told.
#[test]
fn what_follows_a_whole_gzip_stream_takes_no_row_from_it() {
    let lines = "timestamp,price,size\n1514764802610,1,2\n1514764802611,1,3";
    let (first, rest) = lines.split_at(30);
    let whole = [gzip(first.as_bytes()), gzip(rest.as_bytes())].concat();
    let rows = rows_of("f.csv.gz", &gzip(lines.as_bytes()), &bitmex());
    assert_eq!(rows.len(), 2);
    let zeros = vec![0; 200_000];
    let padded = [&gzip(first.as_bytes())[..], &zeros, &gzip(rest.as_bytes())].concat();
    for (file, is_told) in [
        (whole.clone(), false),
        ([&whole[..], &[0]].concat(), false),
        ([&whole[..], &zeros].concat(), false),
        (padded, false),
        ([&whole[..], b"what is this"].concat(), true),
        ([&whole[..], &zeros, b"x"].concat(), true),
        ([&whole[..], b"\x1f"].concat(), false), // which breaks off
        ([&whole[..], b"\x1fthis only begins like one"].concat(), true),
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("f.csv.gz"), &file).unwrap();
        let source = build(folder.path(), with_path(&bitmex(), "f.csv.gz")).unwrap();
        let mut reader = source.open(0, Place::After(0)).unwrap();
        let mut read = Vec::new();
        while reader.read(&mut read).unwrap() == Progress::More {}
        let told: Vec<_> = reader.incidents().into_iter().map(|told| told.detail).collect();
        let want = "f.csv.gz: the gzip stream was read whole; what follows it in the file is no gzip stream, and is left out";
        assert_eq!(told, vec![want; usize::from(is_told)]);
        match file.ends_with(b"\x1f") {
            true => assert_eq!(read[..1], rows[..1]),
            false => assert_eq!(read, rows),
        }
    }
}

#[test]
fn archives_that_cannot_be_read() {
    let plain = b"timestamp,price,size\n1,1,1\n";
    let with = |at: usize, byte: u8| {
        let mut zip = archive(plain, Zip::Deflated);
        zip[at] = byte;
        zip
    };
    let two = [zipped(plain, Zip::Deflated), archive(plain, Zip::Stored)].concat();
    let odd = [zipped(plain, Zip::Deflated), b"what is this".to_vec()].concat();
    let mut unsized_ = archive(plain, Zip::Stored);
    unsized_[6] = 8;
    for (zip, want) in [
        (with(6, 1), "the file in the archive is encrypted"),
        (
            with(8, 12),
            "the file in the archive is compressed by method 12; only deflate (8) is read",
        ),
        (with(14, 0), "the checksum of the file in the archive is another"),
        (two, "the archive holds more than one file; only the first is read"),
        (odd, "the archive goes on with what is no part of one"),
        (unsized_, "the file in the archive is not compressed, and its size is not known"),
    ] {
        let (detail, _) = cut(&zip);
        assert_eq!(detail, format!("the compressed file breaks off here: {want}"));
    }
}

#[test]
fn a_window_beyond_the_bound_is_not_allocated() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(trades().as_bytes()).unwrap();
    let (detail, rows) = cut(&encoder.finish().unwrap());
    assert!(detail.contains("requires too much memory"), "{detail}");
    assert_eq!(rows, []);
}

proptest! {
    #[test]
    fn any_bytes_after_a_magic_read_on(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        at in 0..200_usize,
    ) {
        let whole = archive(&bytes, Zip::Described { wide: false, signed: true });
        let frame = zstd_frame(&bytes);
        for (file, magic) in [(&whole, 4), (&frame, 4)] {
            let noise = [&file[..magic], bytes.as_slice()].concat();
            rows_of("f.csv", &noise, &noise_config());
            let mut flipped = file.clone();
            let at = magic + at % (flipped.len() - magic);
            flipped[at] ^= 0x24;
            rows_of("f.csv", &flipped, &noise_config());
        }
    }
}

/// Reads any text.
fn noise_config() -> Value {
    json!({
        "instrument": "x:Y",
        "csv": {"header": false},
        "columns": {"time": 1, "price": 1, "size": 1},
        "units": {"time": "s"},
    })
}

/// A whole archive of files that are not compressed.
fn whole_archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut sum = Crc::new();
        sum.update(content);
        let size = content.len() as u32;
        // Flags, method and time; checksum and both sizes; lengths of the name and of what follows it.
        let mut about = vec![0; 8];
        for number in [sum.sum(), size, size, name.len() as u32] {
            about.extend(number.to_le_bytes());
        }
        let place = zip.len() as u32;
        zip.extend([b"PK\x03\x04\x14\x00", &about[..], name.as_bytes(), content].concat());
        let rest = [&[0; 10][..], &place.to_le_bytes()].concat();
        directory
            .extend([b"PK\x01\x02\x14\x00\x14\x00", &about[..], &rest, name.as_bytes()].concat());
    }
    let (size, place) = (directory.len() as u32, zip.len() as u32);
    zip.extend(directory);
    zip.extend(
        [b"PK\x05\x06", &[0; 8][..], &size.to_le_bytes(), &place.to_le_bytes(), &[0; 2]].concat(),
    );
    zip
}

#[test]
fn an_archive_has_one_file_of_data_beside_folders_and_what_systems_add() {
    let plain = b"timestamp,price,size\n1514764802610,1,2\n";
    let folder = ("data/", &b""[..]);
    let (system, more) = (("__MACOSX/._f.csv", &b"\0\x05"[..]), ("data/f.csv", &plain[..]));
    for files in
        [vec![more], vec![folder, more], vec![folder, system, more], vec![folder, more, system]]
    {
        assert_eq!(rows_of("f.csv.zip", &whole_archive(&files), &bitmex()).len(), 1, "{files:?}");
    }
    let refused = |files: &[(&str, &[u8])]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.csv.zip");
        std::fs::write(&path, whole_archive(files)).unwrap();
        crate::lines::Lines::open(&path).err().unwrap().to_string()
    };
    let problem = refused(&[("a.csv", plain), folder, ("b.csv", plain)]);
    assert!(problem.contains("2 files") && problem.contains("\"b.csv\""), "{problem}");
    assert!(refused(&[folder, system]).contains("holds no file"));
    assert!(refused(&[("[Content_Types].xml", b"<"), ("a.xml", b"<")]).contains("Excel"));
}
