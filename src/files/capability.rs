//! File capabilities as the kernel stores them: `security.capability`, see `linux/capability.h` (`vfs_cap_data`).

/// The attribute that holds them.
pub(super) const ATTRIBUTE: &[u8] = b"security.capability";

/// Revision of the stored form, in the high byte of its first word.
const REVISION_MASK: u32 = 0xff00_0000;
const REVISION_1: u32 = 0x0100_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;
/// The permitted capabilities are raised when the file is run.
const EFFECTIVE: u32 = 1;
/// Sizes of the three forms, in bytes: one, two, and two pairs of words with the id of a user namespace's root.
const REVISION_1_BYTES: usize = 12;
const REVISION_2_BYTES: usize = 20;
const REVISION_3_BYTES: usize = 24;

/// The names of capabilities(7), each at its number.
const NAMES: [&str; 41] = [
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

/// The version 2 form of `names`, permitted and effective.
///
/// # Errors
/// The first name that is not known.
pub(super) fn encode(names: &[String]) -> Result<Vec<u8>, &String> {
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

/// A stored form of any version as version 2: without the root of a user namespace, which means nothing elsewhere.
/// What is not of a known form stays as it is.
pub(super) fn to_version_2(value: Vec<u8>) -> Vec<u8> {
    let Some(magic) = value.first_chunk().map(|word| u32::from_le_bytes(*word)) else { return value };
    let magic_2 = (magic & !REVISION_MASK | REVISION_2).to_le_bytes();
    match (magic & REVISION_MASK, value.len()) {
        (REVISION_3, REVISION_3_BYTES) => [&magic_2, &value[4..REVISION_2_BYTES]].concat(),
        (REVISION_1, REVISION_1_BYTES) => [&magic_2[..], &value[4..], &[0; 8]].concat(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_setcap_does() {
        let bytes = encode(&["cap_net_bind_service".to_owned(), "CAP_BPF".to_owned()]).unwrap();
        assert_eq!(bytes, [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(encode(&["cap_fly".to_owned()]), Err(&"cap_fly".to_owned()));
    }

    #[test]
    fn every_version_becomes_version_2() {
        let two = encode(&["cap_kill".to_owned()]).unwrap();
        let three = [&[1, 0, 0, 3][..], &two[4..], &[0xe8, 3, 0, 0]].concat();
        assert_eq!(to_version_2(three), two);
        assert_eq!(to_version_2(vec![1, 0, 0, 1, 0x20, 0, 0, 0, 0, 0, 0, 0]), two);
        assert_eq!(to_version_2(two.clone()), two);
        assert_eq!(to_version_2(vec![1, 2]), vec![1, 2]);
        assert_eq!(to_version_2(vec![1, 0, 0, 3, 9]), vec![1, 0, 0, 3, 9]);
    }
}
