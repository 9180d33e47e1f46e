//! A strict reader of deflate: every code must be complete, every length must have its shortest form, no distance may
//! reach before the start, and padding bits must be 0. It is slow, and written only from RFC 1951.

/// The kind of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Stored,
    Fixed,
    Dynamic,
}

/// The content of a stream of blocks.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) bytes: Vec<u8>,
    pub(super) blocks: Vec<Kind>,
    /// Length and distance of each match.
    pub(super) matches: Vec<(usize, usize)>,
    /// Longest code of literals and lengths, and of code lengths, in any block.
    pub(super) longest_code: u8,
    pub(super) longest_code_length_code: u8,
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> usize {
        let mut value = 0;
        for bit in 0..count {
            value |= usize::from(self.bytes[self.at / 8] >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        value
    }

    fn align(&mut self) {
        let left = self.at.next_multiple_of(8) - self.at;
        assert_eq!(self.take(left), 0, "what fills a byte is 0");
    }
}

/// A code: symbols in the order of their codes, and how many there are of each length.
struct Code {
    symbols: Vec<usize>,
    by_length: [usize; 16],
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut by_length = [0; 16];
        for length in lengths.iter().filter(|length| **length > 0) {
            by_length[usize::from(*length)] += 1;
        }
        let sum: usize = (1..16).map(|length| by_length[length] << (15 - length)).sum();
        assert_eq!(sum, 1 << 15, "the code is complete: {lengths:?}");
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|symbol| lengths[*symbol] > 0).collect();
        symbols.sort_by_key(|symbol| (lengths[*symbol], *symbol));
        Self { symbols, by_length }
    }

    fn read(&self, bits: &mut Bits) -> usize {
        let mut code = 0;
        let mut first = 0;
        let mut index = 0;
        for length in 1..16 {
            code |= bits.take(1);
            let count = self.by_length[length];
            if code < first + count {
                return self.symbols[index + code - first];
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        panic!("a complete code has every word");
    }
}

/// Reads the lengths of both codes of a dynamic block, after its type, and the longest code of a code length.
fn read_header(bits: &mut Bits) -> (Vec<u8>, Vec<u8>, u8) {
    let literals = bits.take(5) + 257;
    let distances = bits.take(5) + 1;
    let code_lengths = bits.take(4) + 4;
    assert!(literals <= 286 && distances <= 30);
    let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let mut of_lengths = [0_u8; 19];
    for symbol in &order[..code_lengths] {
        of_lengths[*symbol] = bits.take(3) as u8;
    }
    let code = Code::new(&of_lengths);
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (value, count) = match code.read(bits) {
            16 => (*lengths.last().unwrap(), 3 + bits.take(2)),
            17 => (0, 3 + bits.take(3)),
            18 => (0, 11 + bits.take(7)),
            length => (length as u8, 1),
        };
        lengths.resize(lengths.len() + count, value);
    }
    assert_eq!(lengths.len(), literals + distances);
    let of_distances = lengths.split_off(literals);
    (lengths, of_distances, of_lengths.into_iter().max().unwrap())
}

/// Reads the lengths in a single header.
pub(super) fn header(bytes: &[u8]) -> (Vec<u8>, Vec<u8>, u8) {
    read_header(&mut Bits { bytes, at: 0 })
}

impl Stream {
    pub(super) fn read(encoded: &[u8]) -> Self {
        let mut stream = Self::default();
        let mut bits = Bits { bytes: encoded, at: 0 };
        while bits.at < encoded.len() * 8 {
            assert_eq!(bits.take(1), 0, "no block is final");
            let kind = [Kind::Stored, Kind::Fixed, Kind::Dynamic][bits.take(2)];
            stream.blocks.push(kind);
            match kind {
                Kind::Stored => stream.read_stored(&mut bits),
                Kind::Fixed => {
                    let lengths: Vec<u8> = (0..288)
                        .map(|symbol| [8, 9, 7, 8][[144, 256, 280].partition_point(|end| *end <= symbol)])
                        .collect();
                    stream.read_symbols(&mut bits, &lengths, &[5; 32]);
                }
                Kind::Dynamic => {
                    let (literals, distances, longest) = read_header(&mut bits);
                    stream.longest_code_length_code = stream.longest_code_length_code.max(longest);
                    stream.longest_code = stream.longest_code.max(*literals.iter().max().unwrap());
                    stream.read_symbols(&mut bits, &literals, &distances);
                }
            }
        }
        stream
    }

    fn read_stored(&mut self, bits: &mut Bits) {
        bits.align();
        let size = bits.take(16);
        let complement = bits.take(16);
        assert_eq!(size ^ complement, 0xffff);
        let at = bits.at / 8;
        self.bytes.extend(&bits.bytes[at..at + size]);
        bits.at += size * 8;
    }

    fn read_symbols(&mut self, bits: &mut Bits, literals: &[u8], distances: &[u8]) {
        let literals = Code::new(literals);
        let distances = Code::new(distances);
        loop {
            match literals.read(bits) {
                literal @ 0..256 => self.bytes.push(literal as u8),
                256 => return,
                symbol @ 257..286 => {
                    let length = read_length(symbol, bits);
                    let distance = read_distance(distances.read(bits), bits);
                    assert!(distance <= self.bytes.len(), "nothing is before the beginning");
                    self.matches.push((length, distance));
                    for _ in 0..length {
                        self.bytes.push(self.bytes[self.bytes.len() - distance]);
                    }
                }
                symbol => panic!("no symbol {symbol}"),
            }
        }
    }
}

/// Reads a length by section 3.2.5 as a formula: four symbols for each number of extra bits.
fn read_length(symbol: usize, bits: &mut Bits) -> usize {
    let code = symbol - 257;
    match code {
        0..8 => code + 3,
        28 => 258,
        _ => {
            let extra = code / 4 - 1;
            let length = ((4 + code % 4) << extra) + 3 + bits.take(extra);
            assert_ne!(length, 258, "the longest length has a symbol of its own");
            length
        }
    }
}

/// Reads a distance by section 3.2.5 as a formula: two symbols for each number of extra bits.
fn read_distance(symbol: usize, bits: &mut Bits) -> usize {
    match symbol {
        0..4 => symbol + 1,
        4..30 => {
            let extra = symbol / 2 - 1;
            ((2 + symbol % 2) << extra) + 1 + bits.take(extra)
        }
        _ => panic!("no distance {symbol}"),
    }
}
