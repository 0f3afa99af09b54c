//! Writes the batches of one view: a part is one script.

use market::Commit;
use redis::{Cmd, Connection};
use serde_json::{Value, json};

use crate::redis::reply::bytes;
use crate::redis::server::{RedisFailure, Server, is_interrupted};
use crate::sink::{BatchKind, SinkBatch, SinkError, SinkRecord, SinkWriter};

/// What is made of a view.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Hash,
    Stream { max_length: u64 },
    Channels { key_parts: usize },
}

/// A script of files, one after the other.
macro_rules! script {
    ($($file:literal),+) => { concat!($(include_str!($file)),+) };
}
const HASH: &str = script!("order.lua", "guard.lua", "hash.lua", "done.lua");
const STREAM: &str = script!("order.lua", "guard.lua", "streams.lua", "done.lua");
const CHANNELS: &str = script!("order.lua", "guard.lua", "pubsub.lua", "done.lua");
const CHECK: &str = script!("order.lua", "check.lua");

/// Writes one view.
pub(super) struct ViewWriter {
    connection: Connection,
    form: Form,
    /// `{prefix}:{view}`.
    base: String,
    /// For people: where to, without a password.
    shown: String,
}

impl ViewWriter {
    pub(super) fn open(
        server: &Server,
        sink: &str,
        prefix: &str,
        view: &str,
        form: Form,
    ) -> Result<ViewWriter, SinkError> {
        let base = format!("{prefix}:{view}");
        let shown = format!("{base} of {server}");
        let name: String = sink.chars().filter(char::is_ascii_graphic).collect();
        let connection = server.connect(&format!("tickweave:{name}:{view}"));
        let connection = connection.map_err(|failure| failed("connect for", &shown, failure))?;
        Ok(ViewWriter { connection, form, base, shown })
    }

    /// The key of what was written last.
    fn told(&self) -> String {
        let kind = match self.form {
            Form::Hash => "hash",
            Form::Stream { .. } => "changes",
            Form::Channels { .. } => "channels",
        };
        format!("{}:told:{kind}", self.base)
    }

    fn script(&self, batch: &SinkBatch<'_>) -> Cmd {
        let (base, told) = (&self.base, self.told());
        let (script, keys) = match self.form {
            Form::Hash => (HASH, vec![told, base.clone(), format!("{base}:next")]),
            Form::Stream { .. } => (STREAM, vec![told, format!("{base}:changes")]),
            Form::Channels { .. } => (CHANNELS, vec![told]),
        };
        let kind = match batch.kind {
            BatchKind::Snapshot => "snapshot",
            BatchKind::Resync => "resync",
            BatchKind::Changes => "changes",
        };
        let after = batch.after.map_or_else(String::new, |commit| commit.0.to_string());
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(keys.len()).arg(keys);
        command.arg(batch.run).arg(kind).arg(after).arg(batch.commit.0).arg(batch.at.rfc3339());
        command.arg(batch.part).arg(u8::from(batch.last));
        match self.form {
            Form::Hash => {
                for SinkRecord { key, now, .. } in batch.records {
                    command.arg(key).arg(now.as_deref().unwrap_or_default());
                }
            }
            Form::Stream { max_length } => {
                command.arg(max_length);
                for SinkRecord { key, now, before } in batch.records {
                    command.arg(key).arg(now.as_deref().unwrap_or_default());
                    command.arg(before.as_deref().unwrap_or_default());
                }
            }
            Form::Channels { key_parts } => self.messages(batch, key_parts, &mut command),
        }
        command
    }

