//! The synthesised templates: what is deployed, and how often.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// A resource of a template.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its stack, without the deployment's name.
    pub stack: String,
    /// Its name in the template.
    pub id: String,
    /// Such as `AWS::Kinesis::Stream`.
    pub kind: String,
    /// What the template says of it.
    pub properties: Value,
    /// How often it is there: those of a producer's region once a region.
    pub times: f64,
}

impl Resource {
    /// What stands at a path such as `/StreamEncryption/EncryptionType`.
    pub fn at(&self, path: &str) -> Option<&Value> {
        self.properties.pointer(path)
    }

    /// A number at a path, also where CloudFormation takes it as a text.
    ///
    /// # Errors
    /// When there is none.
    pub fn number(&self, path: &str) -> Result<f64, TemplateError> {
        let found = self.at(path).and_then(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok()));
        found.ok_or_else(|| self.missing(path, "a number"))
    }

    /// A text at a path.
    ///
    /// # Errors
    /// When there is none.
    pub fn text(&self, path: &str) -> Result<&str, TemplateError> {
        self.at(path).and_then(Value::as_str).ok_or_else(|| self.missing(path, "a text"))
    }

    fn missing(&self, path: &str, expected: &'static str) -> TemplateError {
        let (stack, id, path) = (self.stack.clone(), self.id.clone(), path.to_owned());
        TemplateError::Missing { stack, id, path, expected }
    }
}

/// Why templates say nothing.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file cannot be read.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// A file is no template.
    #[error("{0}: {1}, expected a template that `cdk synth` wrote")]
    Json(String, serde_json::Error),
    /// There are none, or none of a producer.
    #[error("{0}: no templates of a deployment with a producer, expected those that `cdk synth` wrote")]
    None(String),
    /// A resource lacks what decides its price.
    #[error("{stack}: {id} has nothing at {path}, expected {expected}")]
    Missing {
        /// The stack.
        stack: String,
        /// The resource's name in it.
        id: String,
        /// Where.
        path: String,
        /// What.
        expected: &'static str,
    },
}

/// The resources of all templates in a folder. The producers' stacks stand for `regions`, or for as many as there are.
///
/// # Errors
/// [`TemplateError`].
pub fn read(folder: &Path, regions: Option<u32>) -> Result<(Vec<Resource>, u32), TemplateError> {
    let shown = folder.display().to_string();
    let entries = fs::read_dir(folder).map_err(|error| TemplateError::Io(shown.clone(), error))?;
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(".template.json"));
    names.sort_unstable();
    let producers = names.iter().filter(|name| name.contains("-producer-")).count() as u32;
    if producers == 0 {
        return Err(TemplateError::None(shown));
    }
    let regions = regions.unwrap_or(producers);
    let each = f64::from(regions) / f64::from(producers);
    let mut resources = Vec::new();
    for name in names {
        let path = folder.join(&name);
        let text = fs::read_to_string(&path).map_err(|error| TemplateError::Io(name.clone(), error))?;
        let template: Value = serde_json::from_str(&text).map_err(|error| TemplateError::Json(name.clone(), error))?;
        let times = if name.contains("-producer-") { each } else { 1.0 };
        resources.extend(of_template(name.trim_end_matches(".template.json"), &template, times));
    }
    Ok((resources, regions))
}

fn of_template(stack: &str, template: &Value, times: f64) -> Vec<Resource> {
    let found = template["Resources"].as_object().into_iter().flatten();
    let resource = |(id, resource): (&String, &Value)| Resource {
        stack: stack.to_owned(),
        id: id.clone(),
        kind: resource["Type"].as_str().unwrap_or_default().to_owned(),
        properties: resource["Properties"].clone(),
        times,
    };
    found.map(resource).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_decides_a_price_is_there_or_named() {
        let template = json!({ "Resources": { "S": { "Type": "T", "Properties": { "A": { "B": "4" }, "C": "x" } } } });
        let resource = &of_template("n-state", &template, 2.0)[0];
        assert_eq!((resource.kind.as_str(), resource.times), ("T", 2.0));
        assert_eq!((resource.number("/A/B").unwrap(), resource.text("/C").unwrap()), (4.0, "x"));
        let missing = resource.number("/C").unwrap_err().to_string();
        assert_eq!(missing, "n-state: S has nothing at /C, expected a number");
    }
}
