//! What is said of a process, found out once and kept as long as it is the same
//! process that runs the same program.
//!
//! Two descriptors are kept of each: the kernel binds them to the process, so a
//! number that is given again is never taken for it, and reading them tells
//! whether another program was begun, the parent ended or the group changed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use masq_capture::FlowOwner;
use masq_capture::flow::{GROUPS, PARENTS, Parent};

use super::accounts::Accounts;
use super::{place, script};

/// Processes of which the facts are kept, with two descriptors each.
const KEPT: usize = 300;
/// The most bytes of arguments that are looked at.
const ARGUMENTS: u64 = 4096;
const STAT: usize = 1024;
const CGROUP: usize = 4096;

#[derive(Debug)]
pub(super) struct Descriptions {
    known: HashMap<u32, Known>,
    /// Counts the questions, to tell which facts were used last.
    asked: u64,
    pub(super) accounts: Accounts,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Known {
    stat: File,
    cgroup: File,
    print: Print,
    path_of_group: Option<String>,
    used: u64,
    owner: FlowOwner,
}

/// What changes when a process begins another program or loses its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Print {
    parent: u32,
    start: u64,
    /// Where its code, its stack and its arguments lie.
    image: [u64; 3],
}

impl Descriptions {
    pub(super) fn new() -> Descriptions {
        Descriptions {
            known: HashMap::new(),
            asked: 0,
            accounts: Accounts::of(Path::new("/etc")),
            buffer: vec![0; CGROUP],
        }
    }

    /// The process `pid` below `proc`, whose socket is of the user `uid`; None
    /// when there is none of that number.
    pub(super) fn describe(&mut self, proc: &Path, pid: u32, uid: u32) -> Option<FlowOwner> {
        self.asked += 1;
        if let Some(known) = self.known.get_mut(&pid) {
            known.used = self.asked;
            match known.read(&mut self.buffer) {
                Some((name, print, group))
                    if print == known.print
                        && group == known.path_of_group
                        && uid == known.owner.uid =>
                {
                    if name != known.owner.name {
                        known.owner.name = name;
                    }
                    return Some(known.owner.clone());
                }
                Some(_) | None => {
                    self.known.remove(&pid);
                }
            }
        }
        let process = proc.join(pid.to_string());
        let stat = File::open(process.join("stat")).ok()?;
        let cgroup = File::open(process.join("cgroup")).ok()?;
        let mut known = Known {
            stat,
            cgroup,
            print: Print {
                parent: 0,
                start: 0,
                image: [0; 3],
            },
            path_of_group: None,
            used: self.asked,
            owner: FlowOwner::default(),
        };
        let (name, print, group) = known.read(&mut self.buffer)?;
        known.owner = self.find_out(proc, &process, (pid, uid), name, print.parent, &group);
        // What was found out is of that very process, if it is still there.
        let (_, after, _) = known.read(&mut self.buffer)?;
        let owner = known.owner.clone();
        if after == print {
            (known.print, known.path_of_group) = (print, group);
            self.make_room();
            self.known.insert(pid, known);
        }
        Some(owner)
    }

    fn make_room(&mut self) {
        if self.known.len() < KEPT {
            return;
        }
        let oldest = self.known.iter().min_by_key(|(_, known)| known.used);
        if let Some(pid) = oldest.map(|(pid, _)| *pid) {
            self.known.remove(&pid);
        }
    }

    fn find_out(
        &mut self,
        proc: &Path,
        process: &Path,
        (pid, uid): (u32, u32),
        name: String,
        parent: u32,
        cgroup: &Option<String>,
    ) -> FlowOwner {
        let path = executable(process);
        let script = script::interprets(&path).then(|| {
            let cwd = fs::read_link(process.join("cwd")).unwrap_or_default();
            script::script(&path, &arguments(process), &cwd)
        });
        FlowOwner {
            pid,
            uid,
            user: self.accounts.user(uid),
            name,
            script: script.flatten(),
            groups: group_ids(process)
                .into_iter()
                .map(|gid| self.accounts.group(gid))
                .collect(),
            unit: cgroup.as_deref().and_then(place::unit),
            container: cgroup.as_deref().and_then(place::container),
            cgroup: cgroup.clone(),
            parents: parents(proc, parent),
            path,
        }
    }
}

impl Known {
    /// Name, print and control group as they are now; None when it has ended.
    fn read(&self, buffer: &mut [u8]) -> Option<(String, Print, Option<String>)> {
        let length = self.stat.read_at(&mut buffer[..STAT], 0).ok()?;
        let (name, print) = parse_stat(&buffer[..length])?;
        let length = self.cgroup.read_at(buffer, 0).ok()?;
        Some((name, print, group_of(&buffer[..length])))
    }
}

fn group_of(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let path = crate::cgroup::v2_path(&text)?;
    Some(format!("/{}", path.display()))
}

