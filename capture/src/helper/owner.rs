//! The one message whose length varies: whose a flow is. Texts are cut at their
//! limits; what does not fit into the message is left out from the end, the
//! farthest parents first.

use std::path::PathBuf;

use crate::flow::{Container, FlowOwner, GROUPS, Group, Owned, PARENTS, Parent};

/// The most bytes of the message.
pub const OWNER_LIMIT: usize = 4096;

const NAME_LIMIT: usize = 64;
const PATH_LIMIT: usize = 512;
const CGROUP_LIMIT: usize = 384;
const ID_LIMIT: usize = 64;

const UNKNOWN: u8 = 0;
const PROCESS: u8 = 1;
const FORWARDED: u8 = 2;
const FORWARDED_CONTAINER: u8 = 3;

/// `kind`, the question's number, and the answer.
pub(super) fn encode(kind: u8, id: u32, owned: &Owned) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    bytes.push(kind);
    bytes.extend_from_slice(&id.to_le_bytes());
    match owned {
        Owned::Unknown => bytes.push(UNKNOWN),
        Owned::Forwarded(None) => bytes.push(FORWARDED),
        Owned::Forwarded(Some(container)) => {
            bytes.push(FORWARDED_CONTAINER);
            write_container(&mut bytes, container);
        }
        Owned::By(owner) => {
            bytes.push(PROCESS);
            write_owner(&mut bytes, owner);
        }
    }
    debug_assert!(bytes.len() <= OWNER_LIMIT);
    bytes
}

fn write_owner(bytes: &mut Vec<u8>, owner: &FlowOwner) {
    bytes.extend_from_slice(&owner.pid.to_le_bytes());
    bytes.extend_from_slice(&owner.uid.to_le_bytes());
    text(bytes, &owner.user, NAME_LIMIT);
    text(bytes, &owner.path.to_string_lossy(), PATH_LIMIT);
    text(bytes, &owner.name, NAME_LIMIT);
    let script = owner.script.as_ref().map(|path| path.to_string_lossy());
    optional(bytes, script.as_deref(), PATH_LIMIT);
    optional(bytes, owner.cgroup.as_deref(), CGROUP_LIMIT);
    optional(bytes, owner.unit.as_deref(), 2 * NAME_LIMIT);
    bytes.push(u8::from(owner.container.is_some()));
    if let Some(container) = &owner.container {
        write_container(bytes, container);
    }
    list(bytes, &owner.groups, GROUPS, |bytes, group| {
        bytes.extend_from_slice(&group.gid.to_le_bytes());
        text(bytes, &group.name, NAME_LIMIT);
    });
    list(bytes, &owner.parents, PARENTS, |bytes, parent| {
        text(bytes, &parent.path.to_string_lossy(), PATH_LIMIT);
        text(bytes, &parent.name, NAME_LIMIT);
    });
}

fn write_container(bytes: &mut Vec<u8>, container: &Container) {
    text(bytes, &container.id, ID_LIMIT);
    optional(bytes, container.name.as_deref(), ID_LIMIT);
}

/// As many as fit, behind their number.
fn list<T>(bytes: &mut Vec<u8>, all: &[T], limit: usize, write: impl Fn(&mut Vec<u8>, &T)) {
    let count = bytes.len();
    bytes.push(0);
    for one in all.iter().take(limit) {
        let before = bytes.len();
        write(bytes, one);
        // One byte is the number of the list that follows.
        if bytes.len() >= OWNER_LIMIT {
            bytes.truncate(before);
            return;
        }
        bytes[count] += 1;
    }
}

fn optional(bytes: &mut Vec<u8>, value: Option<&str>, limit: usize) {
    bytes.push(u8::from(value.is_some()));
    if let Some(value) = value {
        text(bytes, value, limit);
    }
}

fn text(bytes: &mut Vec<u8>, value: &str, limit: usize) {
    let length = value.floor_char_boundary(limit);
    let number = u16::try_from(length).expect("limits of texts are below 64 KiB");
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&value.as_bytes()[..length]);
}

/// What follows the kind.
pub(super) fn decode(bytes: &[u8]) -> Option<(u32, Owned)> {
    if bytes.len() > OWNER_LIMIT {
        return None;
    }
    let mut rest = Rest(bytes);
    let id = rest.u32()?;
    let owned = match rest.u8()? {
        UNKNOWN => Owned::Unknown,
        FORWARDED => Owned::Forwarded(None),
        FORWARDED_CONTAINER => Owned::Forwarded(Some(rest.container()?)),
        PROCESS => Owned::By(Box::new(rest.owner()?)),
        _ => return None,
    };
    rest.0.is_empty().then_some((id, owned))
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn u8(&mut self) -> Option<u8> {
        let (value, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*value)
    }

    fn u32(&mut self) -> Option<u32> {
        let (value, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*value))
    }

    fn text(&mut self) -> Option<String> {
        let (length, rest) = self.0.split_first_chunk()?;
        let length = usize::from(u16::from_le_bytes(*length));
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(value.to_vec()).ok()
    }

    fn present(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn optional(&mut self) -> Option<Option<String>> {
        Some(if self.present()? {
            Some(self.text()?)
        } else {
            None
        })
    }

    fn container(&mut self) -> Option<Container> {
        Some(Container {
            id: self.text()?,
            name: self.optional()?,
        })
    }

    fn list<T>(&mut self, limit: usize, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::from(self.u8()?);
        if count > limit {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }

    fn owner(&mut self) -> Option<FlowOwner> {
        Some(FlowOwner {
            pid: self.u32()?,
            uid: self.u32()?,
            user: self.text()?,
            path: PathBuf::from(self.text()?),
            name: self.text()?,
            script: self.optional()?.map(PathBuf::from),
            cgroup: self.optional()?,
            unit: self.optional()?,
            container: match self.present()? {
                true => Some(self.container()?),
                false => None,
            },
            groups: self.list(GROUPS, |rest| {
                Some(Group {
                    gid: rest.u32()?,
                    name: rest.text()?,
                })
            })?,
            parents: self.list(PARENTS, |rest| {
                Some(Parent {
                    path: PathBuf::from(rest.text()?),
                    name: rest.text()?,
                })
            })?,
        })
    }
}
