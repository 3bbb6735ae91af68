//! Answers to what is no statement for the SQL door.

use pgwire::api::results::{FieldInfo, Response, Tag};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore};
use pgwire::error::PgWireResult;
use pgwire::messages::response::TransactionStatus;

use crate::commands::Command;
use crate::failure::error;
use crate::rows::{text_fields, texts};
use crate::session::Session;

/// The columns of `SHOW ALL`.
const ALL: [&str; 3] = ["name", "setting", "description"];

/// After an error a transaction takes nothing but its end, as clients expect.
pub fn allowed(status: TransactionStatus, command: &Command) -> PgWireResult<()> {
    match (status, command) {
        (TransactionStatus::Error, Command::Commit | Command::Rollback | Command::Nothing("ROLLBACK")) => Ok(()),
        (TransactionStatus::Error, _) => {
            Err(error("25P02", "current transaction is aborted, commands ignored until end of transaction block"))
        }
        _ => Ok(()),
    }
}

/// The columns of a command's answer.
pub fn fields(command: &Command) -> Vec<FieldInfo> {
    match command {
        Command::Show(name) if name == "all" => text_fields(&ALL),
        Command::Show(name) => text_fields(&[name]),
        _ => Vec::new(),
    }
}

/// Answers a command.
pub fn reply<C>(client: &mut C, command: &Command) -> PgWireResult<Response>
where
    C: ClientInfo + ClientPortalStore,
    C::PortalStore: PortalStore,
{
    let session = Session::of(client);
    let done = |tag: &str| Ok(Response::Execution(Tag::new(tag)));
    match command {
        Command::Begin => Ok(Response::TransactionStart(Tag::new("BEGIN"))),
        Command::Commit if client.transaction_status() == TransactionStatus::Error => {
            Ok(Response::TransactionEnd(Tag::new("ROLLBACK")))
        }
        Command::Commit => Ok(Response::TransactionEnd(Tag::new("COMMIT"))),
        Command::Rollback => Ok(Response::TransactionEnd(Tag::new("ROLLBACK"))),
        Command::Set(name, value) => {
            session.set(name, value.as_deref()).map_err(|reason| error("22023", reason))?;
            done(if value.is_some() { "SET" } else { "RESET" })
        }
        Command::Show(name) if name == "all" => {
            let row = |(name, value): (&str, String)| vec![name.to_owned(), value, String::new()];
            let rows: Vec<_> = session.all().into_iter().map(row).collect();
            Ok(Response::Query(texts(&ALL, &rows)?))
        }
        Command::Show(name) => {
            let value = session.get(name);
            let unknown = || error("42704", format!("unrecognized configuration parameter {name:?}"));
            Ok(Response::Query(texts(&[name], &[vec![value.ok_or_else(unknown)?]])?))
        }
        Command::Deallocate(name) => {
            forget(client, &session, name.as_deref());
            done(if name.is_some() { "DEALLOCATE" } else { "DEALLOCATE ALL" })
        }
        Command::DiscardAll => {
            forget(client, &session, None);
            session.set("all", None).map_err(|reason| error("22023", reason))?;
            done("DISCARD ALL")
        }
        Command::Nothing(tag) => done(tag),
        Command::Unsupported(what) => Err(error("0A000", format!("not supported: {what}"))),
        Command::Query => Ok(Response::EmptyQuery),
    }
}

fn forget<C>(client: &C, session: &Session, name: Option<&str>)
where
    C: ClientPortalStore,
    C::PortalStore: PortalStore,
{
    for name in session.forget(name) {
        client.portal_store().rm_statement(&name);
    }
}
