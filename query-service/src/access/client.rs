//! Who asks, where proxies stand between.
//!
//! A proxy adds at the right end of its header whom it was asked by; what stands further left was there when it came, and may be anything. So
//! the header is read from the right, as long as those who speak are trusted. Of the headers only the one is read that the operator's proxies
//! are known to write: the others pass through them as the client sent them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

/// So many proxies stand in a row by mistake or malice only.
const MOST_PROXIES: usize = 16;
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const CLOUDFRONT: HeaderName = HeaderName::from_static("cloudfront-viewer-address");

/// The header in which the trusted proxies say who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientHeader {
    /// `X-Forwarded-For`: what nearly every proxy writes. Default.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `CloudFront-Viewer-Address`, which CloudFront writes anew whoever sent it; its edges need not be listed one by one, but nobody else
    /// may reach the service through the trusted proxies.
    CloudFront,
}

impl ClientHeader {
    const ALL: [Self; 3] = [Self::XForwardedFor, Self::Forwarded, Self::CloudFront];

    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => header::FORWARDED,
            Self::CloudFront => CLOUDFRONT,
        }
    }
}

impl fmt::Display for ClientHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().as_str())
    }
}

/// There is no such header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of x-forwarded-for, forwarded, cloudfront-viewer-address")]
pub struct NoClientHeader(String);

impl FromStr for ClientHeader {
    type Err = NoClientHeader;

    fn from_str(text: &str) -> Result<Self, NoClientHeader> {
        let found = Self::ALL.into_iter().find(|header| text.eq_ignore_ascii_case(header.name().as_str()));
        found.ok_or_else(|| NoClientHeader(text.to_owned()))
    }
}

/// The proxies that are believed, and how they speak.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Their networks. Default none: then who connects is who asks.
    pub trusted: Vec<IpNet>,
    /// Where they say who asks.
    pub header: ClientHeader,
}

/// The text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network, expected such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct NoNetwork(String);

impl Proxies {
    /// Proxies in these networks; an address alone is a network of one.
    ///
    /// # Errors
    /// [`NoNetwork`].
    pub fn of<'a>(networks: impl IntoIterator<Item = &'a str>, header: ClientHeader) -> Result<Self, NoNetwork> {
        let network = |text: &str| {
            let text = text.trim();
            let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or_else(|| NoNetwork(text.to_owned()))
        };
        Ok(Self { trusted: networks.into_iter().map(network).collect::<Result<_, _>>()?, header })
    }

    /// Who asks, where `peer` has connected.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let lines = headers.get_all(self.header.name());
        let lines: Vec<&str> = lines.iter().map(|line| line.to_str().unwrap_or("")).collect();
        if self.header == ClientHeader::CloudFront {
            // Two of them are no word of CloudFront's.
            let [line] = lines[..] else { return peer };
            return viewer(line).unwrap_or(peer);
        }
        let told = lines.iter().rev().flat_map(|line| line.rsplit(','));
        let mut client = peer;
        for element in told.take(MOST_PROXIES) {
            let address = match self.header {
                ClientHeader::Forwarded => forwarded_for(element).and_then(node),
                _ => node(element.trim()),
            };
            // A trusted proxy that hides who asks, or does not know: it counts as asking itself.
            let Some(address) = address else { break };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// Whether somebody has passed the request on, who may or may not be trusted.
pub(crate) fn passed_on(headers: &HeaderMap) -> bool {
    ClientHeader::ALL.iter().any(|header| headers.contains_key(header.name()))
}

/// The `for` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut parameters = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    let value = value.trim();
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    let address =
        text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip())).or_else(bare);
    address.map(|address: IpAddr| address.to_canonical())
}

