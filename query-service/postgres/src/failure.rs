//! Errors as PostgreSQL's clients know them: a text, and a code by which programs tell them apart.

use cloudping_query_service::SqlError;
use pgwire::error::{ErrorInfo, PgWireError};

/// An error that leaves the connection open.
pub fn error(code: &str, message: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".to_owned(), code.to_owned(), message.into())))
}

/// An error that ends the connection.
pub fn fatal(code: &str, message: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("FATAL".to_owned(), code.to_owned(), message.into())))
}

/// Why a statement has no answer, or no more of one.
pub fn of_statement(reason: &SqlError) -> PgWireError {
    if let SqlError::Failed(reason) = reason {
        // The text may hold the server's paths: it is for the log.
        tracing::error!("{reason}");
        return error("XX000", "the server could not answer; its log says why");
    }
    error(code(reason), reason.to_string())
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn code(reason: &SqlError) -> &'static str {
    match reason {
        SqlError::NotReading => "25006",
        SqlError::Invalid(text) => code_of(text),
        SqlError::TooLong { .. } | SqlError::TooManyTokens { .. } | SqlError::TooAmbiguous => "54001",
        SqlError::TooSlow { .. } => "57014",
        SqlError::TooBig => "53200",
        SqlError::Busy { .. } => "53300",
        SqlError::Broken { .. } => "58030",
        SqlError::Failed(_) => "XX000",
        // Bounds of one answer.
        _ => "54000",
    }
}

/// What tools look at is whether a table, a column or a function is missing; the engine says that in words only.
fn code_of(text: &str) -> &'static str {
    let lower = text.to_lowercase();
    if lower.contains("table '") && lower.contains("not found") {
        "42P01"
    } else if lower.contains("no field named") {
        "42703"
    } else if lower.contains("invalid function") {
        "42883"
    } else {
        "42601"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_apart() {
        for (text, expected) in [
            ("table 'cloudping.public.sample' not found", "42P01"),
            ("Schema error: No field named rtt.", "42703"),
            ("Invalid function 'pg_sleep'.", "42883"),
            ("sql parser error: Expected: an expression", "42601"),
        ] {
            assert_eq!(code(&SqlError::Invalid(text.to_owned())), expected, "{text}");
        }
    }

    #[test]
    fn what_is_for_the_log_is_not_sent() {
        let PgWireError::UserError(info) = of_statement(&SqlError::Failed("file:///secret".to_owned())) else {
            panic!("expected an error for the user");
        };
        assert_eq!(info.code, "XX000");
        assert!(!info.message.contains("secret"), "{}", info.message);
    }
}