/// Of a line of /proc/PID/stat (proc_pid_stat(5)). The name stands in brackets
/// and may hold any letter; an ended process has no print.
fn parse_stat(line: &[u8]) -> Option<(String, Print)> {
    let open = line.iter().position(|byte| *byte == b'(')?;
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let name = String::from_utf8_lossy(line.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // The first field here is the third of the line.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    if matches!(*fields.first()?, "Z" | "X" | "x") {
        return None;
    }
    Some((
        name,
        Print {
            parent: u32::try_from(number(4)?).ok()?,
            start: number(22)?,
            image: [number(26)?, number(28)?, number(48)?],
        },
    ))
}

/// The program, also when its file was replaced meanwhile.
pub(crate) fn executable(process: &Path) -> PathBuf {
    let path = fs::read_link(process.join("exe")).unwrap_or_default();
    match path
        .to_str()
        .and_then(|path| path.strip_suffix(" (deleted)"))
    {
        Some(path) => PathBuf::from(path),
        None => path,
    }
}

fn arguments(process: &Path) -> Vec<u8> {
    let mut arguments = Vec::new();
    if let Ok(file) = File::open(process.join("cmdline")) {
        // What is missing then are only arguments.
        let _ = file.take(ARGUMENTS).read_to_end(&mut arguments);
    }
    arguments
}

fn group_ids(process: &Path) -> Vec<u32> {
    let text = fs::read_to_string(process.join("status")).unwrap_or_default();
    let numbers = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let numbers = line.unwrap_or_default().split_ascii_whitespace();
        numbers.filter_map(|number| number.parse::<u32>().ok())
    };
    // Real, effective, saved, and that of files.
    let own = numbers("Gid:").nth(1);
    let others = numbers("Groups:").filter(|gid| Some(*gid) != own);
    own.into_iter().chain(others).take(GROUPS).collect()
}

fn parents(proc: &Path, first: u32) -> Vec<Parent> {
    let mut parents = Vec::new();
    let mut pid = first;
    while pid != 0 && parents.len() < PARENTS {
        let process = proc.join(pid.to_string());
        let Ok(line) = fs::read(process.join("stat")) else {
            break;
        };
        let Some((name, print)) = parse_stat(&line) else {
            break;
        };
        parents.push(Parent {
            path: executable(&process),
            name,
        });
        pid = print.parent;
    }
    parents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_is_read_whole() {
        let mut line = String::from("42 (a) b (c) S 7 ");
        for field in 5..=52 {
            line.push_str(&format!("{field} "));
        }
        let (name, print) = parse_stat(line.as_bytes()).unwrap();
        assert_eq!(name, "a) b (c");
        assert_eq!((print.parent, print.start), (7, 22));
        assert_eq!(print.image, [26, 28, 48]);
        assert_eq!(parse_stat(line.replace(" S ", " Z ").as_bytes()), None);
        assert_eq!(parse_stat(b"42 (short) S 1"), None);
    }

    #[test]
    fn facts_are_of_the_process_and_kept_for_a_bounded_number() {
        let mut known = Descriptions::new();
        let own = std::process::id();
        let owner = known.describe(Path::new("/proc"), own, 0).unwrap();
        assert_eq!(owner.path, std::env::current_exe().unwrap());
        assert!(!owner.parents.is_empty(), "{owner:?}");
        assert_eq!(owner.user, "root");
        assert_eq!(known.describe(Path::new("/proc"), own, 0).unwrap(), owner);
        assert_eq!(known.describe(Path::new("/proc"), u32::MAX, 0), None);
        for pid in 0..u32::try_from(KEPT).unwrap() * 2 {
            let copy = Known {
                stat: File::open("/dev/null").unwrap(),
                cgroup: File::open("/dev/null").unwrap(),
                print: known.known[&own].print.clone(),
                path_of_group: None,
                used: 0,
                owner: owner.clone(),
            };
            known.make_room();
            known.known.insert(u32::MAX - pid, copy);
        }
        assert!(known.known.len() <= KEPT);
        assert!(known.known.contains_key(&own), "the one that was used");
    }

    #[test]
    fn a_process_that_begins_another_program_is_looked_at_anew() {
        let mut known = Descriptions::new();
        let mut child = std::process::Command::new("sh")
            .args(["-c", "read x; exec sleep 100"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let name = |known: &mut Descriptions| {
            let owner = known.describe(Path::new("/proc"), child.id(), 0).unwrap();
            (owner.path.file_name().unwrap().to_owned(), owner.parents)
        };
        let (before, parents) = name(&mut known);
        assert_ne!(before, "sleep");
        assert_eq!(parents[0].path, std::env::current_exe().unwrap());
        drop(child.stdin.take());
        let mut after = before.clone();
        for _ in 0..500 {
            std::thread::sleep(std::time::Duration::from_millis(10));
            after = known
                .describe(Path::new("/proc"), child.id(), 0)
                .unwrap()
                .path
                .file_name()
                .unwrap()
                .to_owned();
            if after != before {
                break;
            }
        }
        assert!(after != before, "{after:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
