//! A cluster that names no broker for a moment, as one of a single broker does while its controller takes it for dead:
//! sources and sinks go on.
//!
//! The moment is short and comes by chance, so a proxy between job and broker makes it: it empties one list of brokers
//! in an answer that is real otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::crashes::now_ms;
use super::job::Job;
use super::made::{COLUMNS, MINUTE_MS, Made};
use super::topics::{Produced, Topic};
use crate::end_to_end::binary::poll;
use crate::servers;

/// The key of requests for metadata, and the first version whose answers are written compactly.
const METADATA: (i16, i16) = (3, 9);
/// The key of requests for the broker that plays a part, whose answers name an address as well.
const FIND_COORDINATOR: i16 = 10;

/// What clients hear, by `client.id`.
#[derive(Default)]
struct ProxyState {
    /// Whether answers name no broker now.
    is_now: bool,
    /// Who has heard such an answer.
    heard: BTreeSet<String>,
    /// The connections of clients.
    connections: Vec<TcpStream>,
}

type SharedState = Arc<Mutex<ProxyState>>;

/// What was asked on a connection, by the number of the question: its key, its version and the client.
type Asked = Arc<Mutex<BTreeMap<[u8; 4], (i16, i16, String)>>>;

/// Begins a proxy of a broker; gives its address. It ends with the process.
fn proxy(broker: &str, state: &SharedState) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let port = broker.rsplit_once(':').unwrap().1.parse().unwrap();
    let ports = [port, address.port()];
    let (broker, state) = (broker.to_owned(), Arc::clone(state));
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, broker) = (client.unwrap(), TcpStream::connect(&broker).unwrap());
            state.lock().unwrap().connections.push(client.try_clone().unwrap());
            let (back, answers) = (client.try_clone().unwrap(), broker.try_clone().unwrap());
            let asked = Asked::default();
            let (state, asking) = (Arc::clone(&state), Arc::clone(&asked));
            thread::spawn(move || pass_on(client, broker, |frame| note_question(&asking, frame)));
            thread::spawn(move || {
                pass_on(answers, back, |frame| {
                    change_answer(&asked, &state, ports, frame);
                });
            });
        }
    });
    address.to_string()
}

