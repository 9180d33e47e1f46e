//! Inputs that are the same on every machine.

const WORDS: [&str; 14] = [
    "layer ",
    "image ",
    "digest",
    "sha256:",
    "the ",
    "of ",
    "\n",
    "fn main() {\n",
    "0x7f",
    "    ",
    "usr/lib/",
    "=",
    "e",
    "return",
];

/// A part of an input.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Repeated {
        byte: u8,
        size: usize,
    },
    Random {
        seed: u64,
        size: usize,
    },
    /// Random bytes below a bound.
    Below {
        seed: u64,
        bound: u8,
        size: usize,
    },
    Words {
        seed: u64,
        size: usize,
    },
    /// A copy of the bytes `distance` earlier, if there are as many.
    Copy {
        distance: usize,
        size: usize,
    },
}

/// xorshift64*.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(super) fn below(&mut self, bound: u64) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound).unwrap()
    }
}

pub(super) fn join(pieces: &[Piece]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Repeated { byte, size } => bytes.resize(bytes.len() + size, *byte),
            Piece::Random { seed, size } => bytes.extend(random(*seed, *size)),
            Piece::Below { seed, bound, size } => bytes.extend(below(*seed, *bound, *size)),
            Piece::Words { seed, size } => bytes.extend(words(*seed, *size)),
            Piece::Copy { distance, size } => {
                for _ in 0..*size {
                    bytes.extend(bytes.len().checked_sub(*distance).map(|at| bytes[at]));
                }
            }
        }
    }
    bytes
}

pub(super) fn random(seed: u64, size: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..size).map(|_| random.below(256) as u8).collect()
}

pub(super) fn below(seed: u64, bound: u8, size: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..size).map(|_| random.below(bound.into()) as u8).collect()
}

pub(super) fn words(seed: u64, size: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(size + 16);
    while bytes.len() < size {
        bytes.extend(WORDS[random.below(WORDS.len() as u64)].bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Returns one kibibyte of words and one of noise, in turn.
pub(super) fn mixed(size: usize) -> Vec<u8> {
    (0..size / 2048)
        .flat_map(|seed| [words(seed as u64 * 5, 1024), random(seed as u64, 1024)].concat())
        .collect()
}

/// Returns an input of each shape that deflate handles differently.
pub(super) fn shapes() -> Vec<(&'static str, Vec<u8>)> {
    let twice = |size: usize| {
        let part = random(5, size);
        [&part[..], &part[..]].concat()
    };
    vec![
        ("nothing", Vec::new()),
        ("a byte", vec![b'x']),
        ("two bytes", vec![b'x', b'y']),
        ("a short text", b"hello hello hello".to_vec()),
        ("a match at the end", b"abcdefgh-abcdefgh".to_vec()),
        ("all bytes", (0..=255).collect()),
        ("all bytes, often", (0..=255).cycle().take(70_000).collect()),
        ("zeros", vec![0; 100_000]),
        ("the longest match and one more", vec![7; 260]),
        ("words", words(1, 200_000)),
        ("noise", random(2, 200_000)),
        ("noise of 65535 bytes", random(2, 65_535)),
        ("noise of 65536 bytes", random(2, 65_536)),
        ("noise twice", twice(20_000)),
        ("noise twice, too far", twice(40_000)),
        ("words and noise", mixed(100_000)),
        (
            "words, noise, words",
            [words(8, 50_000), random(9, 50_000), words(8, 50_000)].concat(),
        ),
        ("noise, then three bytes", [random(10, 4096), vec![1, 2, 3]].concat()),
        ("few symbols", below(3, 3, 60_000)),
        ("half of all symbols", below(4, 128, 60_000)),
        (
            "zeros far apart",
            (0..100_000_u32).map(|at| if at % 5000 == 0 { 1 } else { 0 }).collect(),
        ),
    ]
}
