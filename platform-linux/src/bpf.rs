//! The kernel's instruction words (RFC 9669), as few as our programs need.

#[derive(Copy, Clone, Debug)]
pub(crate) struct Register(u8);

pub(crate) const R0: Register = Register(0);
pub(crate) const R1: Register = Register(1);
pub(crate) const R2: Register = Register(2);
pub(crate) const R3: Register = Register(3);
pub(crate) const R4: Register = Register(4);
/// Keeps its value over calls.
pub(crate) const R6: Register = Register(6);
/// The end of the stack.
pub(crate) const FRAME: Register = Register(10);

/// Functions of the kernel, by their numbers in `enum bpf_func_id`.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Function {
    LookUpMap = 1,
    UpdateMap = 2,
    DeleteFromMap = 3,
    CurrentPid = 14,
    CurrentUser = 15,
    CurrentName = 16,
    SocketCookie = 46,
    CurrentCgroup = 80,
    NetworkCookie = 122,
}

pub(crate) fn set(to: Register, value: i32) -> u64 {
    word(0xb7, to.0, 0, 0, value)
}

pub(crate) fn set_word(to: Register, value: u32) -> u64 {
    word(0xb4, to.0, 0, 0, value.cast_signed())
}

/// `to = value`, which takes two words.
pub(crate) fn set_double(to: Register, value: u64) -> [u64; 2] {
    let half = |bits: u64| {
        u32::try_from(bits & u64::from(u32::MAX))
            .expect("32 bits")
            .cast_signed()
    };
    [
        word(0x18, to.0, 0, 0, half(value)),
        word(0, 0, 0, 0, half(value >> 32)),
    ]
}

pub(crate) fn copy(to: Register, from: Register) -> u64 {
    word(0xbf, to.0, from.0, 0, 0)
}

pub(crate) fn load_word(to: Register, base: Register, offset: i16) -> u64 {
    word(0x61, to.0, base.0, offset, 0)
}

/// Passes over so many words if the register is zero.
pub(crate) fn skip_if_zero(register: Register, words: i16) -> u64 {
    word(0x15, register.0, 0, words, 0)
}

/// Passes over `words` where both registers are the same.
pub(crate) fn skip_if_same(one: Register, other: Register, words: i16) -> u64 {
    word(0x1d, one.0, other.0, words, 0)
}

/// Passes over `words` where the lower half of a register has this value.
pub(crate) fn skip_if_word(register: Register, value: u32, words: i16) -> u64 {
    word(0x16, register.0, 0, words, value.cast_signed())
}

/// The same where it has another.
pub(crate) fn skip_unless_word(register: Register, value: u32, words: i16) -> u64 {
    word(0x56, register.0, 0, words, value.cast_signed())
}

/// `to = from + offset`.
pub(crate) fn set_address(to: Register, from: Register, offset: i32) -> [u64; 2] {
    [copy(to, from), word(0x07, to.0, 0, 0, offset)]
}

/// `to = map`, which takes two words.
pub(crate) fn set_map(to: Register, map: i32) -> [u64; 2] {
    const MAP_DESCRIPTOR: u8 = 1;
    [word(0x18, to.0, MAP_DESCRIPTOR, 0, map), 0]
}

pub(crate) fn shift_right(register: Register, bits: i32) -> u64 {
    word(0x77, register.0, 0, 0, bits)
}

pub(crate) fn store_word(base: Register, offset: i16, from: Register) -> u64 {
    word(0x63, base.0, from.0, offset, 0)
}

pub(crate) fn store_double(base: Register, offset: i16, from: Register) -> u64 {
    word(0x7b, base.0, from.0, offset, 0)
}

pub(crate) fn call(function: Function) -> u64 {
    word(0x85, 0, 0, 0, function as i32)
}

pub(crate) fn exit() -> u64 {
    word(0x95, 0, 0, 0, 0)
}

fn word(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> u64 {
    let registers = if cfg!(target_endian = "little") {
        source << 4 | destination
    } else {
        destination << 4 | source
    };
    let [o0, o1] = offset.to_ne_bytes();
    let [i0, i1, i2, i3] = immediate.to_ne_bytes();
    u64::from_ne_bytes([code, registers, o0, o1, i0, i1, i2, i3])
}
