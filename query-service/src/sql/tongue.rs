//! SQL as other programs speak it.

use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;

use super::SqlError;

/// A tongue that knows more than the SQL door's own: tables and functions that tell of the tables, and how to read what asks them.
///
/// It widens what can be said, not what may be done: whatever it reads has to be one reading statement, and runs within the same bounds.
pub trait Tongue: Send + Sync {
    /// The statement as the session shall plan it; the session is this statement's own, and may be taught. `parsed` is what `text` means in
    /// the door's own tongue: it has passed the bounds on its size and on the parser's steps.
    ///
    /// # Errors
    /// [`SqlError`], which says what the user can do about it.
    fn read(&self, session: &SessionContext, text: &str, parsed: Statement) -> Result<Statement, SqlError>;
}
