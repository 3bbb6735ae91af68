//! Classic BPF programs that let a packet socket see only the handshakes (see `socket(7)`, `SO_ATTACH_FILTER`).

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_IND, BPF_JA, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_LDX, BPF_MSH, BPF_RET,
    sock_filter,
};

const TCP: u32 = 6;
const SYN: u32 = 0x02;
const SYN_AND_ACK: u32 = 0x12;
/// Bytes of a packet that are kept: headers with all their options.
const SNAP: u32 = 160;

/// Passes TCP packets, IPv4 or IPv6, that have SYN set and ACK not.
pub(crate) fn first_syns() -> Vec<sock_filter> {
    program(SYN_AND_ACK)
}

/// Passes TCP packets, IPv4 or IPv6, that have SYN set.
pub(crate) fn all_syns() -> Vec<sock_filter> {
    program(SYN)
}

/// Passes TCP packets whose flags, as far as `mask` covers them, are SYN alone. Jumps count from the next instruction.
fn program(mask: u32) -> Vec<sock_filter> {
    vec![
        /* 0 */ statement(BPF_LD | BPF_B | BPF_ABS, 0),
        /* 1 */ statement(BPF_ALU | BPF_AND | BPF_K, 0xf0),
        /* 2: IPv4, or on to 8 */ jump(0x40, 0, 5),
        /* 3 */ statement(BPF_LD | BPF_B | BPF_ABS, 9),
        /* 4 */ jump(TCP, 0, 9),
        /* 5 */ statement(BPF_LDX | BPF_B | BPF_MSH, 0),
        /* 6 */ statement(BPF_LD | BPF_B | BPF_IND, 13),
        /* 7: on to 12 */ statement(BPF_JMP | BPF_JA, 4),
        /* 8: IPv6 */ jump(0x60, 0, 5),
        /* 9 */ statement(BPF_LD | BPF_B | BPF_ABS, 6),
        /* 10 */ jump(TCP, 0, 3),
        /* 11 */ statement(BPF_LD | BPF_B | BPF_ABS, 40 + 13),
        /* 12: the flags */ statement(BPF_ALU | BPF_AND | BPF_K, mask),
        /* 13 */ jump(SYN, 1, 0),
        /* 14: no */ statement(BPF_RET | BPF_K, 0),
        /* 15: yes */ statement(BPF_RET | BPF_K, SNAP),
    ]
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// Skips `then` instructions if the accumulator is `k`, else `otherwise`.
fn jump(k: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | BPF_JEQ | BPF_K) as u16, jt: then, jf: otherwise, k }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::tcp;

    /// Runs a program as the kernel does, as far as these programs go. Reading past the end rejects the packet.
    fn passes(program: &[sock_filter], packet: &[u8]) -> bool {
        let (mut at, mut a, mut x) = (0, 0u32, 0u32);
        loop {
            let step = program[at];
            at += 1;
            let byte = |index: u32| packet.get(index as usize).map(|&byte| u32::from(byte));
            let loaded = match u32::from(step.code) {
                code if code == BPF_LD | BPF_B | BPF_ABS => byte(step.k),
                code if code == BPF_LD | BPF_B | BPF_IND => byte(step.k + x),
                code if code == BPF_LDX | BPF_B | BPF_MSH => {
                    x = 4 * (byte(step.k).unwrap_or(0) & 0x0f);
                    Some(a)
                }
                code if code == BPF_ALU | BPF_AND | BPF_K => Some(a & step.k),
                code if code == BPF_JMP | BPF_JA => {
                    at += step.k as usize;
                    Some(a)
                }
                code if code == BPF_JMP | BPF_JEQ | BPF_K => {
                    at += usize::from(if a == step.k { step.jt } else { step.jf });
                    Some(a)
                }
                _ => return step.k > 0,
            };
            let Some(loaded) = loaded else { return false };
            a = loaded;
        }
    }

    #[test]
    fn only_handshakes_pass() {
        let v4 = ("10.1.0.1:9".parse().expect("address"), "10.2.0.1:443".parse().expect("address"));
        let v6 = ("[fd00:0:0:1::1]:9".parse().expect("address"), "[fd00:0:0:2::1]:443".parse().expect("address"));
        for (source, destination) in [v4, v6] {
            let packet = |flags| tcp(source, destination, flags, (1, 2), 0);
            for (flags, first, any) in
                [(0x02, true, true), (0x12, false, true), (0x10, false, false), (0x14, false, false)]
            {
                assert_eq!(passes(&first_syns(), &packet(flags)), first, "{source} {flags:#x}");
                assert_eq!(passes(&all_syns(), &packet(flags)), any, "{source} {flags:#x}");
            }
            let mut udp = packet(0x02);
            udp[if source.is_ipv4() { 9 } else { 6 }] = 17;
            assert!(!passes(&all_syns(), &udp));
        }
        assert!(!passes(&all_syns(), &[]));
        assert!(!passes(&all_syns(), &[0x45; 12]));
    }
}
