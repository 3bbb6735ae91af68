//! Which regions of the catalogue are measured.

use cloudping_schemas::catalogue::{Catalogue, EndpointSetting, Region, Status};

use crate::cli::TargetArgs;
use crate::failure::Failure;

/// Whose regions are run unless the user names some.
const DEFAULT_PROVIDER: &str = "aws";

/// What the user asked for.
#[derive(Debug)]
struct Choice<'a> {
    /// These providers; if none, AWS, or all when regions are named.
    providers: &'a [String],
    /// These regions; if none, all of the providers.
    regions: &'a [String],
    /// The user's own hosts in regions.
    endpoints: &'a [EndpointSetting],
    /// Whether the network is simulated, so that no endpoint is needed.
    simulated: bool,
}

/// The regions to run with. Those without a host to probe are left out, which is said once.
///
/// # Errors
/// When there is none of a name that was given, and when none would be left.
pub fn catalogue(args: &TargetArgs, simulated: bool) -> Result<Catalogue, Failure> {
    let mut built_in = Catalogue::built_in().map_err(Failure::setting)?;
    if args.no_catalogue {
        built_in.retain(|_| false);
        return Ok(built_in);
    }
    let (providers, regions, endpoints) = (&args.providers, &args.regions, &args.endpoints);
    let (catalogue, left_out) = select(built_in, &Choice { providers, regions, endpoints, simulated })?;
    if !left_out.is_empty() {
        tracing::warn!(
            "{} regions are not measured, as no host is known there; give your own with --endpoint REGION=HOST:PORT: {}",
            left_out.len(),
            left_out.join(", ")
        );
    }
    Ok(catalogue)
}

/// The regions to run with, and the ids of those left out for want of an endpoint.
fn select(mut catalogue: Catalogue, choice: &Choice) -> Result<(Catalogue, Vec<String>), Failure> {
    catalogue.retain(|region: &Region| region.status == Status::Available);
    match (choice.providers, choice.regions) {
        ([], []) => catalogue.keep_providers(&[DEFAULT_PROVIDER]).map_err(Failure::setting)?,
        ([], _) => {}
        (providers, _) => {
            catalogue.keep_providers(providers).map_err(|error| Failure::setting(format!("--providers: {error}")))?;
        }
    }
    keep_regions(&mut catalogue, choice.regions)?;
    for setting in choice.endpoints {
        catalogue.set_endpoint(setting).map_err(|_| not_selected(&setting.region))?;
    }
    if choice.simulated {
        return Ok((catalogue, Vec::new()));
    }
    let without = catalogue.regions().iter().filter(|region| region.endpoint.is_none());
    let left_out: Vec<String> = without.map(|region| region.id.clone()).collect();
    catalogue.retain(|region| region.endpoint.is_some());
    if catalogue.regions().is_empty() {
        return Err(Failure::setting(format!(
            "nothing to measure: no host is known in {}; give your own with --endpoint REGION=HOST:PORT",
            left_out.join(", ")
        )));
    }
    Ok((catalogue, left_out))
}

fn keep_regions(catalogue: &mut Catalogue, wanted: &[String]) -> Result<(), Failure> {
    if let Some(unknown) = wanted.iter().find(|id| catalogue.get(id).is_none()) {
        return Err(Failure::setting(format!("--regions: no region {unknown:?}; there are {}", known(catalogue))));
    }
    if !wanted.is_empty() {
        catalogue.retain(|region| wanted.contains(&region.id));
    }
    Ok(())
}

/// The ids of the first provider, and the names of the others: two hundred ids would bury the message.
fn known(catalogue: &Catalogue) -> String {
    let providers = catalogue.providers();
    let first = providers.first().copied().unwrap_or_default();
    let ids = catalogue.regions().iter().filter(|region| region.provider == first).map(|region| region.id.as_str());
    let ids = ids.collect::<Vec<_>>().join(", ");
    match providers.get(1..) {
        Some(others @ [_, ..]) => format!("{ids}, and those of {}", others.join(", ")),
        _ => ids,
    }
}

