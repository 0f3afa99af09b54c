//! `GET /v1/views/{view}`: the rows of any view: by `open_time` where keys have one, else in the order of its key; at
//! once, or page by page at one frontier.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use market::Commit;
use warp::Filter;
use warp::reply::Response;

use crate::Context;
use crate::closed::{CLOSED, closed};
use crate::filter::{self, FIELDS, FILTERS, FilterQuery};
use crate::format::Line;
use crate::link::link;
use crate::paging::{Cursor, CursorKey, OpenCuts, Order, Place, SORT};
use crate::parameter::{ParameterType, RouteParameter, joined, total};
use crate::problem::{CURSOR_EXPIRED, FieldError, Problem};
use crate::query::{AS_OF, Query};
use crate::read_your_writes::named_commit;
use rows::{Cut, Page, RowFilter, Scan, View};

use super::frame::{FRAME, Form, Frame, PageOf};
use super::{
    Endpoint, LIMIT, READ, ROWS, RequestParts, Route, RouteEntry, deprecate, reads, respond,
};

pub(super) const ENTRY: RouteEntry = RouteEntry {
    endpoints: &[Endpoint {
        methods: READ,
        path: "/v1/views/{view}",
        access: ROWS,
        doc: "rows of a view",
        parameters: PARAMETERS,
    }],
    route,
};

/// The view of a path.
pub(super) const VIEW: RouteParameter =
    RouteParameter::path("view", ParameterType::Name("a view"), "the name of the view");
pub(super) const SINCE: RouteParameter = RouteParameter::query(
    "since",
    ParameterType::MinFrontier,
    "rows of later commits only: of a log those that were appended since, of `alerts` those that changed since",
);
pub(super) const CURSOR: RouteParameter = RouteParameter::query(
    "cursor",
    ParameterType::Cursor,
    "reads page by page at one frontier, the oldest rows first unless `sort` says otherwise: `*` begins, `page.next` of \
     each answer (and its `Link`) goes on",
);

const PARAMETERS: &[RouteParameter] = &joined::<{ total(LISTS) }>(LISTS);
const LISTS: &[&[RouteParameter]] = &[
    &[VIEW],
    FILTERS,
    &[SINCE, CLOSED.declared, AS_OF, FIELDS, SORT, LIMIT.declared, CURSOR],
    FRAME,
];

/// What the cursors of a path need of the process.
#[derive(Clone)]
pub(super) struct Paging {
    cuts: OpenCuts,
    key: CursorKey,
}

/// What a request asks for.
struct ViewQuery {
    scan: Scan,
    order: Option<Order>,
    from: Beginning,
    form: Form,
}

/// Where an answer begins.
#[derive(Clone, Copy)]
enum Beginning {
    /// It is no page.
    Whole,
    /// At the first row; pages follow.
    FirstPage,
    /// Where the page before ends.
    NextPage(Cursor),
}

fn route(context: &Context) -> Route {
    let (context, paging) = (context.clone(), Paging::new());
    warp::path!("v1" / "views" / String)
        .and(reads())
        .then(move |name: String, request: RequestParts| {
            let (context, paging) = (context.clone(), paging.clone());
            async move {
                let answer = async {
                    let view = context.view(&name)?;
                    let mut response =
                        answer(&context, &paging, (view, PARAMETERS), &request).await?;
                    if let Some(present) = context.views.renamed(&name) {
                        deprecate(&mut response, &format!("/v1/views/{present}"));
                    }
                    Ok(response)
                };
                respond(request.path.clone(), answer).await
            }
        })
        .boxed()
}

/// Rows of a view; `declared` are the parameters of the route, some of [`LISTS`].
pub(super) async fn answer(
    context: &Context,
    paging: &Paging,
    (view, declared): (&'static View, &'static [RouteParameter]),
    request: &RequestParts,
) -> Result<Response, Problem> {
    let asked = read(context, paging, (view, declared), request)?;
    asked.form.reached(context, asked.scan.as_of).await?;
    let (page, of) = match asked.from {
        Beginning::Whole => whole(context, &asked).await?,
        Beginning::FirstPage => {
            let cut = context.reader.cut(&[view], asked.scan.as_of)?;
            next_page(paging, &asked, request, (cut, None), Place::default()).await?
        }
        Beginning::NextPage(Cursor { cut: number, place, .. }) => {
            let cut = paging.cuts.get(number).ok_or_else(|| expired(request))?;
            next_page(paging, &asked, request, (cut, Some(number)), place).await?
        }
    };
    let Page { frontier, rows, more } = page;
    let frame = Frame {
        view,
        head: vec![("view", view.name.to_owned())],
        hidden: &[],
        list: "rows",
        frontier,
        lines: Line::all(rows),
        more,
        marked: false,
        page: Some(of),
    };
    frame.answer(context, &asked.form).await
}

