// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of sysfs, proc and the disk. All paths are below a root, which is / but in tests.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfioctl.h"

static const char *root = "";

/* Where "/" is from now on; @folder stays the caller's. */
void tree_root(const char *folder)
{
	root = folder;
}

/* False in tests: then nothing but files is touched. */
bool tree_is_real(void)
{
	return !*root;
}

static char *path_of(const char *format, va_list arguments)
{
	char path[PATH_MAX];
	char *full;

	vsnprintf(path, sizeof(path), format, arguments);
	if (asprintf(&full, "%s%s", root, path) < 0)
		abort();
	return full;
}

#define PATH_FROM(path, text)				\
	do {						\
		va_list arguments;			\
							\
		va_start(arguments, format);		\
		(path) = path_of(text, arguments);	\
		va_end(arguments);			\
	} while (0)

/* The path below the root. The caller frees it. */
char *tree_path(const char *format, ...)
{
	char *path;

	PATH_FROM(path, format);
	return path;
}

bool tree_has(const char *format, ...)
{
	char *path;
	bool has;

	PATH_FROM(path, format);
	has = access(path, F_OK) == 0;
	free(path);
	return has;
}

bool tree_may_write(const char *format, ...)
{
	char *path;
	bool may;

	PATH_FROM(path, format);
	may = access(path, W_OK) == 0;
	free(path);
	return may;
}

/* When a file was written, in seconds; -1 where there is none. */
long long tree_time(const char *format, ...)
{
	struct stat stat_of;
	char *path;
	int error;

	PATH_FROM(path, format);
	error = stat(path, &stat_of);
	free(path);
	return error ? -1 : stat_of.st_mtime;
}

static char *read_all(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct text text = {};
	char piece[1 << 16];
	ssize_t got;

	if (fd < 0)
		return NULL;
	text_add(&text, "%s", "");
	while ((got = read(fd, piece, sizeof(piece))) > 0)
		text_add(&text, "%.*s", (int)got, piece);
	close(fd);
	if (got < 0)
		text_free(&text);
	return text.bytes;
}

/* All of a file's text; NULL where it cannot be read. The caller frees it. */
char *tree_read(const char *format, ...)
{
	char *path, *content;

	PATH_FROM(path, format);
	content = read_all(path);
	free(path);
	return content;
}

/* Bytes of a file that is no text; how many there are. */
size_t tree_bytes(unsigned char *bytes, size_t size, const char *path)
{
	char *full = tree_path("%s", path);
	int fd = open(full, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	free(full);
	if (fd >= 0) {
		got = read(fd, bytes, size);
		close(fd);
	}
	return got < 0 ? 0 : got;
}

/* A file's first line, cut to @size; false, and an empty line, where it cannot be read. */
bool tree_line(char *line, size_t size, const char *format, ...)
{
	char *path, *content;

	PATH_FROM(path, format);
	content = read_all(path);
	free(path);
	line[0] = '\0';
	if (!content)
		return false;
	snprintf(line, size, "%.*s", (int)strcspn(content, "\n"), content);
	free(content);
	return true;
}

static bool read_link(const char *path, char *target, size_t size)
{
	ssize_t length = readlink(path, target, size - 1);

	target[length < 0 ? 0 : length] = '\0';
	return length >= 0;
}

/* Where a link points, as seen from the root; false, and nothing, where there is no link. */
bool tree_target(char *target, size_t size, const char *format, ...)
{
	size_t length = strlen(root);
	char *path;
	bool is;

	PATH_FROM(path, format);
	is = read_link(path, target, size);
	free(path);
	if (!strncmp(target, root, length))
		memmove(target, target + length, strlen(target + length) + 1);
	return is;
}

/* The last name of where a link points; false, and an empty name, where there is no link. */
bool tree_link(char *name, size_t size, const char *format, ...)
{
	char target[PATH_MAX], *path;
	bool is;

	PATH_FROM(path, format);
	is = read_link(path, target, sizeof(target));
	free(path);
	snprintf(name, size, "%s", is ? basename(target) : "");
	return is;
}

/* What most file systems of a network remember is enough: a device is none of their files. */
static bool get_stat(const char *path, struct statx *stat_of)
{
	return !statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, stat_of);
}

static bool is_device(const struct statx *file)
{
	return S_ISBLK(file->stx_mode) || S_ISCHR(file->stx_mode);
}

static bool is_same_file(const struct statx *one, const struct statx *other)
{
	if (is_device(one) && is_device(other))
		return (one->stx_mode & S_IFMT) == (other->stx_mode & S_IFMT) &&
		       one->stx_rdev_major == other->stx_rdev_major &&
		       one->stx_rdev_minor == other->stx_rdev_minor;
	return one->stx_ino == other->stx_ino && one->stx_dev_major == other->stx_dev_major &&
	       one->stx_dev_minor == other->stx_dev_minor;
}

/* Is this another name of the same file, or of the same device? */
bool tree_is_same(const char *other, const char *format, ...)
{
	char *full = tree_path("%s", other), *path;
	struct statx one, two;
	bool same;

	PATH_FROM(path, format);
	same = get_stat(path, &one) && get_stat(full, &two) && is_same_file(&one, &two);
	free(path);
	free(full);
	return same;
}

/* A path without links in it; NULL where there is nothing. The caller frees it. */
char *tree_resolve(const char *format, ...)
{
	char *path, *resolved;

	PATH_FROM(path, format);
	resolved = realpath(path, NULL);
	free(path);
	return resolved;
}

void names_add(struct names *names, const char *name)
{
	names->name = realloc(names->name, (names->count + 1) * sizeof(*names->name));
	if (!names->name)
		abort();
	names->name[names->count++] = strdup(name);
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int folder(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && not_hidden(entry);
}

static struct names names_in(const char *path, int (*which)(const struct dirent *entry))
{
	struct dirent **entries = NULL;
	struct names names = {};
	int count, i;

	count = scandir(path, &entries, which, alphasort);
	for (i = 0; i < count; i++) {
		names_add(&names, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return names;
}

/* What is in a folder, sorted; nothing where there is no folder. */
struct names tree_names(const char *format, ...)
{
	struct names names;
	char *path;

	PATH_FROM(path, format);
	names = names_in(path, not_hidden);
	free(path);
	return names;
}

/* The folders that are in a folder, and no links to any. */
struct names tree_folders(const char *format, ...)
{
	struct names names;
	char *path;

	PATH_FROM(path, format);
	names = names_in(path, folder);
	free(path);
	return names;
}

void names_free(struct names *names)
{
	while (names->count)
		free(names->name[--names->count]);
	free(names->name);
	names->name = NULL;
}

static int put(const char *path, const char *content, int flags)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, content, strlen(content)) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* Write to a file that is there. Returns 0 or -errno. @path comes from tree_path(). */
int tree_write(const char *path, const char *content)
{
	return put(path, content, 0);
}

static int make_folders(const char *path)
{
	char *copy = strdup(path), *slash;
	int error = 0;

	for (slash = strchr(copy + 1, '/'); slash && !error; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0755) && errno != EEXIST)
			error = -errno;
		*slash = '/';
	}
	free(copy);
	return error;
}

/* Make a file, and the folders it is in. Returns 0 or -errno. */
int tree_create(const char *path, const char *content)
{
	int error = make_folders(path);

	return error ? error : put(path, content, O_CREAT | O_TRUNC);
}

/* A file that only its owner may open, made if need be. An fd, or -1. */
int tree_open_private(const char *path)
{
	char *full = tree_path("%s", path);
	int fd = open(full, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	free(full);
	return fd;
}
