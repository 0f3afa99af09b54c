//! Files that grow, are renamed, truncated, removed and made.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use market::{Catalog, Event, InputEvent, InstrumentRule};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::source::{Place, ResumePoint};
use crate::{BuildContext, HeldBy, IncidentKind, Link, PartitionReader, Source, SourceError};

/// So many reads, of which one without rows takes a tenth of a second, are a hang.
const READS: usize = 300;
const HEADER: &str = "time,price,size\n";

fn build(folder: &Path, kind: &str, config: Value) -> Result<Box<dyn Source>, SourceError> {
    let usd = InstrumentRule { quote: Arc::from("USD"), ..InstrumentRule::any() };
    let context = BuildContext {
        name: "test".to_owned(),
        folder: folder.to_owned(),
        catalog: Arc::new(Catalog::new(vec![usd], 4).with_room_for(4, 4)),
    };
    crate::sources().build(kind, config, context)
}

fn config(paths: &[&str]) -> Value {
    json!({
        "paths": paths,
        "follow": true,
        "instrument": "x:A",
        "columns": {"time": "time", "price": "price", "size": "size"},
        "units": {"time": "s"},
    })
}

/// A partition being followed, and what it has brought.
struct Follow {
    reader: Box<dyn PartitionReader>,
    /// `position price` of each row, or why it was refused.
    rows: Vec<String>,
    incidents: Vec<IncidentKind>,
    details: Vec<String>,
}

impl Follow {
    fn of(source: &dyn Source, partition: u32) -> Follow {
        let reader = source.open(partition, Place::Earliest).unwrap();
        Follow { reader, rows: Vec::new(), incidents: Vec::new(), details: Vec::new() }
    }

    fn read(&mut self) -> Result<(), SourceError> {
        let mut rows = Vec::new();
        let read = self.reader.read(&mut rows);
        for incident in self.reader.incidents() {
            self.incidents.push(incident.kind);
            self.details.push(incident.detail);
        }
        self.rows.extend(rows.into_iter().map(|row| match row.event {
            Ok(InputEvent::Market(Event::New(trade))) => {
                format!("{} {}", row.position, trade.price.text(trade.spec.price_scale))
            }
            Ok(other) => format!("{} {other:?}", row.position),
            Err(why) => format!("{} {}", row.position, why.reason),
        }));
        read.map(|_| ())
    }

    fn link(&self) -> Link {
        self.reader.link().unwrap()
    }

    /// Reads until `is`; what it is then.
    fn until(&mut self, mut is: impl FnMut(&Follow) -> bool) {
        for _ in 0..READS {
            if is(self) {
                return;
            }
            self.read().unwrap();
        }
        panic!("waited in vain: {:?} {:?} {:?}", self.rows, self.incidents, self.link());
    }

    /// Reads until exactly these rows were read since the last time, and nothing is left.
    fn brings(&mut self, want: &[&str]) {
        self.until(|own| own.rows.len() >= want.len() && own.link().at_end);
        assert_eq!(self.rows, want);
        self.rows.clear();
    }

    /// Reads a few times: no row comes.
    fn brings_nothing(&mut self) {
        for _ in 0..3 {
            self.read().unwrap();
        }
        assert_eq!(self.rows, [""; 0]);
    }
}

fn append(path: &Path, text: &str) {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

/// A folder with a file `f.csv`, followed.
fn followed(text: &str) -> (TempDir, PathBuf, Box<dyn Source>, Follow) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("f.csv");
    fs::write(&path, text).unwrap();
    let source = build(folder.path(), "file", config(&["f.csv"])).unwrap();
    assert!(source.is_endless() && source.is_replayable());
    let follow = Follow::of(source.as_ref(), 0);
    (folder, path, source, follow)
}

