//! What a client means, decided from the words of a statement. Clients open every connection with commands that are no reading of
//! data (`SET`, `BEGIN`, `DISCARD` …): they are answered as PostgreSQL would, and change nothing but the client's own settings.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`.
    Rollback,
    /// To set something of the session: its name in small letters, and the value; `None` is the default.
    Set(String, Option<String>),
    /// To show something of the session.
    Show(String),
    /// To forget prepared statements: one, or all.
    Deallocate(Option<String>),
    /// To forget all settings and prepared statements.
    DiscardAll,
    /// Nothing is to be done, but it is answered with this word.
    Nothing(&'static str),
    /// Words that PostgreSQL would understand and that mean nothing here.
    Unsupported(&'static str),
    /// A statement for the SQL door, which may refuse it.
    Query,
}

/// One statement of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its own text.
    pub text: String,
    /// What it means.
    pub command: Command,
}

/// The statements of a text, in order; none where there are only blanks and comments.
///
/// # Errors
/// What the tokenizer says, such as of a text that ends within a string.
pub fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut tokenizer = Tokenizer::new(&PostgreSqlDialect {}, text).with_unescape(false);
    let tokens = tokenizer.tokenize_with_location().map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    let mut from = 0;
    for tokens in tokens.split_inclusive(|token| token.token == Token::SemiColon) {
        let end = tokens.last().filter(|token| token.token == Token::SemiColon);
        let until = end.map_or(text.len(), |token| offset(text, token.span.start));
        let words = words(tokens);
        if !words.is_empty() {
            // Cut out of the text: not every token is written as it was read.
            found.push(Part { text: text[from..until].to_owned(), command: command(&words) });
        }
        from = (until + 1).min(text.len());
    }
    Ok(found)
}

/// Where a place of the tokenizer's, in lines and letters from 1, lies in the text.
fn offset(text: &str, place: Location) -> usize {
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
    let line = text.split_inclusive('\n').take(count(place.line)).map(str::len).sum::<usize>();
    let letters = text[line..].char_indices().nth(count(place.column));
    letters.map_or(text.len(), |(at, _)| line + at)
}

fn words(tokens: &[TokenWithSpan]) -> Vec<&Token> {
    let tokens = tokens.iter().map(|token| &token.token);
    tokens.filter(|token| !matches!(token, Token::Whitespace(_) | Token::SemiColon)).collect()
}

/// A token in small letters; texts and quoted names without their quotes.
fn plain(token: &Token) -> String {
    match token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_lowercase(),
        Token::Word(word) => word.value.clone(),
        Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => text.replace("''", "'"),
        other => other.to_string(),
    }
}

fn command(words: &[&Token]) -> Command {
    let plain: Vec<String> = words.iter().take(8).map(|token| plain(token)).collect();
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    match plain.as_slice() {
        ["begin", ..] | ["start", "transaction", ..] => Command::Begin,
        ["commit" | "end", ..] => Command::Commit,
        ["rollback", "to", ..] => Command::Nothing("ROLLBACK"),
        ["rollback" | "abort", ..] => Command::Rollback,
        ["savepoint", ..] => Command::Nothing("SAVEPOINT"),
        ["release", ..] => Command::Nothing("RELEASE"),
        ["set", "session" | "local", rest @ ..] if rest != ["authorization"] => set(rest, words, 2),
        ["set", rest @ ..] => set(rest, words, 1),
        ["reset", "all"] => Command::Set("all".to_owned(), None),
        ["reset", name] => Command::Set((*name).to_owned(), None),
        ["show", rest @ ..] if !rest.is_empty() => Command::Show(shown(rest)),
        ["discard", "all"] => Command::DiscardAll,
        ["discard", ..] => Command::Nothing("DISCARD"),
        ["deallocate", "prepare", "all"] | ["deallocate", "all"] => Command::Deallocate(None),
        ["deallocate", "prepare", name] | ["deallocate", name] => Command::Deallocate(Some((*name).to_owned())),
        ["unlisten", ..] => Command::Nothing("UNLISTEN"),
        ["close", "all"] => Command::Nothing("CLOSE CURSOR ALL"),
        ["declare", ..] | ["fetch", ..] | ["close", ..] | ["move", ..] => Command::Unsupported(
            "cursors by DECLARE and FETCH: ask for a few rows at a time by the protocol (in libpq's terms, a chunked or single-row mode)",
        ),
        ["prepare", ..] | ["execute", ..] => {
            Command::Unsupported("PREPARE and EXECUTE as statements: prepare by the protocol, as every driver does")
        }
        ["listen" | "notify", ..] => Command::Unsupported("notifications: /api/v1/stream tells of changes"),
        _ => Command::Query,
    }
}

