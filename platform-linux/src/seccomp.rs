//! What the Daemon can no longer do once it serves: make a socket of any kind,
//! connect, start a program, look into another process.
//!
//! A list of what is allowed; everything else, system calls of later kernels
//! and other numberings of the same included, fails with EPERM. The Daemon
//! stays root with its files: this holds a mistake and a borrowed thread of
//! control away from the network, it is no wall around root.

use std::collections::BTreeMap;
use std::io;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Confines every thread of this process, and all that it starts, for good.
pub fn confine() -> io::Result<()> {
    install(seccompiler::apply_filter_all_threads)
}

fn install(
    apply: impl Fn(&[seccompiler::sock_filter]) -> seccompiler::Result<()>,
) -> io::Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    // The C library takes this answer, and no other, for a call that it has to
    // do without; the other filter cannot give it.
    let missing = [(libc::SYS_clone3, Vec::new())].into_iter().collect();
    let unknown = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let first = program(missing, SeccompAction::Allow, unknown)?;
    let denied = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let second = program(allowed()?, denied, SeccompAction::Allow)?;
    apply(&first).map_err(io::Error::other)?;
    apply(&second).map_err(io::Error::other)
}

type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

fn program(rules: Rules, other: SeccompAction, listed: SeccompAction) -> io::Result<BpfProgram> {
    let arch = std::env::consts::ARCH
        .try_into()
        .map_err(io::Error::other)?;
    SeccompFilter::new(rules, other, listed, arch)
        .and_then(BpfProgram::try_from)
        .map_err(io::Error::other)
}

fn allowed() -> io::Result<Rules> {
    let mut rules: Rules = PLAIN
        .iter()
        .chain(OLD)
        .map(|call| (*call, Vec::new()))
        .collect();
    let own = u64::from(std::process::id());
    let fast_open = libc::MSG_FASTOPEN.cast_unsigned();
    let thread = libc::CLONE_THREAD.cast_unsigned();
    // To whom the socket is connected; a name, or data with the first packet
    // of a connection, would be a connection to elsewhere.
    add(
        &mut rules,
        libc::SYS_sendto,
        &[[(4, Is::Null), (3, Is::Without(fast_open))]],
    )?;
    add(
        &mut rules,
        libc::SYS_sendmsg,
        &[[(2, Is::Without(fast_open))]],
    )?;
    // A thread, never a process.
    add(&mut rules, libc::SYS_clone, &[[(0, Is::With(thread))]])?;
    // To end itself.
    add(&mut rules, libc::SYS_tgkill, &[[(0, Is::Equal(own))]])?;
    let requests = TERMINAL_AND_PIPE.map(|request| [(1, Is::Equal(request))]);
    add(&mut rules, libc::SYS_ioctl, &requests)?;
    let names = NAMES.map(|option| [(0, Is::Equal(option))]);
    add(&mut rules, libc::SYS_prctl, &names)?;
    Ok(rules)
}

/// What an argument has to be.
#[derive(Clone, Copy)]
enum Is {
    Null,
    /// In its lower half.
    Equal(u64),
    With(u32),
    Without(u32),
}

/// Allows a call when one of the rules holds, each with all of its conditions.
fn add<const N: usize>(
    rules: &mut Rules,
    call: libc::c_long,
    alternatives: &[[(u8, Is); N]],
) -> io::Result<()> {
    let mut made = Vec::new();
    for conditions in alternatives {
        let conditions = conditions.iter().map(|(argument, is)| {
            let (length, operation, value) = match *is {
                Is::Null => (SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0),
                Is::Equal(value) => (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value),
                Is::With(bit) => {
                    let bit = u64::from(bit);
                    (SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(bit), bit)
                }
                Is::Without(bit) => {
                    let bit = u64::from(bit);
                    (SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(bit), 0)
                }
            };
            SeccompCondition::new(*argument, length, operation, value)
        });
        let conditions = conditions
            .collect::<Result<_, _>>()
            .map_err(io::Error::other)?;
        made.push(SeccompRule::new(conditions).map_err(io::Error::other)?);
    }
    rules.insert(call, made);
    Ok(())
}

/// Whether it is a terminal, how wide, how much there is to read, and whether
/// to wait; nothing that configures an interface.
const TERMINAL_AND_PIPE: [u64; 6] = [
    0x5401,      // TCGETS
    0x802c_542a, // TCGETS2
    0x5413,      // TIOCGWINSZ
    0x541b,      // FIONREAD
    0x5421,      // FIONBIO
    0x5451,      // FIOCLEX
];

/// Names of threads and of memory.
const NAMES: [u64; 3] = [15, 16, 0x5356_4d41];

const PLAIN: &[libc::c_long] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munlock,
    libc::SYS_munmap,
    // Files.
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_mkdirat,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pipe2,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_umask,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
    // Waiting and time.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_restart_syscall,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_gettime,
    libc::SYS_timerfd_settime,
    // This process and its children.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_wait4,
    libc::SYS_waitid,
    // A second filter on top answers that there is no such call.
    libc::SYS_clone3,
    // Sockets that are there, and those that UIs open to them.
    libc::SYS_accept4,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
];

/// Older forms of the same, which only some architectures have.
#[cfg(target_arch = "x86_64")]
const OLD: &[libc::c_long] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[libc::c_long] = &[];

#[cfg(test)]
mod tests;
