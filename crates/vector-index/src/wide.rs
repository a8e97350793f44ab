//! Loops that are compiled for AVX2 as well, and run with it where the processor has it. They do the same in the same order, so that results are the same to the last bit.

/// A function that does what another one does, which is `#[inline(always)]`, with the widest instructions at hand.
macro_rules! widest {
    ($(#[$meta:meta])* $visible:vis fn $name:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)? = $any:ident) => {
        $(#[$meta])*
        #[cfg_attr(
            target_arch = "x86_64",
            expect(unsafe_code, reason = "a call of what needs instructions that were asked for")
        )]
        #[inline(never)]
        $visible fn $name($($argument: $kind),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                #[target_feature(enable = "avx2")]
                fn by_avx2($($argument: $kind),*) $(-> $result)? {
                    $any($($argument),*)
                }
                // SAFETY: the processor has AVX2.
                return unsafe { by_avx2($($argument),*) };
            }
            $any($($argument),*)
        }
    };
}

pub(crate) use widest;
