//! What a probe connects to in a region, and the operator's setting of it.

use std::str::FromStr;

/// An operator's host for a region, written `REGION=HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSetting {
    /// The region's id.
    pub region: String,
    /// `host:port`.
    pub endpoint: String,
}

/// Why a text is no [`EndpointSetting`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?}: expected REGION=HOST:PORT, such as westeurope=example.blob.core.windows.net:443")]
pub struct EndpointSettingError {
    found: String,
}

impl FromStr for EndpointSetting {
    type Err = EndpointSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((region, endpoint)) if !region.is_empty() && is_endpoint(endpoint) => {
                Ok(Self { region: region.to_owned(), endpoint: endpoint.to_owned() })
            }
            _ => Err(EndpointSettingError { found: text.to_owned() }),
        }
    }
}

/// Whether a text is `host:port`: a name, an IPv4 address or an IPv6 address in brackets, and a port from 1.
pub(super) fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_holds = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')),
    };
    host_holds && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}
