//! The modules that are built into Node (Node.js, `module.builtinModules`, of versions 16 to 24).

const BUILTIN: &[&str] = &[
    "assert",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "domain",
    "events",
    "fs",
    "http",
    "http2",
    "https",
    "inspector",
    "module",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "repl",
    "stream",
    "string_decoder",
    "sys",
    "timers",
    "tls",
    "trace_events",
    "tty",
    "url",
    "util",
    "v8",
    "vm",
    "wasi",
    "worker_threads",
    "zlib",
];

/// Modules inside others.
const INNER: &[&str] = &[
    "assert/strict",
    "dns/promises",
    "fs/promises",
    "inspector/promises",
    "path/posix",
    "path/win32",
    "readline/promises",
    "stream/consumers",
    "stream/promises",
    "stream/web",
    "timers/promises",
    "util/types",
];

/// Returns `true` for a module of Node's own. With a slash at its end, a name is a package's.
pub(super) fn is_builtin(name: &str) -> bool {
    // `_http_agent`, `_stream_wrap` and similar.
    let is_old = name.starts_with("_http_") || name.starts_with("_stream_") || name.starts_with("_tls_");
    name.starts_with("node:") || is_old || BUILTIN.contains(&name) || INNER.contains(&name)
}
