//! Base latency from where two places lie on the Earth.
//!
//! `rtt = floor + route_factor * fibre`, with
//! - fibre: what light needs there and back through a straight fibre along the great circle
//!   ([`cloudping_model::fibre_floor_ms`]: haversine, ITU-T G.652 fibre, 204 km/ms or 2/3 of c);
//! - route factor: how much longer the way is than that. Bozkurt et al., "Dissecting Latency in the Internet's Fiber
//!   Infrastructure" (2018), report the rule of thumb 2.1 for the public Internet and a median of 1.3 for shortest paths
//!   through the existing conduits. Clouds run their own backbones, between the two: the default is
//!   [`DEFAULT_ROUTE_FACTOR`].

use std::time::Duration;

use cloudping_model::{LatLon, fibre_floor_ms};

/// RTT over that of a straight fibre, where a scenario does not say otherwise.
pub const DEFAULT_ROUTE_FACTOR: f64 = 1.5;
/// The part of an RTT that does not depend on distance (last metres, switches, hypervisors), in milliseconds.
pub const DEFAULT_FLOOR_MS: f64 = 0.5;

/// RTT between two places.
pub(crate) fn base_rtt(from: LatLon, to: LatLon, route_factor: f64, floor_ms: f64) -> Duration {
    milliseconds(floor_ms + route_factor * fibre_floor_ms(from, to))
}

/// Milliseconds as a duration; the caller has checked that they are finite and not negative.
pub(crate) fn milliseconds(ms: f64) -> Duration {
    Duration::from_nanos((ms * 1e6).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_quarter_of_the_equator() {
        let at = |longitude| LatLon { latitude: 0.0, longitude };
        // 10,007.56 km at 204.22 km/ms are 98.009 ms there and back.
        let rtt = base_rtt(at(0.0), at(90.0), 1.5, 0.5).as_secs_f64() * 1e3;
        assert!((rtt - (0.5 + 1.5 * 98.009)).abs() < 0.01, "{rtt}");
    }

    fn point() -> impl Strategy<Value = LatLon> {
        (-90.0..=90.0, -180.0..=180.0).prop_map(|(latitude, longitude)| LatLon { latitude, longitude })
    }

    proptest! {
        #[test]
        fn symmetric_and_bounded(a in point(), b in point()) {
            let (there, back) = (base_rtt(a, b, 1.5, 0.5), base_rtt(b, a, 1.5, 0.5));
            prop_assert!(there.abs_diff(back) <= Duration::from_nanos(1));
            // Half the circumference is the farthest: 20,015 km, 196 ms there and back.
            prop_assert!((Duration::from_micros(500)..Duration::from_millis(295)).contains(&there));
        }
    }
}