#[test]
fn a_line_is_a_row_when_its_end_has_come() {
    let (_folder, path, _, mut follow) = followed("time,pri");
    follow.brings_nothing();
    assert!(follow.link().is_up && !follow.link().at_end, "{:?}", follow.link());
    append(&path, "ce,size\n1,10,1\n2,2");
    follow.until(|own| own.rows.len() == 1);
    follow.rows.clear();
    follow.brings_nothing();
    let link = follow.link();
    assert!(link.is_up && !link.at_end && link.held.is_some_and(|held| held.rows == 1), "{link:?}");
    append(&path, "0,1\r\n\n3,\"30");
    follow.until(|own| own.rows.len() == 1);
    append(&path, "\",1\n");
    follow.brings(&["3 20", "5 30"]);
    assert_eq!(follow.link().behind, Some(0));
    assert_eq!(follow.incidents, [IncidentKind::Connected]);
}

/// A quote that is never closed is told while lines go on coming, and costs its line alone when another one follows.
#[test]
fn an_open_quote_is_told_by_its_line() {
    let (_folder, path, _, mut follow) = followed(&format!("{HEADER}1,10,1\n2,\"20,1\n"));
    follow.until(|own| own.rows.len() == 1);
    let mut next = 3;
    follow.until(|own| {
        append(&path, &format!("{next},{next}0,1\n"));
        next += 1;
        own.incidents.contains(&IncidentKind::Warning)
    });
    assert_eq!(follow.rows, ["2 10"]);
    let told = follow.details.last().unwrap();
    assert!(
        told.starts_with("f.csv: a quote that is opened on line 3 is not closed for 5 s"),
        "{told}"
    );
    let held = follow.link().held.unwrap();
    assert_eq!(held.by, HeldBy::OpenQuote(3));
    assert!(held.rows >= 2, "{held:?}");
    append(&path, &format!("{next},\"{next}0\",1\n"));
    follow.until(|own| own.link().at_end);
    assert_eq!(follow.rows[..3], ["2 10", "3 malformed", "4 30"]);
    assert_eq!(follow.rows.len(), next);
}

#[test]
fn the_next_file_is_read_after_the_last_line_of_the_one_before() {
    let (folder, path, _, mut follow) = followed(&format!("{HEADER}1,10,1\n2,20"));
    follow.until(|own| own.rows.len() == 1);
    fs::rename(&path, folder.path().join("f.csv.1")).unwrap();
    // Its writer still has it open, and ends its line there.
    append(&folder.path().join("f.csv.1"), ",1\n3,30,1");
    follow.until(|own| own.rows.len() == 2);
    fs::write(&path, "").unwrap();
    follow.brings_nothing_more(2);
    // The header of the next one has another order, and columns are read by it.
    append(&path, "size,price,time\n1,40,4\n");
    follow.brings(&["2 10", "3 20", "4 30", "6 40"]);
    assert_eq!(follow.incidents, [IncidentKind::Connected, IncidentKind::Connected]);
    append(&folder.path().join("f.csv.1"), "\n9,90,1\n");
    follow.until(|own| own.incidents.contains(&IncidentKind::Gap));
    follow.brings(&[]);
}

impl Follow {
    /// Reads a few times: there are still so many rows.
    fn brings_nothing_more(&mut self, rows: usize) {
        for _ in 0..3 {
            self.read().unwrap();
        }
        assert_eq!(self.rows.len(), rows, "{:?}", self.rows);
    }
}

#[test]
fn a_file_that_is_truncated_is_read_from_its_beginning() {
    let (_folder, path, _, mut follow) = followed(&format!("{HEADER}1,10,1\n2,20,1\n"));
    follow.brings(&["2 10", "3 20"]);
    File::create(&path).unwrap();
    follow.until(|own| own.incidents.contains(&IncidentKind::Gap));
    append(&path, &format!("{HEADER}3,30,1\n"));
    follow.brings(&["5 30"]);
    // It grows beyond what was read before anybody looks.
    fs::write(&path, format!("{HEADER}4,40,1\n5,50,1\n6,60,1\n")).unwrap();
    follow.brings(&["7 40", "8 50", "9 60"]);
    let gaps = follow.incidents.iter().filter(|kind| **kind == IncidentKind::Gap);
    assert_eq!(gaps.count(), 2, "{:?}", follow.incidents);
}

