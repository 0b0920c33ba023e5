//! The programs that mark sockets: the Node's own, and those of apps that a rule
//! makes direct.
//!
//! They run whenever a socket is made, and so before it picks a route or a
//! source address; the mark stays also when no process holds the socket any
//! more. Each but the first looks at the network namespace before: a control group and a
//! user's number reach into containers, whose traffic is another matter. A
//! mark that is there already stays: the Node's own is one.

use crate::bpf::{self, FRAME, Function, R0, R1, R2, R6};

/// Where `struct bpf_sock` has the mark (linux/bpf.h).
const MARK: i16 = 16;

/// Marks what is made in the group that it is attached to and in those below.
pub(crate) fn of_all(mark: u32) -> Vec<u64> {
    let mut program = vec![bpf::copy(R6, R1)];
    program.extend(set_mark(mark));
    program.extend(end());
    program
}

/// The same, of this network and not marked yet;
/// with `only`, a group's number, in that group itself alone.
pub(crate) fn of_group(network: u64, only: Option<u64>, mark: u32) -> Vec<u64> {
    let mut program = beginning(network);
    if let Some(group) = only {
        program.push(bpf::call(Function::CurrentCgroup));
        program.extend(end_unless_same(group));
    }
    program.extend(set_mark(mark));
    program.extend(end());
    program
}

/// Marks what each of these users makes.
pub(crate) fn of_users(network: u64, users: &[(u32, u32)]) -> Vec<u64> {
    let mut program = beginning(network);
    program.push(bpf::call(Function::CurrentUser));
    for (user, mark) in users {
        let marks = [set_mark(*mark).to_vec(), end().to_vec()].concat();
        let length = i16::try_from(marks.len()).expect("four words");
        program.push(bpf::skip_unless_word(R0, *user, length));
        program.extend(marks);
    }
    program.extend(end());
    program
}

/// Marks what a process makes with what a map has for its number.
pub(crate) fn of_processes(network: u64, map: i32) -> Vec<u64> {
    const MAP_VALUE: i16 = 0;
    let mut program = beginning(network);
    program.extend(current_process());
    program.extend(bpf::set_map(R1, map));
    program.extend(bpf::set_address(R2, FRAME, i32::from(PROCESS)));
    program.extend([
        bpf::call(Function::LookUpMap),
        bpf::skip_if_zero(R0, 2),
        bpf::load_word(R2, R0, MAP_VALUE),
        bpf::store_word(R6, MARK, R2),
    ]);
    program.extend(end());
    program
}

/// Where a program keeps a process's number on its stack.
const PROCESS: i16 = -4;

/// For the event that a process becomes another program: takes its number out
/// of a map.
pub(crate) fn forgetting_process(map: i32) -> Vec<u64> {
    let mut program: Vec<u64> = current_process().to_vec();
    program.extend(bpf::set_map(R1, map));
    program.extend(bpf::set_address(R2, FRAME, i32::from(PROCESS)));
    program.push(bpf::call(Function::DeleteFromMap));
    program.extend([bpf::set(R0, 0), bpf::exit()]);
    program
}

fn current_process() -> [u64; 3] {
    [
        bpf::call(Function::CurrentPid),
        bpf::shift_right(R0, 32),
        bpf::store_word(FRAME, PROCESS, R0),
    ]
}

/// Ends in another network, and where there is a mark; the socket is in R6.
fn beginning(network: u64) -> Vec<u64> {
    let mut program = vec![bpf::copy(R6, R1), bpf::call(Function::NetworkCookie)];
    program.extend(end_unless_same(network));
    program.extend([bpf::load_word(R2, R6, MARK), bpf::skip_if_word(R2, 0, 2)]);
    program.extend(end());
    program
}

/// Ends unless the last call answered this.
fn end_unless_same(value: u64) -> Vec<u64> {
    let mut program = bpf::set_double(R2, value).to_vec();
    program.push(bpf::skip_if_same(R0, R2, 2));
    program.extend(end());
    program
}

fn set_mark(mark: u32) -> [u64; 2] {
    [bpf::set_word(R2, mark), bpf::store_word(R6, MARK, R2)]
}

/// `return 1`: the socket may be made.
fn end() -> [u64; 2] {
    [bpf::set(R0, 1), bpf::exit()]
}
