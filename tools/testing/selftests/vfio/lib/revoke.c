// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking a function from vfio-pci, whoever has it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

static long long longest_ms;

/* How long an unbind of this function waits for its users; -1: for ever. */
int revoke_after(const struct pci_func *func, int milliseconds)
{
	char path[PATH_MAX], text[16];
	struct dirent *entry;
	DIR *folder;
	int ret = -1;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", func->bdf);
	folder = opendir(path);
	if (!folder)
		return -1;
	while ((entry = readdir(folder))) {
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/%s/revoke_after_ms",
			 func->bdf, entry->d_name);
		snprintf(text, sizeof(text), "%d", milliseconds);
		ret = file_write(path, text);
	}
	closedir(folder);
	return ret;
}

/* An unbind by another process, which has none of our fds, since a failing one would never end. */
pid_t unbind_start(const struct pci_func *func)
{
	pid_t pid = fork();

	if (!pid) {
		close_range(3, ~0U, 0);
		_exit(pci_unbind(func) ? 1 : 0);
	}
	return pid;
}

/* The exit status of a process, 124 if it does not end in time. */
int child_end(pid_t pid, int milliseconds)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	int status;

	for (int waited = 0; waitpid(pid, &status, WNOHANG) != pid; waited += 5) {
		if (waited > milliseconds)
			return 124;
		nanosleep(&pause, NULL);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* The longest that an unbind of this program took so far. */
long long unbind_longest_ms(void)
{
	return longest_ms;
}

/*
 * One unbind with this time for the users, who use all of it; without an end it is given one by
 * hand.
 */
bool unbind_ends(const struct pci_func *func, int after_ms)
{
	long long begun = now_ms();
	bool ends = true;
	pid_t pid;

	if (revoke_after(func, after_ms))
		return false;
	pid = unbind_start(func);
	if (after_ms < 0)
		ends = child_end(pid, QUIET_MS) == 124 && !revoke_after(func, 0);
	ends &= !child_end(pid, PATIENCE_MS) && now_ms() - begun >= after_ms;
	longest_ms = now_ms() - begun > longest_ms ? now_ms() - begun : longest_ms;
	return ends;
}

/* Takes the function from vfio-pci at once, whoever has it. */
int take_back(const struct pci_func *func)
{
	errno = EIO;
	return unbind_ends(func, 0) ? 0 : -1;
}
