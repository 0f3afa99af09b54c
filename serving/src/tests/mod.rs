//! The routes as clients see them, over a reader that holds its rows in a vector.

mod candles;
mod compressed;
mod control;
mod data;
mod described;
mod documented;
mod events;
mod explain;
mod fields;
mod filling;
mod following;
mod indicators;
mod keys;
mod latest;
mod page;
mod paging;
mod parameters;
mod problems;
mod process;
mod readers;
mod rows_at;
mod rules;
mod service;
mod sessions;
mod site;
mod sockets;
mod status;
mod tls;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use market::{
    Bar, BarState, Calendar, CalendarId, Calendars, Candle, CandleKey, Catalog, Commit, EventTime,
    Generation, IdScope, InstrumentRule, InstrumentSpec, Price, Quantity, Side, TimeUnit,
    Timeframe, Trade, TradeId, Updates,
};
use serde_json::Value;

use super::routes::app;
use node_api::ingest::Keeping;
use node_api::{Check, ControlApi, Health, Lineage, MetricsText};
use rows_at::{RowsAt, is_asked, limited};

use super::{Client, Context, Limits, Posts, ResumeTokens, RouteSet, Tickets, UpdateCache};
use rows::readers::{Bounds, ReaderPool};
use rows::{
    AsOf, CandlePage, CandleRow, Cell, Changes, Cut, Frontier, Labels, Page, ReadError, ReadFuture,
    Row, RowFilter, Scan, Snapshot, View, ViewReader,
};
use tokio::sync::{Semaphore, watch};

/// A node without a job: what is asked of it is at once so.
#[derive(Default)]
pub(super) struct Controlled {
    pub(super) paused: Mutex<BTreeSet<String>>,
    pub(super) has_state: bool,
    pub(super) drains: AtomicUsize,
}

impl ControlApi for Controlled {
    fn sources(&self) -> Vec<String> {
        vec!["a".to_owned(), "b".to_owned()]
    }

    fn is_paused(&self, source: &str) -> bool {
        self.paused.lock().unwrap().contains(source)
    }

    fn pause(&self, source: &str) {
        self.paused.lock().unwrap().insert(source.to_owned());
    }

    fn resume(&self, source: &str) {
        self.paused.lock().unwrap().remove(source);
    }

    fn request_checkpoint(&self) -> Option<u64> {
        self.has_state.then_some(1)
    }

    fn has_checkpoint(&self, _: u64) -> bool {
        self.has_state
    }

    fn drain(&self) {
        self.drains.fetch_add(1, Ordering::SeqCst);
    }

    fn is_draining(&self) -> bool {
        self.drains.load(Ordering::SeqCst) > 0
    }
}

/// Rows of `candles` by key, and a frontier that tests move.
struct Rows {
    candles: Mutex<BTreeMap<CandleKey, Candle>>,
    /// Rows of `indicators`, in the order of their keys.
    indicators: Mutex<Vec<(CandleKey, Vec<Cell>)>>,
    /// Rows of other views, for cuts only.
    others: Mutex<BTreeMap<&'static str, Vec<Vec<Cell>>>>,
    /// [`NO_COMMIT`] before the first.
    commit: AtomicU64,
    at: Mutex<EventTime>,
    scans: AtomicUsize,
    closed: AtomicBool,
    panics: AtomicBool,
    /// Scans begin and never end.
    hangs: AtomicBool,
}

const NO_COMMIT: u64 = u64::MAX;

impl ViewReader for Rows {
    fn frontier(&self) -> Frontier {
        Frontier {
            commit: match self.commit.load(Ordering::SeqCst) {
                NO_COMMIT => None,
                number => Some(Commit(number)),
            },
            at: *self.at.lock().unwrap(),
        }
    }

