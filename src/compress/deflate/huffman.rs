//! Prefix codes of RFC 1951 section 3.2.2 for counted symbols, with a limit on their lengths.

/// Symbols that any alphabet of deflate has at most.
const MAX_SYMBOLS: usize = 286;
/// Bits of a sort key that say the symbol.
const SYMBOL_BITS: u32 = 9;
/// The lengths that a code without limit can have: its weights are Fibonacci numbers at the worst, and the sum of
/// those is at most the size of a block, far under 2^32.
const MAX_DEPTH: usize = 48;

/// Sets the code length of each symbol, 0 for one that does not occur.
///
/// Where fewer than two symbols occur, two get a code of one bit, since some decoders refuse incomplete codes.
pub(super) fn code_lengths(counts: &[u32], limit: usize, lengths: &mut [u8]) {
    let mut keys = [0u32; MAX_SYMBOLS];
    let mut used = 0;
    for (symbol, count) in counts.iter().enumerate() {
        keys[used] = count << SYMBOL_BITS | symbol as u32;
        used += usize::from(*count > 0);
    }
    lengths.fill(0);
    if used < 2 {
        let only = if used == 1 { (keys[0] & ((1 << SYMBOL_BITS) - 1)) as usize } else { 0 };
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

/// How many leaves Huffman's tree has at each depth, for ascending weights.
///
/// Of the tree only the parents of inner nodes are kept: those of a depth have twice as many children, and what is not
/// an inner node of the next depth is a leaf.
fn leaves_by_depth(keys: &[u32]) -> [usize; MAX_DEPTH] {
    let inner_count = keys.len() - 1;
    let mut weights = [0u32; MAX_SYMBOLS];
    let mut parents = [0u16; MAX_SYMBOLS];
    let (mut leaf, mut inner) = (0, 0);
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

/// How many codes of each length the best code has whose lengths are at most `limit`, for ascending weights: Larmore and
/// Hirschberg's package-merge.
///
/// Each list has the leaves and, in pairs, what is in the list before it. Of the last list 2n - 2 items are taken, and
/// of each list before twice as many as pairs were taken of it. A symbol's code is as long as there are lists of which
/// its leaf was taken.
fn limited_by_depth(keys: &[u32], limit: usize) -> [usize; MAX_DEPTH] {
    let mut is_leaf: Vec<Vec<bool>> = Vec::with_capacity(limit);
    let mut pairs: Vec<u32> = Vec::new();
    for _ in 0..limit {
        let (mut list, mut flags) = (Vec::new(), Vec::new());
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
        // The lists come from the one with most leaves taken, those of all lengths.
        taken_leaves[longer + 1] = leaves;
        taken = 2 * (taken - leaves);
    }
    let mut by_length = [0; MAX_DEPTH];
    for length in 1..=limit {
        by_length[length] = taken_leaves[length] - taken_leaves[length + 1];
    }
    by_length
}

/// Sets the code of each symbol by its length, as section 3.2.2 says, its first bit lowest.
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
