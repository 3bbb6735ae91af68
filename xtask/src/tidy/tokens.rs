//! Recognising small pieces of Rust in token trees.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// `#[...]` or `#![...]` at the start of `rest`, and whether it is the second form.
pub fn attribute(rest: &[TokenTree]) -> Option<(&Group, bool)> {
    if !is_punct(rest.first(), '#') {
        return None;
    }
    let inner = is_punct(rest.get(1), '!');
    let group = group(rest.get(if inner { 2 } else { 1 }), Delimiter::Bracket)?;
    Some((group, inner))
}

/// `#[test]`, `#[tokio::test]`, `#[cfg(test)]`, `#[cfg(any(test, ...))]`, but not `#[cfg(not(test))]`.
pub fn is_test_attribute(attribute: &Group) -> bool {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    let is_cfg = matches!(tokens.first(), Some(TokenTree::Ident(name)) if name == "cfg");
    if is_cfg {
        return group(tokens.get(1), Delimiter::Parenthesis).is_some_and(|group| mentions_test(group.stream()));
    }
    let path = tokens.iter().take_while(|token| matches!(token, TokenTree::Ident(_)) || is_punct(Some(token), ':'));
    matches!(path.last(), Some(TokenTree::Ident(name)) if name == "test")
}

/// The file in `#[path = "file"]`.
pub fn path_attribute(attribute: &Group) -> Option<String> {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(name), equals, TokenTree::Literal(file)] if name == "path" && is_punct(Some(equals), '=') => {
            Some(file.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    }
}

fn mentions_test(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    tokens.iter().enumerate().any(|(index, token)| match token {
        TokenTree::Ident(name) => name == "test",
        TokenTree::Group(group) => {
            let negated = matches!(index.checked_sub(1).map(|before| &tokens[before]),
                Some(TokenTree::Ident(name)) if name == "not");
            !negated && mentions_test(group.stream())
        }
        _ => false,
    })
}

/// The name in `mod name;`.
pub fn module_in_file(rest: &[TokenTree]) -> Option<String> {
    match rest {
        [TokenTree::Ident(keyword), TokenTree::Ident(name), end, ..]
            if keyword == "mod" && is_punct(Some(end), ';') =>
        {
            Some(name.to_string())
        }
        _ => None,
    }
}

/// The name in `mod name {`, of which `before` is all but the brace.
pub fn module_name_before(before: &[TokenTree]) -> Option<String> {
    match before {
        [.., TokenTree::Ident(keyword), TokenTree::Ident(name)] if keyword == "mod" => Some(name.to_string()),
        _ => None,
    }
}

/// `name()`: a call without arguments.
pub fn is_call(rest: &[TokenTree]) -> bool {
    group(rest.get(1), Delimiter::Parenthesis).is_some_and(|arguments| arguments.stream().is_empty())
}

/// `name("")`: a call whose only argument is a text that says nothing.
pub fn has_blank_reason(rest: &[TokenTree]) -> bool {
    let Some(arguments) = group(rest.get(1), Delimiter::Parenthesis) else {
        return false;
    };
    let mut arguments = arguments.stream().into_iter();
    let (Some(TokenTree::Literal(reason)), None) = (arguments.next(), arguments.next()) else {
        return false;
    };
    let reason = reason.to_string();
    reason.contains('"') && reason.trim_matches(['r', '#', '"', ' ']).is_empty()
}

/// `name!(...)`.
pub fn is_macro(rest: &[TokenTree]) -> bool {
    is_punct(rest.get(1), '!') && matches!(rest.get(2), Some(TokenTree::Group(_)))
}

/// `Name::now`.
pub fn is_now(rest: &[TokenTree]) -> bool {
    let colons = is_punct(rest.get(1), ':') && is_punct(rest.get(2), ':');
    colons && matches!(rest.get(3), Some(TokenTree::Ident(name)) if name == "now")
}

/// Whether the token is there and is that character.
pub fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// The token as a group in such brackets.
pub fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}
