//! Peano's curve (Peano 1890), in base 3 and any number of dimensions.
//!
//! Write components and key in base 3 and walk the digits level by level, dimension 0 first.
//! Peano's rule: a key digit is the component's digit, reflected (0 and 2 swapped) if the sum
//! of all earlier key digits *of other dimensions* is odd.
//!
//! ```text
//! 2--3  8    The first level in two dimensions: dimension 0 runs to the right, dimension 1 up,
//! |  |  |    reflected in the middle column because the digit of dimension 0 is odd there.
//! 1  4  7
//! |  |  |
//! 0  5--6
//! ```
//!
//! A reflection keeps a digit's parity, so the parities can be read from the component's digits
//! as well as from the key's, and only digits equal to 1 count. That makes the rule its own
//! inverse, and it needs no loop: with one bit plane of the digits that are 1 and one of those
//! that are 2, the parities of all prefixes are a prefix XOR of the first plane.

use super::morton::{deinterleave, interleave};
use super::trits;

/// Digits are read and written eight at a time: one byte of each plane, a number below 3^8.
const EIGHT_DIGITS: u64 = 3u64.pow(8);
/// A key has at most 80 digits, which is twice what a `u64` holds.
const FORTY_DIGITS: u64 = 3u64.pow(40);

pub(super) fn encode<const D: usize>(point: &[u16; D]) -> u128 {
    let (ones, twos) = planes_of_point(point);
    key_of_planes(ones, reflect::<D>(ones, twos))
}

pub(super) fn decode<const D: usize>(key: u128) -> [u16; D] {
    let (ones, twos) = planes_of_key(key);
    point_of_planes(ones, reflect::<D>(ones, twos))
}

/// Peano's rule on whole planes, in either direction: the new plane of twos. The plane of ones
/// does not change.
#[inline]
fn reflect<const D: usize>(ones: u128, twos: u128) -> u128 {
    // Key digits come most significant first, so "earlier" is "further left".
    let earlier = prefix_parity(ones, 1) ^ prefix_parity(ones, D);
    twos ^ (earlier & !ones)
}

/// Per bit, the parity of the bits to its left at distances `stride`, 2 * `stride`, ...
#[inline]
fn prefix_parity(plane: u128, stride: usize) -> u128 {
    let mut parity = plane >> stride;
    let mut distance = stride;
    while distance < 80 {
        parity ^= parity >> distance;
        distance *= 2;
    }
    parity
}

#[inline]
fn planes_of_point<const D: usize>(point: &[u16; D]) -> (u128, u128) {
    let planes = point.map(planes_of_number);
    let width = trits::<D>();
    (
        interleave(&planes.map(|p| p & 0xff), width),
        interleave(&planes.map(|p| p >> 8), width),
    )
}

#[inline]
fn point_of_planes<const D: usize>(ones: u128, twos: u128) -> [u16; D] {
    let width = trits::<D>();
    let ones = deinterleave::<D>(ones, width);
    let twos = deinterleave::<D>(twos, width);
    std::array::from_fn(|d| number_of_planes(ones[d] as u8, twos[d] as u8))
}

#[inline]
fn key_of_planes(ones: u128, twos: u128) -> u128 {
    let half = |shift: u32| {
        (0..5).rev().fold(0, |number, byte| {
            let at = shift + 8 * byte;
            let digits = number_of_planes((ones >> at) as u8, (twos >> at) as u8);
            number * EIGHT_DIGITS + u64::from(digits)
        })
    };
    u128::from(half(40)) * u128::from(FORTY_DIGITS) + u128::from(half(0))
}

#[inline]
fn planes_of_key(key: u128) -> (u128, u128) {
    let mut ones = 0;
    let mut twos = 0;
    let halves = [
        key % u128::from(FORTY_DIGITS),
        key / u128::from(FORTY_DIGITS),
    ];
    for (half, shift) in halves.into_iter().zip([0, 40]) {
        let mut rest = half as u64;
        for byte in 0..5 {
            let planes = planes_of_number((rest % EIGHT_DIGITS) as u16);
            ones |= u128::from(planes & 0xff) << (shift + 8 * byte);
            twos |= u128::from(planes >> 8) << (shift + 8 * byte);
            rest /= EIGHT_DIGITS;
        }
    }
    (ones, twos)
}

/// The eight base-3 digits of a number below 3^8: which are 1 in the low byte, which are 2 in
/// the high byte.
#[inline]
fn planes_of_number(number: u16) -> u16 {
    PLANES[usize::from(number / 81)] << 4 | PLANES[usize::from(number % 81)]
}

/// The number below 3^8 whose base-3 digits are 1 and 2 in the given places.
#[inline]
fn number_of_planes(ones: u8, twos: u8) -> u16 {
    NUMBERS[usize::from(ones)] + 2 * NUMBERS[usize::from(twos)]
}

/// The planes of each number of four digits.
const PLANES: [u16; 81] = {
    let mut planes = [0; 81];
    let mut number = 0;
    while number < 81 {
        let mut rest = number;
        let mut place = 0;
        while place < 4 {
            match rest % 3 {
                0 => (),
                1 => planes[number] |= 1 << place,
                _ => planes[number] |= 0x100 << place,
            }
            rest /= 3;
            place += 1;
        }
        number += 1;
    }
    planes
};

/// Each byte read as base-3 digits 0 and 1.
const NUMBERS: [u16; 256] = {
    let mut numbers = [0; 256];
    let mut byte = 1;
    while byte < 256 {
        numbers[byte] = 3 * numbers[byte / 2] + byte as u16 % 2;
        byte += 1;
    }
    numbers
};
