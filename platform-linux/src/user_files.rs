//! What root prepares for the user that the Node works as.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
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
