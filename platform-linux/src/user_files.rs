//! What root prepares for the user that the Node works as.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::{Gid, Uid};

/// Whether this process may do everything.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// The user that this process works as.
pub fn user() -> u32 {
    Uid::effective().as_raw()
}

/// Makes a folder that only this user can enter. One that is there stays as it
/// is: what stands in it may not be the Node's to give away.
pub fn make_directory(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_directory(parent, uid, gid)?;
    }
    DirBuilder::new().mode(0o700).create(path)?;
    // Through a descriptor, so that nobody can put a link in its place.
    let folder: File = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits())
        .open(path)?;
    nix::unistd::fchown(&folder, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    Ok(())
}

/// How many bytes this user may still write to the disk of a folder.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let disk = nix::sys::statvfs::statvfs(folder)?;
    Ok(disk.blocks_available() * disk.fragment_size())
}

/// Asks for socket buffers beyond the system's limit for users.
pub fn force_socket_buffers(socket: &impl std::os::fd::AsFd, bytes: usize) -> io::Result<()> {
    setsockopt(socket, sockopt::RcvBufForce, &bytes)?;
    setsockopt(socket, sockopt::SndBufForce, &bytes)?;
    Ok(())
}

/// Reads a file of at most `limit` bytes on behalf of a user, whom it must
/// belong to unless everybody may read it; for None as root.
///
/// The name may lead to anything: a pipe or a device is refused, not waited for.
pub fn read_for(path: &Path, user: Option<u32>, limit: u64) -> io::Result<String> {
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return refuse("is not a file");
    }
    let everybody = about.mode() & 0o004 != 0;
    if user.is_some_and(|user| user != about.uid()) && !everybody {
        return refuse("belongs to another user than real-user, who may not read it");
    }
    let mut text = String::new();
    file.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "is too long"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nobody_reads_the_secrets_of_another_through_root() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "x = 1").unwrap();
        let owner = fs::metadata(&path).unwrap().uid();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_for(&path, Some(owner), 9).unwrap(), "x = 1");
        assert_eq!(read_for(&path, None, 9).unwrap(), "x = 1");
        assert!(read_for(&path, Some(owner + 1), 9).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read_for(&path, Some(owner + 1), 9).unwrap(), "x = 1");
    }

    #[test]
    fn what_is_no_short_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [&pipe, Path::new("/dev/zero"), folder.path()] {
            assert!(read_for(path, None, 9).is_err(), "{}", path.display());
        }
        let path = folder.path().join("long");
        fs::write(&path, "0123456789").unwrap();
        assert!(read_for(&path, None, 9).is_err());
    }
}
