/*
 * A program of a few kilobytes that needs nothing but a Linux kernel: no C library, no loader, no file.
 * It greets with the platform that it was compiled for, and then says what an image looks like from inside.
 * README.md beside this file has the commands that built bin/, and what each argument prints.
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

/* The generic system calls alone: arm64 has no open, stat, readlink. */
#if defined(__x86_64__)
#define PLATFORM "linux/amd64"
enum {
	SYS_READ = 0, SYS_WRITE = 1, SYS_CLOSE = 3, SYS_GETCWD = 79, SYS_GETUID = 102, SYS_GETGID = 104,
	SYS_GETGROUPS = 115, SYS_GETDENTS64 = 217, SYS_EXIT_GROUP = 231, SYS_OPENAT = 257,
	SYS_READLINKAT = 267, SYS_STATX = 332
};

static long call(long number, long a, long b, long c, long d, long e)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n");

#elif defined(__aarch64__)
#define PLATFORM "linux/arm64"
enum {
	SYS_GETCWD = 17, SYS_OPENAT = 56, SYS_CLOSE = 57, SYS_GETDENTS64 = 61, SYS_READ = 63, SYS_WRITE = 64,
	SYS_READLINKAT = 78, SYS_EXIT_GROUP = 94, SYS_GETGROUPS = 158, SYS_GETUID = 174, SYS_GETGID = 176,
	SYS_STATX = 291
};

static long call(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}

__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n\tbl start\n");

#else
#error "no system calls are known for this architecture"
#endif

enum { AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, STATX_BASIC_STATS = 0x7ff };
enum { O_RDONLY = 0, O_WRONLY = 1, O_CREAT = 0100, O_TRUNC = 01000 };
enum { STDOUT = 1, STDERR = 2, BUFFER_BYTES = 4096, GROUPS = 64 };

/* linux/stat.h: the same on every architecture, unlike struct stat. */
struct statx_timestamp {
	long long seconds;
	u32 nanoseconds;
	int reserved;
};
struct statx {
	u32 mask, block_size;
	u64 attributes;
	u32 links, uid, gid;
	u16 mode, spare0;
	u64 inode, size, blocks, attributes_mask;
	struct statx_timestamp accessed, born, changed, modified;
	u32 device[4];
	u64 spare[14];
};

static long length(const char *text)
{
	long n = 0;
	while (text[n])
		n++;
	return n;
}

static int equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void put_bytes(int to, const char *bytes, long n)
{
	while (n > 0) {
		long written = call(SYS_WRITE, to, (long)bytes, n, 0, 0);
		if (written <= 0)
			return;
		bytes += written;
		n -= written;
	}
}

static void put(int to, const char *text)
{
	put_bytes(to, text, length(text));
}

static void put_number(int to, u64 value, u32 base, int digits)
{
	char text[32];
	int at = sizeof text;
	do {
		text[--at] = (char)('0' + value % base);
		value /= base;
		digits--;
	} while (value || digits > 0);
	put_bytes(to, text + at, (long)sizeof text - at);
}

/* Says on stderr what failed, as `hello: VERB PATH: errno N`, and gives the exit code of it. */
static int failed(const char *verb, const char *path, long result)
{
	put(STDERR, "hello: ");
	put(STDERR, verb);
	put(STDERR, " ");
	put(STDERR, path);
	put(STDERR, ": errno ");
	put_number(STDERR, (u64)-result, 10, 1);
	put(STDERR, "\n");
	return 1;
}

static const char *type_of(u32 mode)
{
	switch (mode >> 12) {
	case 01: return "p";
	case 02: return "c";
	case 04: return "d";
	case 06: return "b";
	case 010: return "f";
	case 012: return "l";
	case 014: return "s";
	}
	return "?";
}

static int show_stat(const char *path)
{
	struct statx stat;
	long result = call(SYS_STATX, AT_FDCWD, (long)path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, (long)&stat);
	if (result < 0)
		return failed("stat", path, result);
	int is_directory = stat.mode >> 12 == 04, is_link = stat.mode >> 12 == 012;
	put(STDOUT, type_of(stat.mode));
	put(STDOUT, " ");
	put_number(STDOUT, stat.mode & 07777, 8, 4);
	put(STDOUT, " ");
	put_number(STDOUT, stat.uid, 10, 1);
	put(STDOUT, " ");
	put_number(STDOUT, stat.gid, 10, 1);
	put(STDOUT, " ");
	/* The size of a directory is the file system's own affair. */
	put_number(STDOUT, is_directory ? 0 : stat.size, 10, 1);
	put(STDOUT, " ");
	put_number(STDOUT, (u64)stat.modified.seconds, 10, 1);
	put(STDOUT, " ");
	put(STDOUT, path);
	if (is_link) {
		char target[BUFFER_BYTES];
		result = call(SYS_READLINKAT, AT_FDCWD, (long)path, (long)target, sizeof target, 0);
		if (result < 0)
			return failed("readlink", path, result);
		put(STDOUT, " -> ");
		put_bytes(STDOUT, target, result);
	}
	put(STDOUT, "\n");
	return 0;
}