#[test]
fn a_path_without_a_file_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("f.csv");
    let source = build(folder.path(), "file", config(&["f.csv"])).unwrap();
    assert_eq!(source.discover().unwrap(), [0]);
    let mut follow = Follow::of(source.as_ref(), 0);
    assert!(!follow.link().is_up);
    follow.brings_nothing();
    assert!(!follow.link().is_up && !follow.link().at_end);
    append(&path, &format!("{HEADER}1,10,1\n"));
    follow.brings(&["2 10"]);
    assert!(follow.link().is_up);
    fs::remove_file(&path).unwrap();
    follow.until(|own| !own.link().is_up);
    append(&path, &format!("{HEADER}2,20,1\n"));
    follow.brings(&["4 20"]);
    let told = [
        IncidentKind::Warning,
        IncidentKind::Connected,
        IncidentKind::Disconnected,
        IncidentKind::Connected,
    ];
    assert!(follow.incidents.starts_with(&told), "{:?}", follow.incidents);
}

#[test]
fn a_reader_that_failed_is_followed_by_one_that_reads_on() {
    let (folder, path, source, mut follow) = followed(&format!("{HEADER}1,10,1\n"));
    follow.brings(&["2 10"]);
    fs::rename(&path, folder.path().join("f.csv.1")).unwrap();
    fs::write(&path, "when,price,size\n2,20,1\n").unwrap();
    let error = (0..READS).find_map(|_| follow.read().err()).unwrap();
    assert!(error.to_string().contains("f.csv: there is no column \"time\""), "{error}");
    drop(follow);

    // The same fault, from the place where it is.
    let mut follow = Follow::of(source.as_ref(), 0);
    assert!(follow.read().is_err());
    drop(follow);
    fs::rename(&path, folder.path().join("f.csv.2")).unwrap();
    fs::write(&path, format!("{HEADER}3,30,1\n")).unwrap();
    let mut follow = Follow::of(source.as_ref(), 0);
    follow.brings(&["4 30"]);
    assert_eq!(follow.incidents, [IncidentKind::Gap, IncidentKind::Connected]);
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let problem = |config: Value| {
        let source = match build(folder, "file", config) {
            Ok(source) => source,
            Err(error) => return error.to_string(),
        };
        match source.discover().and_then(|_| source.open(0, Place::Earliest)) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    };
    fs::write(folder.join("packed.csv"), [0x1f, 0x8b, 8, 0, 0]).unwrap();
    fs::write(folder.join("parquet.csv"), b"PAR1\x15\x04\x15\n\n").unwrap();
    fs::write(folder.join("bad.csv"), "when,price,size\n").unwrap();
    fs::create_dir(folder.join("mixed")).unwrap();
    fs::write(folder.join("mixed/a.csv"), HEADER).unwrap();
    fs::write(folder.join("mixed/b.csv.gz"), "").unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    for (paths, want) in [
        (["f.csv.gz"], "\"f.csv.gz\" is compressed, and `follow` reads only plain text"),
        (["packed.csv"], "packed.csv: it is compressed (gzip)"),
        (["parquet.csv"], "parquet.csv: this is Parquet"),
        (["bad.csv"], "bad.csv: there is no column \"time\""),
        (["mixed"], "\"mixed/b.csv.gz\" is compressed"),
        (["empty"], "the folder \"empty\" holds no file"),
        (["none/*.csv"], "no file matches \"none/*.csv\""),
        (["none.bin"], "the ending of \"none.bin\" does not give its format"),
    ] {
        let problem = problem(config(&paths));
        assert!(problem.starts_with(&format!("source `test`: {want}")), "{problem} ≠ {want}");
    }
}

