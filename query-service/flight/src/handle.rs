//! Tickets and prepared statements: a statement, the values of its parameters, and a number by which it can be cancelled. All of it
//! is in the bytes that the client holds, so that there is nothing to keep, to bound or to forget here.

use std::io::Cursor;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use cloudping_query_service::Statement;
use datafusion::common::ScalarValue;
use prost::Message;
use prost::bytes::Bytes;
use tonic::Status;
use uuid::Uuid;

/// Bytes of a statement's bound values.
const VALUES_BYTES: usize = 256 << 10;

/// What a client's bytes hold.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Handle {
    /// The statement.
    #[prost(string, tag = "1")]
    pub text: String,
    /// One row with the values of its parameters, as an Arrow stream; empty without.
    #[prost(bytes = "bytes", tag = "2")]
    pub values: Bytes,
    /// Names one run of it; empty in a prepared statement.
    #[prost(bytes = "bytes", tag = "3")]
    pub run: Bytes,
}

impl Handle {
    /// A prepared statement.
    pub fn of(text: String) -> Self {
        Self { text, ..Self::default() }
    }

    /// Reads a client's bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, Status> {
        Self::decode(bytes).map_err(|_| Status::invalid_argument("a handle or ticket that is not of this server"))
    }

    /// The same statement with a run of its own.
    pub fn to_run(&self) -> Self {
        Self { run: Bytes::copy_from_slice(Uuid::new_v4().as_bytes()), ..self.clone() }
    }

    /// The same statement with these values: those of the one row in the batches.
    pub fn bind(&self, batches: &[RecordBatch]) -> Result<Self, Status> {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let mut with_rows = batches.iter().filter(|batch| batch.num_rows() > 0);
        let (Some(batch), 1) = (with_rows.next(), rows) else {
            return Err(Status::invalid_argument(format!("{rows} rows of parameters, expected one")));
        };
        let failed = |error: arrow::error::ArrowError| Status::invalid_argument(format!("parameters: {error}"));
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, batch.schema_ref()).map_err(failed)?;
        writer.write(batch).map_err(failed)?;
        writer.finish().map_err(failed)?;
        drop(writer);
        if bytes.len() > VALUES_BYTES {
            return Err(Status::invalid_argument(format!(
                "parameters of {} bytes, expected {VALUES_BYTES} at most",
                bytes.len()
            )));
        }
        Ok(Self { values: bytes.into(), ..self.clone() })
    }

    /// The statement with its values.
    pub fn statement(&self) -> Result<Statement, Status> {
        Ok(Statement::from(self.text.as_str()).with_params(self.params()?))
    }

    fn params(&self) -> Result<Vec<ScalarValue>, Status> {
        if self.values.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |error: String| Status::invalid_argument(format!("parameters: {error}"));
        let reader =
            StreamReader::try_new(Cursor::new(&self.values), None).map_err(|error| failed(error.to_string()))?;
        let batch = reader.into_iter().next().ok_or_else(|| failed("expected a row".to_owned()))?;
        let batch = batch.map_err(|error| failed(error.to_string()))?;
        if batch.num_rows() != 1 {
            return Err(failed(format!("{} rows, expected one", batch.num_rows())));
        }
        let value =
            |column: &ArrayRef| ScalarValue::try_from_array(column, 0).map_err(|error| failed(error.to_string()));
        batch.columns().iter().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn row(count: usize) -> RecordBatch {
        let (source, least) = (StringArray::from(vec!["us-east-1"; count]), Int64Array::from(vec![7; count]));
        RecordBatch::try_from_iter([("0", Arc::new(source) as _), ("1", Arc::new(least) as _)]).unwrap()
    }

    #[test]
    fn a_bound_statement_comes_back_as_it_was() {
        let prepared = Handle::of("select $1, $2".to_owned());
        let bound = prepared.bind(&[row(0), row(1)]).unwrap().to_run();
        let read = Handle::read(&bound.encode_to_vec()).unwrap();
        assert_eq!(read, bound);
        let statement = read.statement().unwrap();
        assert_eq!(statement.text, "select $1, $2");
        assert_eq!(statement.params, [ScalarValue::from("us-east-1"), ScalarValue::from(7_i64)]);
        assert_ne!(bound.run, prepared.to_run().run);
        assert_eq!(prepared.statement().unwrap().params, []);
    }

    #[test]
    fn values_are_of_one_row_and_few_bytes() {
        let prepared = Handle::of("select $1, $2".to_owned());
        for rows in [0, 2] {
            let refused = prepared.bind(&[row(rows)]).unwrap_err();
            assert_eq!(refused.message(), format!("{rows} rows of parameters, expected one"));
        }
        let long = StringArray::from(vec!["x".repeat(VALUES_BYTES)]);
        let long = RecordBatch::try_from_iter([("0", Arc::new(long) as _)]).unwrap();
        assert!(prepared.bind(&[long]).unwrap_err().message().contains("expected 262144 at most"));
    }

    #[test]
    fn foreign_bytes_are_refused() {
        assert!(Handle::read(&[0xff; 9]).is_err());
        let forged = Handle { values: Bytes::from_static(b"no arrow"), ..Handle::of("select $1".to_owned()) };
        assert!(forged.statement().unwrap_err().message().starts_with("parameters: "));
    }
}
