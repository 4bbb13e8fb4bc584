/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfioctl: what an administrator sees and does of VFIO, by sysfs and proc alone.
 *
 * One noun per file; a file calls only what stands before it here, which is the order in the
 * Makefile: text, message, tree, json, names, device, module, holder, group, print, use, acs, fd,
 * steps, former, persist, binding, action, then the
 * commands.
 */
#ifndef VFIOCTL_H
#define VFIOCTL_H

#include <stdbool.h>
#include <stddef.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* ---- text.c: text that grows, UTF-8, and numbers. */
struct text {
	char *bytes;		/* ends with NUL; NULL while empty */
	size_t length;
};

__printf(2, 3) void text_add(struct text *text, const char *format, ...);
bool text_number(const char *text, int least, int *value);
size_t text_character(const char *bytes, unsigned int *code);
void text_add_printable(struct text *text, const char *value);
const char *text_or_empty(const struct text *text);
void text_free(struct text *text);

/* ---- message.c: exit codes and messages. The numbers are in the manual page. */
enum status {
	STATUS_OK,
	STATUS_FAILED,		/* it was tried and did not work; doctor: something is wrong */
	STATUS_USAGE,
	STATUS_NOT_FOUND,	/* no such device or group */
	STATUS_DENIED,		/* needs root */
	STATUS_BUSY,		/* somebody uses it */
};

__printf(1, 2) void message(const char *format, ...);
__printf(2, 3) int failure(enum status status, const char *format, ...);
enum status status_of(int error);
__printf(2, 3) int failure_of(int error, const char *format, ...);

/* ---- tree.c: files, below a root that tests can choose. */
struct names {
	char **name;		/* sorted */
	size_t count;
};

void tree_root(const char *folder);
bool tree_is_real(void);
__printf(1, 2) char *tree_path(const char *format, ...);
__printf(1, 2) bool tree_has(const char *format, ...);
__printf(1, 2) bool tree_may_write(const char *format, ...);
__printf(1, 2) long long tree_time(const char *format, ...);
__printf(1, 2) char *tree_read(const char *format, ...);
__printf(3, 4) bool tree_line(char *line, size_t size, const char *format, ...);
__printf(3, 4) bool tree_link(char *name, size_t size, const char *format, ...);
__printf(3, 4) bool tree_target(char *target, size_t size, const char *format, ...);
__printf(2, 3) bool tree_is_same(const char *other, const char *format, ...);
__printf(1, 2) char *tree_resolve(const char *format, ...);
__printf(1, 2) struct names tree_names(const char *format, ...);
__printf(1, 2) struct names tree_folders(const char *format, ...);
size_t tree_bytes(unsigned char *bytes, size_t size, const char *path);
void names_add(struct names *names, const char *name);
void names_free(struct names *names);
int tree_write(const char *path, const char *content);
int tree_create(const char *path, const char *content);
int tree_open_private(const char *path);

/* ---- json.c: a stream of JSON on standard output. A NULL key is a member of an array. */
void json_open(const char *key, char bracket);
void json_close(char bracket);
void json_text(const char *key, const char *value);
void json_number(const char *key, long long value);
void json_bool(const char *key, bool value);
void json_null(const char *key);
void json_end(void);

/* ---- names.c: names of devices, from pci.ids. */
void names_of_device(unsigned int vendor, unsigned int device, char *buf, size_t size);

/* ---- device.c: a PCI function. */
#define NAME_SIZE 64

struct device {
	char name[NAME_SIZE];		/* 0000:06:0d.0 */
	char driver[NAME_SIZE];		/* empty: none */
	char override[NAME_SIZE];	/* driver_override; empty: none */
	char vfio[NAME_SIZE];		/* vfioX, where VFIO has it; else empty */
	char label[160];		/* for people */
	unsigned int vendor, device;
	unsigned int class;		/* 24 bits: class, subclass, interface */
	int group;			/* -1: none */
};

bool device_parse(const char *text, char *name, size_t size);
bool device_load(struct device *device, const char *name);
bool device_is_bridge(const struct device *device);
bool device_hinders(const struct device *device);

/* ---- module.c: which VFIO is loaded. */
enum flavour { VFIO_NONE, VFIO_STANDALONE, VFIO_IN_TREE };

struct module {
	enum flavour flavour;
	char version[NAME_SIZE];
};

void module_load(struct module *module);
const char *flavour_name(enum flavour flavour);
bool module_installed(char *version, size_t size);
void module_strangers(const struct module *module, struct text *strangers);
bool module_parameter_is_on(const char *module, const char *parameter);

/* ---- holder.c: processes that have something open. */
struct holder {
	long pid;
	char command[NAME_SIZE];
};

struct holders {
	struct holder *holder;
	size_t count;
};

