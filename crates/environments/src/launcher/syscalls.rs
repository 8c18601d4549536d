//! System calls that no model needs, refused by seccomp: other processes, keyrings, mounts, namespaces, the kernel itself.

use super::say;
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// Refused with EPERM. `io_uring` would go around this very filter, the keyring may hold the server's master key.
const REFUSED: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

/// Takes the filters on. `streams_only`: sockets of the Internet are streams, which landlock can bound.
pub fn filter(streams_only: bool) {
    if let Err(error) = refuse(streams_only) {
        say(&format!("system calls are not filtered: {error}"));
    }
}

fn refuse(streams_only: bool) -> Result<(), seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    let new_user = u64::from(libc::CLONE_NEWUSER.unsigned_abs());
    rules.insert(libc::SYS_clone, vec![rule(&[(0, SeccompCmpOp::MaskedEq(new_user), new_user)])?]);
    if streams_only {
        rules.insert(libc::SYS_socket, datagrams()?);
    }
    apply(rules, libc::EPERM)?;
    // Its flags stand in memory, where no filter looks: without it the C library uses clone.
    apply(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
}

/// Sockets of the Internet that are no streams.
fn datagrams() -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let mut rules = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
            let family = (0, SeccompCmpOp::Eq, u64::from(family.unsigned_abs()));
            rules.push(rule(&[family, (1, SeccompCmpOp::MaskedEq(0xf), u64::from(kind.unsigned_abs()))])?);
        }
    }
    Ok(rules)
}

fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, seccompiler::Error> {
    let conditions = conditions
        .iter()
        .map(|(argument, operator, value)| {
            SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator.clone(), *value)
        })
        .collect::<Result<_, _>>()?;
    Ok(SeccompRule::new(conditions)?)
}

fn apply(rules: BTreeMap<i64, Vec<SeccompRule>>, answer: i32) -> Result<(), seccompiler::Error> {
    let architecture = std::env::consts::ARCH.try_into()?;
    let refused = SeccompAction::Errno(answer.unsigned_abs());
    let program: BpfProgram =
        SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture)?.try_into()?;
    seccompiler::apply_filter(&program)
}
