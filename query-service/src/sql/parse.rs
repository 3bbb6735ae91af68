//! Parsing within bounds.
//!
//! The parser tries alternatives one after another, and where alternatives nest (an unfinished `CASE` in a `CASE`, parentheses that may
//! hold a query or a join) a few hundred bytes take it longer than anyone lives. It cannot be asked to stop, but it asks its dialect at
//! every step: the dialect here counts the steps, and leaves the parser by unwinding when they are too many.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::SqlError;
use crate::SqlLimits;

/// Steps of the parser. A statement of 2,000 words takes about 100,000.
const STEPS: u32 = 1_000_000;

/// The statement, if it is one that reads.
pub(super) fn parse(text: &str, limits: &SqlLimits) -> Result<Statement, SqlError> {
    check_length(text, limits)?;
    let dialect = Counting(AtomicU32::new(STEPS));
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        DFParserBuilder::new(text).with_dialect(&dialect).build()?.parse_statements()
    }));
    let mut statements = match parsed {
        Ok(statements) => statements?,
        Err(payload) if payload.is::<OutOfSteps>() => return Err(SqlError::TooAmbiguous),
        Err(payload) => resume_unwind(payload),
    };
    match (statements.pop_front(), statements.is_empty()) {
        (Some(statement), true) => reading(statement),
        _ => Err(SqlError::NotReading),
    }
}

/// The statement, if it is one that reads.
pub(super) fn reading(statement: Statement) -> Result<Statement, SqlError> {
    if reads(&statement) { Ok(statement) } else { Err(SqlError::NotReading) }
}

/// Refuses what would be planned for too long.
fn check_length(text: &str, limits: &SqlLimits) -> Result<(), SqlError> {
    let limit = limits.query_bytes;
    if text.len() > limit {
        return Err(SqlError::TooLong { limit });
    }
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize();
    let tokens = tokens.map_err(|error| SqlError::Invalid(error.to_string()))?;
    let limit = limits.query_tokens;
    let counted = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_)));
    if counted.count() > limit {
        return Err(SqlError::TooManyTokens { limit });
    }
    Ok(())
}

/// Whether it is a plain reading statement.
fn reads(statement: &Statement) -> bool {
    let Statement::Statement(statement) = statement else {
        return false;
    };
    matches!(**statement, SqlStatement::Query(_) | SqlStatement::ExplainTable { .. })
}

/// What the parser is left with.
struct OutOfSteps;

/// DataFusion's generic dialect, as far as queries go, with a number of steps left.
#[derive(Debug)]
struct Counting(AtomicU32);

impl Counting {
    fn step(&self) {
        // Only one thread parses; `checked_sub` keeps an exhausted count exhausted while the parser unwinds.
        let left = self.0.load(Ordering::Relaxed).checked_sub(1);
        match left {
            Some(left) => self.0.store(left, Ordering::Relaxed),
            None if std::thread::panicking() => {}
            None => resume_unwind(Box::new(OutOfSteps)),
        }
    }
}

macro_rules! as_generic {
    ($($method:ident)*) => {
        $(fn $method(&self) -> bool {
            self.step();
            GenericDialect {}.$method()
        })*
    };
}

impl Dialect for Counting {
    /// The parser asks for dialects by type too.
    fn dialect(&self) -> std::any::TypeId {
        std::any::TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        GenericDialect {}.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        GenericDialect {}.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        GenericDialect {}.is_identifier_part(ch)
    }

