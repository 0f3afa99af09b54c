//! The files of a source, each a partition. Those of a source that follows its files may become more.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::{FILES_MAX, NamedFile, PathKind, check_names, find, kind_of, too_many};
use crate::file_identity::{EndedReader, FileIdentity, IdentifiedReader, grown, replaced};
use crate::follow::{Begin, Claims, FileId, FollowedPath, Follower, Following, Positions};
use crate::lines::{compression, not_plain};
use crate::mapping::Packing;
use crate::source::{Incident, PartitionReader, PartitionState, Place, ResumePoint, SourceError};

/// What a source knows of a file by its name.
type Describe<F> = Box<dyn Fn(&str) -> Result<F, String> + Send + Sync>;

/// The files of one source; their places are the numbers of its partitions.
pub(crate) struct FileSet<F> {
    source: String,
    folder: PathBuf,
    paths: Vec<String>,
    follows: bool,
    describe: Describe<F>,
    members: RwLock<Vec<Arc<Member<F>>>>,
    claims: Claims,
}

/// A file.
pub(crate) struct Member<F> {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    number: u32,
    is_found: bool,
    /// What is known of it, or why it cannot be read.
    about: Result<F, String>,
    following: Following,
}

impl<F> FileSet<F> {
    /// The files of source `source` whose `paths` start at `folder`. Patterns and folders are only for one that follows
    /// its files; of others they were written out.
    pub(crate) fn new(
        source: &str,
        folder: &Path,
        paths: Vec<String>,
        follows: bool,
        describe: impl Fn(&str) -> Result<F, String> + Send + Sync + 'static,
    ) -> Result<FileSet<F>, String> {
        check_names(&paths)?;
        if paths.len() > FILES_MAX {
            return Err(too_many());
        }
        let set = FileSet {
            source: source.to_owned(),
            folder: folder.to_owned(),
            paths,
            follows,
            describe: Box::new(describe),
            members: RwLock::default(),
            claims: Claims::default(),
        };
        for name in &set.paths {
            if follows && kind_of(folder, name) != PathKind::File {
                continue;
            }
            check_ending(follows, name)?;
            let member = set.member(name.clone(), false);
            if let Err(problem) = &member.about
                && (!follows || member.path.exists())
            {
                return Err(problem.clone());
            }
            set.push(member);
        }
        Ok(set)
    }

    /// How many files there are.
    pub(crate) fn count(&self) -> u32 {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        members.len() as u32 // at most FILES_MAX
    }

    /// The name of a partition; empty if there is none of this number.
    pub(crate) fn name(&self, partition: u32) -> String {
        self.get(partition).map_or_else(|_| String::new(), |member| member.name.clone())
    }

