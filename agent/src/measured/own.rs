//! The user's own targets and vantage points: a file and `--target`.

use std::collections::HashSet;

use cloudping_producers::target_file::{TargetFile, parse_argument};
use cloudping_schemas::catalogue::Catalogue;

use crate::cli::TargetArgs;
use crate::failure::Failure;

/// Reads both; no id may stand twice, nor be a region's that is probed too.
pub fn read(args: &TargetArgs, catalogue: &Catalogue) -> Result<TargetFile, Failure> {
    let mut own = match &args.targets {
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| Failure::setting(format!("--targets {name}: {error}")))?;
            TargetFile::parse(&name, &text).map_err(Failure::setting)?
        }
        None => TargetFile::default(),
    };
    for text in &args.target {
        own.targets.push(parse_argument(text).map_err(Failure::setting)?);
    }
    let mut ids: HashSet<&str> = catalogue.regions().iter().map(|region| region.id.as_str()).collect();
    if let Some(twice) = own.targets.iter().find(|target| !ids.insert(target.id().as_str())) {
        return Err(Failure::setting(format!(
            "target id {:?} is given twice, or is a region's of the catalogue: expected another (--no-catalogue leaves the regions out)",
            twice.id().as_str()
        )));
    }
    if args.no_catalogue && own.targets.is_empty() {
        return Err(Failure::setting("--no-catalogue: nothing to measure; name targets with --targets or --target"));
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        what: TargetArgs,
    }

    fn own(arguments: &[&str]) -> Result<Vec<String>, String> {
        let line = Line::try_parse_from([&["cloudping"], arguments].concat()).unwrap();
        let own = read(&line.what, &Catalogue::built_in().unwrap()).map_err(|failure| failure.to_string())?;
        Ok(own.targets.iter().map(|target| target.id().to_string()).collect())
    }

    #[test]
    fn a_file_and_arguments_come_together() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("own.toml");
        std::fs::write(&file, "[[target]]\nid = \"shop\"\nendpoint = \"shop.example\"\n").unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(own(&["--targets", file, "--target", "dns=192.0.2.1:53"]).unwrap(), ["shop", "dns"]);
        let error = own(&["--targets", file, "--target", "shop=192.0.2.1"]).unwrap_err();
        assert!(error.contains("target id \"shop\" is given twice"), "{error}");
        let error = own(&["--target", "eu-west-1=192.0.2.1"]).unwrap_err();
        assert!(error.contains("is a region's of the catalogue"), "{error}");
        let error = own(&["--targets", "/nowhere/own.toml"]).unwrap_err();
        assert!(error.starts_with("--targets /nowhere/own.toml: "), "{error}");
        assert!(own(&["--no-catalogue"]).unwrap_err().contains("nothing to measure"));
    }
}
