//! `pg_catalog`: what psql's `\d`, Grafana, DBeaver, Metabase and drivers ask before they show a table.
//!
//! A statement that asks it is rewritten by `datafusion-pg-catalog`, and planned in a session that has its tables and functions
//! beside ours. All other statements are read exactly as over HTTP. The catalogue is made once: an object keeps its number from one
//! statement to the next, as a client expects that asks for a table's number first and for its columns then.

use std::sync::Arc;

use cloudping_query_service::{SqlError, Table, Tongue};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableFunctionImpl,
};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;
use datafusion_pg_catalog::setup_pg_catalog;
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;

use crate::functions;
use crate::information::{INFORMATION_SCHEMA, information_schema};

/// The name of the one database, as the SQL door calls it.
pub const DATABASE: &str = "cloudping";
/// The name of the schema of our tables.
pub const SCHEMA: &str = "public";
const PG_CATALOG: &str = "pg_catalog";

/// How deep parentheses and `CASE` may nest in a statement that asks the catalogue. The rewriting parser cannot be stopped, and
/// takes up to twice as long with each level; no tool's question has a dozen.
const DEPTH: usize = 14;

/// Words that ask the catalogue, beside those that begin with `pg_` or `has_`.
const WORDS: [&str; 28] = [
    "array_lower",
    "array_upper",
    "col_description",
    "current_catalog",
    "current_database",
    "current_role",
    "current_schema",
    "current_schemas",
    "current_setting",
    "current_user",
    "format_type",
    "information_schema",
    "obj_description",
    "parse_ident",
    "quote_ident",
    "regclass",
    "regcollation",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
    "session_user",
    "shobj_description",
    "user",
    "version",
];

/// The catalogue of this service's tables.
pub struct Catalogue {
    parser: PostgresCompatibilityParser,
    schema: Arc<dyn SchemaProvider>,
    information: Arc<dyn SchemaProvider>,
    functions: Vec<Arc<ScalarUDF>>,
    table_functions: Vec<(String, Arc<dyn TableFunctionImpl>)>,
}

impl Catalogue {
    /// The catalogue of tables of these names and columns.
    ///
    /// # Errors
    /// DataFusion's.
    pub fn new(tables: &[Table]) -> Result<Self, DataFusionError> {
        let config = SessionConfig::new()
            .with_default_catalog_and_schema(DATABASE, SCHEMA)
            .with_create_default_catalog_and_schema(false);
        let session = SessionContext::new_with_config(config);
        let known: Vec<String> = session.state().scalar_functions().keys().cloned().collect();
        let catalogue = MemoryCatalogProvider::new();
        catalogue.register_schema(SCHEMA, empty(tables)?)?;
        session.register_catalog(DATABASE, Arc::new(catalogue));
        setup_pg_catalog(&session, DATABASE, EmptyContextProvider).map_err(|error| *error)?;
        let information = information_schema(tables)?;
        let state = session.state();
        let added = state.scalar_functions().iter().filter(|(name, _)| !known.contains(name));
        let functions = added.map(|(_, function)| Arc::clone(function)).chain(functions::all()).collect();
        let tables = state.table_functions().iter();
        let table_functions = tables.map(|(name, function)| (name.clone(), Arc::clone(function.function()))).collect();
        let schema = session.catalog(DATABASE).and_then(|catalogue| catalogue.schema(PG_CATALOG));
        let schema = schema.ok_or_else(|| DataFusionError::Internal("pg_catalog was not registered".to_owned()))?;
        Ok(Self { parser: PostgresCompatibilityParser::new(), schema, information, functions, table_functions })
    }

    /// Makes the session know the catalogue.
    fn teach(&self, session: &SessionContext) -> Result<(), SqlError> {
        let catalogue = session.catalog(DATABASE);
        let catalogue = catalogue.ok_or_else(|| SqlError::Failed(format!("no catalogue {DATABASE} in the session")))?;
        catalogue.register_schema(PG_CATALOG, Arc::clone(&self.schema))?;
        catalogue.register_schema(INFORMATION_SCHEMA, Arc::clone(&self.information))?;
        let state = session.state_ref();
        let mut state = state.write();
        let taught =
            SessionStateBuilder::new_from_existing(state.clone()).with_type_planner(Arc::new(PgOidTypePlanner));
        *state = taught.build();
        for function in &self.functions {
            datafusion::execution::FunctionRegistry::register_udf(&mut *state, Arc::clone(function))?;
        }
        for (name, function) in &self.table_functions {
            state.register_udtf(name, Arc::clone(function));
        }
        Ok(())
    }
}

impl Tongue for Catalogue {
    fn read(&self, session: &SessionContext, text: &str, parsed: Statement) -> Result<Statement, SqlError> {
        let tokens = tokens(text)?;
        if !asks(&tokens) {
            return Ok(parsed);
        }
        if depth(&tokens) > DEPTH {
            return Err(SqlError::TooAmbiguous);
        }
        let invalid = |error: datafusion::sql::sqlparser::parser::ParserError| SqlError::Invalid(error.to_string());
        let mut statements = self.parser.parse(text).map_err(invalid)?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(SqlError::NotReading);
        };
        self.teach(session)?;
        Ok(Statement::Statement(Box::new(statement)))
    }
}

/// A schema of these tables without their rows: the catalogue tells of columns only.
fn empty(tables: &[Table]) -> Result<Arc<MemorySchemaProvider>, DataFusionError> {
    let schema = MemorySchemaProvider::new();
    for table in tables {
        let columns: SchemaRef = Arc::clone(&table.schema);
        schema.register_table(table.name.to_string(), Arc::new(MemTable::try_new(columns, vec![vec![]])?))?;
    }
    Ok(Arc::new(schema))
}

fn tokens(text: &str) -> Result<Vec<Token>, SqlError> {
    Tokenizer::new(&PostgreSqlDialect {}, text).tokenize().map_err(|error| SqlError::Invalid(error.to_string()))
}

/// Whether a statement asks the catalogue.
fn asks(tokens: &[Token]) -> bool {
    tokens.iter().any(|token| {
        let Token::Word(word) = token else { return false };
        let word = word.value.to_lowercase();
        word.starts_with("pg_") || word.starts_with("has_") || WORDS.binary_search(&word.as_str()).is_ok()
    })
}

/// How deep a statement nests.
fn depth(tokens: &[Token]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for token in tokens {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => now += 1,
            Token::RParen | Token::RBracket | Token::RBrace => now = now.saturating_sub(1),
            Token::Word(word) if word.value.eq_ignore_ascii_case("case") => now += 1,
            Token::Word(word) if word.value.eq_ignore_ascii_case("end") => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_in_order() {
        assert!(WORDS.is_sorted());
    }

    #[test]
    fn what_asks_the_catalogue_is_told_from_what_reads_data() {
        for text in [
            "SELECT c.oid FROM pg_catalog.pg_class c",
            "select version()",
            "select 'samples'::regclass",
            "select table_name from information_schema.tables",
            "SELECT CURRENT_SCHEMA()",
        ] {
            assert!(asks(&tokens(text).unwrap()), "{text}");
        }
        for text in ["select rtt_us from samples where source = 'pg_catalog'", "select 1 -- pg_class", "select upgrade"]
        {
            assert!(!asks(&tokens(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn nesting_is_of_parentheses_and_cases() {
        let of = |text| depth(&tokens(text).unwrap());
        assert_eq!(of("select 1"), 0);
        assert_eq!(of("select (1), ((2)), case when (1 = 1) then 2 end, array[1]"), 2);
        assert_eq!(of(&"case when ".repeat(40)), 40);
    }
}
