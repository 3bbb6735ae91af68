//! The function's settings: environment variables, all faults named at once.

use cloudping_environment::{Faults, Variables};

/// What the function was deployed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The region that replies name: `AWS_REGION`, which Lambda sets. None where `CLOUDPING_REPLY` is `count`: replies are then the
    /// number alone. It is `count-and-region` unless given.
    pub region: Option<String>,
}

impl Settings {
    /// Reads the settings with a look-up of variables.
    ///
    /// # Errors
    /// [`Faults`]: each variable that is missing or wrong, with what was expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Faults> {
        let mut variables = Variables::new(variable);
        let region = match variables.given("CLOUDPING_REPLY").as_deref() {
            Some("count") => None,
            Some("count-and-region") | None => Some(variables.required("AWS_REGION", "the name of a region")),
            Some(other) => {
                variables.fault(format!("CLOUDPING_REPLY is {other:?}, expected count-and-region or count"));
                None
            }
        };
        if let Some(region) = region.as_deref().filter(|region| !region.bytes().all(|byte| byte.is_ascii_graphic())) {
            variables.fault(format!("AWS_REGION is {region:?}, expected a name such as eu-west-1"));
        }
        variables.settings(Self { region })
    }
}

#[cfg(test)]
mod tests {
    use cloudping_environment::list;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        Settings::read(list(variables)).map(|settings| settings.region).map_err(|faults| faults.to_string())
    }

    #[test]
    fn replies_name_the_region_unless_they_are_not_to() {
        let here = ("AWS_REGION", "eu-west-1");
        assert_eq!(read(&[here]), Ok(Some("eu-west-1".to_owned())));
        assert_eq!(read(&[here, ("CLOUDPING_REPLY", "count-and-region")]), Ok(Some("eu-west-1".to_owned())));
        assert_eq!(read(&[here, ("CLOUDPING_REPLY", "count")]), Ok(None));
        assert_eq!(read(&[]), Err("AWS_REGION is missing, expected the name of a region".to_owned()));
        let fault = "CLOUDPING_REPLY is \"all\", expected count-and-region or count";
        assert_eq!(read(&[here, ("CLOUDPING_REPLY", "all")]), Err(fault.to_owned()));
        let fault = "AWS_REGION is \"Zürich\", expected a name such as eu-west-1";
        assert_eq!(read(&[("AWS_REGION", "Zürich")]), Err(fault.to_owned()));
    }
}