/// Passes frames on, each after a look at it, until one side ends.
fn pass_on(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&mut Vec<u8>)) {
    let mut length = [0; 4];
    while from.read_exact(&mut length).is_ok() {
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        if from.read_exact(&mut frame).is_err() {
            break;
        }
        look(&mut frame);
        let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
        if to.write_all(&[&length, frame.as_slice()].concat()).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// A request begins with key, version, number, and the length and text of `client.id`.
fn note_question(asked: &Asked, frame: &[u8]) {
    let short = |at: usize| i16::from_be_bytes([frame[at], frame[at + 1]]);
    let length = usize::try_from(short(8)).unwrap_or(0);
    let client = String::from_utf8_lossy(&frame[10..10 + length]).into_owned();
    let number = frame[4..8].try_into().unwrap();
    asked.lock().unwrap().insert(number, (short(0), short(2), client));
}

/// Puts the port of the proxy in place of that of the broker; leaves all brokers out of an answer about metadata, once,
/// for a client that is to hear of none.
fn change_answer(asked: &Asked, state: &SharedState, ports: [u16; 2], frame: &mut Vec<u8>) {
    let number: [u8; 4] = frame[..4].try_into().unwrap();
    let Some((key, version, client)) = asked.lock().unwrap().remove(&number) else { return };
    if [METADATA.0, FIND_COORDINATOR].contains(&key) {
        let [broker, proxy] =
            ports.map(|port| [b"127.0.0.1", &u32::from(port).to_be_bytes()[..]].concat());
        while let Some(at) = frame.windows(broker.len()).position(|own| own == broker) {
            frame[at..at + proxy.len()].copy_from_slice(&proxy);
        }
    }
    let mut own = state.lock().unwrap();
    if key != METADATA.0 || !own.is_now {
        return;
    }
    own.heard.insert(client);
    assert!(version >= METADATA.1, "version {version} of answers is not written compactly");
    // The number, no tags, the time of throttling; then one more than there are brokers. A broker is its number, host,
    // port, rack and tags; a text is one more than its length, and then itself.
    let first = 4 + 1 + 4;
    let mut at = first + 1;
    for _ in 1..frame[first] {
        at += 4;
        at += usize::from(frame[at]) + 4;
        at += usize::from(frame[at].max(1));
        assert_eq!(frame[at], 0, "tags");
        at += 1;
    }
    frame.splice(first..at, [1]);
}

#[test]
fn a_cluster_that_names_no_broker_for_a_moment_is_read_and_written_on() {
    let Some(kafka) = servers::kafka() else { return };
    let (input, output) =
        (Topic::new(kafka, "forgotten", 2), Topic::new(kafka, "forgotten-bars", 1));
    let span_ms = 20 * MINUTE_MS;
    let made = Made { first_ms: now_ms() - span_ms, span_ms, count: 4_000 };
    let messages = made.messages();
    let produce = |range: std::ops::Range<usize>| {
        input.produce(range.map(|at| Produced {
            partition: at as i32 % 2,
            payload: Some(messages[at].as_bytes()),
            ..Produced::default()
        }));
    };
    produce(0..2_000);
    let state = SharedState::default();
    let address = proxy(&kafka.address, &state);
    let often = "\"topic.metadata.refresh.interval.ms\" = \"500\"";
    let config = format!(
        "[job]\ntimeframes = [\"1m\"]\nindicators = []\n[outliers]\nbars = 0\n\
         [[source]]\nname = \"k\"\nkind = \"kafka\"\nservers = \"{address}\"\ntopics = [\"forgotten\"]\n\
         start = \"earliest\"\nidle_timeout = \"1h\"\n{COLUMNS}\
         [source.properties]\n\"client.id\" = \"source\"\n{often}\n\
         [[sink]]\nname = \"bars\"\nkind = \"kafka\"\nviews = [\"candles\"]\nservers = \"{address}\"\n\
         topic = \"forgotten-bars\"\n[sink.properties]\n\"client.id\" = \"sink\"\n{often}\n\
         \"message.timeout.ms\" = \"3000\"\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let job = Job::start(folder.path(), &config, 1);
    let wait_for_rows = |count: usize| {
        let is_read = |job: &Job| job.provider("k", "rows") == count;
        poll(|| is_read(&job).then_some(()), || job.state("providers"));
    };
    wait_for_rows(2_000);
    poll(|| (!output.read().is_empty()).then_some(()), || job.state("sinks"));

    // As it is for a broker that was stopped: connections are lost, and the first answers name no broker.
    {
        let mut own = state.lock().unwrap();
        own.is_now = true;
        own.connections.drain(..).for_each(|own| drop(own.shutdown(Shutdown::Both)));
    }
    let heard = || state.lock().unwrap().heard.clone();
    let have_heard = || ["sink", "source"].iter().all(|name| heard().contains(*name)).then_some(());
    poll(have_heard, || format!("heard by {:?}", heard()));
    std::thread::sleep(std::time::Duration::from_secs(2));
    state.lock().unwrap().is_now = false;
    produce(2_000..4_000);
    wait_for_rows(4_000);
    let lost = job.rows("incidents").into_iter().filter(|row| row["kind"] == "gap").count();
    assert_eq!(lost, 0, "{}", job.state("incidents"));

    // The newest message of each bar tells the bar as it is in the end.
    let wanted = made.bars("1m", 1);
    let bars = || {
        let found = output.read().into_iter();
        let newest: BTreeMap<_, _> = found.map(|own| (own.key, own.payload)).collect();
        let trades = |text: String| {
            let row: serde_json::Value = serde_json::from_str(&text).unwrap();
            row["trades"].as_u64().unwrap()
        };
        newest.into_values().flatten().map(trades).sum::<u64>()
    };
    poll(|| (bars() == 4_000).then_some(()), || format!("{}\n{}", bars(), job.state("sinks")));
    assert_eq!(job.bars(folder.path()).len(), wanted.len());
    assert_eq!(job.end()["accepted"], 4_000);
}
