//! Which decimals the numbers in files need, found before they are read.
//!
//! Most files need no more than the default, which one quick pass over their lines shows. If some line needs more, a
//! second pass looks at every number of every instrument. Memory is bounded by the instruments.

use std::path::Path;
use std::sync::Arc;

use market::{Catalog, InstrumentSpec};

use super::config::{FileConfig, FileShape, Plan};
use super::reader::{FileReader, ReadFile};
use crate::mapping::{AllNeeds, LeftOutTally};
use crate::paths::names_of_files;
use crate::registry::BuildContext;

/// The instruments in the files of a source whose numbers do not fit at the default scales, each with scales at which
/// they do, by name. What cannot be read, such as a pipe, which gives its rows once, needs nothing; reading it says
/// why.
///
/// # Errors
/// If the source is not configured as it should be.
pub fn scan_scales(
    mut config: FileConfig,
    folder: &Path,
    instruments: usize,
) -> Result<Vec<(Arc<str>, InstrumentSpec)>, String> {
    let names = names_of_files(&std::mem::take(&mut config.paths), folder)?;
    let catalog = Arc::new(Catalog::new(Vec::new(), instruments));
    let context = BuildContext {
        name: "scan".to_owned(),
        folder: folder.to_owned(),
        catalog: Arc::clone(&catalog),
    };
    let Plan { mapping, shapes } = Plan::check(config, &context)?;
    let mapping = Arc::new(mapping);
    let left_out = LeftOutTally::of(names.len());
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        let path = folder.join(&name);
        if path.metadata().is_ok_and(|about| about.is_file()) {
            let FileShape { shape, given } = shapes.of(&name)?;
            let (source, mapping) = (context.name.clone(), Arc::clone(&mapping));
            let left_out = left_out.clone();
            files.push((ReadFile { source, name, shape, given, mapping, left_out }, path));
        }
    }
    let found = |skips_common| {
        let needs = files.iter().fold(AllNeeds::new(), |needs, (file, path)| {
            FileReader::scan(file.clone(), path, needs, skips_common)
        });
        scales_of(&needs, &catalog)
    };
    let uncommon = found(true);
    Ok(if uncommon.is_empty() { uncommon } else { found(false) })
}

/// The scales of those that need others than the default.
fn scales_of(needs: &AllNeeds, catalog: &Catalog) -> Vec<(Arc<str>, InstrumentSpec)> {
    let specs = needs.iter().map(|(id, needs)| (catalog.name(*id), needs.spec()));
    let mut specs: Vec<_> = specs.filter(|(_, spec)| *spec != InstrumentSpec::DEFAULT).collect();
    specs.sort_by(|(one, _), (other, _)| one.cmp(other));
    specs
}
