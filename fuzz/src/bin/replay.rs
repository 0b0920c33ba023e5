//! Gives every file of the committed corpora to its target, once. A panic names the file.
//! `cargo run --bin replay [TARGET [FILE...]]`

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use masq_fuzz::TARGETS;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let only = arguments.next();
    let files: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    match replay(only.as_deref(), files) {
        Ok(count) => {
            println!("{count} inputs replayed");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn replay(only: Option<&str>, files: Vec<PathBuf>) -> io::Result<usize> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for name in names(&corpus)? {
        if !TARGETS.iter().any(|(target, _)| name == *target) {
            return Err(io::Error::other(format!("corpus of no target: {name}")));
        }
    }
    let mut count = 0;
    for (name, target) in TARGETS {
        if only.is_some_and(|only| only != *name) {
            continue;
        }
        let inputs = if files.is_empty() {
            let folder = corpus.join(name);
            names(&folder)?
                .iter()
                .map(|name| folder.join(name))
                .collect()
        } else {
            files.clone()
        };
        for input in inputs {
            let data = fs::read(&input)?;
            let outcome = std::panic::catch_unwind(|| target(&data));
            if outcome.is_err() {
                let input = input.display();
                return Err(io::Error::other(format!("{name} panicked on {input}")));
            }
            count += 1;
        }
    }
    if count == 0 {
        return Err(io::Error::other("nothing to replay"));
    }
    Ok(count)
}

/// The names in a folder, in order; a folder without any is an error.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
                .collect::<io::Result<Vec<_>>>()
        })
        .map_err(|error| io::Error::other(format!("{}: {error}", folder.display())))?;
    if names.is_empty() {
        return Err(io::Error::other(format!("{} is empty", folder.display())));
    }
    names.sort_unstable();
    Ok(names)
}
