//! The packets of STAMP, unauthenticated (RFC 8762, section 4.2.1 and 4.3.1; the session identifier is RFC 8972's).

use std::time::Duration;

/// Octets of either packet.
pub(super) const LENGTH: usize = 44;
/// Seconds from 1900, where NTP begins, to 1970.
const NTP_OFFSET: u64 = 2_208_988_800;

/// A time by NTP: seconds since 1900 (modulo 2^32) and 2^-32 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NtpTime(pub(super) u64);

impl NtpTime {
    /// The time of so much since 1970.
    pub(super) fn since_1970(time: Duration) -> Self {
        let seconds = time.as_secs().wrapping_add(NTP_OFFSET) << 32;
        let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
        Self(seconds | fraction)
    }

    /// How long after `earlier` this is; `None` if it is before.
    pub(super) fn since(self, earlier: Self) -> Option<Duration> {
        // Modulo 2^64, so that the end of NTP's era in 2036 does no harm.
        let units = u64::try_from(self.0.wrapping_sub(earlier.0).cast_signed()).ok()?;
        let nanos = ((units & 0xffff_ffff) * 1_000_000_000) >> 32;
        Some(Duration::from_secs(units >> 32) + Duration::from_nanos(nanos))
    }
}

/// How far a clock may be off (RFC 4656, section 4.1.2, as RFC 8762 uses it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ErrorEstimate(pub(super) u16);

impl ErrorEstimate {
    /// Of a clock that follows an external one (or does not), and is off by `micros` at most. Never says less than that, unless
    /// it is beyond what the field can say.
    pub(super) fn new(synchronised: bool, micros: u64) -> Self {
        let units = (u128::from(micros) << 32).div_ceil(1_000_000).max(1);
        let scale = (0..63).find(|scale| units.div_ceil(1 << scale) <= 255).unwrap_or(63);
        let multiplier = units.div_ceil(1 << scale).min(255);
        // Bits: S, Z (0: NTP's format), six of scale, eight of multiplier.
        let multiplier = u16::try_from(multiplier).unwrap_or(255);
        Self(u16::from(synchronised) << 15 | scale << 8 | multiplier)
    }

    /// What it says in seconds; `None` when the multiplier is 0, which means that the packet is not to be trusted.
    #[cfg(test)]
    fn seconds(self) -> Option<f64> {
        let (scale, multiplier) = (self.0 >> 8 & 0x3f, self.0 & 0xff);
        (multiplier > 0).then(|| f64::from(multiplier) * 2_f64.powi(i32::from(scale) - 32))
    }
}

/// What a Session-Sender sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) sequence: u32,
    /// T1.
    pub(super) sent: NtpTime,
    pub(super) error: ErrorEstimate,
    /// Tells one session from another; 0 for none.
    pub(super) session: u16,
}

/// What a Session-Reflector sends back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reflected {
    /// The reflector's; a stateless one repeats the sender's.
    pub(super) sequence: u32,
    /// T3.
    pub(super) sent: NtpTime,
    pub(super) error: ErrorEstimate,
    pub(super) session: u16,
    /// T2.
    pub(super) received: NtpTime,
    /// Of the packet that it answers.
    pub(super) test: Test,
    /// Hops that packet had left.
    pub(super) hops: u8,
}

impl Test {
    pub(super) fn encode(&self) -> [u8; LENGTH] {
        let mut packet = [0; LENGTH];
        packet[..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..12].copy_from_slice(&self.sent.0.to_be_bytes());
        packet[12..14].copy_from_slice(&self.error.0.to_be_bytes());
        packet[14..16].copy_from_slice(&self.session.to_be_bytes());
        packet
    }

    /// `None` for what is too short. What stands beyond the base packet (RFC 8972's extensions) is not read.
    pub(super) fn decode(packet: &[u8]) -> Option<Self> {
        let packet: &[u8; LENGTH] = packet.first_chunk()?;
        Some(Self {
            sequence: u32::from_be_bytes(field(packet, 0)),
            sent: NtpTime(u64::from_be_bytes(field(packet, 4))),
            error: ErrorEstimate(u16::from_be_bytes(field(packet, 12))),
            session: u16::from_be_bytes(field(packet, 14)),
        })
    }
}

impl Reflected {
    pub(super) fn encode(&self) -> [u8; LENGTH] {
        let own = Test { sequence: self.sequence, sent: self.sent, error: self.error, session: self.session };
        let mut packet = own.encode();
        packet[16..24].copy_from_slice(&self.received.0.to_be_bytes());
        packet[24..28].copy_from_slice(&self.test.sequence.to_be_bytes());
        packet[28..36].copy_from_slice(&self.test.sent.0.to_be_bytes());
        packet[36..38].copy_from_slice(&self.test.error.0.to_be_bytes());
        packet[40] = self.hops;
        packet
    }

