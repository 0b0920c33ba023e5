//! Gathers what a Node is told, from all sources, on this machine: which file,
//! which database, and what a relative path starts at.

use super::arguments::Values;
use super::dump::chain_of;
use crate::start;
use anyhow::{Context, Result};
use masq_core::config::{ConfigErrors, NodeConfig, Sources, environment_name, values_of_file};
use masq_core::secret::Secret;
use masq_node::database;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const PATHS: [&str; 5] = [
    "data-directory",
    "nodes-file",
    "rules-file",
    "flow-log",
    "journal-directory",
];

/// The variables that are meant for a Node.
pub(super) fn environment() -> Values {
    let variables = std::env::vars_os();
    Sources::environment(
        variables.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    )
}

/// Hangs relative paths below the working directory, `~/` below the home.
pub(super) fn make_absolute(values: &mut Values) -> Result<()> {
    for name in PATHS {
        if let Some(value) = values.get_mut(name)
            && !value.expose().trim().is_empty()
        {
            let path = absolute(Path::new(value.expose().trim()))?;
            *value = Secret::new(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf> {
    match path.strip_prefix("~") {
        Ok(rest) => {
            let home = start::home(None).context("No home for ~: set HOME")?;
            Ok(home.join(rest))
        }
        Err(_) => std::path::absolute(path)
            .with_context(|| format!("Failed to find what {} starts at", path.display())),
    }
}

/// The Node's folder, by the first of the sources that names it.
pub(super) fn data_directory(told: &[&Values]) -> Option<PathBuf> {
    let value = |name: &str| {
        let found = told.iter().find_map(|values| values.get(name));
        found.map(|text| text.expose().trim())
    };
    if let Some(folder) = value("data-directory") {
        return Some(PathBuf::from(folder));
    }
    let user = value("real-user").unwrap_or_default();
    let home = user.splitn(3, ':').nth(2).filter(|home| !home.is_empty());
    let local = start::local_data(home.map(Path::new))?;
    Some(local.join("MASQ").join(chain_of(value("chain")).name()))
}

/// Reads all sources. A configuration that was inherited stands alone: whoever
/// handed it over has looked at the environment.
pub(super) fn read(config_file: Option<&Path>, mut command_line: Values) -> Result<NodeConfig> {
    let is_inherited = config_file.is_some_and(is_inherited);
    // Nothing that is started later inherits it.
    #[cfg(target_os = "linux")]
    let _inherited = config_file
        .and_then(masq_platform_linux::inherited::number_of)
        .map(masq_platform_linux::inherited::file)
        .transpose()?;
    let mut environment = if is_inherited {
        Values::new()
    } else {
        environment()
    };
    make_absolute(&mut command_line)?;
    make_absolute(&mut environment)?;
    let variable = std::env::var_os(environment_name("config-file")).map(PathBuf::from);
    let named = config_file.map(Path::to_owned).or(variable);
    let explicit = [&command_line, &environment];
    let (path, is_named) = match named {
        Some(path) => {
            let folder = explicit.iter().find_map(|told| told.get("data-directory"));
            let folder = folder.map(|text| Path::new(text.expose()));
            (Some(place(&path, folder)?), true)
        }
        None => (
            data_directory(&explicit).map(|folder| folder.join("config.toml")),
            false,
        ),
    };
    let file = match &path {
        Some(path) => file(path, is_named)?,
        None => None,
    };
    let folder = match &path {
        Some(path) if file.is_some() => path.parent().unwrap_or(Path::new("/")).to_owned(),
        Some(_) | None => std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
    };
    let database = kept(&command_line, &environment, file.as_deref(), &folder)?;
    let sources = Sources {
        database,
        file,
        environment,
        command_line,
    };
    let config = NodeConfig::from_sources(&sources).map_err(|errors: ConfigErrors| {
        let error = anyhow::Error::new(errors);
        match &path {
            Some(path) => error.context(format!("{} or another source is wrong", path.display())),
            None => error,
        }
    })?;
    Ok(config.with_paths_below(&folder))
}

#[cfg(target_os = "linux")]
fn is_inherited(path: &Path) -> bool {
    masq_platform_linux::inherited::number_of(path).is_some()
}

#[cfg(not(target_os = "linux"))]
fn is_inherited(_: &Path) -> bool {
    false
}

/// A file that is only named hangs below a data directory that is told, else
/// below the working directory, as one with `./` does in any case.
fn place(path: &Path, data_directory: Option<&Path>) -> Result<PathBuf> {
    let is_bare = !path.is_absolute() && ![".", "..", "~"].iter().any(|dot| path.starts_with(dot));
    match data_directory {
        Some(folder) if is_bare => Ok(folder.join(path)),
        Some(_) | None => absolute(path),
    }
}

fn file(path: &Path, is_named: bool) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if !is_named && error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error)
            .with_context(|| format!("Failed to read the configuration file {}", path.display())),
    }
}

/// What an earlier start kept where this Node's files are.
fn kept(
    command_line: &Values,
    environment: &Values,
    file: Option<&str>,
    folder: &Path,
) -> Result<Values> {
    let mut of_file: Values = BTreeMap::new();
    for (name, value) in values_of_file(file.unwrap_or_default()).values {
        let value = match name {
            "data-directory" => {
                let path = folder.join(value.expose().trim());
                Secret::new(path.to_string_lossy().into_owned())
            }
            _ => value,
        };
        of_file.insert(name.to_owned(), value);
    }
    let Some(folder) = data_directory(&[command_line, environment, &of_file]) else {
        return Ok(Values::new());
    };
    let kept = database::settings(&folder)?.into_iter();
    // A kept port that is taken is replaced, one that is told is not.
    Ok(kept
        .filter(|(name, _)| name != "clandestine-port")
        .map(|(name, text)| (name, Secret::new(text)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_file_hangs_below_a_data_directory_that_is_told() {
        let here = std::env::current_dir().unwrap();
        let data = Some(Path::new("/data"));
        for (path, folder, expected) in [
            ("a.toml", data, PathBuf::from("/data/a.toml")),
            ("a.toml", None, here.join("a.toml")),
            ("./a.toml", data, here.join("a.toml")),
            ("/x/a.toml", data, PathBuf::from("/x/a.toml")),
        ] {
            assert_eq!(place(Path::new(path), folder).unwrap(), expected);
        }
    }

    #[test]
    fn the_nearest_source_names_the_folder() {
        let values = |pairs: &[(&str, &str)]| -> Values {
            let secret = |text: &str| Secret::new(text.to_owned());
            let pairs = pairs.iter();
            pairs
                .map(|(name, text)| ((*name).to_owned(), secret(text)))
                .collect()
        };
        let near = values(&[("chain", "Dev")]);
        let far = values(&[("chain", "eth-mainnet"), ("data-directory", "/d")]);
        assert_eq!(data_directory(&[&near, &far]), Some(PathBuf::from("/d")));
        let user = values(&[("real-user", "1:1:/home/u")]);
        let found = data_directory(&[&near, &user]).unwrap();
        assert!(found.ends_with("MASQ/dev"), "{}", found.display());
    }

    #[test]
    fn a_database_is_asked_before_a_file_and_the_command_line_after() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = database::Store::open(folder.path()).unwrap();
        let kept = [
            (database::Setting::MinHops, Some("2")),
            (database::Setting::GasPrice, Some("7")),
        ];
        store.save_settings(&kept).unwrap();
        drop(store);
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "data-directory = \".\"\nmin-hops = 4\n").unwrap();
        let config = read(Some(&path), Values::new()).unwrap();
        assert_eq!((config.hops(), config.gas_price), (4, 7));
        let told = [("min-hops".to_owned(), Secret::new("1".to_owned()))];
        let config = read(Some(&path), told.into()).unwrap();
        assert_eq!((config.hops(), config.gas_price), (1, 7));
        assert!(read(Some(&folder.path().join("none")), Values::new()).is_err());
    }
}