/// CloudFront's form: the port follows the last colon, and an IPv6 address before it has no brackets.
fn viewer(text: &str) -> Option<IpAddr> {
    let (address, port) = text.trim().rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    node(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(header: ClientHeader) -> Proxies {
        let trusted = ["10.0.0.0/8", "2001:db8:aaaa::/48"].map(|network| network.parse().unwrap());
        Proxies { trusted: trusted.to_vec(), header }
    }

    fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (HeaderName::from_static(name), line.parse().unwrap())).collect()
    }

    #[track_caller]
    fn check(header: ClientHeader, name: &'static str, peer: &str, lines: &[&str], client: &str) {
        let found = proxies(header).client(peer.parse().unwrap(), &headers(name, lines));
        assert_eq!(found.to_string(), client, "{lines:?}");
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right_as_far_as_it_is_trusted() {
        for (peer, lines, client) in [
            // Who is not trusted may say what he likes.
            ("192.0.2.9", &["198.51.100.7"][..], "192.0.2.9"),
            ("::ffff:192.0.2.9", &["198.51.100.7"], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // What the client sent itself stands further left.
            ("10.0.0.1", &["203.0.113.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["10.9.9.9, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.1", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.1, 198.51.100.7, 10.0.0.2 ,10.0.0.3"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("2001:db8:aaaa::1", &["198.51.100.7"], "198.51.100.7"),
            // All of them trusted: the first one asks.
            ("10.0.0.1", &["10.0.0.5, 10.0.0.4"], "10.0.0.5"),
            // What is no address ends the chain at the last one that was told.
            ("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &[","], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7,"], "10.0.0.1"),
            ("10.0.0.1", &["1.2.3.4.5"], "10.0.0.1"),
        ] {
            check(ClientHeader::XForwardedFor, "x-forwarded-for", peer, lines, client);
        }
        let endless = "10.0.0.2,".repeat(5_000) + "10.0.0.2";
        check(ClientHeader::XForwardedFor, "x-forwarded-for", "10.0.0.1", &[&endless], "10.0.0.2");
    }

    #[test]
    fn forwarded_is_read_likewise() {
        for (lines, client) in [
            (&["for=198.51.100.7"][..], "198.51.100.7"),
            (&["for=203.0.113.1, For=\"198.51.100.7:80\";proto=https;by=10.0.0.1"], "198.51.100.7"),
            (&["proto=https; for=\"[2001:db8::7]:4711\""], "2001:db8::7"),
            (&["for=\"[2001:db8::7]\""], "2001:db8::7"),
            (&["for=203.0.113.1", "for=198.51.100.7, for=10.0.0.2"], "198.51.100.7"),
            // A quote that the client leaves open does not swallow what the proxy adds.
            (&["for=\"203.0.113.1, for=198.51.100.7"], "198.51.100.7"),
            (&["for=_hidden"], "10.0.0.1"),
            (&["for=unknown"], "10.0.0.1"),
            (&["for="], "10.0.0.1"),
            (&["for"], "10.0.0.1"),
            (&["198.51.100.7"], "10.0.0.1"),
        ] {
            check(ClientHeader::Forwarded, "forwarded", "10.0.0.1", lines, client);
        }
    }

    #[test]
    fn cloudfront_says_the_viewer_and_his_port() {
        for (lines, client) in [
            (&["198.51.100.7:46532"][..], "198.51.100.7"),
            (&["2001:db8::7:46532"], "2001:db8::7"),
            (&["[2001:db8::7]:46532"], "2001:db8::7"),
            (&["198.51.100.7"], "10.0.0.1"),
            (&["198.51.100.7:x"], "10.0.0.1"),
            (&["203.0.113.1:1", "198.51.100.7:2"], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            check(ClientHeader::CloudFront, "cloudfront-viewer-address", "10.0.0.1", lines, client);
        }
        // Only the one header is read.
        check(ClientHeader::CloudFront, "x-forwarded-for", "10.0.0.1", &["198.51.100.7"], "10.0.0.1");
        check(ClientHeader::XForwardedFor, "forwarded", "10.0.0.1", &["for=198.51.100.7"], "10.0.0.1");
    }

    #[test]
    fn headers_are_named() {
        for header in ClientHeader::ALL {
            assert_eq!(header.to_string().parse(), Ok(header));
        }
        let error = "x-real-ip".parse::<ClientHeader>().unwrap_err().to_string();
        assert_eq!(error, "\"x-real-ip\" is none of x-forwarded-for, forwarded, cloudfront-viewer-address");
    }
}
