//! The password of the database: set once, changed with the old one, never kept. Its key seals
//! the secrets, and a verifier tells a wrong password from a damaged secret.

use super::error::StoreError;
use super::seal::{Cost, Key, Recipe};
use super::settings::{self, Setting};
use super::{Store, folder};
use masq_core::failure::Code;
use masq_core::secret::Secret;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;

/// The associated data of the verifier; no setting has this name.
const VERIFIER: &str = "password verifier";

/// Why a password does not do.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It is not the one.
    #[error("the password is wrong")]
    Wrong,
    /// There is one; it can only be changed.
    #[error("a password has been set already; to change it, give the old one too")]
    Present,
    /// There is none; it must be set first.
    #[error("no password has been set yet; set one first, without an old one")]
    Absent,
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A row of the table `password`.
pub(super) struct Lock {
    pub(super) recipe: Recipe,
    pub(super) verifier: Vec<u8>,
}

impl Lock {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Lock>> {
        connection
            .query_row(
                "SELECT memory_kib, passes, lanes, salt, verifier FROM password",
                [],
                |row| {
                    let cost = Cost {
                        memory_kib: row.get(0)?,
                        passes: row.get(1)?,
                        lanes: row.get(2)?,
                    };
                    let salt = row.get(3)?;
                    let recipe = Recipe { cost, salt };
                    let verifier = row.get(4)?;
                    Ok(Lock { recipe, verifier })
                },
            )
            .optional()
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let cost = self.recipe.cost;
        connection
            .execute(
                "INSERT OR REPLACE INTO password \
                 (one, memory_kib, passes, lanes, salt, verifier) VALUES (1, ?1, ?2, ?3, ?4, ?5)",
                params![
                    cost.memory_kib,
                    cost.passes,
                    cost.lanes,
                    self.recipe.salt,
                    self.verifier
                ],
            )
            .map(drop)
    }

    /// A lock for a new password, and its key.
    fn new(cost: Cost, password: &Secret) -> Option<(Lock, Key)> {
        let recipe = Recipe::new(cost);
        let key = recipe.key(password)?;
        let verifier = key.seal(VERIFIER, "");
        Some((Lock { recipe, verifier }, key))
    }

    /// The key, if the password is right.
    pub(super) fn open(&self, password: &Secret, path: &Path) -> Result<Key, PasswordError> {
        let key = self.recipe.key(password).ok_or_else(|| {
            StoreError::damaged(path, "says in no known way how its password is checked")
        })?;
        match key.open(VERIFIER, &self.verifier) {
            Some(_) => Ok(key),
            None => Err(PasswordError::Wrong),
        }
    }
}

impl Store {
    /// Lets a new password cost this much to try.
    #[must_use]
    pub fn with_cost(mut self, cost: Cost) -> Self {
        self.cost = cost;
        self
    }

    /// Whether a password has been set.
    pub fn has_password(&self) -> Result<bool, StoreError> {
        Ok(self.writer.with(Lock::read)?.is_some())
    }

    /// The key of the secrets.
    pub fn unlock(&self, password: &Secret) -> Result<Key, PasswordError> {
        let lock = self.writer.with(Lock::read)?.ok_or(PasswordError::Absent)?;
        lock.open(password, &folder::database(self.folder.path()))
    }

    /// Sets the first password; it holds when this returns.
    pub fn set_password(&self, new: &Secret) -> Result<Key, PasswordError> {
        let (lock, key) = self.new_lock(new)?;
        let set = self.writer.with(|connection| {
            let transaction = connection.unchecked_transaction()?;
            if Lock::read(&transaction)?.is_some() {
                return Ok(false);
            }
            lock.write(&transaction)?;
            transaction.commit()?;
            Ok(true)
        })?;
        if set {
            Ok(key)
        } else {
            Err(PasswordError::Present)
        }
    }

    /// Seals everything with a new password: all at once, or nothing and the old one holds.
    pub fn change_password(&self, old: &Secret, new: &Secret) -> Result<(), PasswordError> {
        let old = self.unlock(old)?;
        let (lock, new) = self.new_lock(new)?;
        let damaged = self.writer.with(|connection| {
            let transaction = connection.unchecked_transaction()?;
            for setting in Setting::ALL.iter().filter(|one| one.is_secret()) {
                let Some(sealed) = settings::sealed(&transaction, *setting)? else {
                    continue;
                };
                let Some(text) = old.open(setting.name(), &sealed) else {
                    return Ok(Some(*setting));
                };
                let sealed = new.seal(setting.name(), text.expose());
                settings::put_sealed(&transaction, *setting, &sealed)?;
            }
            lock.write(&transaction)?;
            transaction.commit()?;
            Ok(None)
        })?;
        match damaged {
            None => Ok(()),
            Some(setting) => Err(self.does_not_open(setting).into()),
        }
    }

    /// Whether there is a secret.
    pub fn has_secret(&self, setting: Setting) -> Result<bool, StoreError> {
        let sealed = self
            .writer
            .with(|connection| settings::sealed(connection, setting))?;
        Ok(sealed.is_some())
    }

    /// The text of a secret.
    pub fn secret(&self, key: &Key, setting: Setting) -> Result<Option<Secret>, StoreError> {
        let sealed = self
            .writer
            .with(|connection| settings::sealed(connection, setting))?;
        match sealed {
            None => Ok(None),
            Some(sealed) => match key.open(setting.name(), &sealed) {
                Some(text) => Ok(Some(text)),
                None => Err(self.does_not_open(setting)),
            },
        }
    }

    /// Keeps a secret, and values that belong to it: all are on the disk when this returns, or
    /// nothing has changed.
    pub fn save_secret(
        &self,
        key: &Key,
        (setting, text): (Setting, &Secret),
        with: &[(Setting, Option<&str>)],
    ) -> Result<(), StoreError> {
        let sealed = key.seal(setting.name(), text.expose());
        self.writer.with(|connection| {
            let transaction = connection.unchecked_transaction()?;
            settings::put_sealed(&transaction, setting, &sealed)?;
            for (setting, value) in with {
                settings::put(&transaction, *setting, *value)?;
            }
            transaction.commit()
        })
    }

    /// The password that a Node is started with: the first one is set, a wrong one refused.
    pub fn admit(&self, password: &Secret) -> Result<Key, StoreError> {
        let outcome = match self.unlock(password) {
            Err(PasswordError::Absent) => self.set_password(password),
            known => known,
        };
        outcome.map_err(|error| match error {
            PasswordError::Store(error) => error,
            PasswordError::Wrong | PasswordError::Present | PasswordError::Absent => {
                wrong_password(&folder::database(self.folder.path()))
            }
        })
    }

    fn new_lock(&self, password: &Secret) -> Result<(Lock, Key), StoreError> {
        Lock::new(self.cost, password).ok_or_else(|| {
            let path = folder::database(self.folder.path());
            StoreError::new(
                Code::Bug,
                &path,
                "was given a cost that Argon2 does not take",
            )
        })
    }

    fn does_not_open(&self, setting: Setting) -> StoreError {
        does_not_open(&folder::database(self.folder.path()), setting)
    }
}

pub(super) fn wrong_password(path: &Path) -> StoreError {
    StoreError::new(Code::WrongPassword, path, "has another password")
}

pub(super) fn does_not_open(path: &Path, setting: Setting) -> StoreError {
    let what = format!("has a damaged {}: it does not open", setting.name());
    StoreError::damaged(path, what)
}