fn not_selected(id: &str) -> Failure {
    Failure::setting(format!("--endpoint: {id:?} is not among the regions chosen; see --providers and --regions"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Choice = Choice { providers: &[], regions: &[], endpoints: &[], simulated: false };

    fn chosen(choice: &Choice) -> Result<(Vec<String>, Vec<String>), String> {
        let (catalogue, left_out) =
            select(Catalogue::built_in().unwrap(), choice).map_err(|failure| failure.to_string())?;
        Ok((catalogue.regions().iter().map(|region| region.id.clone()).collect(), left_out))
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_open_regions_of_aws_are_the_default() {
        for simulated in [false, true] {
            let (ids, left_out) = chosen(&Choice { simulated, ..NOTHING }).unwrap();
            assert_eq!(ids.len(), 39);
            assert!(ids.contains(&"eu-west-1".to_owned()));
            assert!(!ids.contains(&"me-west-1".to_owned()), "announced");
            assert!(!ids.contains(&"us-iso-east-1".to_owned()), "isolated");
            assert!(left_out.is_empty());
        }
    }

    #[test]
    fn a_region_can_be_named_whoever_runs_it() {
        let regions = texts(&["eu-west-1", "europe-west4", "eu-frankfurt-1"]);
        let (ids, _) = chosen(&Choice { regions: &regions, ..NOTHING }).unwrap();
        assert_eq!(ids, texts(&["eu-west-1", "europe-west4", "eu-frankfurt-1"]));
        let providers = texts(&["aws"]);
        let error = chosen(&Choice { regions: &regions, providers: &providers, ..NOTHING }).unwrap_err();
        assert!(error.contains("europe-west4"), "{error}");
    }

    #[test]
    fn a_region_without_a_host_is_left_out_unless_the_user_gives_one_or_the_network_is_simulated() {
        let (providers, westeurope) = (texts(&["aws", "azure"]), "westeurope".to_owned());
        let choice = Choice { providers: &providers, ..NOTHING };
        let (ids, left_out) = chosen(&choice).unwrap();
        assert_eq!(ids.len(), 39);
        assert!(left_out.contains(&westeurope));
        let endpoints = ["westeurope=example.blob.core.windows.net:443".parse().unwrap()];
        let (ids, left_out) = chosen(&Choice { endpoints: &endpoints, ..choice }).unwrap();
        assert_eq!(ids.last(), Some(&westeurope));
        assert!(!left_out.contains(&westeurope));
        let (ids, left_out) = chosen(&Choice { simulated: true, ..choice_of(&providers) }).unwrap();
        assert!(ids.contains(&westeurope) && ids.len() > 100 && left_out.is_empty());
    }

    fn choice_of(providers: &[String]) -> Choice<'_> {
        Choice { providers, ..NOTHING }
    }

    #[test]
    fn what_cannot_be_chosen_is_named() {
        let endpoints = ["westeurope=example.org:443".parse().unwrap()];
        let error = chosen(&Choice { endpoints: &endpoints, ..NOTHING }).unwrap_err();
        assert!(error.contains("westeurope") && error.contains("--endpoint"), "{error}");
        let azure = texts(&["azure"]);
        let error = chosen(&choice_of(&azure)).unwrap_err();
        assert!(error.contains("westeurope") && error.contains("--endpoint"), "{error}");
        let unknown = texts(&["gpc"]);
        let error = chosen(&choice_of(&unknown)).unwrap_err();
        assert!(error.contains("gpc") && error.contains("aws, azure, gcp, oci"), "{error}");
        let regions = texts(&["mars-1"]);
        let error = chosen(&Choice { regions: &regions, ..NOTHING }).unwrap_err();
        assert!(
            error.contains("mars-1") && error.contains("us-west-2") && error.contains("azure, gcp, oci"),
            "{error}"
        );
        assert!(!error.contains("westeurope"), "{error}");
    }
}
