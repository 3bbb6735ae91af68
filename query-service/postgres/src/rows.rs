//! Rows as messages. Each batch is written when the one before has been taken, so an answer of any size needs little room here.

use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow_pg::datatypes::{arrow_schema_to_pg_fields, encode_recordbatch};
use cloudping_query_service::{RowStream, SqlError};
use futures::{StreamExt, stream};
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse};
use pgwire::error::{PgWireError, PgWireResult};
use tokio::time::Sleep;

use crate::failure::{error, of_statement};
use crate::parameters::checked;

/// When a client wants its statement stopped.
pub type Late = Option<Pin<Box<Sleep>>>;

/// Waits for what is done, unless it takes longer than the client wants.
pub async fn in_time<T>(late: &mut Late, work: impl Future<Output = Result<T, SqlError>>) -> PgWireResult<T> {
    let Some(late) = late else {
        return work.await.map_err(|reason| of_statement(&reason));
    };
    tokio::select! {
        done = work => done.map_err(|reason| of_statement(&reason)),
        () = late.as_mut() => Err(timed_out()),
    }
}

fn timed_out() -> PgWireError {
    error("57014", "canceling statement due to statement timeout")
}

/// The columns as a client is told of them.
pub fn fields(schema: &Schema, format: &Format) -> PgWireResult<Vec<FieldInfo>> {
    checked(format, schema.fields().len())?;
    arrow_schema_to_pg_fields(schema, format, None)
}

/// The rows of an answer.
pub fn response(rows: RowStream, format: &Format, late: Late) -> PgWireResult<QueryResponse> {
    let fields = Arc::new(fields(rows.schema(), format)?);
    let columns = Arc::clone(&fields);
    let batches = stream::unfold(Some((rows, late)), |state| async {
        let (mut rows, mut late) = state?;
        let next = async { Ok(rows.next().await) };
        match in_time(&mut late, next).await {
            Ok(Some(Ok(batch))) => Some((Ok(batch), Some((rows, late)))),
            Ok(Some(Err(reason))) => Some((Err(of_statement(&reason)), None)),
            Ok(None) => None,
            Err(late) => Some((Err(late), None)),
        }
    });
    let rows = batches.flat_map(move |batch| match batch {
        Ok(batch) => stream::iter(encode_recordbatch(Arc::clone(&columns), batch)).left_stream(),
        Err(reason) => stream::iter([Err(reason)]).right_stream(),
    });
    Ok(QueryResponse::new(fields, rows))
}

/// The columns of a small table of texts.
pub fn text_fields(names: &[&str]) -> Vec<FieldInfo> {
    names.iter().map(|name| FieldInfo::new((*name).to_owned(), None, None, Type::TEXT, FieldFormat::Text)).collect()
}

/// A small table of texts.
pub fn texts(names: &[&str], rows: &[Vec<String>]) -> PgWireResult<QueryResponse> {
    let fields = Arc::new(text_fields(names));
    let row = |row: &Vec<String>| {
        let mut encoder = DataRowEncoder::new(Arc::clone(&fields));
        for text in row {
            encoder.encode_field(&Some(text.as_str()))?;
        }
        Ok(encoder.take_row())
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    Ok(QueryResponse::new(fields, stream::iter(rows)))
}
