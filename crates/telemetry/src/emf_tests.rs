//! Lines against the rules of the embedded metric format.

use super::*;

const COUNTED: Metric = Metric::alarming("RoundsCounted", Unit::Count);
const AGE: Metric = Metric::new("BatchAge", Unit::Milliseconds);
const SIZE: Metric = Metric::new("Size", Unit::Bytes);

fn emitter(choice: Option<&str>) -> Result<Emitter, EmfError> {
    let variable = |name: &str| choice.filter(|_| name == CHOICE).map(str::to_owned);
    Emitter::new("producer", &[("vantage", "eu-west-1")], variable)
}

fn written(choice: Option<&str>, line: &Line) -> Value {
    serde_json::from_str(&emitter(choice).unwrap().line(line, 1_767_310_200_987).unwrap()).unwrap()
}

fn line() -> Line {
    Line::new().count(COUNTED, 60).value(AGE, -1.25).count(SIZE, 4_096).property("shard", "shardId-000000000006")
}

/// Everything that the specification asks of a document that it is to make metrics of.
fn check(document: &Value) {
    let members = document.as_object().unwrap();
    let metadata = members["_aws"].as_object().unwrap();
    assert_eq!(metadata.keys().collect::<Vec<_>>(), ["CloudWatchMetrics", "Timestamp"]);
    assert!(metadata["Timestamp"].is_i64());
    for directive in metadata["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive.as_object().unwrap().keys().collect::<Vec<_>>(), ["Dimensions", "Metrics", "Namespace"]);
        let namespace = directive["Namespace"].as_str().unwrap();
        assert!((1..=255).contains(&namespace.len()) && !namespace.starts_with("AWS/"));
        let sets = directive["Dimensions"].as_array().unwrap();
        assert!(!sets.is_empty());
        for set in sets.iter().map(|set| set.as_array().unwrap()) {
            assert!(set.len() <= 30);
            for name in set.iter().map(|name| name.as_str().unwrap()) {
                assert!((1..=1024).contains(&members[name].as_str().unwrap().len()), "a dimension's value is a string");
            }
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        for metric in metrics {
            assert_eq!(metric.as_object().unwrap().keys().collect::<Vec<_>>(), ["Name", "Unit"]);
            assert!(["Count", "Bytes", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()));
            assert!(members[metric["Name"].as_str().unwrap()].is_number(), "a metric's value is a number");
        }
    }
}

#[test]
fn a_line_holds_to_the_specification() {
    let all = written(Some("all"), &line());
    check(&all);
    let expected = json!({
        "_aws": {
            "Timestamp": 1_767_310_200_987_i64,
            "CloudWatchMetrics": [{
                "Namespace": "cloudping",
                "Dimensions": [["function", "vantage"]],
                "Metrics": [
                    { "Name": "RoundsCounted", "Unit": "Count" },
                    { "Name": "BatchAge", "Unit": "Milliseconds" },
                    { "Name": "Size", "Unit": "Bytes" },
                ],
            }],
        },
        "function": "producer", "vantage": "eu-west-1", "shard": "shardId-000000000006",
        "RoundsCounted": 60, "BatchAge": -1.25, "Size": 4096,
    });
    assert_eq!(all, expected);
}

#[test]
fn what_nobody_is_woken_by_is_told_and_not_paid_for() {
    for choice in [None, Some(""), Some("alarms")] {
        let alarms = written(choice, &line());
        check(&alarms);
        let made = &alarms["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(made, &json!([{ "Name": "RoundsCounted", "Unit": "Count" }]));
        assert_eq!((&alarms["BatchAge"], &alarms["Size"]), (&(-1.25).into(), &4096.into()));
    }
    for none in [written(Some("off"), &line()), written(None, &Line::new().count(SIZE, 1))] {
        assert_eq!((none.get("_aws"), &none["vantage"]), (None, &"eu-west-1".into()));
    }
    assert_eq!(emitter(Some("some")), Err(EmfError::Choice("some".to_owned())));
}

#[test]
fn lambdas_name_of_the_function_goes_first() {
    let variable = |name: &str| (name == FUNCTION_NAME).then(|| "cloudping-producer-prod".to_owned());
    let emitter = Emitter::new("producer", &[], variable).unwrap();
    let line: Value = serde_json::from_str(&emitter.line(&line(), 0).unwrap()).unwrap();
    assert_eq!(line["function"], "cloudping-producer-prod");
}

#[test]
fn what_cloudwatch_would_pass_over_is_refused() {
    let refused = |line: Line| emitter(Some("all")).unwrap().line(&line, 0).unwrap_err().to_string();
    let many = |number: usize| {
        let name = |n: usize| Box::leak(format!("m{n}").into_boxed_str());
        (0..number).fold(Line::new(), |line, n| line.count(Metric::new(name(n), Unit::Count), 1))
    };
    assert!(emitter(Some("all")).unwrap().line(&many(100), 0).is_ok());
    let cases = [
        (many(101), "101 metrics, expected at most 100"),
        (line().count(COUNTED, 1), "RoundsCounted stands twice"),
        (line().property("vantage", "other"), "vantage stands twice"),
        (line().property("_aws", 1), "name is \"_aws\""),
        (Line::new().count(Metric::new("", Unit::Count), 1), "name is \"\""),
        (Line::new().count(Metric::new("größe", Unit::Count), 1), "name is"),
        (Line::new().value(AGE, f64::NAN), "BatchAge is NaN"),
        (Line::new().property("text", "x".repeat(262_144)), "262"),
    ];
    for (line, expected) in cases {
        let error = refused(line);
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn dimensions_are_checked_once_and_at_the_start() {
    let refused = |dimensions: &[(&'static str, &str)]| Emitter::new("x", dimensions, |_| None).unwrap_err();
    for value in ["", " ", ":x", "ü", &"x".repeat(1025)] {
        assert_eq!(refused(&[("vantage", value)]), EmfError::Dimension("vantage".to_owned(), value.to_owned()));
    }
    assert_eq!(refused(&[("v", "x"); 30]), EmfError::TooMany(31, "dimensions", 30));
}

#[test]
fn the_row_of_the_table_says_name_alarm_and_unit() {
    assert_eq!(COUNTED.row(), "| `RoundsCounted` * | Count |");
    assert_eq!(AGE.row(), "| `BatchAge` | Milliseconds |");
}
