//! Which instruction set the loops run with, and the calls into functions compiled for it.

use super::{CodeTest, Codes, LANES, Lookup, Ruler, ZoneTest, loops};
use std::ops::Range;
use std::sync::LazyLock;

/// The loops, for one of the instruction sets that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::page_table) struct Kernels {
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

/// Defines a method that runs a loop with the set of `self`.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $result:ty) => {
        impl Kernels {
            $(#[$doc])*
            #[inline]
            pub(in crate::page_table) fn $name(self, $($argument: $type),*) -> $result {
                #[cfg(target_arch = "x86_64")]
                {
                    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
                    fn avx2($($argument: $type),*) -> $result {
                        loops::$name($($argument),*)
                    }
                    #[target_feature(
                        enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,lzcnt,popcnt"
                    )]
                    fn avx512($($argument: $type),*) -> $result {
                        loops::$name($($argument),*)
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
                            Set::Portable => {}
                            Set::Avx2 => return avx2($($argument),*),
                            Set::Avx512 => return avx512($($argument),*),
                        }
                    }
                }
                loops::$name($($argument),*)
            }
        }
    };
}

kernel! {
    /// Which intervals of a range of at most [`ZONES`](super::ZONES) meet every test, as bits. Stops at
    /// the first test that none meets.
    overlapping(tests: &[ZoneTest<'_>], zones: Range<usize>) -> u64
}
kernel! {
    /// The keys of a block that meet every test, as bits. Stops at the first test that none meets.
    keep_within(block: &[u8], tests: &[CodeTest]) -> u128
}
kernel! {
    /// Folds into `sums` how far each interval of codes is from the ruler's target; 0 inside.
    fold_gaps(least: Codes<'_>, greatest: Codes<'_>, ruler: Ruler, sums: &mut [u64]) -> ()
}
kernel! {
    /// Folds into `sums` how far each interval of components is from the target; 0 inside.
    fold_looked_up_gaps(
        least: Codes<'_>, greatest: Codes<'_>, lookup: Lookup<'_>, sums: &mut [u64]
    ) -> ()
}
kernel! {
    /// Folds into `sums` how far the component of each code is from the target.
    fold_looked_up(codes: Codes<'_>, lookup: Lookup<'_>, sums: &mut [u64]) -> ()
}
kernel! {
    /// Which distances are not above the limit, as bits.
    keep_up_to(distances: &[u64; LANES], limit: u64) -> u128
}

impl Kernels {
    /// The widest set that the processor has.
    pub(in crate::page_table) fn detect() -> Kernels {
        static WIDEST: LazyLock<Kernels> =
            LazyLock::new(|| *Kernels::available().last().expect("one set is portable"));
        *WIDEST
    }

    /// Every set that the processor has, the widest one last.
    pub(in crate::page_table) fn available() -> Vec<Kernels> {
        let mut sets = vec![Set::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            let scalar = is_x86_feature_detected!("bmi1")
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
            {
                sets.push(Set::Avx512);
            }
        }
        sets.into_iter().map(|set| Kernels { set }).collect()
    }
}
