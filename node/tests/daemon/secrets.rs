//! Where secrets must not be.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Daemon, Ui, family, holds, is_root, run};

const PASSWORD: &str = "Zwetschgenknoedel-417";
const KEY: &str = "cc46befe8d169b89db447bd725fc2368b12542113555302598430cb5d5c74ea9";

#[test]
fn secrets_are_in_no_arguments_environment_or_log() {
    if !is_root("secrets_are_in_no_arguments_environment_or_log") {
        return;
    }
    run(async {
        let daemon = Daemon::start_with(&[("MASQ_CONSUMING_PRIVATE_KEY", KEY)]).await;
        let mut ui = Ui::connect(daemon.port).await;
        daemon.prepare(&mut ui).await;
        let answer = ui.setup(&[("db-password", Some(PASSWORD))]).await;
        assert_eq!(answer.errors, []);
        for secret in [PASSWORD, KEY] {
            let shown = answer.values.iter().any(|value| value.value == secret);
            assert!(!shown, "not masked");
        }
        let started = ui.start().await.expect("all is prepared");
        let all = family(daemon.pid());
        assert!(all.contains(&started.new_process_id));
        for &pid in &all {
            for secret in [PASSWORD, KEY] {
                let of_process = |file: &str| PathBuf::from(format!("/proc/{pid}/{file}"));
                assert!(!holds(&of_process("cmdline"), secret), "{pid}");
                // What the Daemon itself was given stays where it is.
                if pid != daemon.pid() {
                    assert!(!holds(&of_process("environ"), secret), "{pid}");
                }
            }
            let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
            for entry in descriptors.flatten() {
                let target = fs::read_link(entry.path()).unwrap_or_default();
                let target = target.to_string_lossy();
                assert!(
                    !target.contains("masq-node.toml"),
                    "{pid} keeps the configuration"
                );
            }
        }
        let environ = PathBuf::from(format!("/proc/{}/environ", daemon.pid()));
        assert!(holds(&environ, KEY), "this test would see it");
        let mut files = Vec::new();
        collect(daemon.folder.path(), &mut files);
        assert!(files.iter().any(|file| file.ends_with("daemon.log")));
        for file in files {
            for secret in [PASSWORD, KEY] {
                assert!(!holds(&file, secret), "{} holds a secret", file.display());
            }
        }
    });
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
