// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a command changes, step by step. With --dry-run each step is shown as a shell command, or as
 * JSON, and nothing is changed.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vfioctl.h"

static void show(const struct steps *steps, const char *what, const char *content,
		 const char *path)
{
	struct text line = {};

	if (content)
		text_add(&line, "%s '%.*s' > %s", what, (int)strcspn(content, "\n"), content, path);
	else
		text_add(&line, "%s %s", what, path);
	if (steps->json)
		json_text(NULL, line.bytes);
	else
		puts(line.bytes);
	text_free(&line);
}

static int changed(char *path, int (*change)(const char *path, const char *content),
		   const char *content)
{
	int error = change(path, content);

	free(path);
	return error;
}

/* Write to a file that is there. 0 or -errno. */
int step_write(const struct steps *steps, const char *content, const char *path)
{
	if (!steps->dry)
		return changed(tree_path("%s", path), tree_write, content);
	show(steps, "echo", content, path);
	return 0;
}

/* Make a file, and the folder that it is in. 0 or -errno. */
int step_create(const struct steps *steps, const char *content, const char *path)
{
	char folder[PATH_MAX];

	if (!steps->dry)
		return changed(tree_path("%s", path), tree_create, content);
	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (!tree_has("%s", folder))
		show(steps, "mkdir -p", NULL, folder);
	show(steps, "echo", content, path);
	return 0;
}

static int discard(const char *path, const char *content)
{
	(void)content;
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

/* Remove a file; it need not be there. 0 or -errno. */
int step_remove(const struct steps *steps, const char *path)
{
	if (!steps->dry)
		return changed(tree_path("%s", path), discard, NULL);
	show(steps, "rm -f", NULL, path);
	return 0;
}

/* Load a module unless its driver is there. 0 or -errno; modprobe does not say which. */
int step_load(const struct steps *steps, const char *module)
{
	int status = -1;
	pid_t child;

	if (tree_has("/sys/bus/pci/drivers/%s", module))
		return 0;
	if (steps->dry) {
		show(steps, "modprobe", NULL, module);
		return 0;
	}
	if (!tree_is_real())
		return -ENOENT;
	child = fork();
	if (child < 0)
		return -errno;
	if (!child) {
		execlp("modprobe", "modprobe", module, NULL);
		execl("/sbin/modprobe", "modprobe", module, NULL);
		_exit(127);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!status)
		return 0;
	return geteuid() ? -EPERM : -ENOENT;
}
