//! What to do about a door that takes no rounds.

use cloudping_ingest_client::DoorError;

use super::plan::KeyFacts;

/// The next step of whoever runs the agent.
pub fn next(error: &DoorError, key: &KeyFacts) -> String {
    let KeyFacts { vantage, fingerprint } = key;
    match error {
        DoorError::Refused(problem) => match problem.code.as_str() {
            "unauthorized" => format!(
                "register the key where the door is: cloudping ingest-key add --vantage {vantage} --fingerprint {fingerprint}; \
                 if it was revoked, make a new one"
            ),
            "clock" => "set this host's clock, and keep it: `systemctl enable --now systemd-timesyncd` or chronyd".to_owned(),
            _ if error.may_pass() => "nothing: it passes by itself, and rounds wait until then".to_owned(),
            _ => "see what the door says; agent and door may be of different versions".to_owned(),
        },
        DoorError::NoDoor { .. } => {
            "see that --join names the address of `cloudping up --ingest`, and what answers there before it".to_owned()
        }
        DoorError::Unreachable(_) => {
            "see that --join is right, that this host may connect to it, and that its certificate is of a public authority or of one in --ca-file".to_owned()
        }
        _ => "see --join and --key-file".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use cloudping_model::VantageId;
    use cloudping_schemas::ingest::{Fingerprint, IngestProblem};

    use super::*;

    #[test]
    fn each_refusal_has_its_remedy() {
        let key = KeyFacts { vantage: VantageId::new("office").unwrap(), fingerprint: Fingerprint([0xab; 32]) };
        let refused = |status, code: &str| {
            let problem = IngestProblem { status, code: code.to_owned(), ..IngestProblem::default() };
            next(&DoorError::Refused(Box::new(problem)), &key)
        };
        let register = format!("ingest-key add --vantage office --fingerprint {}", "ab".repeat(32));
        assert!(refused(401, "unauthorized").contains(&register));
        assert!(refused(401, "clock").contains("set this host's clock"));
        assert!(refused(503, "log").contains("passes by itself"));
        assert!(refused(422, "schema").contains("different versions"));
        let nothing = DoorError::NoDoor { address: "https://a".to_owned(), status: 404 };
        assert!(next(&nothing, &key).contains("--join"));
        let away = DoorError::Unreachable(ureq::Error::HostNotFound);
        assert!(next(&away, &key).contains("may connect"));
    }
}
