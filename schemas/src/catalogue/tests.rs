use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const ROW: &str = r#"
[[region]]
id = "moon-1"
provider = "luna"
partition = "luna"
name = "Moon (South)"
city = "Tranquility"
country = "ZA"
continent = "AF"
latitude = -33.92
longitude = 18.42
opt_in = true
launched = "2020-02-29"
zones = ["m1-az1", "m1-az2"]
endpoint = "moon.example:443"
source = "a book"
checked = "2026-11-21"
"#;

/// What is said of the row with one piece of it changed.
fn error_after(from: &str, to: &str) -> String {
    let text = ROW.replace(from, to);
    assert_ne!(text, ROW, "{from} is not in the row");
    Catalogue::parse(&text).unwrap_err().to_string()
}

#[test]
fn the_built_in_catalogue_has_four_providers() {
    let catalogue = Catalogue::built_in().unwrap();
    assert_eq!(catalogue.providers(), ["aws", "azure", "gcp", "oci"]);
    let mut counts = BTreeMap::new();
    for region in catalogue.regions().iter().filter(|region| region.status == Status::Available) {
        *counts.entry(region.provider.as_str()).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([("aws", 39), ("azure", 71), ("gcp", 43), ("oci", 55)]));
    let beijing = catalogue.get("cn-north-1").unwrap();
    assert_eq!(beijing.endpoint.as_deref(), Some("dynamodb.cn-north-1.amazonaws.com.cn:443"));
    let canada = catalogue.get("ca-central-1").unwrap();
    assert_eq!(canada.zones, ["cac1-az1", "cac1-az2", "cac1-az4"]);
    assert_eq!(canada.launched.as_deref(), Some("2016-12-08"));
    assert_eq!(catalogue.get("us-iso-east-1").unwrap().status, Status::Isolated);
    assert_eq!(catalogue.get("sa-west-1").unwrap().status, Status::Announced);
    assert!(catalogue.get("sa-east-1").unwrap().latitude < 0.0);
}

#[test]
fn every_open_region_has_a_host_of_its_provider_but_azure_has_none() {
    let own = |provider: &str| match provider {
        "aws" => vec![".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu"],
        "gcp" => vec![".rep.googleapis.com"],
        _ => vec![".oraclecloud.com", ".oraclegovcloud.com", ".oraclegovcloud.uk", ".oraclecloud.eu"],
    };
    for region in Catalogue::built_in().unwrap().regions() {
        let Some(endpoint) = &region.endpoint else {
            assert!(region.provider == "azure" || region.status != Status::Available, "{}", region.id);
            continue;
        };
        let host = endpoint.strip_suffix(":443").unwrap();
        assert!(host.contains(&format!(".{}.", region.id)), "{endpoint}");
        // Realms of their own have domains like oraclecloud10.com.
        let numbered = region.provider == "oci" && host.contains(".oraclecloud") && host.ends_with(".com");
        assert!(numbered || own(&region.provider).iter().any(|suffix| host.ends_with(suffix)), "{endpoint}");
    }
}

/// Rough boxes: south, north, west, east. They catch a lost sign, a swap and a wrong continent.
fn boxes(continent: &str) -> (f64, f64, f64, f64) {
    match continent {
        "AF" => (-36.0, 38.0, -26.0, 58.0),
        "AS" => (-11.0, 56.0, 26.0, 150.0),
        "EU" => (34.0, 72.0, -25.0, 45.0),
        "NA" => (7.0, 72.0, -170.0, -50.0),
        "OC" => (-48.0, 0.0, 110.0, 180.0),
        "SA" => (-56.0, 13.0, -82.0, -34.0),
        _ => (-90.0, -60.0, -180.0, 180.0),
    }
}

#[test]
fn every_region_lies_on_its_continent() {
    for region in Catalogue::built_in().unwrap().regions() {
        let (south, north, west, east) = boxes(&region.continent);
        assert!((south..=north).contains(&region.latitude), "{}: {}", region.id, region.latitude);
        assert!((west..=east).contains(&region.longitude), "{}: {}", region.id, region.longitude);
    }
}

