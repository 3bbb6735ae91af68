//! Fields of a JSON object, each named where it is not as expected.

use serde_json::{Map, Value};

use super::fault::Fault;

/// An object's fields.
pub(super) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Self, Fault> {
        value.as_object().map(Self).ok_or_else(|| Fault::new("record", value, "an object"))
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, field: &str) -> Result<&'a str, Fault> {
        self.get(field).and_then(Value::as_str).ok_or_else(|| self.fault(field, "a text"))
    }

    pub(super) fn number(&self, field: &str) -> Result<f64, Fault> {
        number(self.get(field)).ok_or_else(|| self.fault(field, "a number"))
    }

    /// A number from 0 on, and no larger than fits.
    pub(super) fn whole(&self, field: &str) -> Result<u32, Fault> {
        let number = self.get(field).and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        });
        let number = number.and_then(|number: u64| u32::try_from(number).ok());
        number.ok_or_else(|| self.fault(field, "a whole number from 0 on"))
    }

    pub(super) fn list(&self, field: &str) -> Result<&'a [Value], Fault> {
        self.get(field).and_then(Value::as_array).map(Vec::as_slice).ok_or_else(|| self.fault(field, "a list"))
    }

    pub(super) fn fault(&self, field: &str, expected: &str) -> Fault {
        let found = self.0.get(field).map_or_else(|| "absent".to_owned(), Value::to_string);
        Fault::new(field, found, expected)
    }
}

/// A number, or a text that is one.
fn number(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    }
}

/// An item of DynamoDB without its types: `{"S": "a"}` is `"a"`, and a number stays the text that it is there. What is not typed stays as it is.
pub(super) fn untyped(item: Value) -> Value {
    let Value::Object(map) = item else { return item };
    Value::Object(map.into_iter().map(|(name, value)| (name, plain(value))).collect())
}

fn plain(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let mut entries = map.into_iter();
    match (entries.next(), entries.len()) {
        (Some((kind, inner)), 0) => match (kind.as_str(), inner) {
            ("S" | "N" | "BOOL" | "B" | "SS" | "NS" | "BS", inner) => inner,
            ("NULL", _) => Value::Null,
            ("L", Value::Array(list)) => Value::Array(list.into_iter().map(plain).collect()),
            ("M", inner @ Value::Object(_)) => untyped(inner),
            (_, inner) => Value::Object([(kind, inner)].into_iter().collect()),
        },
        (first, _) => Value::Object(first.into_iter().chain(entries).collect()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_lose_their_types_and_nothing_else() {
        let typed = json!({
            "region": {"S": "us-east-1"}, "avg": {"N": "68.4"}, "up": {"BOOL": true}, "none": {"NULL": true},
            "results": {"L": [{"M": {"seq": {"N": "0"}, "time": {"N": "68.1"}}}]}, "tags": {"SS": ["a"]},
        });
        let plain = json!({
            "region": "us-east-1", "avg": "68.4", "up": true, "none": null,
            "results": [{"seq": "0", "time": "68.1"}], "tags": ["a"],
        });
        assert_eq!(untyped(typed), plain);
        assert_eq!(untyped(plain.clone()), plain);
        let own = json!({"x": {"y": 1}, "z": {}});
        assert_eq!(untyped(own.clone()), own);
    }
}
