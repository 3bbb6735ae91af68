use std::path::Path;

use proptest::prelude::*;

use super::*;

const RECEIVED: UtcMicros = UtcMicros(1_773_238_981_412_000);

fn golden<T: Serialize>(name: &str, value: &T) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    let written = serde_json::to_string(value).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{written}\n")).unwrap();
    }
    let read = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, read.trim_end(), "{name}: what is written has changed");
    read.into_bytes()
}

fn message(tag: &'static str, remote: &str, formatter: Formatter, data: &'static str) -> Message<'static> {
    Message {
        tag: tag.into(),
        remote: Remote { ip_address: remote.parse().unwrap(), port: 51_234 },
        local: Local { domain: "ingress-1".into(), port: 2_061 },
        received_at: RECEIVED,
        ingress_region: "us-west-2".into(),
        formatter,
        data: data.into(),
    }
}

fn reply(tag: &'static str, generated_at: Option<UtcMicros>, data: &'static str) -> Reply<'static> {
    Reply { tag: tag.into(), generated_at, data: data.into() }
}

#[test]
fn a_batch_is_written_as_functions_know_it() {
    let batch = Batch { messages: vec![message("a1", "203.0.113.5", Formatter::Base64, "dGVzdA==")] };
    let known = r#"{"Messages":[{"Tag":"a1","Remote":{"IpAddress":"203.0.113.5","Port":51234},"Local":{"Domain":"ingress-1","Port":2061},"ReceivedAt":"2026-03-11T14:23:01.412Z","IngressRegion":"us-west-2","Formatter":"base64","Data":"dGVzdA=="}]}"#;
    assert_eq!(serde_json::to_string(&batch).unwrap(), known);
    let unnamed = known.replace(r#""Formatter":"base64","#, "");
    assert_eq!(serde_json::from_str::<Batch>(&unnamed).unwrap(), batch);
}

#[test]
fn golden_batches_and_answers_are_read_and_written_unchanged() {
    let batch = Batch {
        messages: vec![
            message("0", "203.0.113.5", Formatter::Base64, "dGVzdA=="),
            message("1", "2001:db8::5", Formatter::Hex, "74657374"),
            message("2", "203.0.113.5", Formatter::Ascii, "te\"st\n\0"),
            message("3", "203.0.113.6", Formatter::Utf8, "tést"),
        ],
    };
    let bytes = golden("gateway-batch-v1.json", &batch);
    assert_eq!(serde_json::from_slice::<Batch>(&bytes).unwrap(), batch);
    let answer = Answer { replies: vec![reply("0", Some(RECEIVED), "MQo="), reply("3", None, "1\n")] };
    let bytes = golden("gateway-answer-v1.json", &answer);
    assert_eq!(Answer::parse(&bytes).unwrap(), answer);
}

#[test]
fn answers_may_leave_out_what_existing_functions_leave_out() {
    let none = [
        "null",
        "",
        " \n",
        "{}",
        r#"{"Replies":null}"#,
        r#"{"Replies":[]}"#,
        r#"{"Replies":[null,null]}"#,
        r#"{"Other":1}"#,
    ];
    for body in none {
        assert_eq!(Answer::parse(body.as_bytes()).unwrap(), Answer::default(), "{body}");
    }
    let beyond = r#""GeneratedAt":"9999-12-31T23:59:59-01:00","#;
    for generated in ["", r#""GeneratedAt":null,"#, r#""GeneratedAt":"soon","#, beyond] {
        let body = format!(r#"{{"Replies":[null,{{"Tag":"a1",{generated}"Data":"MQo="}},null]}}"#);
        assert_eq!(Answer::parse(body.as_bytes()).unwrap().replies, [reply("a1", None, "MQo=")], "{body}");
    }
    let offset = br#"{"Replies":[{"Tag":"a1","GeneratedAt":"2026-03-11T15:23:01.412+01:00","Data":""}]}"#;
    assert_eq!(Answer::parse(offset).unwrap().replies, [reply("a1", Some(RECEIVED), "")]);
}

#[test]
fn what_is_no_answer_says_what_is_missing() {
    let check = |body: &str, part: &str| {
        let error = Answer::parse(body.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("expected"), "{body}: {error}");
    };
    check(r#"{"Replies":[{"Data":"MQo="}]}"#, "missing field `Tag`");
    check(r#"{"Replies":[{"Tag":"a1"}]}"#, "missing field `Data`");
    check(r#"{"Replies":"none"}"#, "invalid type");
    check(r#"{"Replies":["#, "EOF");
    check("ok", "expected value");
}

#[test]
fn a_batch_names_what_is_wrong_with_it() {
    let known = serde_json::to_string(&message("a1", "203.0.113.5", Formatter::Hex, "00")).unwrap();
    let check = |from: &str, to: &str, part: &str| {
        let error = serde_json::from_str::<Message>(&known.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(part), "{to}: {error}");
    };
    check("2026-03-11T14:23:01.412Z", "noon", "expected a time by RFC 3339");
    check("hex", "octal", "expected one of `base64`, `hex`, `ascii`, `utf8`");
    check("203.0.113.5", "nowhere", "invalid IP address syntax");
    check("51234", "70000", "expected u16");
    let far = Message { received_at: UtcMicros(i64::MAX), ..message("a1", "::1", Formatter::Hex, "00") };
    assert!(serde_json::to_string(&far).unwrap_err().to_string().contains("years 0 to 9999"));
}

#[test]
fn what_a_formatter_does_not_take_is_never_replaced() {
    let wrong = |formatter, at| Err(FormatError { formatter, at });
    assert_eq!(Formatter::Ascii.write(b"caf\xc3\xa9"), wrong(Formatter::Ascii, 3));
    assert_eq!(Formatter::Utf8.write("café".as_bytes()), Ok("café".to_owned()));
    assert_eq!(Formatter::Utf8.write(b"ab\xff"), wrong(Formatter::Utf8, 2));
    assert_eq!(Formatter::Ascii.write_or_base64(b"ab\xff"), (Formatter::Base64, "YWL/".to_owned()));
    assert_eq!(Formatter::Ascii.write_or_base64(b"ab\x00"), (Formatter::Ascii, "ab\0".to_owned()));
    let text = Formatter::Ascii.write(&[200]).unwrap_err().to_string();
    assert_eq!(text, "Data is not ascii at byte 0, expected bytes below 128 only");
}

#[test]
fn data_is_read_as_generously_as_it_can_be_told_apart() {
    let wrong = |formatter, at| Err(FormatError { formatter, at });
    for data in ["YWI=", "YWI"] {
        assert_eq!(Formatter::Base64.read(data), Ok(b"ab".to_vec()));
    }
    assert_eq!(Formatter::Base64.read("YW_="), wrong(Formatter::Base64, 2));
    assert_eq!(Formatter::Base64.read("YWJjZ"), wrong(Formatter::Base64, 5));
    assert_eq!(Formatter::Hex.read("aBFf"), Ok(vec![0xab, 0xff]));
    assert_eq!(Formatter::Hex.read("ab0"), wrong(Formatter::Hex, 2));
    assert_eq!(Formatter::Hex.read("0x"), wrong(Formatter::Hex, 1));
    assert_eq!(Formatter::Ascii.read("né"), wrong(Formatter::Ascii, 1));
    assert_eq!(Formatter::Utf8.read("né"), Ok("né".as_bytes().to_vec()));
}

#[test]
fn formatters_have_names() {
    for formatter in Formatter::ALL {
        assert_eq!(formatter.name().parse(), Ok(formatter));
        assert_eq!(serde_json::to_value(formatter).unwrap(), formatter.name());
    }
    let error = "Base64".parse::<Formatter>().unwrap_err().to_string();
    assert_eq!(error, "formatter \"Base64\": expected base64, hex, ascii or utf8");
}

proptest! {
    #[test]
    fn payloads_come_back(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        for formatter in Formatter::ALL {
            let (used, data) = formatter.write_or_base64(&payload);
            prop_assert_eq!(used.read(&data).unwrap(), &*payload);
            let json = serde_json::to_string(&data).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), &*data);
            match formatter.write(&payload) {
                Ok(written) => prop_assert_eq!((used, written), (formatter, data)),
                Err(error) => prop_assert!(error.at < payload.len() && used == Formatter::Base64),
            }
        }
    }

    #[test]
    fn texts_pass_through_utf8(text in any::<String>()) {
        prop_assert_eq!(Formatter::Utf8.write(&Formatter::Utf8.read(&text).unwrap()).unwrap(), text);
    }

    #[test]
    fn any_text_is_read_or_named_wrong_within_it(text in any::<String>()) {
        for formatter in Formatter::ALL {
            if let Err(error) = formatter.read(&text) {
                prop_assert!(error.at <= text.len());
            }
        }
    }

    #[test]
    fn answers_come_back(entries in proptest::collection::vec(
        proptest::option::of((any::<String>(), proptest::option::of(-62_167_219_200_000..253_402_300_799_999_i64), any::<String>())), 0..9,
    )) {
        let entries: Vec<Option<Reply>> = entries.into_iter().map(|entry| entry.map(|(tag, at, data)| {
            Reply { tag: tag.into(), generated_at: at.map(|ms| UtcMicros(ms * 1_000)), data: data.into() }
        })).collect();
        let body = serde_json::to_vec(&serde_json::json!({ "Replies": entries })).unwrap();
        let kept: Vec<Reply> = entries.into_iter().flatten().collect();
        prop_assert_eq!(Answer::parse(&body).unwrap().replies, kept);
    }
}
