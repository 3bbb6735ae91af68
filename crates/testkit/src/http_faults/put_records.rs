//! Taking records out of a PutRecords request of Kinesis (AWS JSON 1.1), and putting them into its answer as refused.

use std::io;

use serde_json::{Value, json};

/// What is passed on, and how to make the whole answer of the server's.
pub(super) struct Partial {
    /// The request without the refused records; `None` when none is left, which a server would not take.
    pub(super) body: Option<Vec<u8>>,
    /// By place in the whole request: whether it was refused.
    refused: Vec<bool>,
    code: &'static str,
}

impl Partial {
    /// Takes the records at these places out of the request; places beyond its end count for nothing.
    pub(super) fn of(request: &[u8], places: &[usize], code: &'static str) -> io::Result<Self> {
        let mut request: Value = serde_json::from_slice(request)?;
        let records = request.get_mut("Records").and_then(Value::as_array_mut);
        let records = records.ok_or_else(|| invalid("a PutRecords request without a list of Records"))?;
        let refused: Vec<bool> = (0..records.len()).map(|place| places.contains(&place)).collect();
        let mut places = refused.iter();
        records.retain(|_| places.next() == Some(&false));
        let body = (!records.is_empty()).then(|| request.to_string().into_bytes());
        Ok(Self { body, refused, code })
    }

    /// The server's answer with the refused records in their places; `None` when the server was not asked.
    pub(super) fn answer(&self, taken: Option<&[u8]>) -> io::Result<String> {
        let taken: Value = taken.map(serde_json::from_slice).transpose()?.unwrap_or_default();
        let mut taken = taken.get("Records").and_then(Value::as_array).cloned().unwrap_or_default().into_iter();
        let refusal = json!({ "ErrorCode": self.code, "ErrorMessage": "refused by the door" });
        let result = |refused: &bool| if *refused { Some(refusal.clone()) } else { taken.next() };
        let results: Option<Vec<Value>> = self.refused.iter().map(result).collect();
        let results = results.ok_or_else(|| invalid("a PutRecords answer with fewer records than the request"))?;
        let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
        Ok(json!({ "FailedRecordCount": failed, "Records": results }).to_string())
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(keys: &[&str]) -> Vec<u8> {
        let records: Vec<Value> = keys.iter().map(|key| json!({ "PartitionKey": key, "Data": "" })).collect();
        json!({ "StreamName": "s", "Records": records }).to_string().into_bytes()
    }

    #[test]
    fn the_server_sees_the_others_and_the_client_sees_all() {
        let partial = Partial::of(&request(&["a", "b", "c"]), &[1, 7], "Throttled").unwrap();
        assert_eq!(partial.body.as_deref(), Some(&request(&["a", "c"])[..]));
        let taken =
            json!({ "FailedRecordCount": 0, "Records": [{ "SequenceNumber": "1" }, { "SequenceNumber": "2" }] });
        let answer: Value = serde_json::from_str(&partial.answer(Some(taken.to_string().as_bytes())).unwrap()).unwrap();
        assert_eq!(answer["FailedRecordCount"], 1);
        assert_eq!(answer["Records"][0]["SequenceNumber"], "1");
        assert_eq!(answer["Records"][1]["ErrorCode"], "Throttled");
        assert_eq!(answer["Records"][2]["SequenceNumber"], "2");
    }

    #[test]
    fn when_all_are_refused_the_server_is_not_asked() {
        let partial = Partial::of(&request(&["a"]), &[0], "Throttled").unwrap();
        assert_eq!(partial.body, None);
        let answer: Value = serde_json::from_str(&partial.answer(None).unwrap()).unwrap();
        assert_eq!((&answer["FailedRecordCount"], answer["Records"].as_array().map(Vec::len)), (&json!(1), Some(1)));
    }

    #[test]
    fn what_is_no_put_records_is_an_error() {
        assert!(Partial::of(b"{}", &[0], "x").is_err());
        assert!(Partial::of(b"\xa1", &[0], "x").is_err(), "CBOR");
        let partial = Partial::of(&request(&["a", "b"]), &[0], "x").unwrap();
        assert!(partial.answer(Some(b"{\"Records\":[]}")).is_err());
    }
}
