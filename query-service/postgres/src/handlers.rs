//! The simple and the extended protocol. Both ask the SQL door; neither holds an answer: a row is sent when the client has taken the
//! ones before.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use cloudping_query_service::{Admission, Description, Statement};
use futures::{Sink, SinkExt};
use pgwire::api::portal::{Format, Portal, PortalExecutionState};
use pgwire::api::query::{
    ExtendedQueryHandler, SimpleQueryHandler, send_execution_response, send_partial_query_response,
    send_query_response, send_ready_for_query,
};
use pgwire::api::results::{FieldInfo, Response, Tag};
use pgwire::api::stmt::{QueryParser, StoredStatement};
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, PgWireConnectionState, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::extendedquery::{
    Close, CloseComplete, Execute, Parse, ParseComplete, Sync as PgSync, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse, TransactionStatus};
use pgwire::messages::simplequery::Query;
use tokio::time::sleep;

use crate::commands::{Command, parts};
use crate::failure::error;
use crate::parameters;
use crate::replies;
use crate::rows::{self, Late, in_time};
use crate::server::Door;
use crate::session::Session;

/// A prepared statement.
#[derive(Debug, Clone)]
pub enum Prepared {
    /// One for the SQL door.
    Query {
        /// Its text.
        text: String,
        /// What it takes and gives.
        description: Arc<Description>,
    },
    /// Another one.
    Command(Command),
}

/// Answers a client's statements.
pub struct Handlers {
    door: Arc<Door>,
    parser: Arc<Parser>,
}

impl Handlers {
    /// At this door.
    pub fn new(door: Arc<Door>) -> Self {
        Self { parser: Arc::new(Parser(Arc::clone(&door))), door }
    }

    /// Runs a statement of the SQL door's.
    async fn run(
        &self,
        client: &(impl ClientInfo + Sync),
        statement: Statement,
        format: &Format,
    ) -> PgWireResult<Response> {
        let session = Session::of(client);
        let admission = admit(&self.door, client, &session).await?;
        let mut late: Late = session.statement_timeout().map(|limit| Box::pin(sleep(limit)));
        let rows = in_time(&mut late, self.door.stream(statement)).await?.admitted_by(admission);
        Ok(Response::Query(rows::response(rows, format, late)?))
    }

    /// Answers one statement of a text.
    async fn answer<C>(&self, client: &mut C, text: String, command: &Command) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
    {
        replies::allowed(client.transaction_status(), command)?;
        match command {
            Command::Query => self.run(client, text.as_str().into(), &Format::UnifiedText).await,
            command => replies::reply(client, command),
        }
    }
}

/// A key may have ended since its client came in.
async fn admit(door: &Door, client: &(impl ClientInfo + Sync), session: &Session) -> PgWireResult<Admission> {
    let admitted = door.keeper.admit(session.key(), client.socket_addr().ip()).await;
    admitted.map_err(|reason| error("42501", reason))
}

/// Does the work, unless a cancel request for this connection comes first.
async fn unless_cancelled<T>(session: &Session, work: impl Future<Output = PgWireResult<T>>) -> PgWireResult<T> {
    let cancelled = session.cancel.notified();
    tokio::select! {
        biased;
        done = work => done,
        () = cancelled => Err(error("57014", "canceling statement due to user request")),
    }
}

#[async_trait]
impl SimpleQueryHandler for Handlers {
    async fn on_query<C>(&self, client: &mut C, query: Query) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let session = Session::of(client);
        client.set_state(PgWireConnectionState::QueryInProgress);
        unless_cancelled(&session, async {
            let parts = parts(&query.query).map_err(|reason| error("42601", reason))?;
            if parts.is_empty() {
                client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
            }
            // One after the other: a statement takes its place in the SQL door when the one before has given its own up.
            for part in parts {
                match self.answer(client, part.text, &part.command).await? {
                    Response::Query(rows) => send_query_response(client, rows, true).await?,
                    other => send(client, other).await?,
                }
            }
            client.set_state(PgWireConnectionState::ReadyForQuery);
            close_portals(client);
            let status = client.transaction_status();
            send_ready_for_query(client, status).await
        })
        .await
    }

    /// Not used: [`on_query`](Self::on_query) is whole.
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        Ok(vec![self.answer(client, query.to_owned(), &Command::Query).await?])
    }
}

/// Outside a transaction no portal outlives the statements that it came with: one that is not read to its end holds a place of the SQL door.
fn close_portals<C>(client: &C)
where
    C: ClientInfo + ClientPortalStore,
    C::PortalStore: PortalStore,
{
    if client.transaction_status() == TransactionStatus::Idle {
        client.portal_store().clear_portals();
    }
}

/// Sends what has no rows, and keeps track of the transaction.
async fn send<C>(client: &mut C, response: Response) -> PgWireResult<()>
where
    C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send,
    C::Error: Debug,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let status = client.transaction_status();
    match response {
        Response::TransactionStart(tag) => {
            send_execution_response(client, tag).await?;
            client.set_transaction_status(status.to_in_transaction_state());
        }
        Response::TransactionEnd(tag) => {
            send_execution_response(client, tag).await?;
            client.set_transaction_status(status.to_idle_state());
        }
        Response::Execution(tag) => send_execution_response(client, tag).await?,
        _ => client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?,
    }
    Ok(())
}

