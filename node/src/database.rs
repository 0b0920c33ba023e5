//! What a Node remembers when it ends: who it is, whom it was a neighbor of,
//! where its routes begin, who served well, what it was told, its secrets under
//! a password, and what is owed. One SQLite file, `node-data.db`,
//! in the data directory, which one Node holds at a time.
//!
//! [`Store::queue`] never blocks: a thread writes what has gathered, within two
//! seconds and in one transaction. A crash costs what has gathered since; the
//! file is whole after any. What cannot be read is refused and left as it is.

mod dump;
mod error;
mod folder;
pub mod identity;
pub mod money;
mod password;
mod queue;
mod rows;
mod schema;
mod seal;
mod settings;
mod writer;

pub use dump::dump;
pub use error::StoreError;
pub use masq_core::neighborhood::PastNeighbor;
pub use password::PasswordError;
pub use schema::VERSION;
pub use seal::{Cost, Key};
pub use settings::{Setting, settings};

use folder::Folder;
use masq_core::guards::Guard;
use masq_core::identity::{Identity, NodeId};
use masq_core::reputation::Reputation;
use std::path::Path;
use std::time::Duration;
use writer::Writer;

/// What the database held when it was opened.
#[derive(Debug, Default)]
pub struct Loaded {
    /// None at the first start.
    pub identity: Option<Identity>,
    /// The UDP port of the links that was chosen when none was configured.
    pub port: Option<u16>,
    /// Guards first, then those seen last.
    pub neighbors: Vec<PastNeighbor>,
    /// In the order of preference.
    pub guards: Vec<Guard>,
    pub reputation: Vec<(NodeId, Reputation)>,
}

/// Something to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A neighbor was or is there.
    Neighbor(PastNeighbor),
    /// A neighbor is not worth another try.
    ForgetNeighbor(NodeId),
    /// The whole list.
    Guards(Vec<Guard>),
    /// Those that changed.
    Reputation(Vec<(NodeId, Reputation)>),
}

/// The open database of a running Node; dropping it writes what waits.
#[derive(Debug)]
pub struct Store {
    writer: Writer,
    /// Of trying a password that is set from now on.
    cost: Cost,
    // After the writer, so that the lock ends when all is written.
    folder: Folder,
}

impl Store {
    /// Opens the database of a data directory and keeps other Nodes out of it.
    pub fn open(data_directory: &Path) -> Result<(Store, Loaded), StoreError> {
        let folder = Folder::take(data_directory)?;
        let connection = schema::open(&folder)?;
        let path = folder::database(folder.path());
        let failed = |error: rusqlite::Error| StoreError::of_sqlite(&path, &error);
        let mut loaded = rows::load(&connection).map_err(failed)?;
        loaded.identity = rows::identity(&connection)
            .map_err(failed)?
            .transpose()
            .map_err(|error| StoreError::damaged(&path, error.to_string()))?;
        let writer = Writer::start(folder.path(), connection)?;
        let store = Store {
            writer,
            cost: Cost::USUAL,
            folder,
        };
        identity::take_over(&store, &mut loaded)?;
        Ok((store, loaded))
    }

    /// Writes the identity; it is on the disk when this returns.
    pub fn save_identity(&self, identity: &Identity) -> Result<(), StoreError> {
        self.writer
            .with(|connection| rows::save_identity(connection, identity))
    }

    /// Keeps the port for every later start; it is on the disk when this returns.
    pub fn save_port(&self, port: u16) -> Result<(), StoreError> {
        self.writer
            .with(|connection| rows::save_port(connection, port))
    }

    /// The port that was kept.
    pub fn port(&self) -> Result<Option<u16>, StoreError> {
        self.writer.with(rows::port)
    }

    /// The descriptors of past neighbors that are written, the most useful first.
    pub fn past_neighbors(&self) -> Result<Vec<String>, StoreError> {
        self.writer.with(rows::past_neighbors)
    }

    /// A failure of this database, in words that go on after its name.
    pub(crate) fn failure(&self, code: masq_core::failure::Code, what: &str) -> StoreError {
        StoreError::new(code, &folder::database(self.folder.path()), what)
    }

    /// Lets a change be written within two seconds. Never blocks on the disk.
    pub fn queue(&self, change: Change) {
        self.writer.queue(change);
    }

    /// Writes all that waits; the error says why it could not within `limit`.
    pub fn flush(&self, limit: Duration) -> Result<(), StoreError> {
        self.writer.flush(limit)
    }
}
