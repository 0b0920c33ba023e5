//! The peers: redsocks before a SOCKS 5 server, and a private Tor network of three hops.
//!
//! Both come from Debian's packages that `cargo xtask setup --peers` unpacks, or from the machine's path.
//! The user's connections to the load server are redirected to them by nftables on the user's host.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::Pid;

use crate::host::Host;
use crate::lab::Lab;
use crate::process::{self, Process};
use crate::{namespace, wait};

const SOCKS: u16 = 1080;
const REDIRECT: u16 = 12_345;
const OR_PORT: u16 = 5001;
const DIR_PORT: u16 = 7000;
/// Whoever carries the traffic is not redirected; the user is root.
const CARRIER: &str = "65533:65533";

/// A started peer: its processes by name.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) processes: Vec<(String, Pid)>,
    _held: Vec<Process>,
}

pub(super) fn is_installed(name: &str) -> bool {
    program(name).is_some()
}

/// redsocks on the user's host, a SOCKS 5 server on another.
pub(super) fn redsocks(lab: &mut Lab, user: &Host, port: u16) -> Result<Peer> {
    let proxy = lab.host("proxy")?;
    let mut command = proxy.command(process::tool()?)?;
    command.args(["load", "socks"]);
    let mut server = proxy.spawn("socks", command)?;
    proxy.await_port(&mut server, SOCKS)?;

    let configuration = format!(
        "base {{ log_debug = off; log_info = off; daemon = off; redirector = iptables; }}\n\
         redsocks {{ local_ip = 0.0.0.0; local_port = {REDIRECT}; ip = {}; port = {SOCKS}; type = socks5; \
         splice = true; listenq = 4096; }}\n",
        proxy.v4()
    );
    let file = user.write("redsocks.conf", configuration)?;
    let mut command = peer_command(user, "redsocks")?;
    command.arg("-c").arg(file);
    let mut redsocks = user.spawn("redsocks", command)?;
    user.await_port(&mut redsocks, REDIRECT)?;
    redirect(user, port)?;
    let processes = vec![
        ("redsocks".to_owned(), redsocks.pid()),
        ("proxy".to_owned(), server.pid()),
    ];
    Ok(Peer {
        processes,
        _held: vec![redsocks, server],
    })
}

/// Three relays, one of them the directory authority, one the exit; the client is on the user's host.
pub(super) fn tor(lab: &mut Lab, user: &Host, port: u16) -> Result<Peer> {
    let authority = Authority::create(&lab.host("relay1")?)?;
    let mut held = Vec::new();
    for name in ["relay1", "relay2", "exit1"] {
        let host = lab.host(name)?;
        let mut torrc = common(&host, &authority)?;
        let _ = writeln!(
            torrc,
            "ORPort {}:{OR_PORT} IPv4Only\nAddress {}\nNickname {name}\nSocksPort 0",
            host.v4(),
            host.v4()
        );
        if name == "relay1" {
            torrc.push_str(&authority.settings());
        }
        if name == "exit1" {
            torrc.push_str("ExitRelay 1\nExitPolicyRejectPrivate 0\nExitPolicy accept *:*\n");
        } else {
            torrc.push_str("ExitRelay 0\nExitPolicy reject *:*\n");
        }
        held.push(start_tor(&host, torrc)?);
    }
    let mut torrc = common(user, &authority)?;
    let _ = writeln!(
        torrc,
        "SocksPort 0\nTransPort 0.0.0.0:{REDIRECT}\nUseEntryGuards 0\nMaxClientCircuitsPending 1024"
    );
    let client = start_tor(user, torrc)?;
    redirect(user, port)?;
    wait::until(
        "the private Tor network's first circuit",
        Duration::from_secs(180),
        || client.log().contains("Bootstrapped 100%"),
    )
    .with_context(|| process::tail(&client.log(), 20))?;
    held.push(client);
    let names = ["relay1", "relay2", "exit1", "originator"];
    let processes = names
        .iter()
        .zip(&held)
        .map(|(name, process)| ((*name).to_owned(), process.pid()))
        .collect();
    Ok(Peer {
        processes,
        _held: held,
    })
}

/// The directory authority's keys and how others find it.
struct Authority {
    host: Host,
    v3_identity: String,
    fingerprint: String,
}

impl Authority {
    fn create(host: &Host) -> Result<Self> {
        let folder = data_folder(host)?;
        let keys = folder.join("keys");
        fs::create_dir_all(&keys)?;
        data_folder(host)?;
        let certificate = keys.join("authority_certificate");
        let address = format!("{}:{DIR_PORT}", host.v4());
        let mut command = peer_command(host, "tor-gencert")?;
        command.args([
            "--create-identity-key",
            "-m",
            "12",
            "-a",
            &address,
            "--passphrase-fd",
            "0",
        ]);
        command.arg("-i").arg(keys.join("authority_identity_key"));
        command.arg("-s").arg(keys.join("authority_signing_key"));
        command.arg("-c").arg(&certificate);
        process::text(&process::output_within(command, Duration::from_secs(60))?)
            .context("tor-gencert")?;
        let text = fs::read_to_string(&certificate)?;
        let v3_identity = text
            .lines()
            .find_map(|line| line.strip_prefix("fingerprint "))
            .context("a certificate has a fingerprint")?
            .to_owned();

        let torrc = host.write(
            "list.torrc",
            format!("DataDirectory {}\nORPort {OR_PORT}\n", folder.display()),
        )?;
        let mut command = peer_command(host, "tor")?;
        command
            .arg("--list-fingerprint")
            .args(["--quiet", "--dirserver"]);
        command
            .arg(format!("x {address} {}", "F".repeat(40)))
            .arg("-f")
            .arg(torrc);
        let listing = process::text(&process::output_within(command, Duration::from_secs(60))?)
            .context("tor --list-fingerprint")?;
        let fingerprint = listing.split_whitespace().skip(1).collect::<String>();
        Ok(Self {
            host: host.clone(),
            v3_identity,
            fingerprint,
        })
    }

