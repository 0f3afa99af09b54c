//! A real SMTP server that keeps what it is sent.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::job::Job;
use crate::end_to_end::binary::poll;
use crate::servers::Server;

/// The headers of a message by lower-case name, and its text.
type Mail = (BTreeMap<String, String>, String);

/// The messages in a Maildir, in the order in which they came.
fn mails(folder: &Path) -> Vec<Mail> {
    let Ok(entries) = fs::read_dir(folder.join("mail/new")) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    files
        .iter()
        .map(|path| mail(&fs::read_to_string(path).unwrap().replace("\r\n", "\n")))
        .collect()
}

fn mail(text: &str) -> Mail {
    let (head, body) = text.split_once("\n\n").unwrap();
    let head = head.replace("\n ", " "); // folded lines
    let headers = head.lines().map(|line| {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{text}"));
        (name.to_ascii_lowercase(), value.to_owned())
    });
    (headers.collect(), body.to_owned())
}

#[test]
fn a_withdrawal_is_a_reply_to_the_message_of_the_raise() {
    let Some(server) = Server::start("smtp") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (host, port) = server.address.split_once(':').unwrap();
    let sink = format!(
        "[[sink]]\nname = \"mail\"\nkind = \"email\"\nviews = [\"alerts\"]\nhost = \"{host}\"\nport = {port}\n\
         tls = \"none\"\nfrom = \"Tickweave <tickweave@example.org>\"\nto = [\"desk@example.org\", \"b@example.org\"]\n\
         body = \"{{{{ type }}}} at {{{{ row.price }}}} € of {{{{ row.instrument }}}}\"\n"
    );
    let job = Job::start(folder.path(), &sink, &[], &[]);
    let wait_for = |count: usize| {
        let enough = || Some(mails(&server.data())).filter(|mails| mails.len() == count);
        poll(enough, || format!("{count} messages: {:#?}", mails(&server.data())))
    };
    job.trade("trade", "us:AAPL", "120.50");
    let (raised, text) = wait_for(1).remove(0);
    assert_eq!(text.trim_end(), "raised at 120.5 =E2=82=AC of us:AAPL", "{raised:?}");
    assert_eq!(raised["from"], "Tickweave <tickweave@example.org>");
    assert_eq!(raised["to"], "desk@example.org, b@example.org");
    assert_eq!(raised["auto-submitted"], "auto-generated");
    assert!(raised["subject"].starts_with("raised: high on us:AAPL 1m, bar 20"), "{raised:?}");
    job.trade("correct", "us:AAPL", "100.00");
    let (withdrawn, _) = wait_for(2).remove(1);
    assert_eq!(withdrawn["in-reply-to"], raised["message-id"]);
    assert_eq!(withdrawn["references"], raised["message-id"]);
    assert_ne!(withdrawn["message-id"], raised["message-id"]);
    job.wait_for_sink("mail", |sink| sink["messages"] == 2 && sink["rejected"] == 0);
    job.stop();
}
