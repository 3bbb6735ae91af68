//! What the door tells of itself and of the tables.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{SqlInfo, SqlSupportedTransaction};

/// The one catalogue and schema, as the SQL door calls them.
pub const CATALOGUE: &str = "cloudping";
/// The schema of the tables.
pub const SCHEMA: &str = "public";
/// What kind every table is of.
pub const TABLE: &str = "TABLE";

/// What a client may know of the server.
pub fn server(simulated: bool) -> Result<SqlInfoData, FlightError> {
    let mut told = SqlInfoDataBuilder::new();
    told.append(SqlInfo::FlightSqlServerName, if simulated { "cloudping (simulated)" } else { "cloudping" });
    told.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    told.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
    told.append(SqlInfo::FlightSqlServerReadOnly, true);
    told.append(SqlInfo::FlightSqlServerSql, true);
    told.append(SqlInfo::FlightSqlServerSubstrait, false);
    told.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    told.append(SqlInfo::FlightSqlServerCancel, true);
    told.append(SqlInfo::FlightSqlServerBulkIngestion, false);
    told.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    told.append(SqlInfo::SqlAllTablesAreSelectable, true);
    told.append(SqlInfo::SqlTransactionsSupported, false);
    told.build()
}

/// The columns of a list of keys, of which no table has any.
pub fn keys(foreign: bool) -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let place = |prefix: &str| {
        [("catalog_name", true), ("db_schema_name", true), ("table_name", false), ("column_name", false)]
            .map(|(name, nullable)| text(&format!("{prefix}{name}"), nullable))
    };
    let sequence = Field::new("key_sequence", DataType::Int32, false);
    let fields: Vec<Field> = if foreign {
        let rules = ["update_rule", "delete_rule"].map(|name| Field::new(name, DataType::UInt8, false));
        let names = [text("fk_key_name", true), text("pk_key_name", true)];
        let keys = place("pk_").into_iter().chain(place("fk_")).chain([sequence]);
        keys.chain(names).chain(rules).collect()
    } else {
        place("").into_iter().chain([sequence, text("key_name", true)]).collect()
    };
    Arc::new(Schema::new(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_keys_have_the_columns_of_the_protocol() {
        assert_eq!(keys(false).fields().len(), 6);
        assert_eq!(keys(true).fields().len(), 13);
        assert_eq!(keys(true).field(8).name(), "key_sequence");
    }
}
