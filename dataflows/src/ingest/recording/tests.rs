use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use connectors::{Incident, IncidentKind, LostRows};
use market::{
    AccountEvent, CalendarId, Catalog, Commit, Contract, Currency, EventTime, FairValue, Fill,
    FillRef, Generation, IdText, InstrumentId, InstrumentSpec, NameOrder, Origin, PartitionId,
    PortfolioId, Price, SharedRegistries, Side, SourceId, Target, Timeframe, TradeId,
};

use super::*;
use crate::ingest::closed_commit::ClosedCommit;
use crate::ingest::input::ControlEvent;
use crate::telemetry::Metrics;
use operators::ReadFrom;
use proptest::prelude::*;

fn accounts(catalog: &Catalog) -> Vec<AccountEvent> {
    let instrument = catalog.resolve("us:AAPL").unwrap().id;
    let (p1, p2) = (PortfolioId::of("p1"), PortfolioId::of("p2"));
    catalog.portfolios.resolve("p1").unwrap();
    let model = catalog.models.resolve("dcf").unwrap();
    let contract = Contract {
        spec: InstrumentSpec { price_scale: 2, quantity_scale: 0, calendar: CalendarId(0) },
        quote: Currency::of("USD").unwrap(),
        multiplier: market::Multiplier::ONE,
    };
    let (time, name) = (EventTime(7), FillRef { portfolio: p1, id: TradeId::Number(1) });
    let (price, quantity) = (Price(18_150), -10);
    let (fee, fee_currency) = (-5, Currency::of("BNB").unwrap());
    let (sequence, spec) = (3, contract.spec);
    let fill =
        Fill { name, instrument, contract, time, sequence, price, quantity, fee, fee_currency };
    vec![
        AccountEvent::Fill(fill),
        AccountEvent::Correct(Fill { sequence: 4, ..fill }),
        AccountEvent::Bust { of: name, side: Side::Sell, time: None },
        AccountEvent::Target(Target { portfolio: p2, instrument, contract, time, weight: Some(1) }),
        AccountEvent::Fair(FairValue { instrument, spec, model, time, value: Some(price) }),
    ]
}

/// The texts of ids of this commit.
fn id_texts(commit: u64) -> Vec<IdText> {
    IdText::of(&[&format!("t-{commit}")]).1.into_iter().collect()
}

fn closed(commit: u64, accounts: &[AccountEvent]) -> ClosedCommit {
    let origin = |position| Origin {
        rank: 0,
        order: NameOrder::default(),
        source: SourceId(0),
        partition: PartitionId(0),
        position,
    };
    let binding = Binding {
        commit: Commit(commit),
        at: EventTime(9),
        round: true,
        positions: vec![vec![5]],
        watermarks: vec![None],
        read_from: ReadFrom::default(),
    };
    let accounts = (1..).zip(accounts);
    let accounts =
        accounts.map(|(at, event)| AccountRecord { origin: origin(at), event: *event }).collect();
    let (records, refused, control) = (Vec::new(), Vec::new(), Vec::new());
    ClosedCommit {
        binding,
        records,
        accounts,
        id_texts: id_texts(commit),
        refused,
        control,
        posts: Vec::new(),
        rule_changes: Vec::new(),
        oldest: None,
    }
}

