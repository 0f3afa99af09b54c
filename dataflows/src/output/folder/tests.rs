use std::fs;
use std::io::Write as _;

use super::*;

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn open(path: &Path, of: &[&str], force: bool) -> Result<ResultsFolder, OutputError> {
    ResultsFolder::open(path, names(of), force, HashMap::new())
}

fn put(folder: &mut ResultsFolder, name: &str, text: &str) -> Result<(), OutputError> {
    folder.put(name, |file| Ok(file.write_all(text.as_bytes())?))
}

#[track_caller]
fn assert_holds(path: &Path, text: &str) {
    assert_eq!(fs::read_to_string(path).unwrap(), text, "{}", path.display());
}

#[test]
fn what_the_manifest_lists_is_replaced_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let path = &place.path().join("new/out");
    for text in ["first", "second"] {
        let mut folder = open(path, &["a.csv", "b.csv"], false).unwrap();
        put(&mut folder, "a.csv", text).unwrap();
        put(&mut folder, "b.csv", text).unwrap();
        assert_holds(&path.join("a.csv"), text);
    }
    fs::write(path.join("c.csv"), "mine").unwrap();
    let error = open(path, &["a.csv", "c.csv"], false).err().unwrap();
    assert!(error.is_refusal());
    let (error, file) = (error.to_string(), path.join("c.csv"));
    let wanted = [file.to_str().unwrap(), "another folder", "--force"];
    assert!(wanted.iter().all(|wanted| error.contains(wanted)), "{error}");
    assert_holds(&path.join("a.csv"), "second");
    assert_holds(&path.join("c.csv"), "mine");
    let mut folder = open(path, &["c.csv"], true).unwrap();
    put(&mut folder, "c.csv", "forced").unwrap();
    drop(folder);
    assert_holds(&path.join("c.csv"), "forced");
    open(path, &["a.csv", "b.csv", "c.csv"], false).unwrap();
}

/// A list of names that were never written would give the next run files of the user.
#[test]
fn what_was_never_written_is_not_ours() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    for _ in 0..2 {
        let mut folder = open(path, &["a.csv", "b.csv"], false).unwrap();
        put(&mut folder, "a.csv", "x").unwrap();
        folder.remove("b.csv").unwrap();
    }
    assert!(!fs::read_to_string(path.join(MANIFEST)).unwrap().contains("b.csv"));
    fs::write(path.join("b.csv"), "mine").unwrap();
    assert!(open(path, &["a.csv", "b.csv"], false).err().unwrap().is_refusal());
    let mut folder = open(path, &["a.csv"], false).unwrap();
    folder.remove("b.csv").unwrap();
    assert_holds(&path.join("b.csv"), "mine");
    // Earlier builds listed names alone, also of what they never wrote.
    let about = fs::read_to_string(path.join(MANIFEST)).unwrap();
    let about: serde_json::Value = serde_json::from_str(&about).unwrap();
    let earlier = serde_json::json!({"about": about["about"], "files": ["a.csv", "b.csv"]});
    fs::write(path.join(MANIFEST), earlier.to_string()).unwrap();
    drop(folder);
    assert!(matches!(open(path, &["b.csv"], false).err(), Some(OutputError::Exists { .. })));
}

/// Also with as many bytes; and a link to the same bytes is another thing than they are.
#[test]
fn what_was_changed_since_is_not_ours() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let mut folder = open(path, &["a.csv", "b.csv"], false).unwrap();
    put(&mut folder, "a.csv", "ours").unwrap();
    put(&mut folder, "b.csv", "gone").unwrap();
    drop(folder);
    fs::write(path.join("a.csv"), "mine").unwrap();
    fs::remove_file(path.join("b.csv")).unwrap();
    assert!(matches!(open(path, &["a.csv"], false).err(), Some(OutputError::Exists { .. })));
    let mut folder = open(path, &["b.csv"], false).unwrap();
    folder.remove("a.csv").unwrap();
    assert!(matches!(put(&mut folder, "a.csv", "x").err(), Some(OutputError::Exists { .. })));
    assert_holds(&path.join("a.csv"), "mine");
    put(&mut folder, "b.csv", "back").unwrap();
    drop(folder);
    fs::write(path.join("a.csv"), "ours").unwrap();
    drop(open(path, &["a.csv", "b.csv"], false).unwrap());
    fs::rename(path.join("a.csv"), path.join("c")).unwrap();
    std::os::unix::fs::symlink("c", path.join("a.csv")).unwrap();
    assert!(matches!(open(path, &["a.csv"], false).err(), Some(OutputError::Exists { .. })));
}

