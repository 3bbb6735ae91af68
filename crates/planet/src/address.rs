//! The address plan: which address belongs to which region on which side.
//!
//! Region number `i` (from 0) is host `i + 1` of its side's prefix: `10.1.0.0/16` and `fd00:0:0:1::/64` for the vantage
//! side, `10.2.0.0/16` and `fd00:0:0:2::/64` for the target side. A target has a second address, to which a scenario can move it: host
//! `i + 1 + 32,768`. Both answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Most regions that the IPv4 prefix can tell apart, each with two addresses (host numbers 1 to 32,766, and 32,769 to 65,534).
pub(crate) const MAX_REGIONS: usize = 32_766;
/// How far a region's second host number is from its first.
const SECOND: u16 = 1 << 15;
/// Port that every target listens on.
pub(crate) const TARGET_PORT: u16 = 443;

/// One of the two ends of the simulated network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    /// Where probes start.
    Vantage,
    /// Where probes go.
    Target,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Vantage => Self::Target,
            Self::Target => Self::Vantage,
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Vantage => 1,
            Self::Target => 2,
        }
    }

    fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Vantage),
            2 => Some(Self::Target),
            _ => None,
        }
    }

    /// The side's IPv4 prefix; its length is 16.
    pub fn prefix_v4(self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.number(), 0, 0)
    }

    /// The side's IPv6 prefix; its length is 64.
    pub fn prefix_v6(self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, 0, 0, u16::from(self.number()), 0, 0, 0, 0)
    }
}

/// A region's address after it has moved.
pub(crate) fn second(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() + u32::from(SECOND)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() + u128::from(SECOND)).into(),
    }
}

/// IPv4 address of region `index` (below [`MAX_REGIONS`]) on `side`.
pub(crate) fn v4(side: Side, index: usize) -> Ipv4Addr {
    let [high, low] = host_number(index).to_be_bytes();
    Ipv4Addr::new(10, side.number(), high, low)
}

/// IPv6 address of region `index` (below [`MAX_REGIONS`]) on `side`.
pub(crate) fn v6(side: Side, index: usize) -> Ipv6Addr {
    let [a, b, c, d, ..] = side.prefix_v6().segments();
    Ipv6Addr::new(a, b, c, d, 0, 0, 0, host_number(index))
}

fn host_number(index: usize) -> u16 {
    debug_assert!(index < MAX_REGIONS);
    (index + 1) as u16
}

/// Side and region of an address; `None` for an address outside the plan.
pub(crate) fn locate(address: IpAddr) -> Option<(Side, usize)> {
    let (side, host) = match address {
        IpAddr::V4(v4) => match v4.octets() {
            [10, side, high, low] => (u16::from(side), u16::from_be_bytes([high, low])),
            _ => return None,
        },
        IpAddr::V6(v6) => match v6.segments() {
            [0xfd00, 0, 0, side, 0, 0, 0, host] => (side, host),
            _ => return None,
        },
    };
    let index = usize::from(host % SECOND).checked_sub(1)?;
    Some((Side::from_number(side)?, index))
}

/// A TCP connection between a vantage point and a target, by its four-tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The probing end.
    pub vantage: SocketAddr,
    /// The probed end.
    pub target: SocketAddr,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_plan() {
        assert_eq!(v4(Side::Vantage, 0).to_string(), "10.1.0.1");
        assert_eq!(v4(Side::Target, 255).to_string(), "10.2.1.0");
        assert_eq!(second(v4(Side::Target, 0).into()).to_string(), "10.2.128.1");
        assert_eq!(v6(Side::Target, 38).to_string(), "fd00:0:0:2::27");
        assert_eq!(locate("10.3.0.1".parse().expect("address")), None);
        assert_eq!(locate("10.1.0.0".parse().expect("address")), None);
        assert_eq!(locate("fe80::1".parse().expect("address")), None);
    }

    proptest! {
        #[test]
        fn every_region_is_found_again(index in 0..MAX_REGIONS, target in any::<bool>()) {
            let side = if target { Side::Target } else { Side::Vantage };
            prop_assert_eq!(locate(v4(side, index).into()), Some((side, index)));
            prop_assert_eq!(locate(v6(side, index).into()), Some((side, index)));
            for address in [v4(side, index).into(), v6(side, index).into()] {
                prop_assert_eq!(locate(second(address)), Some((side, index)));
            }
        }
    }
}
