//! Distances on the globe and what light needs for them.

/// A place in degrees, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatLon {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

/// The mean radius of the Earth in km (IUGG).
const EARTH_RADIUS_KM: f64 = 6371.0088;
/// Light in fibre, km per ms: c divided by a group index of 1.468 (ITU-T G.652 fibre at 1550 nm).
const FIBRE_KM_PER_MS: f64 = 299.792_458 / 1.468;

/// Great-circle distance in km (haversine formula).
#[must_use]
pub fn great_circle_km(a: LatLon, b: LatLon) -> f64 {
    let (lat_a, lat_b) = (a.latitude.to_radians(), b.latitude.to_radians());
    let half_lat = (lat_b - lat_a) / 2.0;
    let half_lon = (b.longitude - a.longitude).to_radians() / 2.0;
    let h = half_lat.sin().powi(2) + lat_a.cos() * lat_b.cos() * half_lon.sin().powi(2);
    2.0 * EARTH_RADIUS_KM * h.sqrt().min(1.0).asin()
}

/// The least round-trip time in ms that light in a straight fibre would need.
#[must_use]
pub fn fibre_floor_ms(a: LatLon, b: LatLon) -> f64 {
    2.0 * great_circle_km(a, b) / FIBRE_KM_PER_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONDON: LatLon = LatLon { latitude: 51.5074, longitude: -0.1278 };
    const NEW_YORK: LatLon = LatLon { latitude: 40.7128, longitude: -74.0060 };

    #[test]
    fn london_to_new_york() {
        let km = great_circle_km(LONDON, NEW_YORK);
        assert!((km - 5570.0).abs() < 10.0, "{km}");
        let floor = fibre_floor_ms(LONDON, NEW_YORK);
        assert!((floor - 54.5).abs() < 0.5, "{floor}");
    }

    #[test]
    fn no_distance_to_oneself() {
        assert!(great_circle_km(LONDON, LONDON) < 1e-9);
    }
}
