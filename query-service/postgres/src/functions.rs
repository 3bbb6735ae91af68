//! Functions of PostgreSQL that tools call when they connect and list tables, and that `datafusion-pg-catalog` has not.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::session::{SERVER_VERSION, default_of};

/// Every function.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    let version = format!("PostgreSQL {SERVER_VERSION} (cloudping {})", env!("CARGO_PKG_VERSION"));
    let text = |text: Option<&str>| ScalarValue::Utf8(text.map(str::to_owned));
    let constants = [
        ("version", text(Some(&version))),
        // What there is none of here: comments, indexes, views, rules, triggers, sequences, sizes.
        ("obj_description", text(None)),
        ("shobj_description", text(None)),
        ("col_description", text(None)),
        ("pg_get_indexdef", text(None)),
        ("pg_get_viewdef", text(None)),
        ("pg_get_ruledef", text(None)),
        ("pg_get_triggerdef", text(None)),
        ("pg_get_functiondef", text(None)),
        ("pg_get_function_result", text(None)),
        ("pg_get_function_arguments", text(None)),
        ("pg_get_function_identity_arguments", text(None)),
        ("pg_get_serial_sequence", text(None)),
        ("pg_advisory_unlock_all", text(None)),
        ("pg_tablespace_location", text(None)),
        ("pg_size_pretty", text(None)),
        ("pg_table_size", ScalarValue::Int64(Some(0))),
        ("pg_indexes_size", ScalarValue::Int64(Some(0))),
        ("pg_database_size", ScalarValue::Int64(Some(0))),
        ("pg_is_in_recovery", ScalarValue::Boolean(Some(false))),
        ("pg_is_other_temp_schema", ScalarValue::Boolean(Some(false))),
        ("pg_my_temp_schema", ScalarValue::Int32(Some(0))),
        ("pg_function_is_visible", ScalarValue::Boolean(Some(true))),
        ("pg_type_is_visible", ScalarValue::Boolean(Some(true))),
        ("has_column_privilege", ScalarValue::Boolean(Some(true))),
        ("has_function_privilege", ScalarValue::Boolean(Some(true))),
        ("has_type_privilege", ScalarValue::Boolean(Some(true))),
        ("pg_has_role", ScalarValue::Boolean(Some(true))),
    ];
    let constants = constants.map(|(name, value)| Arc::new(ScalarUDF::new_from_impl(Constant::new(name, value))));
    constants.into_iter().chain([Arc::new(ScalarUDF::new_from_impl(CurrentSetting::new()))]).collect()
}

/// The same whatever it is asked of.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Constant {
    name: &'static str,
    value: ScalarValue,
    signature: Signature,
}

impl Constant {
    fn new(name: &'static str, value: ScalarValue) -> Self {
        let any = Signature::one_of(
            vec![
                datafusion::logical_expr::TypeSignature::Nullary,
                datafusion::logical_expr::TypeSignature::VariadicAny,
            ],
            Volatility::Stable,
        );
        Self { name, value, signature: any }
    }
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}

/// `current_setting(name [, missing_ok])`, of what no client changes.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CurrentSetting {
    signature: Signature,
}

impl CurrentSetting {
    fn new() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Stable) }
    }
}

impl ScalarUDFImpl for CurrentSetting {
    fn name(&self) -> &str {
        "current_setting"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(ColumnarValue::Scalar(name)) = arguments.args.first() else {
            return exec_err!("current_setting: expected a name as a text");
        };
        let Some(Some(name)) = name.try_as_str() else {
            return exec_err!("current_setting: expected a name as a text");
        };
        match default_of(name) {
            Some(value) => Ok(ColumnarValue::Scalar(ScalarValue::from(value))),
            None if arguments.args.len() > 1 => Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None))),
            None => exec_err!("unrecognized configuration parameter {name:?}"),
        }
    }
}