#[test]
fn what_is_said_of_accounts_comes_back_with_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rec");
    let catalog = Arc::new(Catalog::new(Vec::new(), 9));
    let events = accounts(&catalog);
    let registries = SharedRegistries::default();
    let source = registries.register_sources(&["a"]).unwrap()[0];
    registries.register_partition(source, "known").unwrap();
    let (config, generation) = (String::new(), Generation(7));
    let header = RecordingHeader { config, generation, registries: registries.snapshot() };
    let names = (Arc::clone(&catalog), registries.clone());
    let mut recorder = Recorder::create(&path, header.clone(), names, false).unwrap();
    let gained = registries.register_partition(source, "gained").unwrap();
    recorder.write(&closed(0, &events), &RunTimeRules::default()).unwrap();
    recorder.write(&closed(1, &events[4..]), &RunTimeRules::default()).unwrap();
    recorder.finish().unwrap();

    let mut recording = Recording::open(&path).unwrap();
    assert_eq!(recording.header(), &header);
    let Next::Names(names) = recording.read().unwrap() else { panic!("names come first") };
    // A portfolio that was never named is recorded by its hash, and so comes back as another.
    let p2 = format!("{:?}", PortfolioId::of("p2"));
    let want = NewNames {
        instruments: vec!["us:AAPL".to_owned()],
        portfolios: vec!["p1".to_owned(), p2],
        models: vec!["dcf".to_owned()],
        partitions: vec![(source, gained, "gained".to_owned())],
    };
    assert_eq!(names, want);
    for (commit, events) in [(0, &events[..]), (1, &events[4..])] {
        let Next::Commit(read) = recording.read().unwrap() else { panic!("no commit {commit}") };
        let want = closed(commit, events);
        assert_eq!((read.binding, read.accounts), (want.binding, want.accounts));
    }
    assert!(matches!(recording.read().unwrap(), Next::End { in_order: true }));
}

#[test]
fn another_version_differs_from_what_is_no_recording() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rec");
    for version in ["01", "05"] {
        std::fs::write(&path, format!("TWKREC{version} and what follows")).unwrap();
        assert!(Recording::is_at(&path), "it is not taken for a file of trades");
        let error = Recording::open(&path).err().unwrap().to_string();
        let want = format!(
            "is a recording of version {version}, and this program reads versions 07, 08 and 09"
        );
        assert!(error.contains(&want), "{error}");
    }
    std::fs::write(&path, b"TWKRECK?").unwrap();
    let error = Recording::open(&path).err().unwrap().to_string();
    assert!(error.contains("version K?"), "{error}");
    std::fs::write(&path, b"time,price,size").unwrap();
    assert!(!Recording::is_at(&path));
    let error = Recording::open(&path).err().unwrap().to_string();
    assert!(error.ends_with("is not a recording"), "{error}");
}

/// A recording of three commits in `folder`, and where each of its frames ends.
fn three_commits(folder: &Path) -> (PathBuf, Vec<usize>) {
    let path = folder.join("a.rec");
    let registries = SharedRegistries::default();
    registries.register_sources(&["a"]).unwrap();
    let (config, generation) = (String::new(), Generation(7));
    let header = RecordingHeader { config, generation, registries: registries.snapshot() };
    let names = (Arc::new(Catalog::new(Vec::new(), 9)), registries);
    let mut recorder = Recorder::create(&path, header, names, false).unwrap();
    let size = || std::fs::metadata(&path).unwrap().len() as usize;
    let mut ends = vec![size()];
    for commit in 0..3 {
        recorder.write(&closed(commit, &[]), &RunTimeRules::default()).unwrap();
        ends.push(size());
    }
    recorder.finish().unwrap();
    (path, ends)
}

/// How many commits can be read of a recording, and what follows them.
fn commits_of(path: &Path) -> (usize, Result<Next, RecordingError>) {
    let mut recording = Recording::open(path).unwrap();
    let mut commits = 0;
    loop {
        match recording.read() {
            Ok(Next::Commit(closed)) => {
                assert_eq!(closed.id_texts, id_texts(commits as u64));
                commits += 1;
            }
            Ok(Next::Names(_)) => {}
            end => return (commits, end),
        }
    }
}

#[test]
fn a_tail_of_zeros_is_a_cut_and_a_hole_in_the_middle_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (path, ends) = three_commits(folder.path());
    let whole = std::fs::read(&path).unwrap();
    let last = ends[2]..ends[3];
    for from in last.clone() {
        // From some byte of the last commit on, nothing was written; the file may be longer or shorter than it was.
        for length in [from, whole.len(), whole.len() + 10_000] {
            let mut torn = whole[..from].to_vec();
            torn.resize(length, 0);
            std::fs::write(&path, &torn).unwrap();
            let (commits, end) = commits_of(&path);
            assert!(matches!(end, Ok(Next::End { in_order: false })), "{from} of {length}");
            // The last bytes of a commit may be zeros.
            let zeros = whole[from..last.end].iter().all(|byte| *byte == 0);
            assert_eq!(commits, if zeros && length > from { 3 } else { 2 }, "{from} of {length}");
        }
    }
    for (at, byte) in whole.iter().enumerate().take(ends[2]).skip(ends[0]) {
        let mut damaged = whole.clone();
        damaged[at] = !byte;
        std::fs::write(&path, &damaged).unwrap();
        let (_, end) = commits_of(&path);
        assert!(
            matches!(end, Err(RecordingError::Damaged { .. })),
            "byte {at} of a length or commit"
        );
    }
}

