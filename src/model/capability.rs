//! File capabilities as the kernel stores them: the attribute `security.capability` (linux/capability.h,
//! `struct vfs_cap_data`), in its version 2 form.
//!
//! Version 3 adds the user namespace in which the value was set, which has no meaning on another machine. Version 1 has
//! room for only 32 capabilities. All numbers are little-endian.

use std::borrow::Cow;

/// The attribute that holds the capabilities.
pub const ATTRIBUTE: &[u8] = b"security.capability";

/// The names of capabilities(7), by number.
pub const NAMES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

/// The bits of the first number that hold the revision; the others are flags.
const REVISION_MASK: u32 = 0xff00_0000;
const REVISION_1: u32 = 0x0100_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;

/// The flag that makes permitted capabilities effective when the file is executed.
const EFFECTIVE: u32 = 1;

/// Flags, and one pair of permitted and inheritable sets.
const REVISION_1_BYTES: usize = 12;
/// Flags, and two pairs.
const REVISION_2_BYTES: usize = 20;
/// Flags, two pairs, and the user ID of the namespace's root.
const REVISION_3_BYTES: usize = 24;

/// Returns the value that makes `names` permitted and effective. The case of names is ignored.
///
/// # Errors
/// Returns the first name that is not known.
pub fn encode(names: &[String]) -> Result<Vec<u8>, &String> {
    let mut permitted = 0u64;
    for name in names {
        let lower = name.to_ascii_lowercase();
        let number = NAMES.iter().position(|known| *known == lower).ok_or(name)?;
        permitted |= 1 << number;
    }
    let bytes = permitted.to_le_bytes();
    let (low, high) = bytes.split_at(4);
    Ok([&(REVISION_2 | EFFECTIVE).to_le_bytes()[..], low, &[0; 4], high, &[0; 4]].concat())
}

/// Converts a value to the version 2 form. Returns `None` if the value is of a version that Linux does not have.
pub fn to_version_2(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let magic = u32::from_le_bytes(value.get(..4)?.try_into().ok()?);
    match (magic & REVISION_MASK, value.len()) {
        (REVISION_2, REVISION_2_BYTES) => Some(Cow::Borrowed(value)),
        (REVISION_1, REVISION_1_BYTES) | (REVISION_3, REVISION_3_BYTES) => {
            let mut converted = value.to_vec();
            converted.resize(REVISION_2_BYTES, 0);
            converted[..4].copy_from_slice(&(magic & !REVISION_MASK | REVISION_2).to_le_bytes());
            Some(Cow::Owned(converted))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{encode, to_version_2};

    const PAIRS: [u8; 16] = [0, 4, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0];

    fn value(magic: [u8; 4], rest: &[u8]) -> Vec<u8> {
        [&magic, rest].concat()
    }

    #[test]
    fn encodes_as_setcap_does() {
        let bytes = encode(&["cap_net_bind_service".to_owned(), "CAP_BPF".to_owned()]).unwrap();
        assert_eq!(bytes, [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(encode(&["cap_fly".to_owned()]), Err(&"cap_fly".to_owned()));
    }

    #[test]
    fn every_version_becomes_version_2_and_keeps_its_flags() {
        let second = value([1, 0, 0, 2], &PAIRS);
        assert_eq!(to_version_2(&second).unwrap(), second);
        let third = value([1, 0, 0, 3], &[&PAIRS[..], &[0xe8, 3, 0, 0]].concat());
        assert_eq!(to_version_2(&third).unwrap(), second);
        let first = value([1, 0, 0, 1], &PAIRS[..8]);
        let expected = value([1, 0, 0, 2], &[&PAIRS[..8], &[0; 8]].concat());
        assert_eq!(to_version_2(&first).unwrap(), expected);
    }

    #[test]
    fn values_of_no_version_are_refused() {
        for bad in [
            vec![],
            vec![0; 3],
            vec![0; 20],
            value([0, 0, 0, 2], &PAIRS[..15]),
            value([0, 0, 0, 3], &PAIRS),
        ] {
            assert_eq!(to_version_2(&bad), None);
        }
    }
}
