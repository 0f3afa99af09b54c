use proptest::prelude::*;

use super::*;

/// Whether places are in the order of names.
fn is_ordered(sources: &SourceRegistry) -> bool {
    let mut all: Vec<_> = sources.names().iter().zip(&sources.orders).collect();
    all.sort();
    all.windows(2).all(|pair| pair[0].1 < pair[1].1)
}

proptest! {
    #[test]
    fn the_order_is_that_of_names_and_never_changes(
        batches in proptest::collection::vec(
            proptest::collection::vec("[a-c]{1,4}", 1..9), 1..8,
        ),
    ) {
        let mut sources = SourceRegistry::default();
        for batch in batches {
            let before = sources.clone();
            let names: Vec<&str> = batch.iter().map(String::as_str).collect();
            let ids = sources.register(&names).unwrap();
            prop_assert!(is_ordered(&sources));
            prop_assert!(sources.orders.starts_with(&before.orders));
            prop_assert!(sources.names().starts_with(before.names()));
            for (id, name) in ids.iter().zip(&names) {
                prop_assert_eq!(&sources.names()[id.number()], name);
            }
        }
        let saved = postcard::to_stdvec(&sources).unwrap();
        prop_assert_eq!(postcard::from_bytes::<SourceRegistry>(&saved).unwrap(), sources);
    }
}

#[test]
fn sixty_four_names_fit_whether_they_come_first_or_last() {
    let names: Vec<String> = (0..64).map(|at| format!("{at:02}")).collect();
    let sorted: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut at_once = SourceRegistry::default();
    at_once.register(&sorted).unwrap();
    let [mut up, mut down] = [SourceRegistry::default(), SourceRegistry::default()];
    for name in &sorted {
        up.register(&[name]).unwrap();
    }
    for name in sorted.iter().rev() {
        down.register(&[name]).unwrap();
    }
    assert!(is_ordered(&at_once) && is_ordered(&up) && is_ordered(&down));
    let error = up.register(&["one more"]).unwrap_err().to_string();
    assert!(error.starts_with("source `one more` is one more than the 64 names"), "{error}");
    assert_eq!(up.names().len(), 64, "a failed registration leaves nothing behind");
}

#[test]
fn no_room_between_two_names_is_said() {
    let mut sources = SourceRegistry::default();
    sources.register(&["a", "b"]).unwrap();
    let mut name = "a".to_owned();
    let error = loop {
        name.push('a'); // always between `a…a` and `b`
        if let Err(error) = sources.register(&[&name]) {
            break error;
        }
    };
    assert!(name.len() > 20, "{name}");
    let before = name[1..].to_owned();
    let want = RegistryError::NoRoom { name, before, after: "b".to_owned() };
    assert_eq!(error, want);
    sources.register(&["c"]).unwrap();
}

#[test]
fn registries_of_two_jobs_differ() {
    let mut one = Registries::default();
    one.sources.register(&["a", "b"]).unwrap();
    let mut more = one.clone();
    more.sources.register(&["c"]).unwrap();
    more.rules.register("r").unwrap();
    assert_eq!((one.agree(&more), more.agree(&one)), (Ok(()), Ok(())));
    let mut other = Registries::default();
    other.sources.register(&["b"]).unwrap();
    let error = one.agree(&other).unwrap_err().to_string();
    assert!(error.starts_with("number 0 is source `a` in this job and `b` in"), "{error}");
}

#[test]
fn partitions_belong_to_their_source() {
    let mut sources = SourceRegistry::default();
    let ids = sources.register(&["a", "b"]).unwrap();
    assert_eq!(sources.register_partition(ids[1], "x"), Ok(PartitionId(0)));
    assert_eq!(sources.register_partition(ids[1], "y"), Ok(PartitionId(1)));
    assert_eq!(sources.register_partition(ids[1], "x"), Ok(PartitionId(0)));
    assert_eq!((sources.partitions(ids[0]).len(), sources.partitions(ids[1]).len()), (0, 2));
    assert!(sources.register_partition(SourceId(2), "x").is_err());
}
