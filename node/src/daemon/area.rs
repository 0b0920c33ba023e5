//! The setup area of a Daemon at work: [`Setup`] decides, and here is looked up
//! what it asks for. Files are read as root, but those that a UI names only
//! when the real user could read them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use masq_core::config::{self, Sources};
use masq_core::secret::Secret;
use masq_core::setup::{Ambient, CONFIG_FILE, Setup, Status};
use masq_platform_linux::user_files;
use masq_ui_protocol::message::{SetupResponseValue, SetupStatus};

use super::Options;
use super::core::{Changed, SetupArea};
use super::sources::{RealUser, name_servers};
use crate::database;

/// A file much longer than this is no configuration.
const MAX_FILE: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Area {
    setup: Setup,
    surroundings: Surroundings,
}

/// What stays the same while the Daemon runs.
#[derive(Debug)]
struct Surroundings {
    environment: BTreeMap<String, String>,
    /// As the Daemon's own command line says.
    data_directories: Option<PathBuf>,
}

/// The variables that are text.
pub(super) fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// Whom the Node works as, unless a UI says otherwise.
pub(super) fn real_user(environment: &BTreeMap<String, String>) -> RealUser {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    RealUser::find(environment, &passwd)
}

impl Area {
    pub(super) fn new(options: Options) -> Area {
        let surroundings = Surroundings {
            environment: environment(),
            data_directories: options.data_directory,
        };
        // The first tells where the file and the database are.
        let setup = Setup::new(surroundings.gather(None));
        let setup = Setup::new(surroundings.gather(Some(&setup)));
        Area {
            setup,
            surroundings,
        }
    }
}

impl Surroundings {
    fn gather(&self, setup: Option<&Setup>) -> Ambient {
        let found = real_user(&self.environment);
        let own = found.text();
        let mut environment = Sources::environment(self.environment.clone().into_iter());
        let named = self.environment.get(&config::environment_name(CONFIG_FILE));
        if let Some(path) = named {
            environment.insert(CONFIG_FILE.to_owned(), Secret::new(path.clone()));
        }
        let text = setup.and_then(Setup::real_user);
        let (uid, home) = split_user(text.as_deref().unwrap_or(&own));
        let below_home = || Path::new(home.unwrap_or("/root")).join(".local/share/MASQ");
        let mut ambient = Ambient {
            environment,
            system_dns: fs::read_to_string("/etc/resolv.conf")
                .ok()
                .and_then(|text| name_servers(&text)),
            data_directories: self.data_directories.clone().unwrap_or_else(below_home),
            real_user: found.is_known().then_some(own.clone()),
            ..Ambient::default()
        };
        if let Some(setup) = setup {
            self.read_file(setup, uid, &mut ambient);
            let folder = setup.data_directory();
            ambient.database = folder.map_or_else(BTreeMap::new, |folder| kept(&folder));
        }
        ambient
    }

    fn read_file(&self, setup: &Setup, uid: Option<u32>, ambient: &mut Ambient) {
        let named = setup.named_file();
        let of_environment = self.environment.get(&config::environment_name(CONFIG_FILE));
        let by_root = named.as_deref() == of_environment.map(Path::new);
        let path = match (&named, setup.data_directory()) {
            (Some(path), _) => path.clone(),
            (None, Some(folder)) => folder.join("config.toml"),
            (None, None) => return,
        };
        let reader = if named.is_some() && by_root {
            None
        } else {
            uid
        };
        match user_files::read_for(&path, reader, MAX_FILE) {
            Ok(text) => ambient.file = Some((path, text)),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => ambient.file_error = Some(format!("{}: {error}", path.display())),
        }
    }
}

/// The uid and the home in a `real-user`.
fn split_user(text: &str) -> (Option<u32>, Option<&str>) {
    let mut pieces = text.splitn(3, ':');
    let uid = pieces.next().and_then(|uid| uid.parse().ok());
    let home = pieces.nth(1).filter(|home| !home.is_empty());
    (uid, home)
}

/// What an earlier Node kept, where it can be read.
fn kept(folder: &Path) -> BTreeMap<String, String> {
    database::settings(folder).unwrap_or_else(|error| {
        tracing::warn!(code = %error.code, "kept settings are not taken into account: {error}");
        BTreeMap::new()
    })
}

impl SetupArea for Area {
    type Settings = Secret;

    fn change(&mut self, values: &[(String, Option<String>)]) -> Changed {
        let Area {
            setup,
            surroundings,
        } = self;
        let change = setup.change(values, &mut |setup| surroundings.gather(Some(setup)));
        Changed {
            changed: change.changed,
            errors: change.errors,
        }
    }

    fn values(&self) -> Vec<SetupResponseValue> {
        let entries = self.setup.values().into_iter();
        entries
            .map(|entry| SetupResponseValue {
                name: entry.name.to_owned(),
                value: entry.value,
                status: match entry.status {
                    Status::Default => SetupStatus::Default,
                    Status::Configured => SetupStatus::Configured,
                    Status::Set => SetupStatus::Set,
                    Status::Blank => SetupStatus::Blank,
                    Status::Required => SetupStatus::Required,
                },
            })
            .collect()
    }

    fn launch(&mut self) -> Result<Secret, Vec<(String, String)>> {
        self.setup.launch()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_user_has_a_number_and_a_home() {
        assert_eq!(split_user("7:8:/a:b"), (Some(7), Some("/a:b")));
        assert_eq!(split_user("::"), (None, None));
        assert_eq!(split_user(""), (None, None));
    }
}
