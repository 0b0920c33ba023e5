//! Linux: the TUN, routes, firewall and control group of the capture helper,
//! owners of flows, privileges of the Node, the namespaces of `masq run`, the
//! launcher and the confinement of the Daemon.
//!
//! What is changed, and why, is decided in `masq_capture::plan`; here it is
//! carried out. All `unsafe` code stands in `sys`.
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

mod bpf;
pub mod capture;
pub mod capture_state;
pub mod cgroup;
pub mod channel;
pub mod command;
pub mod confined;
#[cfg(feature = "dns")]
pub mod dns;
pub mod firewall;
mod firewall_news;
pub mod guard;
pub mod helper;
pub mod helper_client;
pub mod inherited;
pub mod interfaces;
pub mod journal_file;
mod kernel_news;
pub mod launcher;
pub mod leaks;
pub mod lockdown;
mod marking;
mod netlink;
pub mod owner;
pub mod privileges;
pub mod process;
mod process_mark;
mod process_news;
mod routing_news;
pub mod seccomp;
pub mod supervise;
#[expect(
    unsafe_code,
    reason = "every call to the system that the standard library and nix lack"
)]
mod sys;
pub mod tun;
pub mod user_files;

pub use capture::LinuxCapture;
pub use channel::Channel;
pub use helper_client::{CapturedTun, HelperClient, spawn_helper};
pub use tun::TunDevice;