    as_generic! {
        supports_unicode_string_literal supports_partition_by_after_order_by supports_group_by_expr supports_group_by_with_modifier
        supports_left_associative_joins_without_parens supports_window_function_null_treatment_arg supports_dictionary_syntax
        supports_window_clause_named_window_reference supports_select_wildcard_except support_map_literal_syntax allow_extract_custom
        allow_extract_single_quotes supports_extract_comma_syntax supports_parens_around_table_factor supports_values_as_table_factor
        supports_limit_comma supports_from_first_select supports_projection_trailing_commas supports_try_convert
        supports_bitwise_shift_operators supports_named_fn_args_with_assignment_operator supports_struct_literal
        supports_empty_projections supports_nested_comments supports_string_escape_constant supports_array_typedef_with_brackets
        supports_filter_during_aggregation supports_select_wildcard_exclude supports_interval_options supports_select_wildcard_replace
        supports_select_wildcard_ilike supports_select_wildcard_rename supports_comma_separated_trim
        supports_table_sample_before_alias supports_in_empty_list supports_trailing_commas convert_type_before_value
        supports_boolean_literals supports_subquery_as_function_arg supports_lambda_functions supports_within_after_array_aggregation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What analysts write.
    const QUERIES: [&str; 16] = [
        "select * from samples where ts > now() - interval '1 hour' and rtt_us is not null limit 10 offset 5",
        "select date_trunc('hour', ts) as hour, count(*) filter (where outcome <> 'answered') from samples group by 1 order by 1 desc nulls last",
        "with a as (select source, avg(rtt_us) as mean from samples group by all) select * from a join regions r on r.id = a.source",
        "select source, rank() over (partition by source order by rtt_us desc rows between 1 preceding and current row) from samples",
        "select percentile_cont(0.5) within group (order by rtt_us) from samples having count(*) > 1",
        "select rtt_us::double / 1000.0, cast(ts as date), try_cast('x' as int), extract(hour from ts) from samples",
        "select case when rtt_us > 1 then 'a' when rtt_us is null then 'b' else 'c' end, -rtt_us, not true from samples",
        "select * exclude (digest) from rollup_1h",
        "select [1, 2, 3][1], array_agg(distinct source order by source), struct(1 as a, 2 as b), {'a': 1}, map {'k': 1}",
        "select id from regions union all select target from samples except select 'x' intersect (values ('a'), ('b'))",
        "select * from samples s left join regions r using (id) cross join generate_series(1, 3) g where exists (select 1 from regions)",
        "select \"Quoted\", `ticked`, 'it''s', 1e3, 0x1F, 1 << 2, 5 % 3, a || b, x ~ 'y', x like 'a%' escape '\\' from samples",
        "select sum(x) over w from samples window w as (partition by y order by z range between interval '1' day preceding and current row)",
        "select trim(both ' ' from x), substring(x from 1 for 2), position('a' in x), ts at time zone 'UTC' from samples tablesample system (10)",
        "select source, target, sum(sent) from rollup_1h group by grouping sets ((source), (target), ()) qualify row_number() over () = 1",
        "from samples select source -- a comment\n where date between '2026-01-01' and '2026-01-02' /* another /* nested */ */",
    ];

    #[test]
    fn the_counting_dialect_reads_what_the_generic_one_reads() {
        for query in QUERIES {
            let generic = DFParserBuilder::new(query)
                .with_dialect(&GenericDialect {})
                .build()
                .unwrap()
                .parse_statements()
                .unwrap_or_else(|error| panic!("{query}: {error}"));
            let parsed = parse(query, &SqlLimits::default()).unwrap_or_else(|error| panic!("{query}: {error}"));
            assert_eq!(generic, [parsed], "{query}");
        }
    }

    #[test]
    fn a_long_statement_takes_few_steps() {
        let column = "case when rtt_us > 1 then cast(rtt_us as double) / (1 + 2) else abs(rtt_us) end, ";
        let query = format!("select {}1 from samples", column.repeat(75));
        let dialect = Counting(AtomicU32::new(STEPS));
        let parser = DFParserBuilder::new(query.as_str()).with_dialect(&dialect).build();
        parser.unwrap().parse_statements().unwrap();
        let steps = STEPS - dialect.0.load(Ordering::Relaxed);
        assert!((1_000..STEPS / 4).contains(&steps), "{steps}");
        parse(&query, &SqlLimits::default()).unwrap();
    }

    #[test]
    fn an_ambiguous_statement_is_left() {
        let query = format!("select {}", "case when true then ".repeat(45));
        let error = parse(&query, &SqlLimits::default()).unwrap_err();
        assert!(matches!(error, SqlError::TooAmbiguous), "{error}");
    }
}
