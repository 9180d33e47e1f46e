//! Documents of format 1, as another program reads them.

mod standard;
