//! Golden digests. The encoders are part of byte format 1, so a changed digest is a change of the format.

use std::process::Command;

use sha2::{Digest, Sha256};
use structured_zstd::CpuLevel;

use super::{Algorithm, compression, corpus, encode};

/// Names the kernels that [`zstd_bytes_under_the_kernels_of_this_process`] must use.
const KERNELS_VARIABLE: &str = "OCITECT_TEST_ZSTD_KERNELS";

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares the streams with `expected`: each entry is a level, the size of the encoded stream in bytes, and its
/// digest.
fn assert_golden(algorithm: Algorithm, stream: &[u8], expected: &[&str]) {
    let actual: Vec<String> = expected
        .iter()
        .map(|line| {
            let level = line.split(' ').next().unwrap().parse().unwrap();
            let encoded = encode(compression(algorithm, level), stream);
            format!("{level} {} {}", encoded.len(), sha256(&encoded))
        })
        .collect();
    assert_eq!(actual, expected, "the bytes of {algorithm} have changed");
}

#[test]
fn the_corpus_is_what_it_was() {
    assert_eq!(
        sha256(&corpus(4_500_000)),
        "1c797fa80b3e8cb0a6a15fbd653afcd1becd7f70f092d9bb34d7e12da6b598ec"
    );
}

#[test]
fn gzip_bytes() {
    assert_golden(
        Algorithm::Gzip,
        &corpus(2_500_000),
        &[
            "0 2500225 821a822e24f475623c35bdd45889cf65c0fdf9992ba1d464547fc47227410a71",
            "1 748379 07bd766e40a3f4197126c5578436a73039041864f2f1513da122ea8b12961e33",
            "6 693505 2a687d21a24321772afe60043b76ebf654d0fc09ecfff50faca81ff5d0917d95",
            "9 625874 d3c1d817133977e0efb614f4ddfc2dce33e16e86e6596446469ab86e94fcea27",
        ],
    );
}

#[test]
fn zstd_bytes() {
    assert_golden(
        Algorithm::Zstd,
        &corpus(4_500_000),
        &[
            "1 1454245 f3f8ad1b7d54da801660e1be42d74dbbf75e4253438f53aa2e5f72a7682c5d22",
            "3 1355998 2a157e6bdb12e56731d00b3a9de6cf3b501c33afae3fbf2cfc73a08306a1626f",
            "9 1286491 8ebfcc2113b89d715ea07a9276128e1c5bb58d5b62bcd8803990b5b7feeca2ed",
            "19 1171524 7bd09425cd2170200217e01fa901c93da7c5e771f36bdc9acf3b47e58d14eb18",
        ],
    );
}

#[test]
fn bytes_of_the_empty_stream() {
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(encode(compression(Algorithm::Gzip, 6), &[]), gzip);
    // Single segment of size 0 with a checksum, one empty raw block, the checksum (xxHash of nothing).
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0x24, 0, 1, 0, 0, 0x99, 0xe9, 0xd8, 0x51];
    assert_eq!(encode(compression(Algorithm::Zstd, 3), &[]), zstd);
    assert_eq!(
        encode(super::Compression::new(Algorithm::None, None).unwrap(), &[]),
        [0u8; 0]
    );
}

/// With [`KERNELS_VARIABLE`] set, it must run in its own process: the kernels are chosen once.
#[test]
fn zstd_bytes_under_the_kernels_of_this_process() {
    if let Ok(level) = std::env::var(KERNELS_VARIABLE) {
        structured_zstd::set_cpu_ceiling(level.parse().unwrap()).unwrap();
    }
    assert_golden(
        Algorithm::Zstd,
        &corpus(600_000),
        &[
            "1 130330 bac30d8949e63eaf1b1027f7ce1854c10dd44025a971cbff6193056cc06ec721",
            "2 135875 d697cad4a13240d7b478c2e5b03deb531c863e86219e7534c2673f45d7f80b54",
            "3 126847 dd7ad471c0fa5a4f13b8a8d24fa408386f7a4cee876ee415a1ac7c28fdaaa1ca",
            "5 123873 3f00151bdde6b42e97c5777003c74a6751c958d8fea7f5c1f4d38425bfdb9cde",
            "7 120204 1e84f0381e9865279ad27a37c67bf3b0db7bd3855e3a95bf06de8719bcce955f",
            "9 119321 ca05af6b5d27f705ac86437c8c6691729465b278058430583e0e473ef9120e36",
            "13 113096 02dad8c47d8deaf60adf3c622eb034946ddfd7c5cdc1c1e9d336854dae9f3de9",
            "16 105197 b11d04ad561a08c74b0920c635824d4a6cd25a6eb830ba7e6708a9ea44c05a42",
            "18 105024 b7598a7491b55e1dabdd48cf65c96a587a9705721dcc92846e3f55d74f8addef",
            "19 104953 9f048c3579406219935379d026f82070b201e1d0e6a333ece9367ae567c235b8",
            "22 104953 dda6ecabd7a8857c9923fb85abbd15e620340315804b7aea5d36878e6b35ab11",
        ],
    );
}

#[test]
fn zstd_bytes_are_the_same_with_and_without_simd() {
    let mut levels = vec![CpuLevel::Scalar];
    if cfg!(target_arch = "x86_64") {
        levels.extend([CpuLevel::Sse2, CpuLevel::Sse42, CpuLevel::Bmi2, CpuLevel::Avx2]);
    } else if cfg!(target_arch = "aarch64") {
        levels.push(CpuLevel::Neon);
    }
    for level in levels {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "compress::tests::golden::zstd_bytes_under_the_kernels_of_this_process",
            ])
            .env(KERNELS_VARIABLE, level.name())
            .output()
            .unwrap();
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && report.contains("1 passed"),
            "{}: {report}",
            level.name()
        );
    }
}