    /// Appends channels and messages.
    fn messages(&self, batch: &SinkBatch<'_>, key_parts: usize, command: &mut Cmd) {
        let (base, run, commit) = (&self.base, batch.run, batch.commit.0);
        if batch.kind != BatchKind::Changes && batch.part == 0 {
            let resync = batch.kind == BatchKind::Resync;
            let begin = json!({"op": "snapshot", "run": run, "commit": commit, "resync": resync});
            command.arg(base).arg(begin.to_string());
        }
        for SinkRecord { key, now, before } in batch.records {
            let op = if now.is_some() { "upsert" } else { "delete" };
            let mut message = format!(
                "{{\"op\":\"{op}\",\"run\":\"{run}\",\"commit\":{commit},\"key\":{}",
                Value::from(key.as_str())
            );
            for (name, row) in [("row", now), ("before", before)] {
                if let Some(row) = row {
                    message.push_str(&format!(",\"{name}\":{row}"));
                }
            }
            message.push('}');
            command.arg(format!("{base}:{}", first_parts(key, key_parts))).arg(message);
        }
        if batch.last {
            let after = batch.after.map(|commit| commit.0);
            let at = batch.at.rfc3339();
            let end =
                json!({"op": "progress", "run": run, "after": after, "commit": commit, "at": at});
            command.arg(base).arg(end.to_string());
        }
    }
}

impl SinkWriter for ViewWriter {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), SinkError> {
        let script = self.script(batch);
        self.run(&script)
    }

    fn check(&mut self, run: &str, commit: Commit) -> Result<(), SinkError> {
        let mut script = redis::cmd("EVAL");
        script.arg(CHECK).arg(1).arg(self.told()).arg(run).arg(commit.0);
        self.run(&script)
    }
}

impl ViewWriter {
    /// Runs a script, again if the wait for its answer was interrupted: what it has written it recognises.
    fn run(&mut self, script: &Cmd) -> Result<(), SinkError> {
        let answer: Vec<redis::Value> = loop {
            match script.query(&mut self.connection) {
                Ok(answer) => break answer,
                Err(error) if is_interrupted(&error) => {}
                Err(error) => {
                    return Err(failed("write to", &self.shown, RedisFailure::of(&error)));
                }
            }
        };
        let tried = format!("cannot write to {}", self.shown);
        let run = || {
            let run = answer.get(1).and_then(bytes).map(String::from_utf8_lossy);
            run.unwrap_or_default().into_owned()
        };
        match answer.first().and_then(bytes) {
            Some(b"written" | b"again") => Ok(()),
            Some(b"lacks") => Err(SinkError::Forgotten {
                tried,
                cause: "it has not what was written before; everything is written anew".into(),
            }),
            Some(b"newer") => {
                let cause = format!("run {}, which began later, writes there", run());
                Err(SinkError::Fatal { tried, cause: cause.into() })
            }
            Some(b"alive") => {
                let cause = format!(
                    "run {}, which began later by its clock, has written there in the last 15 s",
                    run()
                );
                Err(SinkError::Retry { tried, cause: cause.into() })
            }
            _ => Err(SinkError::Fatal { tried, cause: format!("it answers {answer:?}").into() }),
        }
    }
}

fn failed(verb: &str, shown: &str, failure: RedisFailure) -> SinkError {
    let tried = format!("cannot {verb} {shown}");
    match failure {
        RedisFailure::Transient(why) => SinkError::Retry { tried, cause: why.into() },
        RedisFailure::Permanent(why) => SinkError::Fatal { tried, cause: why.into() },
    }
}

/// The first columns of a key. A `|` after `\` belongs to a column.
fn first_parts(key: &str, parts: usize) -> &str {
    let mut is_escaped = false;
    let mut ended = 0;
    for (at, letter) in key.char_indices() {
        match letter {
            '\\' => is_escaped = !is_escaped,
            '|' if !is_escaped => {
                ended += 1;
                if ended == parts {
                    return &key[..at];
                }
            }
            _ => is_escaped = false,
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_cut_between_its_columns() {
        let key = r"a\|b\\|1m|\N";
        let parts = [1, 2, 3, usize::MAX].map(|parts| first_parts(key, parts));
        assert_eq!(parts, [r"a\|b\\", r"a\|b\\|1m", key, key]);
    }
}