fn incident() -> impl Strategy<Value = Incident> {
    let kind = prop::sample::select(&IncidentKind::ALL[..]);
    let lost = (any::<Option<(u64, u64)>>(), any::<Option<u64>>());
    let lost = prop::option::of(lost.prop_map(|(positions, rows)| LostRows { positions, rows }));
    (kind, lost, ".*").prop_map(|(kind, lost, detail)| Incident { kind, lost, detail })
}

fn control_event() -> impl Strategy<Value = ControlEvent> {
    prop_oneof![
        any::<u32>().prop_map(|partition| ControlEvent::Opened { partition }),
        any::<u32>().prop_map(|partition| ControlEvent::Ended { partition }),
        (any::<u32>(), incident())
            .prop_map(|(partition, incident)| ControlEvent::Link { partition, incident }),
        Just(ControlEvent::Paused),
        Just(ControlEvent::Resumed),
        Just(ControlEvent::CaughtUp),
    ]
}

fn control_record() -> impl Strategy<Value = ControlRecord> {
    (any::<u32>(), control_event()).prop_map(|(source, event)| ControlRecord { source, event })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn control_records_come_back_in_their_commits(
        commits in prop::collection::vec(prop::collection::vec(control_record(), 0..6), 1..5),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.rec");
        let catalog = Arc::new(Catalog::new(Vec::new(), 9));
        let registries = SharedRegistries::default();
        registries.register_sources(&["a"]).unwrap();
        let (config, generation) = (String::new(), Generation(7));
        let header = RecordingHeader { config, generation, registries: registries.snapshot() };
        let mut recorder = Recorder::create(&path, header, (catalog, registries), false).unwrap();
        for (commit, control) in (0..).zip(&commits) {
            let control = control.clone();
            recorder.write(&ClosedCommit { control, ..closed(commit, &[]) }, &RunTimeRules::default()).unwrap();
        }
        recorder.finish().unwrap();

        let mut recording = Recording::open(&path).unwrap();
        for (commit, control) in (0..).zip(commits) {
            let Next::Commit(read) = recording.read().unwrap() else { panic!("no commit {commit}") };
            prop_assert_eq!(read.binding, closed(commit, &[]).binding);
            prop_assert_eq!(read.control, control);
        }
        let ends_in_order = matches!(recording.read().unwrap(), Next::End { in_order: true });
        prop_assert!(ends_in_order);
    }
}

/// What a commit says of rules comes back with it; the rules before come first.
#[test]
fn rules_come_back_with_their_commits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.rec");
    let mut recorder = recorder_at(&path);
    let put = |name: &str| RuleChange::Put {
        name: name.to_owned(),
        rule: "{}".to_owned(),
        by: "k".to_owned(),
    };
    let mut before = RunTimeRules::default();
    before.apply(&put("old"), (Commit(3), EventTime(4)));
    let deleted = RuleChange::Delete { name: "old".to_owned(), by: String::new() };
    let acknowledged = RuleChange::Acknowledge {
        instrument: InstrumentId(7),
        timeframe: Timeframe::MINUTE,
        open_time: EventTime(60),
        rule: "new".to_owned(),
        by: "k".to_owned(),
        note: "seen".to_owned(),
    };
    let all = [vec![put("new"), deleted], Vec::new(), vec![acknowledged]];
    for (commit, rule_changes) in (5..).zip(all.clone()) {
        recorder.write(&ClosedCommit { rule_changes, ..closed(commit, &[]) }, &before).unwrap();
    }
    recorder.finish().unwrap();
    assert_eq!(Recording::open(&path).unwrap().put_rules(), ["new"]);
    let mut recording = Recording::open(&path).unwrap();
    let Next::Rules(found) = recording.read().unwrap() else {
        panic!("the rules before are first")
    };
    assert_eq!(found, before);
    for want in all {
        let Next::Commit(read) = recording.read().unwrap() else { panic!("a commit") };
        assert_eq!(read.rule_changes, want);
    }
}

