//! Prints the CRC-32 of each argument.

fn main() {
    for text in std::env::args().skip(1) {
        println!("{:08x} on {}", crc32fast::hash(text.as_bytes()), std::env::consts::ARCH);
    }
}
