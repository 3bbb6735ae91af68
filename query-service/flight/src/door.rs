//! The protocol: what a client may ask, and how it is answered.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::metadata::SqlInfoData;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, CommandGetCatalogs, CommandGetDbSchemas,
    CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes,
    CommandGetTables, CommandPreparedStatementQuery, CommandStatementQuery, DoPutPreparedStatementResult,
    ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage,
    SchemaAsIpc, Ticket,
};
use cloudping_query_service::{Admission, Description, Doorkeeper, Service};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use prost::Message;
use prost::bytes::Bytes;
use tonic::{Request, Response, Status, Streaming};

use crate::credentials::presented;
use crate::failure::of_statement;
use crate::handle::Handle;
use crate::metadata::{self, CATALOGUE, SCHEMA, TABLE, keys};
use crate::running::Running;

type Rows = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;
type Greetings = Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>;

/// The door to one service. Copies share everything.
#[derive(Clone)]
pub struct FlightDoor {
    service: Service,
    keeper: Arc<dyn Doorkeeper>,
    told: Arc<SqlInfoData>,
    running: Arc<Running>,
}

impl FlightDoor {
    /// A door to a service.
    ///
    /// # Errors
    /// When what it tells of itself cannot be encoded.
    pub fn new(service: Service, keeper: Arc<dyn Doorkeeper>) -> Result<Self, FlightError> {
        let told = Arc::new(metadata::server(service.simulated())?);
        Ok(Self { service, keeper, told, running: Arc::default() })
    }

    /// Lets a call in, with the key that it shows, if any.
    async fn admit<T>(&self, request: &Request<T>) -> Result<Admission, Status> {
        let key = presented(request.metadata())?;
        let unspecified = IpAddr::from([0, 0, 0, 0]);
        let address = request.remote_addr().map_or(unspecified, |address| address.ip());
        self.keeper.admit(key.as_deref(), address).await.map_err(Status::unauthenticated)
    }

    async fn describe(&self, text: &str) -> Result<Description, Status> {
        self.service.sql().describe(text, self.service.now()).await.map_err(|reason| of_statement(&reason))
    }

    /// Tells where the answer of a statement is to be had: here, with a ticket that is the statement.
    async fn info(&self, handle: &Handle, descriptor: FlightDescriptor) -> Result<Response<FlightInfo>, Status> {
        let schema = self.describe(&handle.text).await?.schema;
        let ticket = TicketStatementQuery { statement_handle: handle.to_run().encode_to_vec().into() };
        info(&schema, &ticket, descriptor)
    }

    /// Runs a statement. When the client leaves, the stream is dropped and with it the statement.
    async fn run(&self, handle: Handle, admission: Admission) -> Result<Response<Rows>, Status> {
        let statement = handle.statement()?;
        let run = self.running.enter(&handle.run);
        let started = self.service.sql().stream(statement, self.service.now());
        let rows = tokio::select! {
            rows = started => rows.map_err(|reason| of_statement(&reason))?.admitted_by(admission),
            () = run.cancelled() => return Err(Status::cancelled(CANCELLED)),
        };
        let schema = Arc::clone(rows.schema());
        let rows = stream::unfold(Some((rows, run)), |state| async {
            let (mut rows, run) = state?;
            let next = tokio::select! {
                next = rows.next() => next?.map_err(|reason| of_statement(&reason)),
                () = run.cancelled() => Err(Status::cancelled(CANCELLED)),
            };
            match next {
                Ok(batch) => Some((Ok(batch), Some((rows, run)))),
                Err(status) => Some((Err(FlightError::Tonic(Box::new(status))), None)),
            }
        });
        Ok(Response::new(encoded(schema, rows)))
    }
}

const CANCELLED: &str = "the statement was cancelled";

fn encoded(schema: SchemaRef, rows: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static) -> Rows {
    FlightDataEncoderBuilder::new().with_schema(schema).build(rows).map_err(Status::from).boxed()
}

/// An answer of one small table.
fn table(batch: Result<RecordBatch, FlightError>) -> Result<Response<Rows>, Status> {
    let batch = batch.map_err(Status::from)?;
    Ok(Response::new(encoded(batch.schema(), stream::iter([Ok(batch)]))))
}