    fn scan(&self, scan: Scan) -> ReadFuture<'_, Page> {
        if scan.view.name == "indicators" {
            self.scans.fetch_add(1, Ordering::SeqCst);
            let indicators = self.indicators.lock().unwrap();
            let asked = indicators
                .iter()
                .filter(|(key, cells)| is_asked(&scan, key) && scan.filter.fits(scan.view, cells));
            let (rows, more) = limited(&scan, asked.map(|(_, cells)| cells.clone()).collect());
            let frontier = self.frontier();
            return Box::pin(async move { Ok(Page { frontier, rows, more }) });
        }
        let candles = self.candles(scan);
        Box::pin(async move {
            let CandlePage { frontier, rows, more } = candles.await?;
            let rows = rows.iter().map(|(key, candle)| cells(key, candle));
            Ok(Page { frontier, rows: rows.collect(), more })
        })
    }

    fn cut(&self, _: &[&'static View], _: Option<AsOf>) -> Result<Arc<dyn Cut>, ReadError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(ReadError::Closed);
        }
        let candles = self.candles.lock().unwrap();
        let mut rows: BTreeMap<&str, Vec<Vec<Cell>>> = self.others.lock().unwrap().clone();
        rows.insert("candles", candles.iter().map(|(key, candle)| cells(key, candle)).collect());
        let indicators = self.indicators.lock().unwrap();
        rows.insert("indicators", indicators.iter().map(|(_, cells)| cells.clone()).collect());
        let frontier = self.frontier();
        // What follows is another commit.
        self.commit.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(RowsAt { frontier, candles: candles.clone(), rows }))
    }

    fn candles(&self, scan: Scan) -> ReadFuture<'_, CandlePage> {
        assert!(!self.panics.load(Ordering::SeqCst), "a panic of the test");
        self.scans.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        if self.closed.load(Ordering::SeqCst) {
            return Box::pin(async { Err(ReadError::Closed) });
        }
        let candles = self.candles.lock().unwrap();
        let asked = candles.iter().filter(|(key, candle)| {
            is_asked(&scan, key) && scan.filter.fits(scan.view, &cells(key, candle))
        });
        let (rows, more) = limited(&scan, asked.map(|(key, candle)| (*key, *candle)).collect());
        let frontier = self.frontier();
        Box::pin(async move { Ok(CandlePage { frontier, rows, more }) })
    }

    fn snapshot(
        &self,
        _view: &'static View,
        _wanted: Arc<RowFilter>,
        _log_rows: usize,
    ) -> ReadFuture<'_, Arc<dyn Snapshot>> {
        Box::pin(async { Err(ReadError::Closed) })
    }

    fn changes(
        &self,
        _view: &'static View,
        _wanted: Arc<RowFilter>,
        _after: Option<Commit>,
        _through: Frontier,
    ) -> ReadFuture<'_, Changes> {
        Box::pin(async { Err(ReadError::Closed) })
    }

    fn moved(&self, _view: &'static View) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    fn count(&self, view: &'static View) -> u64 {
        match view.name {
            "candles" => self.candles.lock().unwrap().len() as u64,
            _ => 0,
        }
    }
}

