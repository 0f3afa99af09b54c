//! What the way from a topic costs, beside a loop that does nothing but poll and decode with the same library.
//!
//! ```sh
//! scripts/services start /tmp/servers kafka
//! . /tmp/servers/kafka.env && KAFKA=$KAFKA cargo bench -p bench --bench kafka
//! ```
//!
//! Fills a topic of one partition with ticks as CSV, then reads all of it by turns: by that loop, by a source's reader,
//! and by a whole job (one worker, one timeframe, no indicators). Messages per second, and CPU time of the process per
//! message, threads of the library included: medians of the turns.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use connectors::kafka::KafkaProducer;
use connectors::messages::{Message, MessageConfig, MessageDecoder, Messages};
use connectors::{BuildContext, Place};
use dataflows::config::RawConfig;
use dataflows::ingest::Stop;
use dataflows::run::{Job, RunOptions, run_live};
use market::Catalog;
use operators::NoStates;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};
use workload::{Lines, Workload};

const MESSAGES: u64 = 1_000_000;
const TURNS: usize = 5;

fn main() {
    let Some(servers) =
        std::env::var("KAFKA").ok().filter(|_| std::env::args().any(|arg| arg == "--bench"))
    else {
        println!("needs KAFKA=host:port, such as scripts/services start gives, and `cargo bench`");
        return;
    };
    let topic = format!("bench-{}", std::process::id());
    fill(&servers, &topic);

    let ways: [(&str, &dyn Fn() -> u64); 3] = [
        ("poll and decode", &|| poll_and_decode(&servers, &topic)),
        ("a source's reader", &|| source(&servers, &topic)),
        ("a whole job", &|| job(&servers, &topic)),
    ];
    let mut taken: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for _ in 0..TURNS {
        for (name, way) in ways {
            let (began, cpu) = (Instant::now(), cpu_time());
            assert_eq!(way(), MESSAGES, "{name}");
            let (took, cpu) = (began.elapsed(), cpu_time() - cpu);
            let each = |time: Duration| time.as_secs_f64() / MESSAGES as f64;
            taken.entry(name).or_default().push((1.0 / each(took), each(cpu) * 1e6));
        }
    }
    println!("{MESSAGES} messages, median of {TURNS} (min–max)");
    for (name, _) in ways {
        let of = |pick: fn(&(f64, f64)) -> f64| {
            let mut values: Vec<f64> = taken[name].iter().map(pick).collect();
            values.sort_by(f64::total_cmp);
            (values[TURNS / 2], values[0], values[TURNS - 1])
        };
        let ((rate, slow, fast), (cpu, least, most)) = (of(|own| own.0), of(|own| own.1));
        println!(
            "{name:20} {rate:9.0} messages/s ({slow:.0}–{fast:.0}), {cpu:.2} µs CPU each ({least:.2}–{most:.2})"
        );
    }
}

/// CPU time of the process so far.
fn cpu_time() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    let ticks = after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap());
    TICK * ticks.sum::<u32>()
}

/// One key, so that all lies in one partition.
fn fill(servers: &str, topic: &str) {
    let workload = Workload { rows: MESSAGES, ..Workload::default() };
    let mut producer = KafkaProducer::open(&format!("{servers}/{topic}")).unwrap();
    let mut lines = Lines::new(&workload);
    for tick in workload.ticks() {
        producer.put("one", lines.line(&tick).1).unwrap();
    }
    producer.finish().unwrap();
}

/// What messages mean, as a configuration says it.
fn meaning() -> Value {
    json!({
        "format": "csv", "instrument": "made:{symbol}", "units": {"time": "ns"},
        "columns": {"time": 1, "symbol": 2, "id": 3, "price": 4, "size": 5},
    })
}

fn catalog() -> Arc<Catalog> {
    Arc::new(Catalog::new(Vec::new(), 1_000))
}

fn poll_and_decode(servers: &str, topic: &str) -> u64 {
    let (config, _) = MessageConfig::split(meaning().as_object().unwrap().clone()).unwrap();
    let messages = Arc::new(Messages::check(config, catalog()).unwrap());
    let mut decoder = MessageDecoder::new(&messages, "bench");
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    let partition = partition(&consumer, topic);
    all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    consumer.assign(&all).unwrap();
    let mut read = 0;
    while read < MESSAGES {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        let payload = Message::of(message.payload().unwrap());
        let row = decoder.decode(&payload, message.offset().cast_unsigned() + 1).unwrap();
        assert!(row.event.is_ok());
        read += 1;
    }
    read
}

/// The partition that has the messages.
fn partition(consumer: &BaseConsumer, topic: &str) -> i32 {
    let timeout = Duration::from_secs(10);
    let has =
        |partition: &i32| consumer.fetch_watermarks(topic, *partition, timeout).unwrap().1 > 0;
    (0..4).find(has).unwrap()
}

fn configured(servers: &str, topic: &str) -> Value {
    let mut config = meaning();
    let own = json!({"servers": servers, "topics": [topic], "start": "earliest"});
    config.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    config
}

fn source(servers: &str, topic: &str) -> u64 {
    let context = BuildContext { name: "bench".to_owned(), folder: "/".into(), catalog: catalog() };
    let source = connectors::sources().build("kafka", configured(servers, topic), context).unwrap();
    let open = |partition| source.open(partition, Place::Earliest).unwrap();
    let mut readers: Vec<_> = source.discover().unwrap().into_iter().map(open).collect();
    let mut read = 0;
    readers.retain(|reader| reader.link().is_some_and(|link| link.behind != Some(0)));
    let [reader] = &mut readers[..] else { panic!("the messages lie in one partition") };
    while read < MESSAGES {
        let mut rows = Vec::new();
        reader.read(&mut rows).unwrap();
        assert!(rows.iter().all(|row| row.event.is_ok()));
        read += rows.len() as u64;
    }
    read
}

fn job(servers: &str, topic: &str) -> u64 {
    let mut source = configured(servers, topic);
    source.as_object_mut().unwrap().extend(
        json!({"name": "bench", "kind": "kafka", "idle_timeout": "1h", "disorder": "1m"})
            .as_object()
            .unwrap()
            .clone(),
    );
    let whole = json!({
        "job": {"timeframes": ["1m"], "indicators": [], "correction_horizon": "1h"},
        "outliers": {"bars": 0},
        "source": [source],
    });
    let raw: RawConfig = serde_json::from_value(whole).unwrap();
    let config = raw.check("/".as_ref()).unwrap();
    let (stop, options) = (Stop::default(), RunOptions::default());
    let job = Job::new(&config, Arc::new(NoStates), &options).unwrap();
    let (metrics, all_read) = (job.metrics.clone(), stop.clone());
    let watch = std::thread::spawn(move || {
        while metrics.totals().records < MESSAGES {
            std::thread::sleep(Duration::from_millis(5));
        }
        all_read.set();
    });
    let report = run_live(&config, job, &options, &stop, |_| Ok(())).unwrap();
    watch.join().unwrap();
    report.totals.records
}
