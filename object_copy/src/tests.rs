//! The order of what is written, and writers that get in each other's way, over a store in memory and a folder.

use std::fs::{self, File};
use std::path::Path as FilePath;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::*;

fn memory(objects: &Arc<InMemory>) -> CopyStore {
    let objects = Arc::clone(objects) as Arc<dyn object_store::ObjectStore>;
    CopyStore::over("memory://x/jobs/one", Path::from("jobs/one"), objects, None).unwrap()
}

fn owner(generation: u64, began_through: Option<u64>) -> StateOwner {
    StateOwner { state: "own".to_owned(), generation, began_through }
}

/// Files of a folder, with what each holds.
fn files(folder: &FilePath, contents: &[(&str, &[u8])]) -> Vec<FileToCopy> {
    let file = |(name, content): &(&str, &[u8])| {
        fs::write(folder.join(name), content).unwrap();
        FileToCopy {
            name: (*name).to_owned(),
            file: File::open(folder.join(name)).unwrap(),
            bytes: content.len() as u64,
            checksum: crc32fast::hash(content),
        }
    };
    contents.iter().map(file).collect()
}

/// Fetches the copy; gives its files.
fn fetched(store: &CopyStore) -> Result<Vec<(String, Vec<u8>)>, CopyError> {
    let to = tempfile::tempdir().unwrap();
    fetch(store, to.path())?;
    let mut files: Vec<_> = fs::read_dir(to.path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    Ok(files)
}

fn held(contents: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    contents.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect()
}

const FIRST: &[(&str, &[u8])] = &[("a", b"one"), ("b", b"two"), ("log-2", b"he")];
const SECOND: &[(&str, &[u8])] = &[("b", b"two"), ("c", b"three"), ("log-2", b"head")];

fn goes_on(_: CopyStep) -> bool {
    true
}

#[test]
fn what_is_there_is_not_sent_again_and_what_is_old_goes() {
    let (objects, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let store = memory(&objects);
    assert!(matches!(fetched(&store), Err(CopyError::NoCopy { .. })));
    let mut writer = CopyWriter::new(memory(&objects), owner(1, None));
    let first = writer.copy(5, &mut files(folder.path(), FIRST), &mut goes_on).unwrap();
    assert_eq!((first.uploaded, first.bytes, first.files), (8, 8, 3));
    assert_eq!(fetched(&store).unwrap(), held(FIRST));

    let second = writer.copy(9, &mut files(folder.path(), SECOND), &mut goes_on).unwrap();
    assert_eq!((second.uploaded, second.bytes), (9, 12));
    assert_eq!(fetched(&store).unwrap(), held(SECOND));
    assert_eq!(store.objects().unwrap().len(), 3, "`a` and the first head are gone");
    let index = read_index(&store).unwrap().unwrap();
    assert_eq!((index.sequence, index.through, index.generation), (1, 9, 1));

    // The next start takes over what the index names.
    let mut next = CopyWriter::new(memory(&objects), owner(2, Some(9)));
    let third = next.copy(9, &mut files(folder.path(), SECOND), &mut goes_on).unwrap();
    assert_eq!(third.uploaded, 0);
    assert_eq!(fetched(&store).unwrap(), held(SECOND));
}

#[test]
fn given_up_anywhere_there_is_the_copy_before_or_the_new_one() {
    for stop_at in 0.. {
        let (objects, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
        let store = memory(&objects);
        let mut writer = CopyWriter::new(memory(&objects), owner(1, None));
        writer.copy(5, &mut files(folder.path(), FIRST), &mut goes_on).unwrap();
        let (mut step, mut has_index) = (0, false);
        let second = writer.copy(9, &mut files(folder.path(), SECOND), &mut |at| {
            step += 1;
            has_index |= at == CopyStep::Index;
            step <= stop_at
        });
        assert_eq!(second.is_ok(), has_index, "step {stop_at}: {second:?}");
        assert_eq!(fetched(&store).unwrap(), held(if has_index { SECOND } else { FIRST }));
        // This start, or the next one, does the rest and leaves nothing behind.
        let mut next = match stop_at % 2 {
            0 => writer,
            _ => CopyWriter::new(memory(&objects), owner(2, Some(9))),
        };
        next.copy(9, &mut files(folder.path(), SECOND), &mut goes_on).unwrap();
        assert_eq!(fetched(&store).unwrap(), held(SECOND));
        assert_eq!(store.objects().unwrap().len(), SECOND.len());
        if step < stop_at {
            assert!(stop_at > 5, "{stop_at}");
            return;
        }
    }
}

/// Everything in a store, to see that nothing was changed.
fn all(store: &CopyStore) -> (Vec<String>, CopyIndex) {
    (store.objects().unwrap().into_keys().collect(), read_index(store).unwrap().unwrap())
}

#[test]
fn a_later_start_takes_over_and_the_earlier_one_stops() {
    let (objects, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let store = memory(&objects);
    let mut first = CopyWriter::new(memory(&objects), owner(1, None));
    first.copy(5, &mut files(folder.path(), FIRST), &mut goes_on).unwrap();
    let mut second = CopyWriter::new(memory(&objects), owner(2, Some(5)));

    // The later one takes over while the earlier one has uploaded and not written its index yet.
    let fork: &[(&str, &[u8])] = &[("a", b"one"), ("c", b"other")];
    let mut is_taken = false;
    let error = first
        .copy(9, &mut files(folder.path(), SECOND), &mut |step| {
            if step == CopyStep::Files && !std::mem::replace(&mut is_taken, true) {
                let other = tempfile::tempdir().unwrap();
                second.copy(7, &mut files(other.path(), fork), &mut goes_on).unwrap();
            }
            true
        })
        .unwrap_err();
    assert!(matches!(error, CopyError::Newer { found: 2, own: 1, .. }), "{error}");
    assert!(error.is_final());
    assert_eq!(fetched(&store).unwrap(), held(fork));

    // It stays so, however often the earlier one tries.
    let before = all(&store);
    let again = first.copy(20, &mut files(folder.path(), SECOND), &mut goes_on).unwrap_err();
    assert!(matches!(again, CopyError::Newer { .. }), "{again}");
    assert_eq!(all(&store), before);
}

#[test]
fn another_state_and_an_older_one_change_nothing() {
    let (objects, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let store = memory(&objects);
    let mut writer = CopyWriter::new(memory(&objects), owner(3, None));
    writer.copy(5, &mut files(folder.path(), FIRST), &mut goes_on).unwrap();
    let before = all(&store);
    let other = StateOwner { state: "other".to_owned(), generation: 9, began_through: Some(50) };
    let owners =
        [(other, "another state"), (owner(9, Some(4)), "older"), (owner(9, None), "older")];
    for (owner, why) in owners.into_iter().chain([(owner(2, Some(50)), "later start")]) {
        let mut writer = CopyWriter::new(memory(&objects), owner);
        let files = &mut files(folder.path(), SECOND);
        let error = writer.copy(60, files, &mut goes_on).unwrap_err();
        assert!(error.is_final() && error.to_string().contains(why), "{error}");
        assert_eq!(all(&store), before);
    }
    // Of one start, too, what is older does not replace what is newer.
    let mut again = CopyWriter::new(memory(&objects), owner(3, None));
    let error = again.copy(4, &mut files(folder.path(), SECOND), &mut goes_on).unwrap_err();
    assert!(matches!(error, CopyError::Ahead { found: 5, .. }), "{error}");
}

#[test]
fn what_is_damaged_or_lost_is_found() {
    let (objects, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let store = memory(&objects);
    let mut writer = CopyWriter::new(memory(&objects), owner(1, None));
    writer.copy(5, &mut files(folder.path(), FIRST), &mut goes_on).unwrap();
    let object = read_index(&store).unwrap().unwrap().files[1].object.clone();
    let mut other = files(folder.path(), &[("b", b"twO")]);
    let other = &mut other[0];
    let part = (&mut other.file, 3, other.checksum);
    store.upload((&object, "b"), part, &mut |_| true).unwrap();
    let damaged = fetched(&store).unwrap_err().to_string();
    assert!(damaged.contains(&object) && damaged.contains("damaged: it has 3 bytes"), "{damaged}");

    store.remove(&object).unwrap();
    let lost = fetched(&store).unwrap_err().to_string();
    assert!(lost.contains("it is not there"), "{lost}");
    // The next copy has it again.
    writer.copy(6, &mut files(folder.path(), FIRST), &mut goes_on).unwrap();
    assert_eq!(fetched(&store).unwrap(), held(FIRST));

    // An index that is not what was written.
    let index = read_index(&store).unwrap().unwrap();
    let text = String::from_utf8(index.encode().unwrap()).unwrap();
    assert_eq!(CopyIndex::decode(text.as_bytes()).unwrap(), index);
    for (from, to) in [("\"through\":6", "\"through\":7"), ("checksum", "sum")] {
        assert!(CopyIndex::decode(text.replace(from, to).as_bytes()).is_err());
    }
    let mut outside = index;
    outside.files[0].name = "../a".to_owned();
    let refused = CopyIndex::decode(&outside.encode().unwrap()).unwrap_err();
    assert!(refused.contains("names a file `../a`"), "{refused}");
}

#[test]
fn large_files_go_in_parts() {
    let (objects, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let large: Vec<u8> = (0..2 * store::PART_BYTES + 7).map(|n| (n % 251) as u8).collect();
    let contents: &[(&str, &[u8])] = &[("large", &large)];
    let mut writer = CopyWriter::new(memory(&objects), owner(1, None));
    let mut parts = Vec::new();
    let copied = writer.copy(1, &mut files(folder.path(), contents), &mut |step| {
        parts.extend(Some(step).filter(|step| matches!(step, CopyStep::Uploaded(_))));
        true
    });
    assert_eq!(copied.unwrap().uploaded, large.len() as u64);
    assert_eq!(parts.len(), 3);
    assert!(fetched(&memory(&objects)).unwrap() == held(contents));
    // A file that is not what its checksum was taken of is not copied.
    let mut changed = files(folder.path(), contents);
    changed[0].checksum ^= 1;
    let error = writer.copy(2, &mut changed, &mut goes_on).unwrap_err();
    assert!(matches!(error, CopyError::Changed { .. }), "{error}");
}

#[test]
fn a_folder_keeps_writers_apart_as_a_store_does() {
    let (place, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = format!("file://{}/not there yet", place.path().display());
    let open = || CopyStore::open(&url, &StoreOptions::default()).unwrap();
    assert!(matches!(fetched(&open()), Err(CopyError::NoCopy { .. })));
    let mut first = CopyWriter::new(open(), owner(1, None));
    for contents in [FIRST, SECOND] {
        first.copy(5, &mut files(folder.path(), contents), &mut goes_on).unwrap();
        assert_eq!(fetched(&open()).unwrap(), held(contents));
    }
    assert_eq!(open().objects().unwrap().len(), SECOND.len());
    let mut second = CopyWriter::new(open(), owner(2, Some(5)));
    second.copy(6, &mut files(folder.path(), FIRST), &mut goes_on).unwrap();
    let error = first.copy(9, &mut files(folder.path(), SECOND), &mut goes_on).unwrap_err();
    assert!(matches!(error, CopyError::Newer { .. }), "{error}");
    assert_eq!(fetched(&open()).unwrap(), held(FIRST));
}

#[test]
fn a_store_without_conditions_is_named() {
    let (place, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let objects = Arc::new(LocalFileSystem::new());
    let prefix = Path::from_absolute_path(place.path()).unwrap();
    let store = CopyStore::over("plain://x", prefix, objects, None).unwrap();
    let mut writer = CopyWriter::new(store, owner(1, None));
    writer.copy(5, &mut files(folder.path(), FIRST), &mut goes_on).unwrap();
    let error = writer.copy(6, &mut files(folder.path(), FIRST), &mut goes_on).unwrap_err();
    assert!(error.to_string().contains("conditional PUT"), "{error}");
    assert!(error.is_final());
}