/// What follows `SET`, `SET SESSION` and `SET LOCAL`.
fn set(rest: &[&str], words: &[&Token], skipped: usize) -> Command {
    match rest {
        ["transaction" | "characteristics" | "role" | "constraints", ..] | ["authorization", ..] => {
            Command::Nothing("SET")
        }
        ["time", "zone", value, ..] => Command::Set("timezone".to_owned(), given(value)),
        ["names", value, ..] => Command::Set("client_encoding".to_owned(), given(value)),
        [name, "=" | "to", _, ..] => {
            let value: String = words.iter().skip(skipped + 2).map(|token| plain(token)).collect();
            Command::Set(name.to_lowercase(), given(&value))
        }
        _ => Command::Query,
    }
}

fn given(value: &str) -> Option<String> {
    (!value.eq_ignore_ascii_case("default")).then(|| value.to_owned())
}

fn shown(rest: &[&str]) -> String {
    match rest {
        ["time", "zone"] => "timezone".to_owned(),
        ["transaction", "isolation", "level"] => "transaction_isolation".to_owned(),
        ["session", "authorization"] => "session_authorization".to_owned(),
        _ => rest.concat().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_to(name: &str, value: &str) -> Command {
        Command::Set(name.to_owned(), Some(value.to_owned()))
    }

    #[test]
    fn what_clients_send_when_they_connect() {
        for (text, expected) in [
            ("BEGIN READ ONLY", Command::Begin),
            ("start transaction isolation level repeatable read", Command::Begin),
            ("COMMIT -- done", Command::Commit),
            ("ROLLBACK TO SAVEPOINT a", Command::Nothing("ROLLBACK")),
            ("abort", Command::Rollback),
            ("SET extra_float_digits = 3", set_to("extra_float_digits", "3")),
            ("SET application_name = 'PostgreSQL JDBC Driver'", set_to("application_name", "PostgreSQL JDBC Driver")),
            ("set session statement_timeout to '5s'", set_to("statement_timeout", "5s")),
            ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", Command::Nothing("SET")),
            ("SET TIME ZONE 'Europe/Berlin'", set_to("timezone", "Europe/Berlin")),
            ("SET search_path = \"$user\", public", set_to("search_path", "$user,public")),
            ("SET DateStyle TO DEFAULT", Command::Set("datestyle".to_owned(), None)),
            ("RESET ALL", Command::Set("all".to_owned(), None)),
            ("SHOW TRANSACTION ISOLATION LEVEL", Command::Show("transaction_isolation".to_owned())),
            ("show Standard_Conforming_Strings;", Command::Show("standard_conforming_strings".to_owned())),
            ("DISCARD ALL", Command::DiscardAll),
            ("DEALLOCATE \"S_1\"", Command::Deallocate(Some("S_1".to_owned()))),
            ("/* hello */ select 1", Command::Query),
            ("insert into regions values (1)", Command::Query),
            ("set", Command::Query),
        ] {
            let parts = parts(text).unwrap();
            assert_eq!(parts.iter().map(|part| &part.command).collect::<Vec<_>>(), [&expected], "{text}");
            assert_eq!(parts[0].text, text.trim_end_matches(';'));
        }
        assert!(matches!(parts("DECLARE c CURSOR FOR SELECT 1").unwrap()[0].command, Command::Unsupported(_)));
    }

    #[test]
    fn statements_are_cut_where_they_end_and_nowhere_else() {
        let text = "select 'it''s; not', \"a;b\", E'\\'; x', $$;$$; ; /* ; */ -- ;\n begin;select 2";
        let parts = parts(text).unwrap();
        let texts: Vec<&str> = parts.iter().map(|part| part.text.trim()).collect();
        assert_eq!(texts[0], "select 'it''s; not', \"a;b\", E'\\'; x', $$;$$");
        assert_eq!((parts[1].command.clone(), texts[2]), (Command::Begin, "select 2"));
        assert_eq!(texts.len(), 3);
    }

    #[test]
    fn a_text_without_words_has_no_statements() {
        for text in ["", " ;; ", "-- nothing\n;", "/* */"] {
            assert_eq!(parts(text).unwrap(), [], "{text}");
        }
        assert!(parts("select 'open").is_err());
    }
}
