//! Columns as the tables' documentation has them: a view is how a text is kept, not what it is, and few programs read one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

/// The type without views.
pub(super) fn data_type(kept: &DataType) -> DataType {
    let item = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(data_type(field.data_type())));
    match kept {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(field) => DataType::List(item(field)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(item).collect()),
        other => other.clone(),
    }
}

/// The schema without views.
pub(super) fn schema(kept: &Schema) -> SchemaRef {
    let fields = kept.fields().iter().map(|field| Field::clone(field).with_data_type(data_type(field.data_type())));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows in that schema.
pub(super) fn batch(kept: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let as_shown = |(column, field): (&ArrayRef, &FieldRef)| match column.data_type() == field.data_type() {
        true => Ok(Arc::clone(column)),
        false => arrow::compute::cast(column, field.data_type()),
    };
    let columns = kept.columns().iter().zip(schema.fields()).map(as_shown).collect::<Result<_, _>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)
}

/// Bytes of the rows themselves: arrays share buffers with the batch that they were cut from.
pub(super) fn bytes(batch: &RecordBatch) -> usize {
    let of =
        |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size());
    batch.columns().iter().map(of).sum()
}
