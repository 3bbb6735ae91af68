//! Names into addresses, always before a measurement.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cloudping_model::Family;
use cloudping_producers::targets::Endpoint;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::failure::Failure;

/// How long a look-up may take.
const LIMIT: Duration = Duration::from_secs(5);
/// When to ask again beside a question that has no answer yet: a lost packet is common, and the C library waits 5 s.
const AGAIN: Duration = Duration::from_secs(1);
/// Look-ups at once: many resolvers drop what comes in greater bursts.
const AT_ONCE: usize = 32;

/// An address literal must be of the family asked for.
pub fn check_family(endpoint: &Endpoint, family: Option<Family>) -> Result<(), Failure> {
    let literal = endpoint.host.parse::<IpAddr>().map(Family::of);
    match (literal, family) {
        (Ok(found), Some(wanted)) if found != wanted => Err(Failure::setting(format!(
            "{}: expected a name or an IPv{} address, since -{1} was given",
            endpoint.host,
            wanted.number()
        ))),
        _ => Ok(()),
    }
}

/// The address to probe, of that family or, where none is asked for, IPv4 if there is one; or why there is none.
async fn resolve(endpoint: &Endpoint, family: Option<Family>) -> Result<SocketAddr, String> {
    let found = timeout(LIMIT, look_up(endpoint)).await;
    let found = found.map_err(|_elapsed| format!("no answer from the resolver in {LIMIT:?}"))??;
    let of = |family| found.iter().find(|address| Family::of(address.ip()) == family).copied();
    let chosen = match family {
        Some(family) => of(family),
        None => of(Family::V4).or(of(Family::V6)),
    };
    chosen.ok_or_else(|| family.map_or("no address".to_owned(), |family| format!("no IPv{} address", family.number())))
}

/// The first answer, whatever it is, to a question that is asked again until there is one.
async fn look_up(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, String> {
    let mut questions = JoinSet::new();
    loop {
        let (host, port) = (endpoint.host.clone(), endpoint.port);
        questions.spawn(async move { tokio::net::lookup_host((host, port)).await.map(Iterator::collect) });
        tokio::select! {
            Some(answer) = questions.join_next() => {
                let answer = answer.map_err(|error| error.to_string())?;
                return answer.map_err(|error| error.to_string());
            }
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Each endpoint's address, or why there is none, in their order; looked up side by side.
pub async fn resolve_all(endpoints: &[Endpoint], family: Option<Family>) -> Vec<Result<SocketAddr, String>> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut lookups = JoinSet::new();
    for (at, endpoint) in endpoints.iter().cloned().enumerate() {
        let permits = Arc::clone(&permits);
        lookups.spawn(async move {
            let _permit = permits.acquire().await;
            (at, resolve(&endpoint, family).await)
        });
    }
    let mut found = lookups.join_all().await;
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, address)| address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_other_family_is_refused() {
        let endpoint = Endpoint::parse("127.0.0.1:80").unwrap();
        assert!(check_family(&endpoint, None).is_ok() && check_family(&endpoint, Some(Family::V4)).is_ok());
        let error = check_family(&endpoint, Some(Family::V6)).unwrap_err().to_string();
        assert_eq!(error, "127.0.0.1: expected a name or an IPv6 address, since -6 was given");
        assert!(check_family(&Endpoint::parse("example.com").unwrap(), Some(Family::V6)).is_ok());
    }

    #[tokio::test]
    async fn literals_are_themselves_and_unknown_names_say_so() {
        let resolved = async |text: &str, family| resolve(&Endpoint::parse(text).unwrap(), family).await;
        assert_eq!(resolved("[::1]:80", None).await, Ok("[::1]:80".parse().unwrap()));
        assert_eq!(resolved("127.0.0.1:80", Some(Family::V4)).await, Ok("127.0.0.1:80".parse().unwrap()));
        assert!(resolved("nowhere.invalid", None).await.is_err());
    }
}