/// Metrics that show what the server has set.
#[derive(Default)]
struct Scraped(Mutex<BTreeMap<&'static str, u64>>);

impl MetricsText for Scraped {
    fn set_view_rows(&self, view: &'static str, rows: u64) {
        self.0.lock().unwrap().insert(view, rows);
    }

    fn add_subscriptions(&self, view: &'static str, difference: i64) {
        let mut counts = self.0.lock().unwrap();
        let count = counts.entry(if view == "trades" { "trades followed" } else { "followed" });
        let count = count.or_default();
        *count = count.checked_add_signed(difference).unwrap();
    }

    fn count_refused(&self, reason: &'static str) {
        *self.0.lock().unwrap().entry(reason).or_default() += 1;
    }

    fn content_type(&self) -> &'static str {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    }

    fn render(&self) -> String {
        let rows = self.0.lock().unwrap();
        let lines =
            rows.iter().map(|(view, rows)| format!("view_rows{{view=\"{view}\"}} {rows}\n"));
        lines.chain(["# EOF\n".to_owned()]).collect()
    }
}

fn cells(key: &CandleKey, candle: &Candle) -> Vec<Cell> {
    let mut cells = Vec::new();
    CandleRow { key, candle }.cells(&mut cells);
    cells
}

/// A process to ask: its reader, and what routes answer from.
struct Server {
    rows: Arc<Rows>,
    context: Context,
}

fn time(text: &str) -> EventTime {
    EventTime::parse(text, TimeUnit::Rfc3339).unwrap()
}

impl Server {
    /// Knows `us:*` in New York and `nyse:*` by its sessions with 2 and 0 decimals, all others in UTC
    /// with 9 and 8; 1m, 1h, 4h, 1d.
    fn new() -> Server {
        let us = InstrumentRule {
            pattern: "us:*".to_owned(),
            spec: InstrumentSpec { price_scale: 2, quantity_scale: 0, calendar: CalendarId(1) },
            ..InstrumentRule::any()
        };
        let shares = InstrumentRule {
            pattern: "nyse:*".to_owned(),
            spec: InstrumentSpec { price_scale: 2, quantity_scale: 0, calendar: CalendarId(2) },
            ..InstrumentRule::any()
        };
        let calendars = ["UTC", "America/New_York", "us-equities"];
        let calendars = calendars.map(|name| Calendar::named(name).unwrap());
        let rows = Arc::new(Rows {
            candles: Mutex::default(),
            indicators: Mutex::default(),
            others: Mutex::default(),
            commit: AtomicU64::new(17),
            at: Mutex::new(time("2024-12-01T00:00:00.5Z")),
            scans: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
        });
        let context = Context {
            views: views::VIEW_LIST,
            reader: Arc::<Rows>::clone(&rows),
            explainer: Arc::new(explain::Told::default()),
            catalog: Arc::new(Catalog::new(vec![us, shares], 100)),
            calendars: Calendars::new(calendars.to_vec()).unwrap(),
            labels: Labels {
                indicators: vec![
                    ("sma20".to_owned(), &["sma"]),
                    ("bb20_2".to_owned(), &["upper", "middle", "lower"]),
                    ("bb5_2".to_owned(), &["upper", "middle", "lower"]),
                ],
                ..Labels::default()
            },
            timeframes: ["1h", "1m", "1d", "4h"].map(|tf| tf.parse().unwrap()).to_vec(),
            metrics: Arc::new(Scraped::default()),
            health: Arc::new(|| Health {
                checks: BTreeMap::from([("workers".to_owned(), Check::default())]),
                ..Health::default()
            }),
            version: "9.8.7",
            started: Instant::now(),
            limits: Limits::default(),
            readers: ReaderPool::start(Bounds::default(), Arc::new(|_| ())).unwrap(),
            updates: UpdateCache::default(),
            closing: watch::channel(false).1,
            sockets: Arc::new(Semaphore::new(8)),
            posts: Posts::new(None),
            run: Generation(0xbeef),
            lineage: Lineage::of(Generation(0xbeef)),
            resume: ResumeTokens::new(b"tests", 1),
            keeping: Keeping::Nothing,
            control: Arc::new(Controlled::default()),
            rules: Arc::new(rules::Ruled::of(&rows)),
            access: Arc::default(),
            keys: None,
            tls: None,
            routes: RouteSet::All,
            tickets: Tickets::default(),
            client: Client::default(),
        };
        Server { rows, context }
    }

    /// Puts a bar of one trade: of this price, of size 2, at its first instant.
    fn bar(&self, name: &str, timeframe: &str, open: &str, price: i64, state: BarState) {
        self.traded(name, timeframe, open, price, state, Updates::ALL);
    }

    fn traded(
        &self,
        name: &str,
        timeframe: &str,
        open: &str,
        price: i64,
        state: BarState,
        updates: Updates,
    ) {
        let instrument = self.context.catalog.resolve(name).unwrap();
        let timeframe: Timeframe = timeframe.parse().unwrap();
        let calendar = self.context.calendars.get(instrument.spec.calendar);
        let bucket = calendar.bucket(timeframe, time(open));
        assert_eq!(bucket.open, time(open), "a bar opens where the calendar says");
        let mut bar = Bar::empty(instrument.spec, bucket.end);
        bar.add(&Trade {
            instrument: instrument.id,
            spec: instrument.spec,
            scope: IdScope(0),
            id: TradeId::Number(1),
            time: bucket.open,
            sequence: 1,
            is_positional: false,
            price: Price(price * 10_i64.pow(u32::from(instrument.spec.price_scale))),
            quantity: Quantity(2 * 10_i64.pow(u32::from(instrument.spec.quantity_scale))),
            side: Side::Unknown,
            updates,
        });
        let key = CandleKey { instrument: instrument.id, timeframe, open_time: bucket.open };
        let candle = Candle { bar, state, revision: 0, cause: None };
        self.rows.candles.lock().unwrap().insert(key, candle);
    }

    /// Puts the numbers of an indicator at a bar; rows must come in the order of their keys.
    fn numbers(&self, name: &str, timeframe: &str, open: &str, indicator: &str, values: &[f64]) {
        let instrument = self.context.catalog.resolve(name).unwrap().id;
        let (timeframe, open_time) = (timeframe.parse().unwrap(), time(open));
        let known = &self.context.labels.indicators;
        let (_, outputs) = known.iter().find(|(label, _)| label == indicator).unwrap();
        for (output, value) in outputs.iter().zip(values) {
            let cells = vec![
                Cell::Instrument(instrument),
                Cell::Timeframe(timeframe),
                Cell::Time(open_time),
                Cell::Text(indicator.to_owned()),
                Cell::Text((*output).to_owned()),
                Cell::number(*value),
                Cell::Word("closed"),
            ];
            let key = CandleKey { instrument, timeframe, open_time };
            self.rows.indicators.lock().unwrap().push((key, cells));
        }
    }

    async fn ask(&self, path: &str) -> Answer {
        self.ask_with("GET", path, &[]).await
    }

    async fn ask_with(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = warp::test::request().method(method).path(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer(request.reply(&app(&self.context)).await)
    }

    /// The open time and close of each candle in the answer, `~` after filled ones.
    async fn closes(&self, path: &str) -> Vec<String> {
        let answer = self.ask(path).await;
        let json = answer.json();
        let candles = json["candles"].as_array().unwrap_or_else(|| panic!("{path}: {json}"));
        candles
            .iter()
            .map(|candle| {
                let open = candle["open_time"].as_str().unwrap();
                let mark = if candle["filled"] == true { "~" } else { "" };
                format!("{} {}{mark}", &open[5..16], candle["close"])
            })
            .collect()
    }
}

struct Answer(warp::http::Response<bytes::Bytes>);

impl Answer {
    fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    fn header(&self, name: &str) -> &str {
        self.0.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn bytes(&self) -> &[u8] {
        self.0.body()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.0.body()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}
