//! The buckets of one condition: what a flow that meets it must have.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::config::CountryCode;
use crate::rules::glob::Glob;
use crate::rules::list::List;
use crate::rules::pattern::{AppPattern, DestPattern, IdPattern, Range, SHORT_ID, is_container_id};
use crate::rules::rule::{ConditionKey, Conditions};

/// Texts that a flow can be looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Text {
    Name,
    Suffix,
    AppName,
    AppPath,
    AppFolder,
    ScriptName,
    ScriptPath,
    ScriptFolder,
    ParentName,
    ParentPath,
    ParentFolder,
    User,
    Group,
    Cgroup,
    Unit,
    ContainerName,
    ContainerId,
}

impl Text {
    pub(super) const COUNT: usize = Text::ContainerId as usize + 1;
}

/// Numbers that a flow can be looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Number {
    Unknown,
    Uid,
    Gid,
    Country,
    Protocol,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Atom {
    Text(Text, String),
    Number(Number, u32),
    /// 2 to the first many ports, the number of which is the second.
    Ports(u8, u16),
    /// Whether IPv6, length, bits.
    Network(bool, u8, u128),
    List(Same),
}

/// A list, equal to itself only.
#[derive(Debug, Clone)]
pub(super) struct Same(pub(super) Arc<List>);

