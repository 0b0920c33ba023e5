//! The demo: a private mesh, unmodified programs through it, and what a person wants to see of that.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::flow_log::Flow;
use crate::mesh::{Mesh, MeshPlan};
use crate::{ZONE, process};

const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Then open a shell in the captured namespace
    #[arg(long)]
    shell: bool,
    /// Then wait, until Ctrl-C or the end of the input
    #[arg(long)]
    keep: bool,
    /// How many Nodes each flow passes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=4))]
    hops: u8,
}

/// Runs the demo to its end; an error if any program failed or any packet took another way.
pub fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    say(
        "Bringing up a private mesh: an originator, 2 relays, 2 exits, an origin and its name server.\n\
         Each Node is told of one other (relay1) and finds the rest by itself ...",
    );
    let mut mesh = Mesh::start(&MeshPlan {
        hops: options.hops,
        finds_itself: true,
        ..MeshPlan::default()
    })?;
    say(&format!(
        "ready after {:.1} s\n",
        start.elapsed().as_secs_f64()
    ));
    picture(&mesh);

    let before = mesh.counts(mesh.app())?;
    let mut failed = 0;
    for (words, command) in programs(&mesh)? {
        failed += usize::from(!show(&words, command)?);
    }
    if options.shell {
        shell(&mesh)?;
    }
    if options.keep {
        say(
            "\nThe mesh stays until Ctrl-C. A shell in the captured namespace: cargo xtask demo --shell",
        );
        std::io::stdin().read_to_end(&mut Vec::new())?;
    }
    let after = mesh.counts(mesh.app())?;
    // Flows that have no end of their own, as of UDP, end with the Node.
    mesh.originator
        .stop()
        .context("the originator did not end in time")?;
    table(&mesh, &mesh.originator.flows()?);

    let (over_mesh, others) = (after.mesh - before.mesh, after.other - before.other);
    let received = after.received - before.received;
    say("\nOn the wire of the captured host:");
    say(&format!(
        "  sent to its neighbors (QUIC)  {:>8} packets {:>10} bytes",
        over_mesh.packets, over_mesh.bytes
    ));
    say(&format!(
        "  sent by any other way         {:>8} packets {:>10} bytes",
        others.packets, others.bytes
    ));
    say(&format!(
        "  received                      {:>8} packets {:>10} bytes",
        received.packets, received.bytes
    ));
    if failed > 0 {
        bail!("{failed} programs failed");
    }
    if others.packets > 0 {
        bail!(
            "{} packets left by another way than the mesh",
            others.packets
        );
    }
    say(&format!(
        "\nAll went over the mesh. Done in {:.1} s; nothing is left behind.",
        start.elapsed().as_secs_f64()
    ));
    if !options.shell {
        say("A shell whose every connection goes over the mesh: cargo xtask demo --shell");
    }
    Ok(())
}

fn programs(mesh: &Mesh) -> Result<Vec<(String, Command)>> {
    let authority = mesh.site.files.authority.to_string_lossy().into_owned();
    let https = format!("https://www.{ZONE}/bytes/1000000");
    let http = format!("http://{ZONE}/");
    let question =
        format!("exec 3<>/dev/udp/udp.{ZONE}/7; echo hello over UDP >&3; timeout 5 head -c 15 <&3");
    let name = format!("www.{ZONE}");
    let lines: [&[&str]; 5] = [
        &[
            "curl",
            "--cacert",
            &authority,
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{size_download} bytes\\n",
            &https,
        ],
        &["curl", "-sS", &http],
        &["bash", "-c", &question],
        &["dig", "+short", "A", &name],
        &["dig", "+short", "TXT", &name],
    ];
    let mut programs = Vec::new();
    for line in lines {
        let mut command = mesh.app().command(line[0])?;
        command.args(&line[1..]);
        programs.push((
            line.join(" ")
                .replace(&authority, "CA")
                .replace('\n', "\\n"),
            command,
        ));
    }
    Ok(programs)
}

fn show(words: &str, command: Command) -> Result<bool> {
    say(&format!("$ {words}"));
    let output = process::output_within(command, LIMIT)?;
    for text in [&output.stdout, &output.stderr] {
        for line in String::from_utf8_lossy(text).lines() {
            say(&format!("  {line}"));
        }
    }
    let success = output.status.success() && !output.stdout.is_empty();
    if !success {
        say(&format!("  FAILED: {}", output.status));
    }
    Ok(success)
}

fn picture(mesh: &Mesh) {
    say(&format!(
        "  originator {} -- captured: all that its programs send",
        mesh.app().v4()
    ));
    for node in mesh.relays.iter().chain(&mesh.exits) {
        say(&format!(
            "  {:<10} {:<15} {}",
            node.host().name(),
            node.host().v4(),
            node.short_id()
        ));
    }
    say(&format!(
        "  origin     {:<15} {ZONE}, HTTPS, HTTP, UDP echo\n",
        mesh.site.origin.v4()
    ));
}

fn table(mesh: &Mesh, flows: &[Flow]) {
    let names: BTreeMap<String, &str> = mesh
        .relays
        .iter()
        .chain(&mesh.exits)
        .map(|node| (node.short_id(), node.host().name()))
        .collect();
    say(&format!(
        "\n{:<8} {:<5} {:<24} {:<26} {:>8} {:>9} {:>11}  end",
        "app", "kind", "name", "hops", "sent", "received", "first byte"
    ));
    for flow in flows {
        let app = flow
            .app
            .as_ref()
            .and_then(|app| app.name.as_deref())
            .unwrap_or("?");
        let hops: Vec<&str> = flow
            .hops
            .iter()
            .map(|id| names.get(id).copied().unwrap_or(id.as_str()))
            .collect();
        let hops = if hops.is_empty() {
            "answered here".to_owned()
        } else {
            hops.join(" > ")
        };
        let first_byte = flow
            .first_byte_ms
            .map_or_else(|| "-".to_owned(), |time| format!("{time:.1} ms"));
        say(&format!(
            "{app:<8} {:<5} {:<24} {hops:<26} {:>8} {:>9} {first_byte:>11}  {}",
            flow.protocol,
            flow.name.as_deref().unwrap_or(&flow.destination),
            flow.sent,
            flow.received,
            flow.end
        ));
    }
}

fn shell(mesh: &Mesh) -> Result<()> {
    say("\nA shell whose every connection goes over the mesh. Try:");
    say(&format!(
        "  curl https://www.{ZONE}/   dig {ZONE} MX   ping -c1 {ZONE}\n  exit"
    ));
    let mut command = mesh.app().command("bash")?;
    command
        .args(["--norc", "-i"])
        .env("PS1", "[over the mesh] \\w \\$ ")
        .env("CURL_CA_BUNDLE", &mesh.site.files.authority)
        .env("SSL_CERT_FILE", &mesh.site.files.authority);
    command.status().context("Failed to start a shell")?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the demo speaks on the terminal")]
fn say(words: &str) {
    println!("{words}");
}
