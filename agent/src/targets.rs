//! `cloudping targets`: the catalogue, listed and filtered. Asks no network.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cloudping_schemas::catalogue::{Catalogue, Region, Status};
use serde::Serialize;

use crate::failure::Failure;
use crate::output;

/// How to print rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// A table for people
    Table,
    /// JSON for programs
    Json,
    /// A header and a line a row
    Csv,
}

/// Which regions of which catalogue. What is given must all hold; of values separated by commas, one.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    /// Words that the id, name, city or country must hold, in any case
    #[arg(value_name = "TEXT")]
    pub text: Vec<String>,
    /// Providers, such as aws
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub provider: Vec<String>,
    /// Partitions, such as aws-cn
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub partition: Vec<String>,
    /// Countries by ISO 3166-1 alpha-2, such as DE
    #[arg(long, value_delimiter = ',', value_name = "CODE,…")]
    pub country: Vec<String>,
    /// Continents: AF, AN, AS, EU, NA, OC, SA
    #[arg(long, value_delimiter = ',', value_name = "CODE,…")]
    pub continent: Vec<String>,
    /// A catalogue of your own instead of the built-in one, in the same format (schemas/regions/README.md)
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
}

/// Arguments of `targets`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping targets
  cloudping targets tokyo
  cloudping targets --continent EU --country DE,FR -o csv
  cloudping probe $(cloudping targets --country DE -o json | jq -r '.[].endpoint // empty')")]
pub struct TargetsArgs {
    /// Which
    #[command(flatten)]
    pub selection: Selection,
    /// table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum)]
    pub output: Option<RowFormat>,
}

/// A region as it is listed.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Row<'a> {
    id: &'a str,
    provider: &'a str,
    partition: &'a str,
    name: &'a str,
    city: &'a str,
    country: &'a str,
    continent: &'a str,
    latitude: f64,
    longitude: f64,
    opt_in: bool,
    launched: Option<&'a str>,
    zones: &'a [String],
    status: &'static str,
    endpoint: Option<&'a str>,
    source: &'a str,
    checked: &'a str,
}

/// First line of the CSV.
const CSV_HEADER: &str = "id,provider,partition,name,city,country,continent,latitude,longitude,opt_in,launched,zones,status,endpoint,source,checked";

/// Prints what is selected.
pub fn run(args: TargetsArgs) -> Result<(), Failure> {
    let regions = args.selection.regions()?;
    let rows = regions.iter().map(Row::from);
    match output::fitting(args.output, RowFormat::Table, RowFormat::Json) {
        RowFormat::Json => output::json(&rows.collect::<Vec<_>>()),
        RowFormat::Csv => {
            let lines: Vec<String> = std::iter::once(CSV_HEADER.to_owned()).chain(rows.map(|row| row.csv())).collect();
            output::print(lines.join("\n"))
        }
        RowFormat::Table => {
            let header = ["id", "provider", "partition", "city", "country", "continent", "endpoint"];
            let cells = rows.map(|it| {
                let endpoint = it.endpoint.unwrap_or(if it.status == "available" { "-" } else { it.status });
                let cells = [it.id, it.provider, it.partition, it.city, it.country, it.continent, endpoint];
                cells.map(str::to_owned).to_vec()
            });
            output::print(output::table(&header, cells.collect(), header.len()))?;
            output::print(format_args!("\n{} of the catalogue's regions", regions.len()))
        }
    }
}

impl<'a> From<&'a Region> for Row<'a> {
    fn from(region: &'a Region) -> Self {
        Self {
            id: &region.id,
            provider: &region.provider,
            partition: &region.partition,
            name: &region.name,
            city: &region.city,
            country: &region.country,
            continent: &region.continent,
            latitude: region.latitude,
            longitude: region.longitude,
            opt_in: region.opt_in,
            launched: region.launched.as_deref(),
            zones: &region.zones,
            status: status(region.status),
            endpoint: region.endpoint.as_deref(),
            source: &region.source,
            checked: &region.checked,
        }
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Available => "available",
        Status::Announced => "announced",
        Status::Isolated => "isolated",
    }
}

impl Row<'_> {
    fn csv(&self) -> String {
        let [latitude, longitude] = [self.latitude, self.longitude].map(|degrees| degrees.to_string());
        let (opt_in, zones) = (self.opt_in.to_string(), self.zones.join(" "));
        output::csv([
            self.id,
            self.provider,
            self.partition,
            self.name,
            self.city,
            self.country,
            self.continent,
            &latitude,
            &longitude,
            &opt_in,
            self.launched.unwrap_or_default(),
            &zones,
            self.status,
            self.endpoint.unwrap_or_default(),
            self.source,
            self.checked,
        ])
    }
}

