//! The API's description, held against what the routes really take and give.

use std::collections::BTreeSet;

use crate::common::*;
use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use tower::ServiceExt;

/// One operation of the description.
struct Operation {
    method: String,
    path: String,
    described: Value,
}

impl Operation {
    fn parameters(&self, place: &str) -> Vec<&Value> {
        let all = self.described["parameters"].as_array().into_iter().flatten();
        all.filter(|parameter| parameter["in"] == place).collect()
    }

    fn names(&self) -> BTreeSet<String> {
        self.parameters("query").into_iter().map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Its path with its parameters' examples.
    fn filled(&self) -> String {
        self.parameters("path").iter().fold(self.path.clone(), |path, parameter| {
            let name = parameter["name"].as_str().unwrap();
            path.replace(&format!("{{{name}}}"), &example(parameter))
        })
    }

    fn request(&self, query: &str) -> Request<Body> {
        let uri = format!("{}?{query}", self.filled());
        let request = Request::builder().method(self.method.to_uppercase().as_str()).uri(uri);
        match self.described["requestBody"].is_null() {
            true => request.body(Body::empty()).unwrap(),
            false => {
                let body = r#"{"query": "SELECT 1"}"#;
                request.header("content-type", "application/json").body(Body::from(body)).unwrap()
            }
        }
    }
}

fn example(parameter: &Value) -> String {
    let example = &parameter["example"];
    assert!(!example.is_null(), "{parameter} has no example");
    let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
    text.replace('%', "%25").replace('+', "%2B").replace(' ', "%20").replace('/', "%2F")
}

async fn described(world: &World) -> (Value, Vec<Operation>) {
    let document = world.get("/api/v1/openapi.json").await.ok();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, described) in item.as_object().unwrap() {
            let (method, path) = (method.clone(), path.clone());
            operations.push(Operation { method, path, described: described.clone() });
        }
    }
    (document, operations)
}

#[tokio::test]
async fn every_operation_takes_the_parameters_that_it_names_and_no_other() {
    let world = World::new();
    world.fill().await;
    let (_, operations) = described(&world).await;
    assert!(operations.len() >= 11, "{}", operations.len());
    for operation in operations {
        let detail = world.ask(operation.request("nonsense=1")).await.problem(400);
        let expected = detail.strip_prefix("unknown parameter \"nonsense\", expected ");
        let expected = expected.unwrap_or_else(|| panic!("{} {}: {detail}", operation.method, operation.path));
        let taken: BTreeSet<String> = expected.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        assert_eq!(taken, operation.names(), "{} {}", operation.method, operation.path);
    }
}

#[tokio::test]
async fn the_examples_of_parameters_are_good_ones() {
    let world = World::new();
    world.fill().await;
    let (_, operations) = described(&world).await;
    for operation in operations {
        // A cursor is made by the service, for one query.
        for parameter in operation.parameters("query").into_iter().filter(|parameter| parameter["name"] != "cursor") {
            let required = operation.parameters("query").into_iter().filter(|other| other["required"] == true);
            let mut given: Vec<&Value> = required.filter(|other| other["name"] != parameter["name"]).collect();
            given.push(parameter);
            let pairs = given.iter().map(|given| format!("{}={}", given["name"].as_str().unwrap(), example(given)));
            let mut query = pairs.collect::<Vec<_>>().join("&");
            if operation.path == "/api/v1/rank"
                && !["source", "target", "from", "to"].map(Value::from).contains(&parameter["name"])
            {
                // One of these four must be given, which a description cannot say.
                query.push_str("&source=us-east-1");
            }
            let response = world.service.router().oneshot(operation.request(&query)).await.unwrap();
            let status = response.status().as_u16();
            // What cannot be found, or has no table in this world, was understood nevertheless.
            let understood = status < 400 || [404, 422].contains(&status);
            assert!(understood, "{status}: {} {}?{query}", operation.method, operation.path);
        }
    }
}

#[tokio::test]
async fn the_description_is_whole() {
    let world = World::new();
    let (document, operations) = described(&world).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let names: BTreeSet<&str> = operations.iter().map(|one| one.described["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), operations.len(), "{names:?}");
    assert!(names.contains("get_coverage_pairs") && names.contains("post_sql"), "{names:?}");
    for operation in &operations {
        let (method, path) = (&operation.method, &operation.path);
        assert!(operation.described["summary"].is_string(), "{method} {path} has no summary");
        assert_eq!(operation.described["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
        let problem = &operation.described["responses"]["400"]["content"]["application/problem+json"];
        assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem", "{method} {path}");
        for place in ["query", "path"] {
            let unexplained = operation.parameters(place).into_iter().find(|given| !given["description"].is_string());
            assert_eq!(unexplained, None, "{method} {path}");
        }
    }
    let text = document.to_string();
    for (at, _) in text.match_indices("\"#/components/schemas/") {
        let name = text[at..].split(['/', '"']).nth(4).unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "there is no schema {name}");
    }
    let matrix = &document["paths"]["/api/v1/matrix"]["get"]["responses"]["200"]["content"];
    let kinds: Vec<_> = matrix.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["application/json", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"];
    assert_eq!((&kinds[..3], kinds.len()), (&expected[..], 5));
}

/// Clients are generated from the file in the repository, the dashboard's among them.
#[tokio::test]
async fn the_file_in_the_repository_is_the_description() {
    let world = World::new();
    let (document, _) = described(&world).await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let found = format!("{document:#}\n");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, &found).unwrap();
    }
    let same = std::fs::read_to_string(file).unwrap() == found;
    assert!(same, "openapi.json differs: write it with UPDATE_GOLDEN=1");
}

#[tokio::test]
async fn the_page_of_the_description_asks_no_other_host_for_anything() {
    let world = World::new();
    assert_eq!(world.get("/api/v1/docs").await.header("location"), "/api/v1/docs/");
    let page = world.get("/api/v1/docs/").await;
    assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    assert!(page.header("content-security-policy").starts_with("default-src 'self'"));
    let links: Vec<&str> =
        page.body.split(['"', '\'']).filter(|text| text.contains(".js") || text.contains(".css")).collect();
    assert!(links.len() >= 4, "{links:?}");
    for link in links {
        let name = link.trim_start_matches("./");
        assert_eq!(world.get(&format!("/api/v1/docs/{name}")).await.status.as_u16(), 200, "{link}");
    }
    let start = world.get("/api/v1/docs/swagger-initializer.js").await.body;
    assert!(start.contains("/api/v1/openapi.json") && start.contains("\"validatorUrl\": \"none\""), "{start}");
    assert!(!page.body.contains("://") && !start.contains("://"), "{start}");
    world.get("/api/v1/docs/nothing.js").await.problem(404);
}
