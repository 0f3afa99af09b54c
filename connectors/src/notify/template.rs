//! Texts of messages, from templates.
//!
//! The language is that of Jinja, without files, includes and macros. A template reads what [`NAMES`] lists, and the
//! columns of `row` and `before` as texts with the digits of the view. What a name stands for is escaped for where the
//! text goes, unless the template says `|safe`.

use std::fmt::Write as _;
use std::sync::Arc;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use super::notice::{Notice, NoticeKind, event_id};
use super::row::{TextRow, optional};
use market::{Commit, EventTime};

/// What a template may read.
const NAMES: [&str; 12] = [
    "id",
    "type",
    "view",
    "run",
    "commit",
    "at",
    "key",
    "row",
    "before",
    "withdraws",
    "count",
    "by_rule",
];
/// The work that one text may take, in steps of the template's machine.
const FUEL: u64 = 100_000;
/// A template is at most so long.
const TEMPLATE_BYTES_MAX: usize = 64 << 10;
/// The text of a message is at most so long.
pub(super) const TEXT_BYTES_MAX: usize = 256 << 10;
const NAME: &str = "template";

/// Where a text goes, and so how values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escaping {
    /// Into JSON: each value becomes a JSON value, with quotes if it is a text.
    Json,
    /// Into text of Slack, where `&`, `<` and `>` begin something.
    Slack,
    /// Into text that has no rules.
    Plain,
}

