//! Whether this user may make the planet's network: by making one, in a process of its own, since the rights for it change
//! the process that takes them.

use std::process::{Command, Stdio};

use cloudping_agent::failure::Failure;
use cloudping_planet::{Options, Place, Planet, World};

/// Makes a network of one region and ends it again.
///
/// # Errors
/// What is missing, with what to do about it.
pub fn trial() -> Result<(), Failure> {
    cloudping_planet::acquire_rights().map_err(Failure::setting)?;
    let place = Place { id: "trial".to_owned(), latitude: 0.0, longitude: 0.0 };
    Planet::start(World::from_places(&[place]), Options::default()).map_err(Failure::setting).map(drop)
}

/// Has another process of this program make the trial.
///
/// # Errors
/// What it said.
pub fn try_in_a_process() -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program).args(["doctor", "--planet-trial"]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().last().unwrap_or("it ended without a word");
    Err(line.strip_prefix("cloudping: ").unwrap_or(line).to_owned())
}