/// Between the lines of the manifest and the moves, either content may be there.
#[test]
fn what_is_left_of_a_run_that_was_killed_is_replaced() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let mut folder = open(path, &["a.csv", "b.csv"], false).unwrap();
    put(&mut folder, "a.csv", "old").unwrap();
    drop(folder);
    fs::write(path.join(".tickweave-b.csv.part"), "half of").unwrap();
    let mut folder = open(path, &["a.csv", "b.csv"], false).unwrap();
    let half = folder.put("a.csv", |file| {
        file.write_all(b"half of")?;
        Err(io::Error::other("the disk is full").into())
    });
    assert!(half.err().unwrap().to_string().contains("a.csv"));
    assert_holds(&path.join("a.csv"), "old");
    put(&mut folder, "b.csv", "new").unwrap();
    let mut left: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a.csv", "b.csv", MANIFEST]);
    fs::write(path.join("new"), "new").unwrap();
    folder.manifest.may_be("a.csv", Content::of(&path.join("new")).unwrap());
    folder.list().unwrap();
    drop(folder);
    for (text, is_ours) in [("old", true), ("new", true), ("mix", false)] {
        fs::write(path.join("a.csv"), text).unwrap();
        assert_eq!(open(path, &["a.csv"], false).is_ok(), is_ours, "{text}");
    }
}

#[test]
fn a_file_that_comes_during_the_run_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let mut folder = open(path, &["a.csv", "b.csv"], false).unwrap();
    fs::write(path.join("a.csv"), "mine").unwrap();
    assert!(matches!(put(&mut folder, "a.csv", "x").err(), Some(OutputError::Exists { .. })));
    put(&mut folder, "b.csv", "x").unwrap();
    drop(folder);
    assert_holds(&path.join("a.csv"), "mine");
    assert!(open(path, &["a.csv"], false).is_err(), "it has not become ours");
}

#[test]
fn what_the_job_uses_is_not_replaced_even_by_force() {
    let place = tempfile::tempdir().unwrap();
    let (path, input) = (&place.path().join("out"), place.path().join("input.csv"));
    fs::create_dir(path).unwrap();
    fs::write(&input, "mine").unwrap();
    fs::hard_link(&input, path.join("a.csv")).unwrap();
    let in_use = HashMap::from([(FileKey::of(&input), "a file of source `a`".to_owned())]);
    let error = ResultsFolder::open(path, names(&["a.csv"]), true, in_use).err().unwrap();
    let error = error.to_string();
    assert!(error.contains("a.csv") && error.contains("a file of source `a`"), "{error}");
}

#[test]
fn one_run_at_a_time_and_no_foreign_manifest() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let folder = open(path, &["a.csv"], false).unwrap();
    assert!(matches!(open(path, &["a.csv"], true).err(), Some(OutputError::Locked { .. })));
    drop(folder);
    for text in ["{}", "[1]", "", r#"{"about": "mine", "files": ["a.csv"]}"#] {
        fs::write(path.join(MANIFEST), text).unwrap();
        let error = open(path, &["a.csv"], true).err().unwrap();
        assert!(matches!(&error, OutputError::NoManifest { .. }), "{error:?}");
        assert_holds(&path.join(MANIFEST), text);
    }
}