    /// One authority, with parameters for congestion control and scheduling that are nearer to the public
    /// network's than a test network's are.
    fn settings(&self) -> String {
        format!(
            "DirPort {}:{DIR_PORT}\nAuthoritativeDirectory 1\nV3AuthoritativeDirectory 1\n\
             ContactInfo laboratory\n\
             TestingV3AuthInitialVotingInterval 10\nTestingV3AuthInitialVoteDelay 2\n\
             TestingV3AuthInitialDistDelay 2\nV3AuthVotingInterval 10\nV3AuthVoteDelay 2\n\
             V3AuthDistDelay 2\nTestingDirAuthVoteExit *\nTestingDirAuthVoteGuard *\n\
             TestingDirAuthVoteHSDir *\nTestingMinExitFlagThreshold 0\n\
             ConsensusParams cc_alg=2 cc_cwnd_full_gap=4 cc_cwnd_full_minpct=25 cc_cwnd_inc=1 \
             cc_cwnd_inc_rate=31 cc_cwnd_min=124 cc_sscap_exit=600 cc_vegas_alpha_exit=186 \
             cc_vegas_beta_exit=248 cc_vegas_gamma_exit=186 cc_vegas_delta_exit=310 \
             KISTSchedRunInterval=2\n",
            self.host.v4()
        )
    }

    fn line(&self) -> String {
        format!(
            "DirAuthority relay1 orport={OR_PORT} no-v2 v3ident={} {}:{DIR_PORT} {}\n",
            self.v3_identity,
            self.host.v4(),
            self.fingerprint
        )
    }
}

fn common(host: &Host, authority: &Authority) -> Result<String> {
    Ok(format!(
        "TestingTorNetwork 1\nAssumeReachable 1\n{}DataDirectory {}\nLog notice stdout\nRunAsDaemon 0\n\
         PathsNeededToBuildCircuits 0.25\nTestingDirAuthVoteExit *\nCookieAuthentication 0\n\
         GeoIPFile /dev/null\nGeoIPv6File /dev/null\nDisableDebuggerAttachment 0\n",
        authority.line(),
        data_folder(host)?.display()
    ))
}

fn data_folder(host: &Host) -> Result<PathBuf> {
    let folder = host.folder()?.join("tor");
    fs::create_dir_all(&folder)?;
    let text = folder.to_string_lossy().into_owned();
    namespace::run_quiet("chmod", &["700", &text], None)?;
    namespace::run_quiet("chown", &["-R", CARRIER, &text], None)?;
    Ok(folder)
}

fn start_tor(host: &Host, torrc: String) -> Result<Process> {
    data_folder(host)?;
    let file = host.write("torrc", torrc)?;
    let mut command = peer_command(host, "tor")?;
    command
        .arg("--defaults-torrc")
        .arg("/dev/null")
        .arg("-f")
        .arg(file);
    host.spawn("tor", command)
}

/// Sends the user's connections to this port to the peer, except the peer's own.
fn redirect(user: &Host, port: u16) -> Result<()> {
    let (carrier, _) = CARRIER.split_once(':').context("a user and a group")?;
    let rules = format!(
        "table ip peer {{ chain output {{ type nat hook output priority -100; policy accept; \
         meta skuid {carrier} accept; tcp dport {port} redirect to :{REDIRECT}; }}; }}\n"
    );
    user.inside(|| namespace::run_quiet("nft", &["-f", "-"], Some(&rules)))?
}

fn peer_command(host: &Host, name: &str) -> Result<Command> {
    let Some(program) = program(name) else {
        bail!("{name} is not installed: `cargo xtask setup --peers`");
    };
    let mut command = host.command_as(Some(CARRIER), program)?;
    if let Some(folder) = unpacked() {
        command.env("LD_LIBRARY_PATH", folder.join("usr/lib/x86_64-linux-gnu"));
    }
    Ok(command)
}

fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let unpacked = unpacked();
    let unpacked = unpacked
        .iter()
        .flat_map(|folder| ["usr/bin", "usr/sbin"].map(|below| folder.join(below)));
    let installed = env::split_paths(&path).chain([Path::new("/usr/sbin").to_path_buf()]);
    unpacked
        .chain(installed)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn unpacked() -> Option<PathBuf> {
    process::target_folder()
        .map(|target| target.join("peers"))
        .filter(|folder| folder.is_dir())
}
