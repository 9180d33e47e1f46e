//! The command line, with base images, real registries and real readers.

mod first_page;
mod hello;
mod init;
mod library;
mod terminal;
