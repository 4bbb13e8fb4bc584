// SPDX-License-Identifier: GPL-2.0-only
/*
 * As much of a driver for NVMe as talks to a controller: its admin queue, one command at a time,
 * without interrupts; and queues as a source of interrupts, each with a vector of its own. Commands
 * and answers are memory of the user, so that a controller that answers does DMA.
 *
 * QEMU's controller sends the messages of those queues only that were made after MSI-X was enabled.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <unistd.h>

#include "vfio.h"

#define NVME_CC		0x14		/* configuration */
#define NVME_ENABLE	0x00460001U	/* entries of 64 and of 16 bytes */
#define NVME_CSTS	0x1c		/* status */
#define NVME_READY	1U
#define NVME_AQA	0x24		/* entries of the queues, less one */
#define NVME_ASQ	0x28		/* where the commands are */
#define NVME_ACQ	0x30		/* where the answers are */
#define NVME_TAIL(queue)	(0x1000 + 8 * (queue))	/* doorbells */
#define NVME_HEAD(queue)	(0x1004 + 8 * (queue))

/* What of the memory is where, a page each. The first queue is the admin queue. */
#define NVME_COMMANDS(queue)	(2 * (queue) * PAGE)
#define NVME_ANSWERS(queue)	(NVME_COMMANDS(queue) + PAGE)
#define NVME_DATA		(2 * NVME_QUEUES * PAGE)
#define NVME_MEMORY		(NVME_DATA + PAGE)

#define NVME_ENTRIES	8U

#define NVME_NEW_COMMANDS	0x01
#define NVME_NEW_ANSWERS	0x05
#define NVME_IN_ONE_PIECE	1U
#define NVME_INTERRUPTS		2U
#define NVME_IDENTIFY	0x06
#define NVME_MANAGE	0x1c		/* virtual functions */
#define CNS_CONTROLLER	0x01
#define CNS_SECONDARY	0x15

/* To give to a secondary controller, which is off, or to turn it on. */
#define MANAGE_ASSIGN	8U
#define MANAGE_QUEUES	0x000U
#define MANAGE_VECTORS	0x100U
#define MANAGE_ONLINE	9U

struct command {
	__u32 opcode;
	__u32 words[5];
	__u64 data[2];
	__u32 arguments[6];
};

struct answer {
	__u32 result[2];
	__u32 queue;
	__u16 id;
	__u16 status;			/* bit 0 changes with each round */
};

static bool becomes_ready(const struct client *c, __u32 ready)
{
	for (int tries = 0; tries < PATIENCE_MS / 5; tries++) {
		if ((bar_read32(c, 0, NVME_CSTS) & NVME_READY) == ready)
			return true;
		usleep(5000);
	}
	errno = ETIMEDOUT;
	return false;
}

static int write64(const struct client *c, __u64 at, __u64 value)
{
	return bar_write32(c, 0, at, value) || bar_write32(c, 0, at + 4, value >> 32) ? -1 : 0;
}

/* Starts the controller anew, with memory mapped for it at @iova that belongs to the container. */
int nvme_start(struct nvme *n, const struct client *c, __u64 iova)
{
	*n = (struct nvme){ .c = c, .iova = iova, .memory = memory_new(NVME_MEMORY) };
	if (!n->memory || dma_map_rw(c->container, n->memory, iova, NVME_MEMORY) ||
	    config_command(c, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0) ||
	    bar_write32(c, 0, NVME_CC, 0) || !becomes_ready(c, 0))
		return -1;
	if (bar_write32(c, 0, NVME_AQA, (NVME_ENTRIES - 1) << 16 | (NVME_ENTRIES - 1)) ||
	    write64(c, NVME_ASQ, iova + NVME_COMMANDS(0)) ||
	    write64(c, NVME_ACQ, iova + NVME_ANSWERS(0)) ||
	    bar_write32(c, 0, NVME_CC, NVME_ENABLE))
		return -1;
	return becomes_ready(c, NVME_READY) ? 0 : -1;
}