/// Reads and describes what a client prepares.
pub struct Parser(Arc<Door>);

#[async_trait]
impl QueryParser for Parser {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, client: &C, sql: &str, _: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut parts = parts(sql).map_err(|reason| error("42601", reason))?;
        if parts.len() > 1 {
            return Err(error("42601", "cannot insert multiple commands into a prepared statement"));
        }
        let Some(part) = parts.pop() else { return Ok(None) };
        replies::allowed(client.transaction_status(), &part.command)?;
        if part.command != Command::Query {
            return Ok(Some(Prepared::Command(part.command)));
        }
        let session = Session::of(client);
        let _admission = admit(&self.0, client, &session).await?;
        let mut late: Late = session.statement_timeout().map(|limit| Box::pin(sleep(limit)));
        let description = in_time(&mut late, self.0.describe(&part.text)).await?;
        Ok(Some(Prepared::Query { text: part.text, description: Arc::new(description) }))
    }

    fn get_parameter_types(&self, statement: &Prepared) -> PgWireResult<Vec<Type>> {
        match statement {
            Prepared::Query { description, .. } => parameters::types(description),
            Prepared::Command(_) => Ok(Vec::new()),
        }
    }

    fn get_result_schema(&self, statement: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        match statement {
            Prepared::Query { description, .. } => {
                rows::fields(&description.schema, format.unwrap_or(&Format::UnifiedText))
            }
            Prepared::Command(command) => Ok(replies::fields(command)),
        }
    }
}

#[async_trait]
impl ExtendedQueryHandler for Handlers {
    type Statement = Prepared;
    type QueryParser = Parser;

    fn query_parser(&self) -> Arc<Parser> {
        Arc::clone(&self.parser)
    }

    async fn on_parse<C>(&self, client: &mut C, message: Parse) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let session = Session::of(client);
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME).to_owned();
        let most = self.door.settings.statements;
        if !session.prepared(&name, most) {
            return Err(error("54000", format!("{most} statements are prepared: close some with DEALLOCATE or Close")));
        }
        let parsed = StoredStatement::parse(client, &message, self.query_parser());
        match unless_cancelled(&session, parsed).await? {
            Some(mut statement) => {
                parameters::known(&mut statement.parameter_types);
                client.portal_store().put_statement(Arc::new(statement));
            }
            None => client.portal_store().put_empty_statement(&name),
        }
        client.feed(PgWireBackendMessage::ParseComplete(ParseComplete::new())).await?;
        Ok(())
    }

    async fn on_execute<C>(&self, client: &mut C, message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let session = Session::of(client);
        client.set_state(PgWireConnectionState::QueryInProgress);
        unless_cancelled(&session, self.execute(client, message)).await?;
        client.set_state(PgWireConnectionState::ReadyForQuery);
        Ok(())
    }

    async fn on_sync<C>(&self, client: &mut C, _: PgSync) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        close_portals(client);
        let status = client.transaction_status();
        send_ready_for_query(client, status).await
    }

    async fn on_close<C>(&self, client: &mut C, message: Close) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            Session::of(client).forget(Some(name));
            client.portal_store().rm_statement(name);
        } else {
            client.portal_store().rm_portal(name);
        }
        client.feed(PgWireBackendMessage::CloseComplete(CloseComplete::new())).await?;
        Ok(())
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Prepared>, _: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match &portal.statement.statement {
            Prepared::Query { text, description } => {
                replies::allowed(client.transaction_status(), &Command::Query)?;
                let values = parameters::values(portal, description)?;
                let statement = Statement::from(text.as_str()).with_params(values);
                self.run(client, statement, &portal.result_column_format).await
            }
            Prepared::Command(command) => self.answer(client, String::new(), command).await,
        }
    }
}

impl Handlers {
    /// Runs a portal, or goes on with it. The number of rows is the client's word: no room is made for them before they come.
    async fn execute<C>(&self, client: &mut C, message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        let most = usize::try_from(message.max_rows).unwrap_or(0);
        let portal = match client.portal_store().get_portal(name) {
            Some(Entry::Value(portal)) => portal,
            Some(Entry::Empty) => {
                client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
                return Ok(());
            }
            None => return Err(PgWireError::PortalNotFound(name.to_owned())),
        };
        let state = portal.state();
        let mut state = state.lock().await;
        if matches!(*state, PortalExecutionState::Initial) {
            match ExtendedQueryHandler::do_query(self, client, portal.as_ref(), most).await? {
                Response::Query(rows) => *state = PortalExecutionState::Suspended(rows),
                other => {
                    *state = PortalExecutionState::Finished;
                    return send(client, other).await;
                }
            }
        }
        if let PortalExecutionState::Suspended(rows) = &mut *state {
            if !send_partial_query_response(client, rows, most).await? {
                *state = PortalExecutionState::Finished;
            }
            return Ok(());
        }
        let tag = CommandComplete::from(Tag::new("SELECT").with_rows(0));
        client.feed(PgWireBackendMessage::CommandComplete(tag)).await?;
        Ok(())
    }
}