void holders_add(struct holders *holders, long pid, const char *command);
void holders_parse(struct holders *holders, const char *lines);
void holders_find(struct holders *holders, const char *opened);
bool holder_memlock(const char *process, char *limit, size_t size);
void holders_text(const struct holders *holders, struct text *text);
void holders_free(struct holders *holders);

/* ---- group.c: an IOMMU group with its devices. */
struct group {
	int id;
	bool noiommu;
	char node[NAME_SIZE];		/* /dev/vfio/N; empty: VFIO has no device of it */
	char state[NAME_SIZE];		/* free, open, attached; "none" without a node */
	struct device *devices;
	size_t count;
	struct holders holders;
	struct names blockers;		/* "DEVICE DRIVER" for each that keeps it from being used */
};

bool group_load(struct group *group, int id);
void group_free(struct group *group);
bool group_is_viable(const struct group *group);
const struct device *group_blocking_bridge(const struct group *group);
bool group_all(int **ids, size_t *count);

struct target {
	struct group group;		/* id -1: the device has none, and is its only member */
	char device[NAME_SIZE];		/* empty: the group was named */
};

int target_load(struct target *target, const char *text);
bool target_is_group(const struct target *target, bool whole_group);
bool target_has(const struct target *target, const struct device *device, bool whole_group);

/* ---- print.c: devices and groups, as text and as JSON. */
void print_device(const struct device *device);
void print_group(const struct group *group);
void json_holders(const char *key, const struct holders *holders);
void json_device(const char *key, const struct device *device);
void json_group(const char *key, const struct group *group);
void json_module(const char *key);
void json_names(const char *key, const struct names *names);

/* ---- use.c: does the host itself use a device? */
bool use_by_host(const struct device *device, struct text *what);

/* ---- acs.c: why devices share a group. */
void acs_explain(const struct group *group, struct text *why);

/* ---- fd.c: what a process has open of VFIO, and what fdinfo says of it. */
enum fds { FDS_HIDDEN, FDS_OTHERS, FDS_OF_VFIO };

enum fds fds_of(long pid);
void json_fds(const char *key, long pid);
void print_fds(long pid);

/* ---- steps.c: writes that can be shown instead of done. */
struct steps {
	bool dry;
	bool json;		/* shown as members of an open array */
};

int step_write(const struct steps *steps, const char *content, const char *path);
int step_create(const struct steps *steps, const char *content, const char *path);
int step_remove(const struct steps *steps, const char *path);
int step_load(const struct steps *steps, const char *module);

/* ---- former.c: which driver a device had before. */
void former_remember(const struct steps *steps, const struct device *device);
bool former_recall(const struct device *device, char *driver, size_t size);
void former_forget(const struct steps *steps, const struct device *device);

/* ---- persist.c: what is to be bound at each boot. */
int persist_set(const struct steps *steps, const struct device *device);
bool persist_has(const struct device *device);
bool persist_needs_initramfs(void);
bool persist_is_in_initramfs(const struct device *device);
int persist_clear(const struct steps *steps, const struct device *device);

/* ---- binding.c: the driver of a device. */
int binding_take(const struct steps *steps, const struct device *device);
int binding_give(const struct steps *steps, const struct device *device, int after);
int binding_renew(const struct steps *steps, const struct device *device, int after);

/* ---- options of the command line. */
struct options {
	bool json;
	bool group;		/* the whole group */
	bool persist;
	bool force;
	bool dry;
	int after;		/* milliseconds; -1: for ever; AFTER_UNSET: leave it as it is */
	int times;		/* how often watch looks; 0: for ever */
	int interval;		/* milliseconds between two looks */
	const char *target;	/* NULL: all */
};

#define AFTER_UNSET (-2)
#define VFIO_DRIVER "vfio-pci"

/* ---- action.c: what bind, unbind and revoke have in common. All answer with a status. */
struct action {
	const char *verb;
	bool in_turn;		/* one at a time */
	/* Of a group: has it nothing to do with this device? */
	bool (*passes)(const struct device *device);
	/* Looks at what is meant as a whole, then at all devices, before the first is touched. */
	int (*check_target)(const struct target *target, const struct options *options);
	int (*check)(const struct device *device, const struct options *options);
	int (*prepare)(const struct steps *steps);
	int (*one)(const struct steps *steps, const struct device *device,
		   const struct options *options);
	/* What people should know afterwards. */
	void (*hint)(const struct target *target, const struct options *options);
};

int action_run(const struct action *action, const struct options *options);
int action_without_device(int (*one)(const struct steps *steps, const struct device *device),
			  const struct device *device, const struct options *options);

/* ---- the commands, each in a file of its name. */
int command_list(const struct options *options);
int command_status(const struct options *options);
int command_bind(const struct options *options);
int command_unbind(const struct options *options);
int command_revoke(const struct options *options);
int command_doctor(const struct options *options);
int command_watch(const struct options *options);

#endif
