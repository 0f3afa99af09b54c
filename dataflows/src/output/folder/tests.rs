use std::fs;

use super::*;

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn open(path: &Path, of: &[&str], force: bool) -> Result<ResultsFolder, OutputError> {
    ResultsFolder::open(path, names(of), force, HashMap::new())
}

fn put(folder: &ResultsFolder, name: &str, text: &str) -> Result<(), OutputError> {
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
        let folder = open(path, &["a.csv", "b.csv"], false).unwrap();
        folder.begin().unwrap();
        put(&folder, "a.csv", text).unwrap();
        put(&folder, "b.csv", text).unwrap();
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
    let folder = open(path, &["c.csv"], true).unwrap();
    folder.begin().unwrap();
    put(&folder, "c.csv", "forced").unwrap();
    drop(folder);
    assert_holds(&path.join("c.csv"), "forced");
    open(path, &["a.csv", "b.csv", "c.csv"], false).unwrap();
}

/// A run that ends half-way has listed what it was to write.
#[test]
fn what_is_left_of_a_run_that_was_killed_is_replaced() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let folder = open(path, &["a.csv", "b.csv"], false).unwrap();
    folder.begin().unwrap();
    put(&folder, "a.csv", "old").unwrap();
    drop(folder);
    fs::write(path.join(".tickweave-b.csv.part"), "half of").unwrap();
    let folder = open(path, &["a.csv", "b.csv"], false).unwrap();
    folder.begin().unwrap();
    let half = folder.put("a.csv", |file| {
        file.write_all(b"half of")?;
        Err(io::Error::other("the disk is full").into())
    });
    assert!(half.err().unwrap().to_string().contains("a.csv"));
    assert_holds(&path.join("a.csv"), "old");
    put(&folder, "b.csv", "new").unwrap();
    let mut left: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a.csv", "b.csv", MANIFEST]);
}

#[test]
fn a_file_that_comes_during_the_run_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let folder = open(path, &["a.csv", "b.csv"], false).unwrap();
    fs::write(path.join("a.csv"), "mine").unwrap();
    folder.begin().unwrap();
    assert!(matches!(put(&folder, "a.csv", "x").err(), Some(OutputError::Exists { .. })));
    put(&folder, "b.csv", "x").unwrap();
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
