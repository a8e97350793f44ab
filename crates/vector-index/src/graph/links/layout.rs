//! The bytes of lists of neighbours: numbers of so many bits as nodes need, one behind the other from the lowest bit of the first byte on.

use wire::bits;

/// Numbers have at least so many bits.
const MIN_WIDTH: usize = 16;

/// Numbers that are read together: so many begin and end with a byte, whatever their width.
pub(crate) const GROUP: usize = 8;

/// Bytes from the first of a group on that are looked at: at most those of seven numbers of 31 bits, and eight more.
const READ: usize = 40;

/// So many bytes behind the lists have to be there, whatever they are.
pub(crate) const BEHIND: usize = 64;

/// Ends a list that is shorter than its room.
pub(crate) const NONE: u32 = u32::MAX;

/// The bits of a number in the lists of a layer of so many nodes, fewer than 2^31: enough for all nodes and one more, which is none.
pub(crate) fn width(nodes: usize) -> usize {
    ((usize::BITS - nodes.leading_zeros()) as usize).max(MIN_WIDTH)
}

/// The bytes of a list of so much room.
pub(crate) fn list_len(room: usize, width: usize) -> usize {
    (room * width).div_ceil(u32::BITS as usize) * size_of::<u32>()
}

/// Writes the lowest bits of numbers into a list that has room for them.
pub(crate) fn pack(numbers: impl Iterator<Item = u32>, width: usize, list: &mut [u8]) {
    let bytes = bits(numbers.map(u64::from), width).chain(std::iter::repeat(0));
    list.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
}

/// Reads whole groups of a list; [`NONE`] in the place of what is not there.
#[inline]
pub(crate) fn unpack(list: &[u8], width: usize, numbers: &mut [[u32; GROUP]]) {
    macro_rules! by_width {
        ($($width:literal)+) => {
            match width {
                $($width => unpack_width::<$width>(list, numbers),)+
                _ => numbers.as_flattened_mut().fill(NONE),
            }
        };
    }
    by_width!(16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
}

/// The width is a constant, so that the compiler knows where each number begins.
fn unpack_width<const WIDTH: usize>(list: &[u8], numbers: &mut [[u32; GROUP]]) {
    for (group, numbers) in numbers.iter_mut().enumerate() {
        let Some(bytes) = list.get(group * WIDTH..).and_then(<[u8]>::first_chunk::<READ>) else {
            numbers.fill(NONE);
            continue;
        };
        for (i, number) in numbers.iter_mut().enumerate() {
            let (at, shift) = (i * WIDTH / 8, i * WIDTH % 8);
            let word = bytes[at..].first_chunk().map_or(u64::MAX, |eight| u64::from_le_bytes(*eight));
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the bits that are left are those of the number"
            )]
            let low = (word >> shift) as u32;
            *number = low & (u32::MAX >> (32 - WIDTH));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_come_back() {
        for width in 16..=31 {
            for room in [4, 6, 8, 32, 62, 512] {
                let mask = u32::MAX >> (32 - width);
                let all: Vec<u32> =
                    (1..).take(3 * room).map(|i: u32| i.wrapping_mul(0x9E37_79B9) & mask).collect();
                let len = list_len(room, width);
                assert!(len.is_multiple_of(4) && (0..4).contains(&(len - (room * width).div_ceil(8))));
                let mut bytes = vec![0x55; 3 * len + BEHIND];
                for (list, numbers) in bytes.chunks_exact_mut(len).zip(all.chunks(room)) {
                    pack(numbers.iter().copied(), width, list);
                }
                for (at, expected) in all.chunks(room).enumerate() {
                    let mut numbers = vec![[7; GROUP]; room.div_ceil(GROUP)];
                    unpack(&bytes[at * len..], width, &mut numbers);
                    assert_eq!(numbers.as_flattened()[..room], *expected, "{width} bits, {room} of them");
                }
            }
        }
        let mut numbers = [[7; GROUP]];
        unpack(&[0; READ - 1], 20, &mut numbers);
        assert_eq!(numbers, [[NONE; GROUP]], "too few bytes");
    }

    #[test]
    fn a_width_has_room_for_all_nodes_and_one_that_is_none() {
        for (nodes, expected) in
            [(1, 16), ((1 << 16) - 1, 16), (1 << 16, 17), (115_664, 17), ((1 << 31) - 1, 31)]
        {
            assert_eq!(width(nodes), expected, "{nodes} nodes");
        }
    }

    #[test]
    fn the_golden_bytes_of_a_list_stay() {
        let mut list = [9; 12];
        pack([1, 2, 0x1_FFFF, NONE].into_iter(), 17, &mut list);
        assert_eq!(list, [1, 0, 4, 0, 0xFC, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0, 0]);
    }
}
