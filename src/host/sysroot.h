/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of /proc, /sys, /dev and /etc, of this machine or of a copy of one below a directory, read
 * so that nothing in them can crash or hang the reader: at most so many bytes, only regular files
 * (what else is opened is never waited for), links that are resolved below the root and never out
 * of it, directories up to a number of entries.
 *
 * Paths are absolute, as on the machine ("/sys/class/infiniband/%s"), printf style. One too long
 * is -ENAMETOOLONG. A struct sysroot is read by any number of threads at a time.
 *
 * What stands below /sys of devices can be looked for elsewhere: programs give $SYSFS_PATH, where
 * libibverbs looks, and emulated devices are. /sys/kernel, /sys/fs and /sys/devices/system are
 * this machine's all the same.
 */
#ifndef WEFT_HOST_SYSROOT_H
#define WEFT_HOST_SYSROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYSROOT_PATH_MAX 1024
#define SYSROOT_NAME_MAX 256 /* of a directory's entry, with its NUL */

struct sysroot {
	int fd;
	bool real;                    /* this machine: "/" */
	char path[SYSROOT_PATH_MAX];  /* as given; "" when real */
	char sysfs[SYSROOT_PATH_MAX]; /* instead of /sys; "" when that is it */
};

/* dir: NULL or "/": this machine, whose /sys is sysfs when that is neither NULL nor "". 0, or
 * -errno with err_set(). */
int sysroot_open(struct sysroot *ret, const char *dir, const char *sysfs);
void sysroot_close(struct sysroot *root);

/*
 * Reads a file as text: at most room - 1 bytes, then a NUL; bytes of value 0 become blanks, blanks
 * and newlines at its end are cut. Returns its length, or -errno: -EINVAL when it is no regular
 * file. A longer file is cut without a word; read with a larger room where that matters.
 */
int sysroot_read(const struct sysroot *root, char *ret, size_t room, const char *path, ...)
	__attribute__((format(printf, 4, 5)));
/* The first line of a file, cleaned; "" when there is none. */
void sysroot_line(const struct sysroot *root, char *ret, size_t room, const char *path, ...)
	__attribute__((format(printf, 4, 5)));
/* What is no printable ASCII becomes '?', for terminals. Returns text. */
char *sysroot_clean(char *text);
/* A file that holds one decimal number or "0x" and a hexadecimal one, and nothing else. 0, or
 * -errno: -EBADMSG when it does not. */
int sysroot_number(const struct sysroot *root, uint64_t *ret, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
/* The last part of where a link points to ("efa"): a driver, a module, a device. 0, or -errno. */
int sysroot_link(const struct sysroot *root, char *ret, size_t room, const char *path, ...)
	__attribute__((format(printf, 4, 5)));
/* Where a path leads to when all its links are followed, as a path of the machine
 * ("/sys/devices/pci0000:10/..."): what devices have in common is a prefix. 0, or -errno. */
int sysroot_real(const struct sysroot *root, char *ret, size_t room, const char *path, ...)
	__attribute__((format(printf, 4, 5)));
/* 0: it is there, whatever it is; or -errno. */
int sysroot_exists(const struct sysroot *root, const char *path, ...)
	__attribute__((format(printf, 2, 3)));
/* Opens, with O_NONBLOCK, O_NOCTTY and O_CLOEXEC beside flags. The descriptor, or -errno. */
int sysroot_fd(const struct sysroot *root, int flags, const char *path, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Calls fn with each entry of a directory but "." and "..", sorted by name with numbers by value
 * (cpu2 before cpu10), until fn returns other than 0, which is then returned. Only the first most
 * entries that the system gives are looked at. 0, or -errno.
 */
int sysroot_each(const struct sysroot *root, size_t most, int (*fn)(void *ctx, const char *name),
		 void *ctx, const char *path, ...) __attribute__((format(printf, 5, 6)));

#endif /* WEFT_HOST_SYSROOT_H */