/// A checked template.
#[derive(Clone)]
pub(super) struct Template(Arc<Environment<'static>>);

impl Template {
    /// Compiles a template, and fills it in once with made-up rows of these columns.
    ///
    /// # Errors
    /// With the name of the key, the line, and what is possible.
    pub(super) fn compile(
        key: &str,
        text: &str,
        escaping: Escaping,
        columns: &[String],
    ) -> Result<Template, String> {
        if text.len() > TEMPLATE_BYTES_MAX {
            let length = text.len();
            return Err(format!("`{key}` has {length} bytes, {TEMPLATE_BYTES_MAX} at most"));
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(move |_| match escaping {
            Escaping::Json => AutoEscape::Json,
            Escaping::Slack => AutoEscape::Custom("slack".into()),
            Escaping::Plain => AutoEscape::None,
        });
        environment.set_formatter(|out, state, value| match state.auto_escape() {
            AutoEscape::Custom(_) if !value.is_safe() => {
                out.write_str(&slack_escaped(&printed(value))).map_err(Error::from)
            }
            AutoEscape::Custom(_) => out.write_str(&printed(value)).map_err(Error::from),
            _ => minijinja::escape_formatter(out, state, value),
        });
        let at = |error: &Error| problem(key, error);
        environment.add_template_owned(NAME, text.to_owned()).map_err(|error| at(&error))?;
        let template = Template(Arc::new(environment));
        template.check_names(key, columns)?;
        for notice in samples(columns) {
            template.render(&notice).map_err(|error| problem(key, &error))?;
        }
        Ok(template)
    }

    /// The text of a notice.
    pub(super) fn render(&self, notice: &Notice) -> Result<String, Error> {
        let text = self.0.get_template(NAME)?.render(context(notice))?;
        match text.len() {
            length if length > TEXT_BYTES_MAX => {
                let problem = format!("the text has {length} bytes, {TEXT_BYTES_MAX} at most");
                Err(Error::new(ErrorKind::InvalidOperation, problem))
            }
            _ => Ok(text),
        }
    }

    /// Refuses names that nothing gives.
    fn check_names(&self, key: &str, columns: &[String]) -> Result<(), String> {
        let template = self.0.get_template(NAME).map_err(|error| problem(key, &error))?;
        let mut names: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        names.sort_unstable();
        for name in names {
            let mut parts = name.split('.');
            let (first, second) = (parts.next().unwrap_or_default(), parts.next());
            if self.0.globals().any(|(global, _)| global == first) {
                continue;
            }
            if !NAMES.contains(&first) {
                let known = NAMES.join(", ");
                return Err(format!("`{key}`: nothing is named `{first}` (there are: {known})"));
            }
            let is_row = matches!(first, "row" | "before");
            if let Some(column) = second
                && is_row
                && !columns.iter().any(|known| known == column)
            {
                let known = columns.join(", ");
                return Err(format!(
                    "`{key}`: `{first}` has no column `{column}` (it has {known})"
                ));
            }
        }
        Ok(())
    }
}

/// A value as it is printed where nothing is escaped.
fn printed(value: &Value) -> String {
    match value.is_undefined() || value.is_none() {
        true => String::new(),
        false => value.to_string(),
    }
}

/// As Slack asks for: nothing else is special.
pub(super) fn slack_escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What a template reads of a notice.
fn context(notice: &Notice) -> Value {
    let count = match notice.kind {
        NoticeKind::HeldBack(count) => Value::from(count),
        _ => Value::from(()),
    };
    let row = |json: &Option<String>, row: &TextRow| match json {
        Some(_) => row.value(),
        None => Value::from(()),
    };
    let by_rule = notice.by_rule.iter().map(|(rule, count)| (rule.clone(), Value::from(*count)));
    let values = [
        ("id", Value::from(&*notice.id)),
        ("type", Value::from(notice.kind.name())),
        ("view", Value::from(&*notice.view)),
        ("run", Value::from(&*notice.run)),
        ("commit", Value::from(notice.commit.0)),
        ("at", Value::from(notice.at.rfc3339())),
        ("key", Value::from(&*notice.key)),
        ("row", row(&notice.json, &notice.row)),
        ("before", row(&notice.json_before, &notice.before)),
        ("withdraws", optional(notice.withdraws.as_deref())),
        ("count", count),
        ("by_rule", Value::from_pairs(by_rule)),
    ];
    Value::from_pairs(values)
}

/// Notices that a template is tried with: a row whose cells are all `1`, with and without one before.
pub(super) fn samples(columns: &[String]) -> [Notice; 2] {
    let sample = |kind: NoticeKind, has_before: bool| {
        let (run, view, key) = ("2026-01-05T14:29:58.1Z", super::ALERTS, "sample");
        let row = TextRow::sample(columns, "1");
        let commit = Commit(1);
        Notice {
            id: event_id((run, view), kind, commit, key),
            kind,
            view: view.to_owned(),
            run: run.to_owned(),
            commit,
            at: EventTime(0),
            key: key.to_owned(),
            json: Some("{}".to_owned()),
            before: if has_before { row.clone() } else { TextRow::default() },
            row,
            json_before: has_before.then(|| "{}".to_owned()),
            withdraws: None,
            by_rule: Vec::new(),
        }
    };
    [sample(NoticeKind::Raised, false), sample(NoticeKind::Withdrawn, true)]
}

/// What is wrong, and where.
fn problem(key: &str, error: &Error) -> String {
    let mut text = format!("`{key}`");
    if let Some(line) = error.line() {
        let _ = write!(text, ", line {line}"); // a `String` takes everything
    }
    let _ = write!(text, ": {}", error.kind());
    if let Some(detail) = error.detail() {
        let _ = write!(text, ": {detail}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<String> {
        ["rule", "price"].map(str::to_owned).to_vec()
    }

    fn notice(rule: &str) -> Notice {
        let [mut notice, _] = samples(&columns());
        notice.row = notice.row.with("rule", rule);
        notice
    }

    fn rendered(text: &str, escaping: Escaping, rule: &str) -> String {
        let template = Template::compile("template", text, escaping, &columns()).unwrap();
        template.render(&notice(rule)).unwrap()
    }

    #[test]
    fn values_are_escaped_for_where_they_go() {
        let odd = "a\"b\n<!channel> & co";
        let json = rendered(
            r#"{"text": {{ row.rule }}, "n": {{ row.price|float }}}"#,
            Escaping::Json,
            odd,
        );
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((parsed["text"].as_str(), parsed["n"].as_f64()), (Some(odd), Some(1.0)));
        let slack =
            rendered("<https://a|b> {{ row.rule }} {{ before.rule }}.", Escaping::Slack, odd);
        assert_eq!(slack, "<https://a|b> a\"b\n&lt;!channel&gt; &amp; co .");
        let plain = rendered("{{ type|upper }} {{ row.rule }}", Escaping::Plain, "r<1>");
        assert_eq!(plain, "RAISED r<1>");
        let joined = rendered(r#"{{ "at " ~ row.price ~ " " ~ row.rule }}"#, Escaping::Json, "\"");
        assert_eq!(joined, r#""at 1 \"""#);
    }

    #[test]
    fn what_is_wrong_is_found_when_it_is_compiled_and_its_place_is_told() {
        for (text, wanted) in [
            ("a\n{{ row.rule", vec!["`template`, line 2", "syntax error"]),
            ("{{ row.prize }}", vec!["`template`: `row` has no column `prize`", "rule, price"]),
            ("{{ rule }}", vec!["nothing is named `rule`", "row, before"]),
            ("\n\n{{ row.price|no_such }}", vec!["line 3", "no_such"]),
            ("{{ row.price - 2 }}", vec!["`template`, line 1"]),
            ("{% include 'x' %}", vec!["`template`"]),
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}",
                vec!["fuel"],
            ),
        ] {
            let error = Template::compile("template", text, Escaping::Plain, &columns()).err();
            let error = error.unwrap_or_else(|| panic!("{text} is taken"));
            assert!(wanted.iter().all(|part| error.contains(part)), "{text}: {error}");
        }
    }
}
