//! The names of users and groups, from the system's own two files; directory
//! services on the network are not asked, for their answer would be waited for.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use masq_capture::flow::{GROUPS, Group};

#[derive(Debug)]
pub(super) struct Accounts {
    users: List,
    groups: List,
}

/// A file of lines with fields, read again when it was changed.
#[derive(Debug)]
struct List {
    path: PathBuf,
    read: Option<SystemTime>,
    /// Name and all fields, by number.
    names: HashMap<u32, Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    /// The field after the number: a user's own group, or a group's members.
    more: String,
}

/// The number of this machine's user with this name.
pub fn user_number(name: &str) -> Option<u32> {
    Accounts::of(Path::new("/etc")).user_number(name)
}

impl Accounts {
    pub(super) fn of(folder: &Path) -> Accounts {
        Accounts {
            users: List::new(folder.join("passwd")),
            groups: List::new(folder.join("group")),
        }
    }

    pub(super) fn user(&mut self, uid: u32) -> String {
        self.users.name(uid)
    }

    /// The number whose name this is. Of several names of one number only that
    /// one counts which [`Accounts::user`] answers.
    fn user_number(&mut self, name: &str) -> Option<u32> {
        self.users.refresh();
        let mut users = self.users.names.iter();
        users
            .find(|(_, entry)| entry.name == name)
            .map(|(number, _)| *number)
    }

    pub(super) fn group(&mut self, gid: u32) -> Group {
        let name = self.groups.name(gid);
        Group { gid, name }
    }

    /// The groups that a user's next login would have.
    pub(super) fn groups_of(&mut self, uid: u32) -> Vec<Group> {
        self.users.refresh();
        self.groups.refresh();
        let Some(user) = self.users.names.get(&uid) else {
            return Vec::new();
        };
        let own = user.more.parse::<u32>().ok();
        let member = |entry: &Entry| entry.more.split(',').any(|name| name == user.name);
        let others = self.groups.names.iter();
        let others = others.filter(|(gid, entry)| Some(**gid) != own && member(entry));
        let gids: Vec<u32> = own
            .into_iter()
            .chain(others.map(|(gid, _)| *gid))
            .take(GROUPS)
            .collect();
        gids.into_iter().map(|gid| self.group(gid)).collect()
    }
}

impl List {
    fn new(path: PathBuf) -> List {
        List {
            path,
            read: None,
            names: HashMap::new(),
        }
    }

    fn name(&mut self, number: u32) -> String {
        self.refresh();
        let entry = self.names.get(&number);
        entry.map(|entry| entry.name.clone()).unwrap_or_default()
    }

    fn refresh(&mut self) {
        let changed = fs::metadata(&self.path).and_then(|status| status.modified());
        let changed = changed.ok();
        if changed.is_some() && changed == self.read {
            return;
        }
        self.read = changed;
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        self.names = text
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(':');
                let (name, _password) = (fields.next()?, fields.next()?);
                let number = fields.next()?.parse().ok()?;
                let (name, more) = (name.to_owned(), fields.next()?.to_owned());
                Some((number, Entry { name, more }))
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_files_as_they_are_now() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("passwd"), "anna:x:1000:100:A:/h:/s\n").unwrap();
        fs::write(
            folder.path().join("group"),
            "users:x:100:\nwheel:x:10:bert,anna\nother:x:11:bert\n",
        )
        .unwrap();
        let mut accounts = Accounts::of(folder.path());
        assert_eq!(accounts.user(1000), "anna");
        assert_eq!(accounts.user(7), "");
        assert_eq!(accounts.user_number("anna"), Some(1000));
        assert_eq!(accounts.user_number("bert"), None);
        assert_eq!(accounts.group(10).name, "wheel");
        let names = |groups: Vec<Group>| {
            let names = groups.into_iter().map(|group| group.name);
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(accounts.groups_of(1000)), ["users", "wheel"]);
        let later = SystemTime::UNIX_EPOCH;
        fs::write(folder.path().join("passwd"), "carl:x:1000:100:A:/h:/s\n").unwrap();
        fs::File::options()
            .write(true)
            .open(folder.path().join("passwd"))
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(accounts.user(1000), "carl");
    }
}