/// A recorder at `path`, in an empty job.
fn recorder_at(path: &Path) -> Recorder {
    let (config, generation) = (String::new(), Generation(7));
    let header = RecordingHeader { config, generation, registries: market::Registries::default() };
    let names = (Arc::new(Catalog::new(Vec::new(), 9)), SharedRegistries::default());
    Recorder::create(path, header, names, false).unwrap()
}

#[test]
fn it_is_looked_once_a_second_where_the_path_leads() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("a.rec"), folder.path().join("b.rec"));
    let (start, metrics) = (Instant::now(), Metrics::new("0"));
    let at = |ms| start + Duration::from_millis(ms);
    let status = RecordingStatus::default();
    assert_eq!(status.get(), RecordingState::Off);
    let mut keeper = RecordingKeeper::new(recorder_at(&path), status.clone(), metrics, start);
    std::fs::rename(&path, &moved).unwrap();
    keeper.write(&closed(0, &[]), &RunTimeRules::default(), at(999)).unwrap();
    assert_eq!(status.get(), RecordingState::Written);
    let error =
        keeper.write(&closed(1, &[]), &RunTimeRules::default(), at(1_000)).unwrap_err().to_string();
    assert!(error.ends_with("a.rec was moved away while it was written"), "{error}");

    keeper.goes_on(OnRecordingError::Pause);
    keeper.write(&closed(2, &[]), &RunTimeRules::default(), at(2_000)).unwrap();
    let RecordingState::Held { why, since } = status.get() else { panic!("{status:?}") };
    assert_eq!((&why, since), (&error, at(2_000)));
    std::fs::rename(&moved, &path).unwrap();
    assert!(matches!(keeper.tend(at(2_999)), RecordingState::Held { .. }));
    assert_eq!(keeper.tend(at(3_000)), RecordingState::Written);

    // One that was removed is written anew; nothing that was appended meanwhile is missing.
    std::fs::remove_file(&path).unwrap();
    keeper.write(&closed(3, &[]), &RunTimeRules::default(), at(4_500)).unwrap();
    assert!(matches!(keeper.tend(at(5_000)), RecordingState::Held { .. }));
    assert_eq!(keeper.tend(at(5_500)), RecordingState::Written);
    keeper.write(&closed(4, &[]), &RunTimeRules::default(), at(5_600)).unwrap();
    assert_eq!(keeper.finish(), None);
    let mut recording = Recording::open(&path).unwrap();
    for commit in 0..5 {
        let Next::Commit(read) = recording.read().unwrap() else { panic!("no commit {commit}") };
        assert_eq!(read.binding.commit, Commit(commit));
    }
    assert!(matches!(recording.read().unwrap(), Next::End { in_order: true }));
}

#[test]
fn a_run_that_stops_since_its_recording_is_gone_goes_on_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("a.rec"), folder.path().join("b.rec"));
    let (start, metrics) = (Instant::now(), Metrics::new("0"));
    let status = RecordingStatus::default();
    let mut keeper = RecordingKeeper::new(recorder_at(&path), status.clone(), metrics, start);
    keeper.goes_on(OnRecordingError::Stop);
    std::fs::rename(&path, &moved).unwrap();
    keeper
        .write(&closed(0, &[]), &RunTimeRules::default(), start + Duration::from_secs(1))
        .unwrap();
    assert!(matches!(keeper.tend(start), RecordingState::Lost { .. }));
    std::fs::rename(&moved, &path).unwrap();
    keeper
        .write(&closed(1, &[]), &RunTimeRules::default(), start + Duration::from_secs(2))
        .unwrap();
    assert!(matches!(status.get(), RecordingState::Lost { .. }));
    let why = keeper.finish().unwrap();
    assert!(why.contains("a.rec was moved away") && why.ends_with("a.rec is whole"), "{why}");
}