impl Selection {
    /// The regions that are selected, in the catalogue's order: at least one.
    pub fn regions(&self) -> Result<Vec<Region>, Failure> {
        let catalogue = match &self.catalogue {
            None => Catalogue::built_in().map_err(Failure::setting)?,
            Some(path) => {
                let wrong = |error: &dyn std::fmt::Display| {
                    Failure::setting(format!("--catalogue {}: {error}", path.display()).trim_end())
                };
                let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
                Catalogue::parse(&text).map_err(|error| wrong(&error))?
            }
        };
        self.select(catalogue.regions())
    }

    fn select(&self, regions: &[Region]) -> Result<Vec<Region>, Failure> {
        for (name, values, field) in self.filters() {
            if let Some(unknown) = values.iter().find(|value| !regions.iter().any(|it| same(field(it), value))) {
                let mut known: Vec<&str> = regions.iter().map(field).collect();
                known.sort_unstable();
                known.dedup();
                return Err(Failure::setting(format!("{name} {unknown}: the catalogue has {}", known.join(", "))));
            }
        }
        let chosen: Vec<Region> = regions.iter().filter(|region| self.holds(region)).cloned().collect();
        if chosen.is_empty() {
            return Err(Failure::runtime("no region of the catalogue is all of that; `cloudping targets` lists them"));
        }
        Ok(chosen)
    }

    fn holds(&self, region: &Region) -> bool {
        let fits = |(_, values, field): (&str, &[String], fn(&Region) -> &str)| {
            values.is_empty() || values.iter().any(|value| same(field(region), value))
        };
        let text = [&region.id, &region.name, &region.city, &region.country].map(|it| it.to_lowercase()).join("\n");
        self.filters().into_iter().all(fits) && self.text.iter().all(|word| text.contains(&word.to_lowercase()))
    }

    #[expect(clippy::type_complexity, reason = "a table of three columns, read in two places above")]
    fn filters(&self) -> [(&'static str, &[String], fn(&Region) -> &str); 4] {
        [
            ("--provider", &self.provider, |it| &it.provider),
            ("--partition", &self.partition, |it| &it.partition),
            ("--country", &self.country, |it| &it.country),
            ("--continent", &self.continent, |it| &it.continent),
        ]
    }
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(selection: Selection) -> Result<Vec<String>, Failure> {
        Ok(selection.regions()?.into_iter().map(|region| region.id).collect())
    }

    fn some(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn filters_narrow_together_and_values_widen() {
        let aws = Selection { provider: some(&["AWS"]), ..Selection::default() };
        let german = Selection { country: some(&["de"]), ..aws.clone() };
        assert!(ids(german.clone()).unwrap().contains(&"eu-central-1".to_owned()));
        let both = Selection { country: some(&["DE", "BR"]), ..aws.clone() };
        let both = ids(both).unwrap();
        assert!(both.contains(&"eu-central-1".to_owned()) && both.contains(&"sa-east-1".to_owned()));
        let beijing = Selection { text: some(&["BEIJING"]), partition: some(&["aws-cn"]), ..Selection::default() };
        assert_eq!(ids(beijing).unwrap(), ["cn-north-1"]);
        let tokyo = Selection { text: some(&["tok", "JP"]), ..aws };
        assert_eq!(ids(tokyo).unwrap(), ["ap-northeast-1"]);
    }

    #[test]
    fn an_unknown_value_is_told_what_there_is() {
        let error = ids(Selection { continent: some(&["Europe"]), ..Selection::default() }).unwrap_err();
        assert_eq!(error.to_string(), "--continent Europe: the catalogue has AF, AS, EU, NA, OC, SA");
        let none = Selection { continent: some(&["EU"]), country: some(&["JP"]), ..Selection::default() };
        assert!(matches!(ids(none).unwrap_err(), Failure::Runtime(_)));
        let error = ids(Selection { catalogue: Some("/nowhere.toml".into()), ..Selection::default() }).unwrap_err();
        assert!(error.to_string().starts_with("--catalogue /nowhere.toml: No such file"), "{error}");
    }

    #[test]
    fn csv_has_a_field_for_each_of_the_header() {
        let regions = Selection::default().regions().unwrap();
        let json = serde_json::to_value(Row::from(&regions[0])).unwrap();
        let names: Vec<&str> = CSV_HEADER.split(',').collect();
        assert!(names.iter().all(|name| json.get(name).is_some()) && json.as_object().unwrap().len() == names.len());
        assert!(Row::from(&regions[0]).csv().starts_with(&format!("{},{},", regions[0].id, regions[0].provider)));
    }
}
