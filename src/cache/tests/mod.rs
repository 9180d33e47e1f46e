//! Tests of the cache, each in a directory of its own.

mod entries;
mod upkeep;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Cache, Kind};
use crate::model::Digest;

const HOUR: Duration = Duration::from_secs(3600);

struct Fixture {
    directory: tempfile::TempDir,
    cache: Cache,
}

impl Fixture {
    fn new(limit_bytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path().join("deep/cache"), limit_bytes).at_time(SystemTime::now());
        Self { directory, cache }
    }

    /// The cache as another process opens it.
    fn reopened(&self) -> Cache {
        Cache::new(self.cache.root().to_owned(), self.cache.limit_bytes()).at_time(SystemTime::now())
    }

    fn block(&self, key: &Digest) -> PathBuf {
        self.cache.path(Kind::BLOCKS, key)
    }

    fn age(&self, key: &Digest, age: Duration) {
        let file = fs::File::options().write(true).open(self.block(key)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    fn used(&self, key: &Digest) -> SystemTime {
        fs::metadata(self.block(key)).unwrap().modified().unwrap()
    }
}

fn key(number: usize) -> Digest {
    Digest::of(format!("key {number}").as_bytes())
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .collect()
}