    /// Where all files are that are known, and those that would be found now.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let known = self.all().into_iter().map(|member| member.name.clone());
        let mut names: Vec<String> = known.collect();
        if self.follows {
            let found = find(&self.folder, &self.paths, false).unwrap_or_default();
            names.extend(found.into_iter().map(|file| file.name));
            names.sort_unstable();
            names.dedup();
        }
        names.into_iter().map(|name| self.folder.join(name)).collect()
    }

    /// Finds the files that there are now; returns how many are known. At the first time, a pattern or folder without
    /// files is an error.
    pub(crate) fn discover(&self) -> Result<u32, SourceError> {
        if !self.follows {
            return Ok(self.count());
        }
        let wrong = |problem| self.wrong(problem);
        let known: HashSet<String> =
            self.all().into_iter().map(|member| member.name.clone()).collect();
        let is_first = !self.all().iter().any(|member| member.is_found);
        let files = find(&self.folder, &self.paths, is_first).map_err(wrong)?;
        let mut named = HashSet::with_capacity(files.len());
        for NamedFile { name, is_found } in files {
            let id = self.folder.join(&name).metadata().ok().map(|about| FileId::of(&about));
            named.extend(id.clone());
            let is_read = id.is_some_and(|id| self.claims.is_of_other(&id, self.count()));
            if !is_found || is_read || known.contains(&name) {
                continue;
            }
            if self.count() as usize == FILES_MAX {
                return Err(wrong(too_many()));
            }
            let member = self.member(name, true);
            // Later, one file that cannot be read holds up no other.
            if let (Err(problem), true) = (&member.about, is_first) {
                return Err(wrong(problem.clone()));
            }
            self.push(member);
        }
        self.claims.name(&named);
        Ok(self.count())
    }

    /// The file of a partition.
    pub(crate) fn get(&self, partition: u32) -> Result<Arc<Member<F>>, SourceError> {
        let files = self.all();
        let member = usize::try_from(partition).ok().and_then(|at| files.get(at)).cloned();
        member.ok_or_else(|| {
            self.wrong(format!("there is no partition {partition}; it has {}", files.len()))
        })
    }

    /// What is known of a file.
    pub(crate) fn about<'a>(&self, member: &'a Member<F>) -> Result<&'a F, SourceError> {
        member.about.as_ref().map_err(|problem| self.wrong(problem.clone()))
    }

    /// Whether a file can be opened twice, and gives the same rows: it is no pipe, and not one that comes later.
    pub(crate) fn can_be_read_twice(&self, member: &Member<F>) -> bool {
        match member.path.metadata() {
            Ok(about) => about.is_file() || about.is_dir(),
            Err(_) => !self.follows,
        }
    }

    /// Refuses a file that is compressed, if it is to be followed.
    pub(crate) fn check_plain(&self, member: &Member<F>) -> Result<(), SourceError> {
        let mut start = [0; 4];
        let read = File::open(&member.path).and_then(|file| file.read_at(&mut start, 0));
        match compression(&start[..read.unwrap_or(0)]).filter(|_| self.follows) {
            Some(how) => Err(self.wrong(format!("{}: {}", member.name, not_plain(how)))),
            None => Ok(()),
        }
    }

    /// Reads a file as it grows.
    pub(crate) fn follow(
        &self,
        member: &Member<F>,
        place: Place,
        begin: Begin,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        let (path, claims) = (self.followed(member), self.claims.clone());
        member.following.reader(|| Follower::open(path, claims, begin, place.after()))
    }

    /// Reads a file on as it grows, where an earlier process has left it.
    pub(crate) fn follow_on(
        &self,
        member: &Member<F>,
        at: &ResumePoint,
        packing: Packing,
        begin: Begin,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        let (path, claims) = (self.followed(member), self.claims.clone());
        member.following.reader(|| Follower::resume(path, claims, begin, at, packing))
    }

    fn followed(&self, member: &Member<F>) -> FollowedPath {
        FollowedPath {
            source: self.source.clone(),
            name: member.name.clone(),
            number: member.number,
            path: member.path.clone(),
            is_found: member.is_found,
        }
    }

    /// Of a source that follows its files: which partition read which file in an earlier process. Partitions of files
    /// that were found then are there again.
    pub(crate) fn restore(&self, known: &[(String, PartitionState)]) {
        let mut folders = HashMap::new();
        for (name, state) in known {
            if !self.follows || Follower::is_over(state) {
                continue;
            }
            let named = |set: &FileSet<F>| set.all().into_iter().find(|own| own.name == *name);
            let is_possible = (self.count() as usize) < FILES_MAX && !name.is_empty();
            if named(self).is_none() && is_possible {
                self.push(self.member(name.clone(), true));
            }
            if let Some(member) = named(self) {
                Follower::claim(&self.followed(&member), state, &self.claims, &mut folders);
            }
        }
    }

    /// Opens a file that does not grow, from its beginning or after a row; `open` reads it so.
    pub(crate) fn open(
        &self,
        member: &Member<F>,
        place: Place,
        packing: Packing,
        open: impl FnOnce(Positions) -> Result<Box<dyn PartitionReader>, SourceError>,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        let after = place.after();
        // What comes through a pipe was never there before, whatever was read of one of this name.
        let base = if self.is_pipe(member) { packing.message(after) } else { 0 };
        self.identified(member, None, open(Positions { base, after }))
    }

    /// Opens a file that does not grow, where an earlier process has left it.
    pub(crate) fn resume(
        &self,
        member: &Member<F>,
        at: &ResumePoint,
        packing: Packing,
        open: impl FnOnce(Positions) -> Result<Box<dyn PartitionReader>, SourceError>,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        let failed = |source| SourceError::Open { partition: member.name.clone(), source };
        let known = at.state.as_ref().and_then(PartitionState::read::<FileIdentity>);
        let Some(known) = known.filter(|_| !self.is_pipe(member)) else {
            return self.open(member, Place::After(at.after), packing, open);
        };
        let file = match File::open(&member.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && at.has_ended => {
                return Ok(Box::new(EndedReader::of(&member.name)));
            }
            file => file.map_err(failed)?,
        };
        let difference = known.difference(&file).map_err(failed)?;
        let base = if difference.is_some() { packing.message(at.after) } else { 0 };
        let found = match &difference {
            Some(difference) => Some(replaced(&member.name, at.after, difference)),
            None if at.has_ended && known.is_shorter_than(&file).map_err(failed)? => {
                Some(grown(&member.name))
            }
            None => None,
        };
        self.identified(member, found, open(Positions { base, after: at.after }))
    }

    /// A reader that says which file it reads, and what was found when it was opened.
    fn identified(
        &self,
        member: &Member<F>,
        found: Option<Incident>,
        reader: Result<Box<dyn PartitionReader>, SourceError>,
    ) -> Result<Box<dyn PartitionReader>, SourceError> {
        let state = self.identity(member);
        Ok(Box::new(IdentifiedReader { reader: reader?, state, found }))
    }

    /// What a file is known by; none of a pipe, or of one that cannot be read.
    fn identity(&self, member: &Member<F>) -> Option<PartitionState> {
        if self.is_pipe(member) {
            return None;
        }
        let identity = File::open(&member.path).and_then(|file| FileIdentity::of(&file)).ok()?;
        Some(PartitionState::of(&identity))
    }

    fn is_pipe(&self, member: &Member<F>) -> bool {
        member.path.metadata().is_ok_and(|about| !about.is_file())
    }

    fn member(&self, name: String, is_found: bool) -> Member<F> {
        let about = match check_ending(self.follows, &name) {
            Ok(()) => (self.describe)(&name),
            Err(problem) => Err(problem),
        };
        let (path, number) = (self.folder.join(&name), self.count());
        Member { name, path, number, is_found, about, following: Following::default() }
    }

    fn push(&self, member: Member<F>) {
        self.members.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(member));
    }

    fn all(&self) -> Vec<Arc<Member<F>>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wrong(&self, problem: String) -> SourceError {
        SourceError::Config { name: self.source.clone(), problem }
    }
}

/// A file that is followed is not compressed; many say so by their names.
fn check_ending(follows: bool, name: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    match [".gz", ".zst", ".zip"].iter().any(|ending| lower.ends_with(ending)) {
        true if follows => Err(format!(
            "\"{name}\" is compressed, and `follow` reads only plain text as it grows; leave it out, or `follow`"
        )),
        _ => Ok(()),
    }
}
