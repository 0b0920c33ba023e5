//! `/etc/resolv.conf` itself: a file, a link, immutable or mounted over.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use masq_dns::Failure;
use masq_dns::environment::{ResolvConf, Snapshot};
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use crate::capture::fault;

pub(super) const PATH: &str = "/etc/resolv.conf";

pub(super) fn observe(path: &Path) -> Result<ResolvConf, Failure> {
    let look = || -> io::Result<ResolvConf> {
        let snapshot = snapshot(path)?;
        let target = match &snapshot {
            // A link into nowhere still says whose file it was.
            Snapshot::Link { text } => Some(fs::canonicalize(path).unwrap_or_else(|_| {
                let folder = path.parent().unwrap_or(Path::new("/"));
                normal(&folder.join(text))
            })),
            Snapshot::Missing | Snapshot::File { .. } => None,
        };
        Ok(ResolvConf {
            snapshot,
            target,
            content: fs::read(path).ok(),
            mounted: is_mounted(path),
        })
    };
    look().map_err(|error| failed(path, &error))
}

fn snapshot(path: &Path) -> io::Result<Snapshot> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Snapshot::Missing),
        Err(error) => return Err(error),
    };
    if metadata.is_symlink() {
        let text = fs::read_link(path)?;
        return Ok(Snapshot::Link { text });
    }
    Ok(Snapshot::File {
        content: fs::read(path)?,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        immutable: flags(path).is_some_and(|flags| flags.contains(IFlags::IMMUTABLE)),
    })
}

/// Puts `snapshot` there, whatever is there now. The name leads to the old or
/// to the new at any moment, unless something is mounted on it.
pub(super) fn place(path: &Path, snapshot: &Snapshot) -> Result<(), Failure> {
    put(path, snapshot).map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            let why = format!("{error}; here even root may not change it, as in a container");
            super::failed(&path.display().to_string(), &why)
        } else {
            failed(path, &error)
        }
    })
}

fn put(path: &Path, snapshot: &Snapshot) -> io::Result<()> {
    set_immutable(path, false)?;
    fault::point("dns-unlocked", "after");
    match snapshot {
        Snapshot::Missing => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        },
        Snapshot::Link { text } => {
            let beside = beside(path)?;
            symlink(text, &beside)?;
            fault::point("dns-beside", "after");
            fs::rename(&beside, path)?;
        }
        Snapshot::File {
            content,
            mode,
            uid,
            gid,
            immutable,
        } => {
            if is_mounted(path) {
                let mut file = File::options().write(true).truncate(true).open(path)?;
                fault::point("dns-truncated", "after");
                fill(&mut file, content, *mode, (*uid, *gid))?;
            } else {
                let beside = beside(path)?;
                let mut file = File::options()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&beside)?;
                fill(&mut file, content, *mode, (*uid, *gid))?;
                fault::point("dns-beside", "after");
                fs::rename(&beside, path)?;
            }
            fault::point("dns-renamed", "after");
            if *immutable {
                set_immutable(path, true)?;
            }
        }
    }
    sync_folder(path)
}

fn fill(file: &mut File, content: &[u8], mode: u32, owner: (u32, u32)) -> io::Result<()> {
    file.write_all(content)?;
    fchown(&*file, Some(owner.0), Some(owner.1))?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Removes what a crash left beside the file.
pub(super) fn tidy(path: &Path) -> Result<(), Failure> {
    beside(path).map(drop).map_err(|error| failed(path, &error))
}

/// A free name in the same folder; what a crash left there goes.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or(OsStr::new("resolv.conf"));
    let beside = path.with_file_name(format!(".{}.masq", name.to_string_lossy()));
    // Where nothing can be written even that is refused for a name that is free.
    if fs::symlink_metadata(&beside).is_ok() {
        fs::remove_file(&beside)?;
    }
    Ok(beside)
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// File systems without such flags have no immutable files.
fn flags(path: &Path) -> Option<IFlags> {
    let file = File::open(path).ok()?;
    ioctl_getflags(&file).ok()
}

fn set_immutable(path: &Path, immutable: bool) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Ok(());
    }
    let Some(flags) = flags(path) else {
        return Ok(());
    };
    if flags.contains(IFlags::IMMUTABLE) == immutable {
        return Ok(());
    }
    let file = File::open(path)?;
    let mut flags = flags;
    flags.set(IFlags::IMMUTABLE, immutable);
    ioctl_setflags(&file, flags)?;
    Ok(())
}

/// Whether something is mounted exactly there (proc_pid_mountinfo(5), field 5).
fn is_mounted(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .any(|point| Path::new(point) == path)
}

/// The path without `.` and `..`, for a link whose end does not exist.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            std::path::Component::CurDir => {}
            std::path::Component::Prefix(_)
            | std::path::Component::RootDir
            | std::path::Component::Normal(_) => normal.push(part),
        }
    }
    normal
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    super::failed(&path.display().to_string(), error)
}
