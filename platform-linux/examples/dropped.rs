//! Becomes user 65534 for good and says what is left: `dropped HOME`.
#![expect(clippy::print_stdout, reason = "the test reads it")]

use masq_platform_linux::privileges;

fn main() {
    let home = std::env::args().nth(1).unwrap_or_default();
    privileges::drop_privileges(65_534, 65_534, home.as_ref()).expect("root can become anybody");
    let again = nix::unistd::setuid(nix::unistd::Uid::from_raw(0)).is_ok();
    println!("root again: {again}");
    println!("dumpable: {:?}", nix::sys::prctl::get_dumpable());
    println!(
        "directory: {}",
        std::env::current_dir().expect("a directory").display()
    );
    print!(
        "{}",
        std::fs::read_to_string("/proc/self/status").expect("the own status")
    );
}
