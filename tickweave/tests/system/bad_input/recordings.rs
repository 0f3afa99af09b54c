//! Recordings that are cut, damaged, or none.

use std::fs;

use crate::end_to_end::binary::tickweave;
use crate::end_to_end::made::{Made, Rng};

#[test]
fn a_damaged_recording_is_reported_and_a_cut_one_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = Made::new(21, 1_000, 600_000);
    made.write(folder, None, "[commit]\nfile_rows = 50");
    tickweave(folder, &["replay", "job.toml", "--record", "whole.rec", "--json"]).json();
    let whole = fs::read(folder.join("whole.rec")).unwrap();
    let replay = |bytes: &[u8]| {
        fs::write(folder.join("x.rec"), bytes).unwrap();
        tickweave(folder, &["replay", "x.rec", "-w", "2", "--json", "--instrument", "x:Y"])
    };
    let records = replay(&whole).json()["records"].as_u64().unwrap();
    assert_eq!(records, made.rows());

    let mut rng = Rng(5);
    for _ in 0..12 {
        // Anywhere behind the header, which the test damages below.
        let at = 4_000 + rng.below(whole.len() as i64 - 4_000) as usize;
        let cut = replay(&whole[..at]).json();
        assert_eq!((cut["cut"].as_bool(), cut["complete"].as_bool()), (Some(true), Some(true)));
        assert!(cut["records"].as_u64().unwrap() <= records);

        let mut flipped = whole.clone();
        flipped[at] ^= 1 << rng.below(8);
        let ran = replay(&flipped);
        match ran.code {
            // Nothing follows the mark of the end, so a damaged one is a cut.
            Some(0) => assert_eq!(ran.summary()["cut"].as_bool(), Some(true), "{ran:?}"),
            _ => drop(ran.failed(1, &["x.rec", "damaged at byte"]).to_owned()),
        }
    }

    replay(&whole[..100]).failed(1, &["x.rec is not a recording"]);
    replay(&whole[..8]).failed(1, &["x.rec is not a recording"]);
    let mut header = whole.clone();
    header[40] ^= 1;
    replay(&header).failed(1, &["x.rec", "damaged at byte 8"]);
    // Less than a recording begins with is a file of trades by name.
    replay(&whole[..7]).failed(2, &["x.rec", "format"]);
    // Something behind the end is not part of it.
    let mut longer = whole;
    longer.extend(b"more");
    assert_eq!(replay(&longer).json()["records"].as_u64(), Some(records));
}