fn info(
    schema: &Schema,
    ticket: &impl ProstMessageExt,
    descriptor: FlightDescriptor,
) -> Result<Response<FlightInfo>, Status> {
    let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket.as_any().encode_to_vec()));
    let info = FlightInfo::new().try_with_schema(schema).map_err(|error| Status::internal(error.to_string()))?;
    Ok(Response::new(info.with_endpoint(endpoint).with_descriptor(descriptor)))
}

fn schema_bytes(schema: &Schema) -> Result<Bytes, Status> {
    let options = arrow::ipc::writer::IpcWriteOptions::default();
    let message: IpcMessage = SchemaAsIpc::new(schema, &options)
        .try_into()
        .map_err(|error: ArrowError| Status::internal(error.to_string()))?;
    Ok(message.0)
}

#[tonic::async_trait]
impl FlightSqlService for FlightDoor {
    type FlightService = Self;

    /// Hands a key back as the token of the calls to come, as clients with a user name and a password expect.
    async fn do_handshake(&self, request: Request<Streaming<HandshakeRequest>>) -> Result<Response<Greetings>, Status> {
        self.admit(&request).await?;
        let key = presented(request.metadata())?.unwrap_or_default();
        let greeting = HandshakeResponse { protocol_version: 0, payload: Bytes::from(key.clone()) };
        let mut response: Response<Greetings> = Response::new(stream::iter([Ok(greeting)]).boxed());
        if !key.is_empty() {
            let token = format!("Bearer {key}").parse();
            let mut token: tonic::metadata::MetadataValue<_> =
                token.map_err(|_| Status::unauthenticated("a key of visible characters is expected"))?;
            token.set_sensitive(true);
            response.metadata_mut().insert("authorization", token);
        }
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.admit(&request).await?;
        self.info(&Handle::of(query.query), request.into_inner()).await
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        let admission = self.admit(&request).await?;
        self.run(Handle::read(&ticket.statement_handle)?, admission).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        self.admit(&request).await?;
        let description = self.describe(&query.query).await?;
        let parameters = description
            .parameters
            .iter()
            .enumerate()
            .map(|(at, known)| Field::new(format!("${}", at + 1), known.clone().unwrap_or(DataType::Utf8), true));
        let parameters = Schema::new(parameters.collect::<Vec<_>>());
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: Handle::of(query.query).encode_to_vec().into(),
            dataset_schema: schema_bytes(&description.schema)?,
            parameter_schema: if parameters.fields().is_empty() { Bytes::new() } else { schema_bytes(&parameters)? },
        })
    }

    /// The values go into a handle that takes the place of the one that the client has.
    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        self.admit(&request).await?;
        let prepared = Handle::read(&query.prepared_statement_handle)?;
        let sent = request.into_inner().map_err(|status| FlightError::Tonic(Box::new(status)));
        let mut sent = FlightRecordBatchStream::new_from_flight_data(sent);
        let mut batches = Vec::new();
        while let Some(batch) = sent.try_next().await? {
            batches.push(batch);
            if batches.len() > 2 {
                return Err(Status::invalid_argument("more parameters than one row, expected one"));
            }
        }
        let bound = prepared.bind(&batches)?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(bound.encode_to_vec().into()) })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.admit(&request).await?;
        self.info(&Handle::read(&query.prepared_statement_handle)?, request.into_inner()).await
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        let admission = self.admit(&request).await?;
        self.run(Handle::read(&query.prepared_statement_handle)?.to_run(), admission).await
    }

    /// Nothing is kept for a prepared statement.
    async fn do_action_close_prepared_statement(
        &self,
        _: ActionClosePreparedStatementRequest,
        _: Request<Action>,
    ) -> Result<(), Status> {
        Ok(())
    }

    async fn do_action_cancel_query(
        &self,
        query: ActionCancelQueryRequest,
        request: Request<Action>,
    ) -> Result<ActionCancelQueryResult, Status> {
        self.admit(&request).await?;
        let cancelled = self.cancel(FlightInfo::decode(query.info).ok())?;
        // Values of ActionCancelQueryResult.CancelResult: cancelled, not cancellable.
        Ok(ActionCancelQueryResult { result: if cancelled { 1 } else { 3 } })
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        self.admit(&request).await?;
        let action = request.into_inner();
        if action.r#type != "CancelFlightInfo" {
            return Err(Status::invalid_argument(format!("the action {:?} is not known here", action.r#type)));
        }
        let asked = arrow_flight::CancelFlightInfoRequest::decode(action.body);
        let cancelled = self.cancel(asked.ok().and_then(|asked| asked.info))?;
        let status =
            if cancelled { arrow_flight::CancelStatus::Cancelled } else { arrow_flight::CancelStatus::NotCancellable };
        let body = arrow_flight::CancelFlightInfoResult { status: status.into() }.encode_to_vec().into();
        Ok(Response::new(stream::iter([Ok(arrow_flight::Result { body })]).boxed()))
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.admit(&request).await?;
        info(&query.into_builder().schema(), &query, request.into_inner())
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.admit(&request).await?;
        let mut builder = query.into_builder();
        builder.append(CATALOGUE);
        table(builder.build())
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.admit(&request).await?;
        info(&query.clone().into_builder().schema(), &query, request.into_inner())
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.admit(&request).await?;
        let mut builder = query.into_builder();
        builder.append(CATALOGUE, SCHEMA);
        table(builder.build())
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.admit(&request).await?;
        info(&query.clone().into_builder().schema(), &query, request.into_inner())
    }

    async fn do_get_tables(&self, query: CommandGetTables, request: Request<Ticket>) -> Result<Response<Rows>, Status> {
        self.admit(&request).await?;
        let mut builder = query.into_builder();
        for known in self.service.sql().tables() {
            builder.append(CATALOGUE, SCHEMA, known.name, TABLE, &known.schema).map_err(Status::from)?;
        }
        table(builder.build())
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.admit(&request).await?;
        info(&query.into_builder().schema(), &query, request.into_inner())
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.admit(&request).await?;
        let mut builder = query.into_builder();
        builder.append(TABLE);
        table(builder.build())
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.admit(&request).await?;
        info(&query.clone().into_builder(&self.told).schema(), &query, request.into_inner())
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.admit(&request).await?;
        table(query.into_builder(&self.told).build())
    }

    async fn get_flight_info_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.admit(&request).await?;
        info(&keys(false), &query, request.into_inner())
    }

    async fn do_get_primary_keys(
        &self,
        _: CommandGetPrimaryKeys,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.admit(&request).await?;
        table(Ok(RecordBatch::new_empty(keys(false))))
    }

    async fn get_flight_info_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.admit(&request).await?;
        info(&keys(true), &query, request.into_inner())
    }

    async fn do_get_exported_keys(
        &self,
        _: CommandGetExportedKeys,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.admit(&request).await?;
        table(Ok(RecordBatch::new_empty(keys(true))))
    }

    async fn get_flight_info_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.admit(&request).await?;
        info(&keys(true), &query, request.into_inner())
    }

    async fn do_get_imported_keys(
        &self,
        _: CommandGetImportedKeys,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.admit(&request).await?;
        table(Ok(RecordBatch::new_empty(keys(true))))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}

impl FlightDoor {
    /// Ends the statement whose ticket is in the information that a client was given; whether it was running.
    fn cancel(&self, info: Option<FlightInfo>) -> Result<bool, Status> {
        let malformed = || Status::invalid_argument("expected the information that came with a statement's ticket");
        let ticket = info.and_then(|info| info.endpoint.into_iter().next()?.ticket).ok_or_else(malformed)?;
        let any = arrow_flight::sql::Any::decode(ticket.ticket).map_err(|_| malformed())?;
        let ticket: Option<TicketStatementQuery> = any.unpack().map_err(|_| malformed())?;
        let handle = Handle::read(&ticket.ok_or_else(malformed)?.statement_handle)?;
        Ok(self.running.cancel(&handle.run))
    }
}