static int show_file(const char *path)
{
	char buffer[BUFFER_BYTES];
	long result, file = call(SYS_OPENAT, AT_FDCWD, (long)path, O_RDONLY, 0, 0);
	if (file < 0)
		return failed("cat", path, file);
	while ((result = call(SYS_READ, file, (long)buffer, sizeof buffer, 0, 0)) > 0)
		put_bytes(STDOUT, buffer, result);
	call(SYS_CLOSE, file, 0, 0, 0, 0);
	return result < 0 ? failed("cat", path, result) : 0;
}

/* Names in the order of the file system, one on a line, without `.` and `..`. */
static int show_directory(const char *path)
{
	char buffer[BUFFER_BYTES] __attribute__((aligned(8)));
	long result, directory = call(SYS_OPENAT, AT_FDCWD, (long)path, O_RDONLY, 0, 0);
	if (directory < 0)
		return failed("ls", path, directory);
	while ((result = call(SYS_GETDENTS64, directory, (long)buffer, sizeof buffer, 0, 0)) > 0) {
		/* struct linux_dirent64: inode 8, offset 8, length 2, type 1, name */
		for (long at = 0; at < result; at += *(u16 *)(buffer + at + 16)) {
			const char *name = buffer + at + 19;
			if (equal(name, ".") || equal(name, ".."))
				continue;
			put(STDOUT, name);
			put(STDOUT, "\n");
		}
	}
	call(SYS_CLOSE, directory, 0, 0, 0, 0);
	return result < 0 ? failed("ls", path, result) : 0;
}

static int write_file(const char *path)
{
	long file = call(SYS_OPENAT, AT_FDCWD, (long)path, O_WRONLY | O_CREAT | O_TRUNC, 0644, 0);
	if (file < 0)
		return failed("write", path, file);
	put((int)file, "written by hello\n");
	call(SYS_CLOSE, file, 0, 0, 0, 0);
	put(STDOUT, "wrote ");
	put(STDOUT, path);
	put(STDOUT, "\n");
	return 0;
}

static int show_ids(void)
{
	u32 groups[GROUPS];
	long count = call(SYS_GETGROUPS, GROUPS, (long)groups, 0, 0, 0);
	put(STDOUT, "uid=");
	put_number(STDOUT, (u64)call(SYS_GETUID, 0, 0, 0, 0, 0), 10, 1);
	put(STDOUT, " gid=");
	put_number(STDOUT, (u64)call(SYS_GETGID, 0, 0, 0, 0, 0), 10, 1);
	put(STDOUT, " groups=");
	for (long at = 0; at < count; at++) {
		if (at)
			put(STDOUT, ",");
		put_number(STDOUT, groups[at], 10, 1);
	}
	put(STDOUT, "\n");
	return 0;
}

static int show_cwd(void)
{
	char path[BUFFER_BYTES];
	long result = call(SYS_GETCWD, (long)path, sizeof path, 0, 0, 0);
	if (result < 0)
		return failed("cwd", ".", result);
	put(STDOUT, path);
	put(STDOUT, "\n");
	return 0;
}

static int show_environment(char **variables)
{
	for (; *variables; variables++) {
		put(STDOUT, *variables);
		put(STDOUT, "\n");
	}
	return 0;
}

static int each(int (*show)(const char *), char **paths)
{
	int code = 0;
	for (; *paths; paths++)
		code |= show(*paths);
	return code;
}

static int run(char **arguments, char **variables)
{
	const char *command = arguments[0];
	char **paths = arguments + 1;
	if (!command)
		return 0;
	if (equal(command, "stat"))
		return each(show_stat, paths);
	if (equal(command, "cat"))
		return each(show_file, paths);
	if (equal(command, "ls"))
		return each(show_directory, paths);
	if (equal(command, "write"))
		return each(write_file, paths);
	if (equal(command, "env"))
		return show_environment(variables);
	if (equal(command, "id"))
		return show_ids();
	if (equal(command, "cwd"))
		return show_cwd();
	put(STDERR, "hello: stat|cat|ls|write PATH..., env, id or cwd; not ");
	put(STDERR, command);
	put(STDERR, "\n");
	return 2;
}

/* The stack at the start of a process: argc, argv, null, environment, null. */
__attribute__((noreturn, used)) void start(long *stack)
{
	char **arguments = (char **)(stack + 1);
	char **variables = arguments + stack[0] + 1;
	put(STDOUT, "hello from " PLATFORM "\n");
	int code = run(stack[0] ? arguments + 1 : arguments, variables);
	for (;;)
		call(SYS_EXIT_GROUP, code, 0, 0, 0, 0);
}