impl PartialEq for Same {
    fn eq(&self, other: &Same) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Same {}

impl Hash for Same {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// The buckets of a condition; none if a flow can meet it and be in none of them, or if they are too many.
pub(super) fn of(conditions: &Conditions, key: ConditionKey, most: usize) -> Option<Vec<Atom>> {
    let mut atoms = Vec::new();
    let out = &mut atoms;
    let complete = match key {
        ConditionKey::App => {
            let fields = [Text::AppName, Text::AppPath, Text::AppFolder];
            conditions.app.iter().all(|app| add_app(out, fields, app))
        }
        ConditionKey::Script => {
            let fields = [Text::ScriptName, Text::ScriptPath, Text::ScriptFolder];
            conditions
                .script
                .iter()
                .all(|app| add_app(out, fields, app))
        }
        ConditionKey::Parent => {
            let fields = [Text::ParentName, Text::ParentPath, Text::ParentFolder];
            conditions
                .parent
                .iter()
                .all(|app| add_app(out, fields, app))
        }
        ConditionKey::User => add_ids(out, &conditions.user, Number::Uid, Text::User),
        ConditionKey::Group => add_ids(out, &conditions.group, Number::Gid, Text::Group),
        ConditionKey::Cgroup => conditions.cgroup.iter().all(|group| {
            let glob = &group.0;
            let folder = glob.literal().or_else(|| folder_of(glob));
            add_text(out, Text::Cgroup, folder)
        }),
        ConditionKey::Unit => conditions
            .unit
            .iter()
            .all(|unit| add_text(out, Text::Unit, unit.literal())),
        ConditionKey::Container => conditions.container.iter().all(|container| {
            let text = container.literal();
            if let Some(id) = text.filter(|text| is_container_id(text)) {
                add_text(out, Text::ContainerId, id.get(..SHORT_ID));
            }
            add_text(out, Text::ContainerName, text)
        }),
        ConditionKey::To => conditions
            .to
            .iter()
            .all(|to| out.len() <= most && add_destination(out, to)),
        ConditionKey::Country => {
            out.extend(
                conditions
                    .country
                    .iter()
                    .map(|code| Atom::Number(Number::Country, country(*code))),
            );
            true
        }
        ConditionKey::Port => {
            for (first, last) in &conditions.port {
                add_ports(out, *first, *last);
            }
            true
        }
        ConditionKey::Protocol => {
            let protocols = conditions.protocol.iter();
            out.extend(protocols.map(|one| Atom::Number(Number::Protocol, *one as u32)));
            true
        }
    };
    (complete && atoms.len() <= most).then_some(atoms)
}

fn add_text(out: &mut Vec<Atom>, field: Text, text: Option<&str>) -> bool {
    let Some(text) = text else {
        return false;
    };
    out.push(Atom::Text(field, text.to_owned()));
    true
}

fn add_app(out: &mut Vec<Atom>, [names, paths, folders]: [Text; 3], app: &AppPattern) -> bool {
    match app {
        AppPattern::Unknown => {
            out.push(Atom::Number(Number::Unknown, 0));
            true
        }
        AppPattern::Name(glob) => add_text(out, names, glob.literal()),
        AppPattern::Path(glob) => {
            if let Some(path) = glob.literal() {
                return add_text(out, paths, Some(path));
            }
            // What stands behind the last `/` is the file's name.
            let file = glob.suffix().rsplit_once('/').map(|(_, file)| file);
            match file.filter(|file| !file.is_empty()) {
                Some(file) => add_text(out, names, Some(file)),
                None => add_text(out, folders, folder_of(glob)),
            }
        }
    }
}

/// A folder that every path that matches is in.
fn folder_of(glob: &Glob) -> Option<&str> {
    let (folder, _) = glob.prefix().rsplit_once('/')?;
    (!folder.is_empty()).then_some(folder)
}

fn add_ids(out: &mut Vec<Atom>, ids: &[IdPattern], number: Number, text: Text) -> bool {
    out.extend(ids.iter().map(|id| match id {
        IdPattern::Number(id) => Atom::Number(number, *id),
        IdPattern::Name(name) => Atom::Text(text, name.clone()),
    }));
    true
}

fn add_destination(out: &mut Vec<Atom>, to: &DestPattern) -> bool {
    match to {
        DestPattern::Name(name) => add_text(out, Text::Name, Some(name.as_str())),
        DestPattern::Suffix { suffix, .. } => add_text(out, Text::Suffix, Some(suffix.as_str())),
        DestPattern::Glob(glob) => {
            // Whole labels at the end.
            let labels = glob.suffix().split_once('.').map(|(_, labels)| labels);
            add_text(
                out,
                Text::Suffix,
                labels.filter(|labels| !labels.is_empty()),
            )
        }
        DestPattern::Range(range) => {
            add_range(out, *range);
            true
        }
        DestPattern::LocalNetworks => {
            DestPattern::local_networks().all(|part| add_destination(out, &part))
        }
        DestPattern::List(list) => {
            out.push(Atom::List(Same(list.clone())));
            true
        }
    }
}

/// The fewest networks that make up a range.
fn add_range(out: &mut Vec<Atom>, range: Range) {
    let width: u32 = if range.six { 128 } else { 32 };
    let mut first = range.first;
    loop {
        let left = range.last - first;
        // As large as the alignment and what is left allow.
        let aligned = first.trailing_zeros().min(width);
        let fits = if left == u128::MAX {
            128
        } else {
            (left + 1).ilog2()
        };
        let host = aligned.min(fits);
        // At most 128.
        out.push(Atom::Network(range.six, (width - host) as u8, first));
        let size = 1u128.checked_shl(host);
        match size.and_then(|size| first.checked_add(size)) {
            Some(next) if next <= range.last => first = next,
            Some(_) | None => return,
        }
    }
}

/// The bits of a network of this length.
pub(super) fn mask(six: bool, length: u8) -> u128 {
    let width: u32 = if six { 128 } else { 32 };
    let host = width - u32::from(length);
    u128::MAX.checked_shl(host).unwrap_or(0)
}

fn add_ports(out: &mut Vec<Atom>, first: u16, last: u16) {
    let (mut first, last) = (u32::from(first), u32::from(last));
    while first <= last {
        let shift = first.trailing_zeros().min((last - first + 1).ilog2());
        // At most 16, and a port.
        out.push(Atom::Ports(shift as u8, (first >> shift) as u16));
        first += 1 << shift;
    }
}

pub(super) fn country(code: CountryCode) -> u32 {
    code.as_str()
        .bytes()
        .fold(0, |number, byte| number << 8 | u32::from(byte))
}
