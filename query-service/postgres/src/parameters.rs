//! The values of a statement's parameters, as a client binds them.

use arrow_pg::datatypes::df::deserialize_parameters_with_server_types;
use arrow_pg::datatypes::into_pg_type;
use cloudping_query_service::Description;
use datafusion::common::{ParamValues, ScalarValue};
use pgwire::api::Type;
use pgwire::api::portal::{Format, Portal};
use pgwire::error::PgWireResult;

use crate::failure::error;

/// The types that a client is told to bind. Where any would do, a text does.
pub fn types(description: &Description) -> PgWireResult<Vec<Type>> {
    description.parameters.iter().map(|known| known.as_ref().map_or(Ok(Type::TEXT), into_pg_type)).collect()
}

/// The values that a client has bound.
pub fn values<S: Clone>(portal: &Portal<S>, description: &Description) -> PgWireResult<Vec<ScalarValue>> {
    let (given, wanted) = (portal.parameter_len(), description.parameters.len());
    if given != wanted {
        return Err(error("08P01", format!("{given} values are bound, but the statement has {wanted} parameters")));
    }
    checked(&portal.parameter_format, given)?;
    let types = types(description)?;
    let types: Vec<Option<&Type>> = types.iter().map(Some).collect();
    let known: Vec<_> = description.parameters.iter().map(Option::as_ref).collect();
    match deserialize_parameters_with_server_types(portal, &known, &types)? {
        ParamValues::List(values) => Ok(values.into_iter().map(|value| value.value).collect()),
        ParamValues::Map(_) => Err(error("08P01", "parameters have numbers here, not names")),
    }
}

/// Whether a client that names a form for each of several values or columns names as many as there are.
pub fn checked(format: &Format, count: usize) -> PgWireResult<()> {
    match format {
        Format::Individual(forms) if forms.len() != count => {
            Err(error("08P01", format!("{} forms are named for {count} values", forms.len())))
        }
        _ => Ok(()),
    }
}

/// A client may say that it does not know a parameter's type: then the statement's own counts.
pub fn known(types: &mut [Option<Type>]) {
    for given in types {
        if matches!(given, Some(found) if *found == Type::UNKNOWN) {
            *given = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_for_all_or_for_each() {
        checked(&Format::UnifiedBinary, 3).unwrap();
        checked(&Format::Individual(vec![0, 1]), 2).unwrap();
        assert!(checked(&Format::Individual(vec![0, 1]), 3).is_err());
    }

    #[test]
    fn an_unknown_type_is_the_statements_to_say() {
        let mut types = [Some(Type::UNKNOWN), Some(Type::INT4), None];
        known(&mut types);
        assert_eq!(types, [None, Some(Type::INT4), None]);
    }
}
