//! Computes length-limited prefix codes (RFC 1951 section 3.2.2) for counted symbols.

/// Greatest number of symbols in an alphabet of deflate.
const MAX_SYMBOLS: usize = 286;
/// Bits of a sort key that hold the symbol.
const SYMBOL_BITS: u32 = 9;
/// Greatest depth of an unlimited code. In the worst case the weights are Fibonacci numbers, and their sum is at most
/// the size of a block, far below 2^32.
const MAX_DEPTH: usize = 48;

/// Sets the code length of each symbol; 0 if it does not occur.
///
/// If fewer than two symbols occur, two get a code of one bit, since some decoders refuse incomplete codes.
pub(super) fn code_lengths(counts: &[u32], limit: usize, lengths: &mut [u8]) {
    let mut keys = [0u32; MAX_SYMBOLS];
    let mut used = 0;
    for (symbol, count) in counts.iter().enumerate() {
        keys[used] = count << SYMBOL_BITS | symbol as u32;
        used += usize::from(*count > 0);
    }
    lengths.fill(0);
    if used < 2 {
        let only = if used == 1 {
            (keys[0] & ((1 << SYMBOL_BITS) - 1)) as usize
        } else {
            0
        };
        lengths[only] = 1;
        lengths[usize::from(only == 0)] = 1;
        return;
    }
    let keys = &mut keys[..used];
    keys.sort_unstable();
    let mut by_length = leaves_by_depth(keys);
    if by_length[limit + 1..].iter().any(|count| *count > 0) {
        by_length = limited_by_depth(keys, limit);
    }
    // The rarest symbols get the longest codes.
    let mut symbols = keys.iter().map(|key| (key & ((1 << SYMBOL_BITS) - 1)) as usize);
    for length in (1..=limit).rev() {
        for symbol in symbols.by_ref().take(by_length[length]) {
            lengths[symbol] = length as u8;
        }
    }
}

/// Returns the number of leaves at each depth of Huffman's tree, for ascending weights.
///
/// Only the parents of inner nodes are stored: the nodes of a depth have twice as many children, and those that are not
/// inner nodes of the next depth are leaves.
fn leaves_by_depth(keys: &[u32]) -> [usize; MAX_DEPTH] {
    let inner_count = keys.len() - 1;
    let mut weights = [0u32; MAX_SYMBOLS];
    let mut parents = [0u16; MAX_SYMBOLS];
    let mut leaf = 0;
    let mut inner = 0;
    for next in 0..inner_count {
        let mut weight = 0;
        for _ in 0..2 {
            let leaf_weight = keys.get(leaf).map_or(u32::MAX, |key| key >> SYMBOL_BITS);
            if inner < next && weights[inner] < leaf_weight {
                weight += weights[inner];
                parents[inner] = next as u16;
                inner += 1;
            } else {
                weight += leaf_weight;
                leaf += 1;
            }
        }
        weights[next] = weight;
    }
    let mut inner_by_depth = [0usize; MAX_DEPTH];
    let mut depths = [0u8; MAX_SYMBOLS];
    inner_by_depth[0] = 1;
    for node in (0..inner_count - 1).rev() {
        let depth = depths[usize::from(parents[node])] + 1;
        depths[node] = depth;
        inner_by_depth[usize::from(depth)] += 1;
    }
    let mut leaves = [0; MAX_DEPTH];
    for depth in 1..MAX_DEPTH {
        leaves[depth] = 2 * inner_by_depth[depth - 1] - inner_by_depth[depth];
    }
    leaves
}

/// Returns the number of codes of each length in the best code with lengths up to `limit`, for ascending weights, by
/// the package-merge algorithm of Larmore and Hirschberg.
///
/// Each list has the leaves and the pairs of items of the previous list. From the last list 2n - 2 items are taken, and
/// from each previous list two items for each pair that was taken. The code length of a symbol is the number of lists
/// from which its leaf was taken.
fn limited_by_depth(keys: &[u32], limit: usize) -> [usize; MAX_DEPTH] {
    let mut is_leaf: Vec<Vec<bool>> = Vec::with_capacity(limit);
    let mut pairs: Vec<u32> = Vec::new();
    for _ in 0..limit {
        let mut list = Vec::new();
        let mut flags = Vec::new();
        let mut leaves = keys.iter().map(|key| key >> SYMBOL_BITS).peekable();
        let mut packages = pairs.into_iter().peekable();
        while let Some(weight) = leaves.peek().copied().into_iter().chain(packages.peek().copied()).min() {
            let leaf = leaves.next_if_eq(&weight).is_some();
            if !leaf {
                packages.next();
            }
            list.push(weight);
            flags.push(leaf);
        }
        pairs = list.chunks_exact(2).map(|pair| pair[0] + pair[1]).collect();
        is_leaf.push(flags);
    }
    let mut taken_leaves = [0; MAX_DEPTH];
    let mut taken = 2 * keys.len() - 2;
    for (longer, flags) in is_leaf.iter().rev().enumerate() {
        let leaves = flags[..taken].iter().filter(|leaf| **leaf).count();
        // The last list is visited first. It has the most taken leaves, those of codes of all lengths.
        taken_leaves[longer + 1] = leaves;
        taken = 2 * (taken - leaves);
    }
    let mut by_length = [0; MAX_DEPTH];
    for length in 1..=limit {
        by_length[length] = taken_leaves[length] - taken_leaves[length + 1];
    }
    by_length
}

/// Sets the code of each symbol by its length, as specified in section 3.2.2, with its first bit lowest.
pub(super) fn codes(lengths: &[u8], codes: &mut [u16]) {
    let mut by_length = [0u16; 16];
    for length in lengths {
        by_length[usize::from(length & 15)] += 1;
    }
    by_length[0] = 0;
    let mut next = [0u16; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + by_length[length - 1]) << 1;
    }
    for (code, length) in codes.iter_mut().zip(lengths) {
        let length = usize::from(length & 15);
        if length > 0 {
            *code = next[length].reverse_bits() >> (16 - length);
            next[length] += 1;
        }
    }
}