/// Files that come later are partitions of their own. One that is renamed is not read again.
#[test]
fn files_of_a_folder_are_each_read_once() {
    let folder = TempDir::new().unwrap();
    let inside = folder.path().join("t");
    let file = |name: &str| inside.join(name);
    fs::create_dir(&inside).unwrap();
    fs::write(file("a.csv"), format!("{HEADER}1,10,1\n")).unwrap();
    let mut written = config(&["t"]);
    written["format"] = json!("csv");
    let source = build(folder.path(), "file", written).unwrap();
    assert_eq!(source.partitions(), [0_u32; 0]);
    assert_eq!(source.discover().unwrap(), [0]);
    assert_eq!(source.files(), [file("a.csv")]);
    let mut a = Follow::of(source.as_ref(), 0);
    a.brings(&["2 10"]);

    append(&file("a.csv"), "2,20,1\n");
    fs::rename(file("a.csv"), file("a.csv.1")).unwrap();
    assert_eq!(source.discover().unwrap(), [0], "a.csv.1 is what was read as a.csv");
    fs::write(file("a.csv"), format!("{HEADER}3,30,1\n")).unwrap();
    fs::write(file("b.csv"), format!("{HEADER}4,40,1\n")).unwrap();
    a.brings(&["3 20", "5 30"]);
    assert_eq!(source.discover().unwrap(), [0, 1]);
    assert_eq!(source.partition_name(1), "t/b.csv");
    let mut b = Follow::of(source.as_ref(), 1);
    b.brings(&["2 40"]);

    // One that is removed has nothing left, and is not waited for.
    fs::remove_file(file("b.csv")).unwrap();
    for _ in 0..25 {
        b.read().unwrap();
    }
    assert!(b.link().is_up && b.link().at_end, "{:?} {:?}", b.link(), b.incidents);
    assert_eq!(source.discover().unwrap(), [0, 1]);
    append(&file("b.csv"), &format!("{HEADER}5,50,1\n"));
    b.brings(&["4 50"]);
}

#[test]
fn entries_are_followed_as_files_are() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("f.csv");
    let config = json!({"paths": ["f.csv"], "follow": true, "type": "trade"});
    let source = build(folder.path(), "entries", config).unwrap();
    let mut follow = Follow::of(source.as_ref(), 0);
    append(&path, "instrument,time,price,quant");
    follow.brings_nothing();
    append(&path, "ity\nx:A,1s,10,1\nx:A,2s,20");
    follow.until(|own| own.rows.len() == 1);
    append(&path, ",1\n");
    follow.brings(&["2 10", "3 20"]);
    fs::rename(&path, folder.path().join("old")).unwrap();
    append(&path, "time,instrument,price,quantity\n3s,x:A,30,1\n");
    follow.brings(&["5 30"]);
}

/// Whatever the pieces in which files are written, and when they are changed for the next: the rows are those of all
/// lines of all files, one file after the other.
#[test]
fn any_pieces_give_the_rows_of_the_whole_files() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let (folder, path, _, mut follow) = followed("");
    let (mut want, mut line) = (Vec::new(), 0);
    for file in 0..4_u64 {
        if file > 0 {
            fs::rename(&path, folder.path().join(format!("old{file}"))).unwrap();
            follow.read().unwrap();
        }
        let mut text = HEADER.to_owned();
        line += 1;
        let rows = 20 + below(3_000);
        for row in 0..rows {
            let price = 1 + below(100_000);
            text += &format!("{},{price},1", 1 + file * 10_000 + row);
            text += if row + 1 == rows && file % 2 == 0 { "" } else { "\n" };
            line += 1;
            want.push(format!("{line} {price}"));
            if below(50) == 0 && row + 1 < rows {
                text += "\r\n";
                line += 1;
            }
        }
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let piece = (1 + below(5_000) as usize).min(rest.len());
            append(&path, &rest[..piece]);
            rest = &rest[piece..];
            if below(3) == 0 {
                follow.read().unwrap();
            }
        }
    }
    // The last line of the last file has its end.
    follow.until(|own| own.rows.len() >= want.len());
    assert_eq!(follow.rows, want);
    assert!(!follow.incidents.contains(&IncidentKind::Gap), "{:?}", follow.incidents);
}