/// The rows of an answer that is no page.
async fn whole(context: &Context, asked: &ViewQuery) -> Result<(Page, PageOf), Problem> {
    let scan = match asked.order {
        Some(order) => Scan { latest_first: order.newest_first(), ..asked.scan.clone() },
        None => Scan { latest_first: asked.scan.filter.from.is_none(), ..asked.scan.clone() },
    };
    // Without `from` the limit keeps the latest rows; the answer begins with the earliest all the same.
    let reverse = asked.order.is_none() && scan.latest_first;
    let limit = scan.limit;
    let mut page = context.reader.scan(scan).await?;
    if reverse {
        page.rows.reverse();
    }
    let of = PageOf { limit, next: None, has_more: page.more, link: None };
    Ok((page, of))
}

/// The page that begins at a place of a cut, which has a number if it is kept already.
async fn next_page(
    paging: &Paging,
    asked: &ViewQuery,
    request: &RequestParts,
    (cut, number): (Arc<dyn Cut>, Option<u64>),
    place: Place,
) -> Result<(Page, PageOf), Problem> {
    let (view, limit) = (asked.scan.view, asked.scan.limit);
    let order = asked.order();
    let mut page = cut.scan(order.behind(place, &asked.scan)).await?;
    page.rows.drain(..place.skip.min(page.rows.len()));
    let next = page.more.then(|| {
        let cut = number.unwrap_or_else(|| paging.cuts.keep(cut));
        let place = order.place_behind(place, view, &page.rows);
        paging.key.write(Cursor { cut, query: asked.hash(), place })
    });
    let link = next.as_ref().map(|next| link(&request.path, &request.query, &[("cursor", next)]));
    let of = PageOf { limit, next, has_more: page.more, link };
    Ok((page, of))
}

fn expired(request: &RequestParts) -> Problem {
    let detail = "what the view was at the first page is no longer kept";
    let restart = link(&request.path, &request.query, &[("cursor", "*")]);
    Problem::new(CURSOR_EXPIRED, detail).restart(restart)
}

fn read(
    context: &Context,
    paging: &Paging,
    (view, declared): (&'static View, &'static [RouteParameter]),
    request: &RequestParts,
) -> Result<ViewQuery, Problem> {
    let FilterQuery { mut query, mut columns } = FilterQuery::new(&request.query, declared, view);
    let after = since(&mut query, context, view);
    columns.texts.extend(closed(&mut query, view));
    let filter = filter::row_filter(&mut query, context, view, columns);
    let as_of = query.as_of(view);
    let limit = query.count(&LIMIT);
    let order = Order::read(&mut query, view);
    let form = Form::read(&mut query, context, view, &request.headers);
    let cursor = query.parsed(&CURSOR, |text| match (text, paging.key.read(text)) {
        ("*", _) => Ok(None),
        (_, Some(cursor)) => Ok(Some(cursor)),
        (_, None) => Err(("is no cursor".to_owned(), vec!["*".to_owned()])),
    });
    query.finish()?;
    let (filter, form) = (filter?, form?);
    let filter = RowFilter { after, ..filter };
    let scan = Scan { view, filter, latest_first: false, limit, as_of };
    let from = Beginning::Whole;
    let mut asked = ViewQuery { scan, order, from, form };
    asked.from = match cursor {
        None => Beginning::Whole,
        Some(None) => Beginning::FirstPage,
        Some(Some((_, false))) => return Err(expired(request)), // of another run of the process
        Some(Some((cursor, true))) if cursor.query == asked.hash() => Beginning::NextPage(cursor),
        Some(Some(_)) => return Err(other_query()),
    };
    Ok(asked)
}

/// [`SINCE`]: the commit after which rows are asked for.
fn since(query: &mut Query<'_>, context: &Context, view: &View) -> Option<Commit> {
    if view.commit_column().is_none() {
        let why = format!("cannot be asked of `{}`: its rows do not say their commit", view.name);
        query.reject(&SINCE, &why);
    }
    query.parsed(&SINCE, |text| named_commit(text, context))
}

fn other_query() -> Problem {
    let detail = "the cursor is of another view, or of other conditions, `sort` or `as_of`: all must stay what they were \
                  at the first page";
    let pointer = format!("#/query/{}", CURSOR.name);
    let allowed = Vec::new();
    Problem::invalid(vec![FieldError {
        pointer,
        code: "order",
        detail: detail.to_owned(),
        allowed,
    }])
}

impl Paging {
    /// No cut is kept yet.
    pub(super) fn new() -> Paging {
        Paging { cuts: OpenCuts::default(), key: CursorKey::random() }
    }
}

impl ViewQuery {
    /// The order of its pages.
    fn order(&self) -> Order {
        self.order.unwrap_or_else(|| Order::of(self.scan.view))
    }

    /// A hash of all that decides which rows there are, and in which order.
    fn hash(&self) -> u64 {
        let Scan { view, filter, as_of, .. } = &self.scan;
        let mut hasher = DefaultHasher::new();
        (view.name, filter, as_of, self.order()).hash(&mut hasher);
        hasher.finish()
    }
}
