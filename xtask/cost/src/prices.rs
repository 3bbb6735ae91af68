//! The dated list of prices.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Prices by name, as `xtask/prices.toml` has them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The month that they are of, such as `2025-12`.
    pub as_of: String,
    /// The region that they are of.
    pub region: String,
    price: BTreeMap<String, Price>,
}

/// One price.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// US dollars for one.
    pub usd: f64,
    /// For one of what.
    pub per: String,
    /// The page that it is from.
    pub source: String,
}

/// Why there is no price.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// The file is malformed.
    #[error("xtask/prices.toml: {0}")]
    File(#[from] toml::de::Error),
    /// The file names no such price.
    #[error("xtask/prices.toml has no [price.{0}], expected one")]
    Missing(String),
    /// A price that cannot be one, or that nobody can check.
    #[error("xtask/prices.toml: price.{0} expects a positive usd, per and a source that begins with https://")]
    Wrong(String),
}

impl Prices {
    /// The list that this program was built with.
    ///
    /// # Errors
    /// [`PriceError`].
    pub fn built_in() -> Result<Self, PriceError> {
        Self::parse(include_str!("../../prices.toml"))
    }

    fn parse(text: &str) -> Result<Self, PriceError> {
        let prices: Self = toml::from_str(text)?;
        let sound = |price: &Price| {
            price.usd > 0.0 && price.usd.is_finite() && !price.per.is_empty() && price.source.starts_with("https://")
        };
        match prices.price.iter().find(|(_, price)| !sound(price)) {
            Some((name, _)) => Err(PriceError::Wrong(name.clone())),
            None => Ok(prices),
        }
    }

    /// The price of that name.
    ///
    /// # Errors
    /// [`PriceError::Missing`].
    pub fn get(&self, name: &str) -> Result<&Price, PriceError> {
        self.price.get(name).ok_or_else(|| PriceError::Missing(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sound_and_a_missing_price_is_named() {
        let prices = Prices::built_in().unwrap();
        assert_eq!(prices.region, "us-east-1");
        let missing = prices.get("gold").unwrap_err().to_string();
        assert!(missing.contains("[price.gold]"), "{missing}");
    }

    #[test]
    fn a_price_without_a_source_is_refused() {
        let list = |price: &str| format!("as_of = \"2025-12\"\nregion = \"x\"\n[price.a]\n{price}\n");
        assert!(Prices::parse(&list("usd = 1.0\nper = \"hour\"\nsource = \"https://a\"")).is_ok());
        for wrong in [
            "usd = 1.0\nper = \"hour\"\nsource = \"memory\"",
            "usd = -1.0\nper = \"hour\"\nsource = \"https://a\"",
            "usd = 1.0\nper = \"hour\"",
        ] {
            assert!(Prices::parse(&list(wrong)).is_err(), "{wrong}");
        }
    }
}