/// Reads a source, then another one that goes on where the first was left; gives the rows of both.
fn gone_on(
    folder: &Path,
    config: &Value,
    meanwhile: impl Fn(),
    want: (&[&str], &[&str]),
) -> Vec<IncidentKind> {
    let source = build(folder, "file", config.clone()).unwrap();
    source.discover().unwrap();
    let mut first = Follow::of(source.as_ref(), 0);
    let mut state = None;
    let mut last = 0;
    for _ in 0..4 {
        let mut rows = Vec::new();
        first.reader.read(&mut rows).unwrap();
        state = first.reader.state().or(state);
        last = rows.last().map_or(last, |row| row.position);
        first.rows.extend(rows.iter().map(|row| row.position.to_string()));
    }
    assert_eq!(first.rows, want.0);
    drop((first, source));
    meanwhile();
    let source = build(folder, "file", config.clone()).unwrap();
    let state = state.unwrap();
    source.restore(&[(source.partition_name(0), state.clone())]);
    source.discover().unwrap();
    let at = ResumePoint { after: last, state: Some(state), has_ended: false };
    let reader = source.resume(0, &at).unwrap();
    let (rows, incidents, details) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = Follow { reader, rows, incidents, details };
    next.brings(want.1);
    next.incidents
}

#[test]
fn another_process_goes_on_behind_the_last_row() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("f.csv");
    let (config, folder) = (config(&["f.csv"]), folder.path());
    let gap = IncidentKind::Gap;
    let whole = || fs::write(&path, "time,price,size\n1,1,1\n2,2,1\n").unwrap();

    whole();
    let incidents = gone_on(folder, &config, || append(&path, "3,3,1\n"), (&["2", "3"], &["4 3"]));
    assert!(!incidents.contains(&gap));

    whole();
    let rotate = || {
        append(&path, "3,3,1\n");
        fs::rename(&path, folder.join("f.csv.1")).unwrap();
        fs::write(&path, "time,price,size\n4,4,1\n").unwrap();
    };
    let incidents = gone_on(folder, &config, rotate, (&["2", "3"], &["4 3", "6 4"]));
    assert!(!incidents.contains(&gap));

    whole();
    let removed = || {
        fs::remove_file(&path).unwrap();
        fs::write(&path, "time,price,size\n5,5,1\n").unwrap();
    };
    let incidents = gone_on(folder, &config, removed, (&["2", "3"], &["5 5"]));
    assert!(incidents.contains(&gap));

    whole();
    let truncated = || fs::write(&path, "time,price,size\n6,6,1\n").unwrap();
    let incidents = gone_on(folder, &config, truncated, (&["2", "3"], &["5 6"]));
    assert!(incidents.contains(&gap));
}

#[test]
fn another_process_goes_on_within_a_line_of_several_rows() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("f.jsonl");
    let config = json!({
        "paths": ["f.jsonl"],
        "follow": true,
        "rows": ["all"],
        "instrument": "x:A",
        "columns": {"time": "time", "price": "price", "size": "size"},
        "units": {"time": "s"},
    });
    let line = |at: u64| {
        let row = |n: u64| json!({"time": at + n, "price": at + n, "size": 1});
        format!("{}\n", json!({"all": [row(0), row(1)]}))
    };
    fs::write(&path, line(1) + &line(3)).unwrap();
    let meanwhile = || {
        fs::remove_file(&path).unwrap();
        fs::write(&path, line(5)).unwrap();
    };
    let (one, two, three) = (1 << 12, 2 << 12, 3 << 12);
    let first = [one, one + 1, two, two + 1].map(|position| position.to_string());
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    let next = [format!("{three} 5"), format!("{} 6", three + 1)];
    let next: Vec<&str> = next.iter().map(String::as_str).collect();
    let incidents = gone_on(folder.path(), &config, meanwhile, (&first, &next));
    assert!(incidents.contains(&IncidentKind::Gap));
}