#[test]
fn a_country_lies_on_one_continent_and_its_regions_near_each_other() {
    // The widest are the United States: Virginia to Oregon.
    const WIDEST_KM: f64 = 4_500.0;
    let catalogue = Catalogue::built_in().unwrap();
    for (index, one) in catalogue.regions().iter().enumerate() {
        for other in catalogue.regions()[index..].iter().filter(|other| other.country == one.country) {
            assert_eq!(one.continent, other.continent, "{} and {}", one.id, other.id);
            let km = haversine_km(one, other);
            assert!(km < WIDEST_KM, "{} and {}: {km} km", one.id, other.id);
        }
    }
}

/// Great-circle distance on a sphere of 6371 km.
fn haversine_km(one: &Region, other: &Region) -> f64 {
    let (south, north) = (one.latitude.to_radians(), other.latitude.to_radians());
    let (across, along) = ((north - south) / 2.0, (other.longitude - one.longitude).to_radians() / 2.0);
    let chord = across.sin().powi(2) + south.cos() * north.cos() * along.sin().powi(2);
    2.0 * 6371.0 * chord.sqrt().asin()
}

#[test]
fn a_zone_belongs_to_one_region() {
    let mut owners = BTreeMap::new();
    for region in Catalogue::built_in().unwrap().regions() {
        for zone in &region.zones {
            assert_eq!(owners.insert(zone.clone(), region.id.clone()), None, "{zone}");
        }
    }
    assert!(owners.len() > 110, "{}", owners.len());
}

#[test]
fn a_faulty_row_is_named_with_its_field() {
    assert!(Catalogue::parse(ROW).is_ok());
    let faults = [
        ("id = \"moon-1\"", "id = \"Moon 1\"", "id is \"Moon 1\""),
        ("provider = \"luna\"", "provider = \"\"", "provider is \"\""),
        ("country = \"ZA\"", "country = \"za\"", "country is \"za\""),
        ("continent = \"AF\"", "continent = \"LU\"", "continent is \"LU\""),
        ("latitude = -33.92", "latitude = -133.92", "latitude is \"-133.92\""),
        ("latitude = -33.92", "latitude = nan", "latitude is \"NaN\""),
        ("longitude = 18.42", "longitude = 218.42", "longitude is \"218.42\""),
        ("\"2020-02-29\"", "\"2020-02-30\"", "launched is \"2020-02-30\""),
        ("\"2020-02-29\"", "\"29 Feb 2020\"", "launched is \"29 Feb 2020\""),
        ("\"m1-az2\"", "\"m1-az1\"", "zones is \"m1-az1\""),
        ("moon.example:443", "moon.example", "endpoint is \"moon.example\""),
        ("moon.example:443", "https://moon.example:443", "endpoint is \"https://moon.example:443\""),
        ("opt_in", "status = \"announced\"\nopt_in", "endpoint is \"moon.example:443\""),
        ("\"a book\"", "\" \"", "source is \" \""),
        ("\"2026-11-21\"", "\"2026-11\"", "checked is \"2026-11\""),
    ];
    for (from, to, expected) in faults {
        let error = error_after(from, to);
        assert!(error.contains(expected), "{to}: {error}");
        assert!(error.contains("region \"moon-1\"") || from.starts_with("id"), "the row is not named: {error}");
    }
    assert!(error_after("city = ", "town = ").contains("town"));
    assert!(error_after("opt_in", "status = \"closed\"\nopt_in").contains("closed"));
    let twice = Catalogue::parse(&ROW.repeat(2)).unwrap_err().to_string();
    assert!(twice.contains("moon-1") && twice.contains("an id that no other row has"), "{twice}");
}

