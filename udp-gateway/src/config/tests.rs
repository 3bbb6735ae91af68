use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, &Catalogue::built_in().unwrap())
}

const WHOLE: &str = r#"
region = "eu-west-1"
control = "127.0.0.1:8090"

[matrix]
url = "http://127.0.0.1:8080/"

[senders]
packets_per_second = 1000

[[listener]]
port = 2061
domain = "ingress-1"
allowed = ["203.0.113.0/24", "2001:db8::1"]
destinations = ["counter"]

[[destination]]
name = "counter"
formatter = "hex"
batching = { count = 50, timeout_seconds = 0.05 }

[destination.targets]
"*" = "http://127.0.0.1:9000/"
"eu-west-1" = "in-process:packet-counter"
"us-east-1" = "arn:aws:lambda:us-west-2:123456789012:function:counter"
"#;

#[test]
fn a_whole_file_is_read() {
    let config = parse(WHOLE).unwrap();
    assert_eq!(config.region, "eu-west-1");
    assert_eq!(config.matrix.unwrap().url, "http://127.0.0.1:8080");
    assert_eq!(config.senders.rate, Some(SenderRate { per_second: 1_000, burst: 1_000 }));
    let listener = &config.listeners[0];
    assert_eq!(listener.address, "[::]:2061".parse().unwrap());
    assert_eq!(listener.allowed, ["203.0.113.0/24".parse().unwrap(), "2001:db8::1/128".parse().unwrap()]);
    assert_eq!(listener.destinations, [0]);
    let destination = &config.destinations[0];
    assert_eq!(destination.handling.formatter, Formatter::Hex);
    assert_eq!((destination.batching.count, destination.batching.wait), (50, Duration::from_millis(50)));
    assert_eq!(destination.targets.keys().collect::<Vec<_>>(), ["*", "eu-west-1", "us-east-1"]);
}

#[test]
fn every_fault_is_told_at_once_with_its_field() {
    let text = WHOLE
        .replace("region = \"eu-west-1\"\n", "region = \"eu-west-99\"\n")
        .replace("127.0.0.1:8090", "0.0.0.0:8090")
        .replace("count = 50", "count = 0")
        .replace("203.0.113.0/24", "203.0.113.0/33")
        .replace("destinations = [\"counter\"]", "destinations = [\"conter\"]\nprotocols = [\"tcp\"]")
        .replace("\"hex\"", "\"rot13\"")
        .replace("function:counter", "layer:counter")
        .replace("\"us-east-1\" =", "\"moon-1\" = \"https://example.com/\"\n\"us-east-1\" =");
    let ConfigError::Faults(faults) = parse(&text).unwrap_err() else { panic!("it is TOML") };
    let starts = [
        "region is \"eu-west-99\", expected a region of the catalogue",
        "control is \"0.0.0.0:8090\" without a token_file, expected a loopback address",
        "listener 1: protocols is \"tcp\", expected \"udp\"",
        "listener 1: allowed is \"203.0.113.0/33\", expected networks such as",
        "listener 1: destinations is \"conter\", expected one of [\"counter\"]",
        "destination \"counter\": formatter is \"rot13\", expected base64",
        "destination \"counter\": batching.count is 0, expected 1 to 10000",
        "destination \"counter\": targets: region is \"moon-1\", expected * or a region",
        "destination \"counter\": targets: target is \"arn:aws:lambda:us-west-2:123456789012:layer:counter\" is the ARN",
    ];
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), starts.len(), "{told:#?}");
    for (told, start) in told.iter().zip(starts) {
        assert!(told.starts_with(start), "{told}\n{start}");
    }
}

#[test]
fn words_that_nobody_knows_are_refused() {
    for (from, to) in [("port", "prot"), ("[senders]", "[senders]\nx = 1"), ("region =", "region = 1 #")] {
        let error = parse(&WHOLE.replacen(from, to, 1)).unwrap_err();
        assert!(matches!(error, ConfigError::Toml(_)), "{error}");
    }
}

#[test]
fn numbers_that_are_none_are_refused() {
    for (from, to) in [
        ("timeout_seconds = 0.05", "timeout_seconds = nan"),
        ("timeout_seconds = 0.05", "timeout_seconds = 31"),
        ("timeout_seconds = 0.05", "size_mb = 7"),
        ("packets_per_second = 1000", "burst = 5"),
        ("packets_per_second = 1000", "table = 1"),
    ] {
        let error = parse(&WHOLE.replace(from, to)).unwrap_err();
        assert!(matches!(&error, ConfigError::Faults(faults) if faults.len() == 1), "{to}: {error}");
    }
}