    /// `None` for what is too short.
    pub(super) fn decode(packet: &[u8]) -> Option<Self> {
        let packet: &[u8; LENGTH] = packet.first_chunk()?;
        let own = Test::decode(packet)?;
        let test = Test {
            sequence: u32::from_be_bytes(field(packet, 24)),
            sent: NtpTime(u64::from_be_bytes(field(packet, 28))),
            error: ErrorEstimate(u16::from_be_bytes(field(packet, 36))),
            session: own.session,
        };
        let Test { sequence, sent, error, session } = own;
        let received = NtpTime(u64::from_be_bytes(field(packet, 16)));
        Some(Self { sequence, sent, error, session, received, test, hops: packet[40] })
    }

    /// How long the reflector held the packet (T3 - T2), if this answers `test` and nothing else.
    pub(super) fn held(&self, test: &Test) -> Option<Duration> {
        (self.test == *test).then(|| self.sent.since(self.received)).flatten()
    }
}

/// `N` octets from `at` on; `at + N` is within the packet by the layout.
fn field<const N: usize>(packet: &[u8; LENGTH], at: usize) -> [u8; N] {
    std::array::from_fn(|index| packet[at + index])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_test() -> impl Strategy<Value = Test> {
        any::<(u32, u64, u16, u16)>().prop_map(|(sequence, sent, error, session)| Test {
            sequence,
            sent: NtpTime(sent),
            error: ErrorEstimate(error),
            session,
        })
    }

    /// The layouts of RFC 8762, figures 2 and 5, octet by octet.
    #[test]
    fn packets_are_laid_out_as_the_standard_draws_them() {
        let test = Test {
            sequence: 0x0102_0304,
            sent: NtpTime(0x1112_1314_1516_1718),
            error: ErrorEstimate(0x2122),
            session: 7,
        };
        let mut drawn = [0; LENGTH];
        drawn[..16].copy_from_slice(&[1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x21, 0x22, 0, 7]);
        assert_eq!(test.encode(), drawn);
        let reflected = Reflected {
            sequence: 9,
            sent: NtpTime(3),
            error: ErrorEstimate(4),
            session: 7,
            received: NtpTime(2),
            test,
            hops: 61,
        };
        let mut answer = [0; LENGTH];
        (answer[3], answer[11], answer[13], answer[15], answer[23], answer[40]) = (9, 3, 4, 7, 2, 61);
        answer[24..38].copy_from_slice(&drawn[..14]);
        assert_eq!(reflected.encode(), answer);
    }

    #[test]
    fn ntp_times_count_from_1900_and_across_the_end_of_the_era() {
        let unix = NtpTime::since_1970(Duration::from_millis(500));
        assert_eq!(unix.0, 2_208_988_800 << 32 | 1 << 31);
        let before = NtpTime(u64::MAX - (1 << 31));
        let after = NtpTime(before.0.wrapping_add(1 << 32));
        assert_eq!((after.since(before), before.since(after)), (Some(Duration::from_secs(1)), None));
    }

    proptest! {
        #[test]
        fn packets_are_read_back(test in any_test(), own in any::<(u32, u64, u16, u64, u8)>()) {
            prop_assert_eq!(Test::decode(&test.encode()), Some(test));
            let (sequence, sent, error, received, hops) = own;
            let reflected = Reflected {
                sequence, sent: NtpTime(sent), error: ErrorEstimate(error), session: test.session,
                received: NtpTime(received), test, hops,
            };
            prop_assert_eq!(Reflected::decode(&reflected.encode()), Some(reflected));
        }

        #[test]
        fn short_packets_are_none_and_no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(Test::decode(&bytes).is_some(), bytes.len() >= LENGTH);
            prop_assert_eq!(Reflected::decode(&bytes).is_some(), bytes.len() >= LENGTH);
        }

        #[test]
        fn only_the_answer_to_this_very_packet_counts(test in any_test(), other in any_test(), held in 0..1_u64 << 40) {
            let received = test.sent;
            let sent = NtpTime(received.0.wrapping_add(held));
            let reflected = Reflected {
                sequence: test.sequence, sent, error: test.error, session: test.session, received, test, hops: 64,
            };
            prop_assert!(reflected.held(&test).is_some());
            prop_assert!(test == other || reflected.held(&other).is_none());
        }

        #[test]
        fn differences_are_kept_to_the_nanosecond(at in 0..4_000_000_000_000_000_000_u64, nanos in 0..600_000_000_000_u64) {
            let (at, length) = (Duration::from_nanos(at), Duration::from_nanos(nanos));
            let found = NtpTime::since_1970(at + length).since(NtpTime::since_1970(at)).unwrap();
            prop_assert!(found.abs_diff(length) <= Duration::from_nanos(2), "{found:?} {length:?}");
        }

        #[test]
        fn an_error_estimate_says_no_less_and_hardly_more(micros in 0..1_u64 << 40, synchronised: bool) {
            let estimate = ErrorEstimate::new(synchronised, micros);
            let (said, asked) = (estimate.seconds().unwrap(), micros as f64 / 1e6);
            prop_assert!(said >= asked && said <= asked * (1.0 + 1.0 / 127.0) + 1e-9, "{said} {asked}");
            prop_assert_eq!(estimate.0 >> 14, u16::from(synchronised) << 1);
        }
    }
}