/* Waits until the answer of this round is there; returns what it says, ~0 if it does not come. */
static __u16 answer_wait(const struct answer *answer, __u16 round)
{
	for (int tries = 0; tries < PATIENCE_MS / 5; tries++) {
		__u16 status = __atomic_load_n(&answer->status, __ATOMIC_ACQUIRE);

		if ((status & 1) == round)
			return status >> 1;
		usleep(5000);
	}
	return ~0;
}

/* Puts a command into a queue whose former ones are done. */
static int nvme_submit(struct nvme *n, unsigned int queue, const struct command *command)
{
	struct command *commands = (struct command *)(n->memory + NVME_COMMANDS(queue));
	__u32 slot = n->commands[queue]++ % NVME_ENTRIES;

	commands[slot] = *command;
	return bar_write32(n->c, 0, NVME_HEAD(queue), slot) ||
	       bar_write32(n->c, 0, NVME_TAIL(queue), (slot + 1) % NVME_ENTRIES) ? -1 : 0;
}

/* One command for the controller; EIO if it does not like it, or does not answer. */
static int nvme_command(struct nvme *n, __u32 opcode, __u64 data, __u32 argument, __u32 second)
{
	const struct answer *answers = (struct answer *)(n->memory + NVME_ANSWERS(0));
	const struct command command = {
		.opcode = opcode,
		.data = { data },
		.arguments = { argument, second },
	};
	unsigned int nth = n->commands[0];

	if (nvme_submit(n, 0, &command))
		return -1;
	errno = EIO;
	return answer_wait(answers + nth % NVME_ENTRIES, !(nth / NVME_ENTRIES % 2)) ? -1 : 0;
}

/* A queue, 1 to NVME_QUEUES - 1, whose answers come with the MSI-X vector of this number. */
int nvme_queue(struct nvme *n, unsigned int queue)
{
	__u32 what = (NVME_ENTRIES - 1) << 16 | queue;

	return nvme_command(n, NVME_NEW_ANSWERS, n->iova + NVME_ANSWERS(queue), what,
			    queue << 16 | NVME_INTERRUPTS | NVME_IN_ONE_PIECE) ||
	       nvme_command(n, NVME_NEW_COMMANDS, n->iova + NVME_COMMANDS(queue), what,
			    queue << 16 | NVME_IN_ONE_PIECE) ? -1 : 0;
}

/* Has a queue's vector sent: a command for no namespace is answered. The former one has been. */
int nvme_raise(struct nvme *n, unsigned int queue)
{
	return nvme_submit(n, queue, &(struct command){ });
}

/* What the controller says its serial number is. */
int nvme_serial(struct nvme *n, char *serial, size_t size)
{
	size_t length = 20;

	memset(n->memory + NVME_DATA, 0, PAGE);
	if (nvme_command(n, NVME_IDENTIFY, n->iova + NVME_DATA, CNS_CONTROLLER, 0))
		return -1;
	while (length && n->memory[NVME_DATA + 4 + length - 1] == ' ')
		length--;
	if (length >= size)
		length = size - 1;
	memcpy(serial, n->memory + NVME_DATA + 4, length);
	serial[length] = 0;
	return 0;
}

/* Turns the controller of a virtual function on, with as much as it needs for its admin queue. */
int nvme_vf_on(struct nvme *pf, int nth)
{
	const __u8 *entry = (const __u8 *)pf->memory + NVME_DATA + 32 + 32 * nth;
	__u32 id;

	memset(pf->memory + NVME_DATA, 0, PAGE);
	if (nvme_command(pf, NVME_IDENTIFY, pf->iova + NVME_DATA, CNS_SECONDARY, 0))
		return -1;
	id = (entry[0] | entry[1] << 8) << 16;
	if (nvme_command(pf, NVME_MANAGE, 0, id | MANAGE_QUEUES | MANAGE_ASSIGN, 2) ||
	    nvme_command(pf, NVME_MANAGE, 0, id | MANAGE_VECTORS | MANAGE_ASSIGN, 1))
		return -1;
	return nvme_command(pf, NVME_MANAGE, 0, id | MANAGE_ONLINE, 0);
}