#[test]
fn what_is_not_known_may_be_left_out() {
    let without = |key: &str| {
        let lines: Vec<String> = ROW.lines().filter(|line| !line.starts_with(key)).map(str::to_owned).collect();
        Catalogue::parse(&lines.join("\n"))
    };
    assert_eq!(without("launched").unwrap().regions()[0].launched, None);
    assert!(without("zones").unwrap().regions()[0].zones.is_empty());
    assert_eq!(without("endpoint").unwrap().regions()[0].endpoint, None);
    assert!(without("source").is_err());
    let month = ROW.replace("2020-02-29", "2020-02");
    assert_eq!(Catalogue::parse(&month).unwrap().regions()[0].launched.as_deref(), Some("2020-02"));
}

#[test]
fn providers_can_be_chosen() {
    let mut catalogue = Catalogue::built_in().unwrap();
    let error = catalogue.keep_providers(&["gcp", "gpc"]).unwrap_err().to_string();
    assert!(error.contains("\"gpc\"") && error.contains("aws, azure, gcp, oci"), "{error}");
    assert_eq!(catalogue.providers().len(), 4, "nothing is removed by a mistake");
    catalogue.keep_providers(&["oci", "gcp"]).unwrap();
    assert_eq!(catalogue.providers(), ["gcp", "oci"]);
}

#[test]
fn an_operator_may_supply_an_endpoint() {
    let mut catalogue = Catalogue::built_in().unwrap();
    let setting: EndpointSetting = "westeurope=mine.example:8443".parse().unwrap();
    catalogue.set_endpoint(&setting).unwrap();
    assert_eq!(catalogue.get("westeurope").unwrap().endpoint.as_deref(), Some("mine.example:8443"));
    let unknown: EndpointSetting = "mars-1=mine.example:8443".parse().unwrap();
    assert!(catalogue.set_endpoint(&unknown).unwrap_err().to_string().contains("mars-1"));
    for text in ["eastus=[2001:db8::1]:443", "eastus=192.0.2.1:1", "eastus=a_b.example:65535"] {
        assert!(text.parse::<EndpointSetting>().is_ok(), "{text}");
    }
    let bad =
        ["", "eastus", "=a:1", "eastus=", "eastus=a", "eastus=a:0", "eastus=a:65536", "eastus=:1", "eastus=::1:443"];
    for text in bad.into_iter().chain(["eastus=a b:1", "eastus=a/b:1", "eastus=a:+1", "eastus=[a]:1", "a=b=c:1"]) {
        let error = text.parse::<EndpointSetting>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{text:?}")), "{error}");
    }
}

proptest! {
    /// No text makes the parsers panic, and what they take they give back.
    #[test]
    fn an_endpoint_setting_is_kept_as_written(region in "[a-z0-9-]{1,20}", host in "[a-z0-9.-]{1,30}", port in 1u16..) {
        let setting: EndpointSetting = format!("{region}={host}:{port}").parse().unwrap();
        prop_assert_eq!(setting, EndpointSetting { region, endpoint: format!("{host}:{port}") });
    }

    #[test]
    fn any_text_is_taken_or_refused(text in ".{0,60}") {
        let _ = text.parse::<EndpointSetting>();
        let quoted = toml::Value::String(text);
        for (from, key) in [("\"2020-02-29\"", "launched"), ("\"moon.example:443\"", "endpoint"), ("\"2026-11-21\"", "checked")] {
            let changed = ROW.replace(from, &quoted.to_string());
            if let Err(error) = Catalogue::parse(&changed) {
                prop_assert!(error.to_string().contains(key), "{}", error);
            }
        }
    }

    #[test]
    fn a_launch_is_a_day_or_a_month(year in 2000u32..2100, month in 0u32..15, day in 0u32..35) {
        let launch = |text: String| Catalogue::parse(&ROW.replace("2020-02-29", &text)).is_ok();
        let month_holds = (1..=12).contains(&month);
        prop_assert_eq!(launch(format!("{year}-{month:02}")), month_holds);
        let on_the_day = launch(format!("{year}-{month:02}-{day:02}"));
        if day == 0 || day > 31 || !month_holds {
            prop_assert!(!on_the_day);
        } else if day <= 28 {
            prop_assert!(on_the_day);
        }
    }
}
