//! Which instruction set the loops run with, and the calls into functions compiled for it.

use super::{Binary, Panel, Row, Source, Tile, dots, hypervectors, loops};
#[cfg(target_arch = "x86_64")]
use super::{avx512, x86};
use crate::execute::registers::{LaneArray, Mask};
use crate::{Comparison, NumberKind, Reduction};
use std::sync::LazyLock;

/// The loops, for one of the instruction sets that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::execute) struct Kernels {
    /// One that the processor has: values come from [`Kernels::available`] only.
    set: Set,
}

/// An instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// What every processor of the target has.
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Defines a method that runs a loop with the set of `self`, one that is the same for all or one of
/// each set's own.
macro_rules! kernel {
    (
        $(#[$doc:meta])* $module:ident::$name:ident($($argument:ident: $type:ty),*) -> $result:ty
    ) => {
        kernel! {
            $(#[$doc])* $name($($argument: $type),*) -> $result,
            [$module::$name, $module::$name, $module::$name]
        }
    };
    (
        $(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $result:ty,
        [$portable:path, $avx2:path, $avx512:path]
    ) => {
        impl Kernels {
            $(#[$doc])*
            #[inline(always)]
            pub(in crate::execute) fn $name(self, $($argument: $type),*) -> $result {
                #[inline(never)]
                fn portable($($argument: $type),*) -> $result {
                    $portable($($argument),*)
                }
                #[cfg(target_arch = "x86_64")]
                {
                    #[inline(never)]
                    #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
                    fn avx2($($argument: $type),*) -> $result {
                        $avx2($($argument),*)
                    }
                    #[inline(never)]
                    #[target_feature(
                        enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,\
                                  fma,bmi1,bmi2,lzcnt,popcnt"
                    )]
                    fn avx512($($argument: $type),*) -> $result {
                        $avx512($($argument),*)
                    }
                    #[expect(
                        unsafe_code,
                        reason = "calls functions compiled for instruction sets that were \
                                  detected; see docs/UNSAFE.md"
                    )]
                    // SAFETY: `available` makes values of a set only where every feature named in
                    // its attribute above was detected, and nothing else makes values.
                    unsafe {
                        match self.set {
                            Set::Portable => portable($($argument),*),
                            Set::Avx2 => avx2($($argument),*),
                            Set::Avx512 => avx512($($argument),*),
                        }
                    }
                }
                #[cfg(not(target_arch = "x86_64"))]
                portable($($argument),*)
            }
        }
    };
}

kernel! {
    /// An operation lane by lane, over so many lanes.
    zip(op: Binary, left: &LaneArray, right: Source<'_>, out: &mut LaneArray, width: usize) -> (),
    [loops::zip, loops::zip, avx512::zip]
}

kernel! {
    /// `left * right + addend`, lane by lane, over so many lanes.
    fuse(
        kind: NumberKind, left: &LaneArray, right: &LaneArray, addend: Source<'_>, out: &mut LaneArray,
        width: usize
    ) -> (),
    [loops::fuse, loops::fuse, avx512::fuse]
}

kernel! {
    /// `left` in the lanes of the mask, `right` in the others, over so many lanes.
    select(
        mask: &Mask, left: &LaneArray, right: Source<'_>, out: &mut LaneArray, width: usize
    ) -> (),
    [loops::select, loops::select, avx512::select]
}

kernel! {
    /// Sets the bits of a mask to whether the comparison holds, for each of so many lanes, and clears the
    /// others.
    compare(
        comparison: Comparison, left: &LaneArray, right: Source<'_>, mask: &mut Mask, width: usize
    ) -> (),
    [loops::compare, loops::compare, avx512::compare]
}

kernel! {
    /// Components as numbers.
    loops::widen(components: &[u32], out: &mut [u64]) -> ()
}
kernel! {
    /// Folds the active lanes into `start`.
    loops::reduce(reduction: Reduction, start: u64, numbers: &[u64], mask: Option<&Mask>) -> u64
}

kernel! {
    /// Whether all bytes of a text are those of q7 vectors.
    dots::is_vector(text: &[u8]) -> bool
}
kernel! {
    /// The dot product of a text with a query; `None` if the text is no vector of that length.
    row(text: &[u8], query: &Row) -> Option<i64>,
    [dots::row, dots::row, x86::row_avx512]
}
kernel! {
    /// Dot products of up to [`super::texts_of`] texts, vectors of the length of the queries, with the
    /// queries of one, two or four panels.
    tile(texts: &[&[u8]], panels: &[Panel], tile: &mut Tile) -> (),
    [dots::tile, x86::tile_avx2, x86::tile_avx512]
}
kernel! {
    /// The exclusive or of two hypervectors of the length of `out`; whether they are some.
    hypervectors::bind(left: &[u8], right: &[u8], out: &mut [u8]) -> bool
}
kernel! {
    /// The majority of three hypervectors of the length of `out`; whether they are some.
    hypervectors::bundle(left: &[u8], middle: &[u8], right: &[u8], out: &mut [u8]) -> bool
}
kernel! {
    /// How many bits two hypervectors have in common; `None` if they are none or differ in length.
    hypervectors::equal_bits(left: &[u8], right: &[u8]) -> Option<u64>
}

impl Kernels {
    /// The widest set that the processor has.
    pub(in crate::execute) fn detect() -> Kernels {
        static WIDEST: LazyLock<Kernels> =
            LazyLock::new(|| *Kernels::available().last().expect("one set is portable"));
        *WIDEST
    }

    /// Every set that the processor has, the widest one last.
    pub(in crate::execute) fn available() -> Vec<Kernels> {
        let mut sets = vec![Set::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let scalar = is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt");
            if scalar && is_x86_feature_detected!("avx2") {
                sets.push(Set::Avx2);
            }
            if scalar
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
                && is_x86_feature_detected!("avx512vpopcntdq")
            {
                sets.push(Set::Avx512);
            }
        }
        sets.into_iter().map(|set| Kernels { set }).collect()
    }
}
